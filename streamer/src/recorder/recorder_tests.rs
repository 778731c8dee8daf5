use std::{fs, io::Write, path::Path, time::Instant};

use marketstream_proto::{TickKind, framing::Reader, layout::HourFile};

use super::*;
use crate::backfill::ledger::Recorded;

const HOUR: i64 = 1_795_467_600;
const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };

fn tick(second: i64, price: f64) -> TickMessage {
    TickMessage {
        ts: second * 1_000_000,
        cid: 7,
        tt: TickKind::Last.as_str().to_owned(),
        p: Some(price),
        ..TickMessage::default()
    }
}

fn start(data: &Path) -> Recorder {
    let clock = Clock::start();
    let cadence = Cadence { flush: Duration::from_millis(5), sync: Duration::from_millis(10) };
    Recorder::start(data.to_owned(), cadence, clock, Arc::new(Heart::new(clock))).unwrap()
}

fn path(data: &Path, second: i64) -> PathBuf {
    data.join(HourFile::of_tick(7, TickKind::Last, second * 1_000_000).path().unwrap())
}

fn read(path: &Path) -> Vec<(u64, f64)> {
    let bytes = fs::read(path).unwrap();
    Reader::new(bytes.as_slice()).map(|tick| tick.map(|tick| (tick.sequence, tick.p.unwrap())).unwrap()).collect()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn ticks_go_to_the_file_of_their_hour_and_the_sequence_goes_on_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let recorder = start(data.path());
    for (second, price) in [(HOUR, 1.0), (HOUR + 3599, 2.0), (HOUR + 3600, 3.0), (HOUR + 3599, 4.0)] {
        assert!(recorder.feed().tick(&tick(second, price)));
    }
    recorder.stop();
    let recorder = start(data.path());
    assert!(recorder.feed().tick(&tick(HOUR, 5.0)));
    recorder.stop();
    assert_eq!(read(&path(data.path(), HOUR)), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0)]);
    assert_eq!(read(&path(data.path(), HOUR + 3600)), [(1, 3.0)]);
}

#[test]
fn a_torn_tail_is_cut_before_anything_is_appended() {
    let data = tempfile::tempdir().unwrap();
    let recorder = start(data.path());
    assert!(recorder.feed().tick(&tick(HOUR, 1.0)));
    recorder.stop();
    let path = path(data.path(), HOUR);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0, 0, 0, 40, 8, 1]).unwrap();
    let recorder = start(data.path());
    assert!(recorder.feed().tick(&tick(HOUR, 2.0)));
    recorder.stop();
    assert_eq!(read(&path), [(1, 1.0), (2, 2.0)]);
}

#[test]
fn a_refused_write_is_reported_and_caught_up_on() {
    let data = tempfile::tempdir().unwrap();
    // A file where a folder should be: no permission can be taken from root, but this nobody can write to.
    let block = data.path().join("2026");
    fs::write(&block, "").unwrap();
    let recorder = start(data.path());
    assert!(recorder.feed().tick(&tick(HOUR, 1.0)));
    let storage = recorder.storage();
    until("the error is reported", || !storage.borrow().writable);
    assert!(storage.borrow().message.as_deref().is_some_and(|message| message.contains("7_last")));
    assert!(recorder.feed().tick(&tick(HOUR + 1, 2.0)));
    fs::remove_file(&block).unwrap();
    until("the volume works again", || storage.borrow().writable);
    recorder.stop();
    assert_eq!(read(&path(data.path(), HOUR)), [(1, 1.0), (2, 2.0)]);
    assert_eq!(storage.borrow().dropped, 0);
}

