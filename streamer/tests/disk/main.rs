//! Disks that fail for real: small file systems in a mount namespace of their own, which takes root, as CI has it.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod device;
mod tmpfs;

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
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

/// Where a test finds its folder: set only inside the namespace.
const FOLDER: &str = "MARKETSTREAM_TEST_FOLDER";
const HOUR: i64 = 1_795_467_600;
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test of this program again, in a mount namespace in which `setup` was carried out in a new folder. Returns that
/// folder there, and nothing in the outer process: the test has passed.
fn in_a_namespace(test: &str, setup: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("set -e; cd \"${FOLDER}\"; {setup}; exec \"$0\" --exact \"$1\" --nocapture");
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(FOLDER, folder.path())
        .status()
        .unwrap();
    assert!(status.success(), "{test}: it needs root for mounts and loop devices, or it failed there");
    None
}

fn run(command: &str, args: &[&str], path: &Path) {
    assert!(Command::new(command).args(args).arg(path).status().unwrap().success(), "{command} {args:?} {path:?}");
}

fn mount(options: &str, volume: &Path) {
    run("mount", &["-o", options], volume);
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
