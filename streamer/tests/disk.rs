//! A volume that is really full, and one that is really read-only: a small tmpfs in a mount namespace of its own, which
//! takes root, as CI has it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::File,
    io::{BufReader, Write},
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use marketstream_proto::{TickKind, TickMessage, framing::Reader, layout::HourFile};
use marketstream_streamer::{
    clock::Clock,
    facts::Heart,
    recorder::{Cadence, Recorder},
};

/// Where the test finds its tmpfs: set only inside the namespace.
const VOLUME: &str = "MARKETSTREAM_TEST_VOLUME";
const HOUR: i64 = 1_795_467_600;
/// Smaller than what is recorded, so that it fills up.
const SIZE: &str = "size=256k";
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test of this program again, in a mount namespace with a tmpfs of that size. True in the outer process: the
/// test has passed there.
fn in_a_namespace(test: &str) -> bool {
    if std::env::var_os(VOLUME).is_some() {
        return false;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o {SIZE} tmpfs \"${VOLUME}\" && exec \"$0\" --exact \"$1\" --nocapture");
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(VOLUME, folder.path())
        .status()
        .unwrap();
    assert!(status.success(), "{test}: it needs root for a mount namespace, or it failed there");
    true
}

fn mount(options: &str, volume: &Path) {
    assert!(Command::new("mount").args(["-o", options]).arg(volume).status().unwrap().success());
}

fn start(volume: &Path) -> Recorder {
    let clock = Clock::start();
    let cadence = Cadence { flush: Duration::from_millis(5), sync: Duration::from_millis(10) };
    Recorder::start(volume.to_owned(), cadence, clock, Arc::new(Heart::new(clock))).unwrap()
}

fn tick(price: f64) -> TickMessage {
    TickMessage { ts: HOUR * 1_000_000, cid: 7, tt: "last".to_owned(), p: Some(price), ..TickMessage::default() }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sequence and price of all records; the file has whole records only.
fn read(volume: &Path) -> Vec<(u64, f64)> {
    let path = volume.join(HourFile::of_tick(7, TickKind::Last, HOUR * 1_000_000).path().unwrap());
    let records = Reader::new(BufReader::new(File::open(path).unwrap()));
    records.map(|tick| tick.map(|tick| (tick.sequence, tick.p.unwrap())).unwrap()).collect()
}

#[test]
fn a_full_disk_is_reported_refuses_what_cannot_be_held_and_loses_nothing_that_was_taken() {
    if in_a_namespace("a_full_disk_is_reported_refuses_what_cannot_be_held_and_loses_nothing_that_was_taken") {
        return;
    }
    let volume = std::env::var(VOLUME).unwrap();
    let volume = Path::new(&volume);
    let recorder = start(volume);
    let (feed, storage) = (recorder.feed(), recorder.storage());
    let mut taken = Vec::new();
    let mut price = 0.0;
    // Until the disk is full, what may be held is held, and the queue takes no more.
    until("ticks are refused", || {
        for _ in 0..1_000 {
            price += 1.0;
            if feed.tick(&tick(price)) {
                taken.push(price);
            } else {
                return true;
            }
        }
        false
    });
    until("it is reported", || !storage.borrow().writable && storage.borrow().dropped > 0);
    let message = storage.borrow().message.clone().unwrap();
    assert!(message.contains("No space left") && message.contains("7_last"), "{message}");

    mount("remount,size=64m", volume);
    until("the disk takes writes again", || storage.borrow().writable && feed.waiting() == 0);
    price += 1.0;
    assert!(feed.tick(&tick(price)));
    taken.push(price);
    recorder.stop();
    // Every tick that was taken, once, in order, numbered without a hole.
    let expected: Vec<_> = (1..).zip(taken).collect();
    assert!(read(volume) == expected, "the file differs from what was taken");
}

#[test]
fn a_read_only_volume_is_reported_and_caught_up_on() {
    if in_a_namespace("a_read_only_volume_is_reported_and_caught_up_on") {
        return;
    }
    let volume = std::env::var(VOLUME).unwrap();
    let volume = Path::new(&volume);
    let probe = volume.join("probe");
    mount("remount,ro", volume);
    assert!(File::create(&probe).is_err(), "it is read-only");
    let recorder = start(volume);
    let storage = recorder.storage();
    assert!(recorder.feed().tick(&tick(1.0)));
    until("it is reported", || !storage.borrow().writable);
    let message = storage.borrow().message.clone().unwrap();
    assert!(message.contains("Read-only file system"), "{message}");
    assert!(recorder.feed().tick(&tick(2.0)));

    mount("remount,rw", volume);
    File::create(&probe).unwrap().write_all(b"x").unwrap();
    until("the volume works again", || storage.borrow().writable);
    recorder.stop();
    assert_eq!(read(volume), [(1, 1.0), (2, 2.0)]);
    assert_eq!(storage.borrow().dropped, 0);
}