#[test]
fn a_file_that_cannot_be_written_holds_up_no_other() {
    let data = tempfile::tempdir().unwrap();
    let broken = path(data.path(), HOUR);
    fs::create_dir_all(&broken).unwrap();
    let recorder = start(data.path());
    let (feed, storage) = (recorder.feed(), recorder.storage());
    let long = |number: i64| TickMessage { exchange: Some("x".repeat(60_000)), ..tick(HOUR + number / 100, 1.0) };
    let mut taken = 0;
    until("its ticks are refused", || {
        let more = feed.tick(&long(taken));
        taken += i64::from(more);
        // Not because the queue is full.
        !more && feed.waiting() == 0
    });
    assert!(taken * 60_000 >= queue::MAX_BYTES as i64, "{taken} were held");
    let trouble = feed.doubts().take();
    assert_eq!(trouble.unwritten.into_iter().collect::<Vec<_>>(), [(STREAM, HOUR)]);
    // Neither another stream nor the next hour of the same one.
    assert!(feed.tick(&TickMessage { cid: 8, ..tick(HOUR, 2.0) }) && feed.tick(&tick(HOUR + 3_600, 3.0)));
    let other = HourFile::of_tick(8, TickKind::Last, HOUR * 1_000_000).path().unwrap();
    until("the others are written", || {
        [data.path().join(&other), path(data.path(), HOUR + 3_600)]
            .iter()
            .all(|path| path.exists() && read(path).len() == 1)
    });
    until("it is reported", || !storage.borrow().writable && storage.borrow().dropped > 0);

    fs::remove_dir(&broken).unwrap();
    until("it is written", || storage.borrow().writable);
    assert_eq!(feed.doubts().take(), Trouble::default());
    assert!(feed.tick(&tick(HOUR, 4.0)));
    recorder.stop();
    assert_eq!(read(&broken).len() as i64, taken + 1);
}

#[test]
fn a_file_that_has_lost_its_end_is_told_of() {
    let data = tempfile::tempdir().unwrap();
    let recorder = start(data.path());
    for second in [HOUR + 5, HOUR + 9] {
        assert!(recorder.feed().tick(&tick(second, 1.0)));
    }
    recorder.stop();
    let path = path(data.path(), HOUR);
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
    let recorder = start(data.path());
    let feed = recorder.feed();
    assert!(feed.tick(&tick(HOUR + 20, 2.0)));
    until("the loss is told", || feed.doubts().take().lost.get(&STREAM) == Some(&(HOUR + 5)));
    recorder.stop();
    assert!(feed.doubts().take().ended);
    assert_eq!(read(&path), [(1, 1.0), (2, 2.0)]);
}

#[test]
fn a_change_of_what_the_disk_had_confirmed_shows() {
    let data = tempfile::tempdir().unwrap();
    let path = path(data.path(), HOUR);
    // Two processes, and more than a block.
    for process in 0..2 {
        let recorder = start(data.path());
        let long = |number: i64| TickMessage { exchange: Some("x".repeat(1_000)), ..tick(HOUR + number, 1.0) };
        assert!((0..50).all(|number| recorder.feed().tick(&long(process * 50 + number))));
        recorder.stop();
    }
    let mut content = fs::read(&path).unwrap();
    let bad = || crate::sums::bad_blocks(&path, fs::metadata(&path).unwrap().len()).unwrap();
    assert_eq!(bad(), []);
    for at in [10, 60_000, 90_000] {
        content[at] ^= 1;
        fs::write(&path, &content).unwrap();
        assert!(bad().len() == 1 && bad()[0].contains(&(at as u64)), "{:?}", bad());
        content[at] ^= 1;
    }
}

#[test]
fn a_tick_without_a_place_is_counted() {
    let data = tempfile::tempdir().unwrap();
    let recorder = start(data.path());
    assert!(!recorder.feed().tick(&TickMessage { tt: "foreign".to_owned(), ..tick(HOUR, 1.0) }));
    let storage = recorder.storage();
    until("the tick is counted", || storage.borrow().dropped == 1);
    assert!(storage.borrow().writable);
    recorder.stop();
}

#[test]
fn ticks_reach_the_disk_while_it_runs() {
    let data = tempfile::tempdir().unwrap();
    let recorder = start(data.path());
    assert!(recorder.feed().tick(&tick(HOUR, 1.0)));
    let path = path(data.path(), HOUR);
    until("the tick is flushed", || fs::metadata(&path).is_ok_and(|file| file.len() > 0));
    recorder.stop();
}
