//! A sealing that is killed leaves whole files only, and the next one goes on.

use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use marketstream_proto::TickKind;
use marketstream_streamer::seal::now_s;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::RowAccessor,
};

use super::data::{Data, HOUR, files};

/// How often each tick (kind, time, number) is in the sealed files. Every file must be whole.
fn sealed(data: &Path) -> BTreeMap<(String, i64, i64), usize> {
    let mut ticks = BTreeMap::new();
    for path in files(&data.join("parquet/ticks")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind = TickKind::ALL.into_iter().find(|kind| name.contains(&format!("_{}_", kind.as_str()))).unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap_or_else(|error| panic!("{name}: {error}"));
            let (at, number) = (row.get_timestamp_micros(0).unwrap(), row.get_long(2).unwrap());
            *ticks.entry((kind.as_str().to_owned(), at, number)).or_insert(0) += 1;
        }
    }
    ticks
}

fn start(data: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_marketstream-streamer"))
        .args(["seal", "--data-dir"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_sealing_leaves_whole_files_and_the_next_goes_on() {
    let mut data = Data::new();
    let now = now_s();
    let today = now - now.rem_euclid(24 * HOUR);
    // A day that is long over, and hours of one that is not, where there are any.
    for hour in (0..6).map(|hour| today - 5 * 24 * HOUR + hour * HOUR).chain((1..3).map(|hour| today - hour * HOUR)) {
        for kind in [TickKind::Last, TickKind::BidAsk] {
            data.record(kind, hour, 300);
        }
    }
    let recorded: BTreeMap<_, _> =
        data.ticks.iter().map(|tick| ((tick.tt.clone(), tick.ts, tick.sequence as i64), 1)).collect();
    assert_eq!(recorded.len(), data.ticks.len());

    // Killed ever later, until one comes to its end.
    let (mut patience, mut kills, end) = (Duration::ZERO, 0, Instant::now() + Duration::from_secs(120));
    loop {
        let (mut child, deadline) = (start(data.path()), Instant::now() + patience);
        let ended = loop {
            if child.try_wait().unwrap().is_some() {
                break true;
            }
            if Instant::now() >= deadline {
                break false;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        if !ended {
            child.kill().unwrap();
            kills += 1;
        }
        let status = child.wait().unwrap();
        let found = sealed(data.path());
        assert!(found.iter().all(|(tick, count)| *count == 1 && recorded.contains_key(tick)), "doubled or made up");
        if status.success() {
            break;
        }
        assert!(!ended, "the sealing failed by itself: {status}");
        assert!(Instant::now() < end, "{kills} kills, and it never came to its end");
        patience += Duration::from_millis(3);
    }
    assert!(kills > 0);
    assert_eq!(sealed(data.path()), recorded);
}
