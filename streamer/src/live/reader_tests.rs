use std::{fs, io::Write};

use marketstream_proto::framing;

use super::*;
use crate::backfill::store::Files;

const HOUR: i64 = 1_795_467_600;
const KIND: TickKind = TickKind::Last;

/// The recorder's part: appends to a file and shows it.
struct Disk {
    data: tempfile::TempDir,
    hub: Arc<Hub>,
}

impl Disk {
    fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap(), hub: Arc::default() }
    }

    fn write(&self, hour: i64, sequences: std::ops::RangeInclusive<u64>) {
        let file = HourFile { hour, con_id: 7, kind: KIND };
        let path = self.data.path().join(file.path().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = Vec::new();
        for sequence in sequences {
            let tick = TickMessage {
                ts: (hour + 5) * 1_000_000,
                cid: 7,
                tt: KIND.as_str().to_owned(),
                sequence,
                ..TickMessage::default()
            };
            framing::append(&mut bytes, &tick).unwrap();
        }
        fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(&bytes).unwrap();
        self.hub.wrote(file, &bytes);
    }

    /// As the backfill does it.
    fn fetch(&self, hour: i64, count: i64) {
        let tick = |at| TickMessage {
            ts: (hour + at) * 1_000_000,
            cid: 7,
            tt: KIND.as_str().to_owned(),
            source: Source::Backfill.into(),
            ..TickMessage::default()
        };
        let ticks: Vec<TickMessage> = (0..count).map(tick).collect();
        Files::new(self.data.path()).add(Recorded { con_id: 7, kind: KIND }, &ticks).unwrap();
    }

    fn reader(&self, after: Option<&str>) -> Reader {
        self.wants(Wanted { after: after.map(|text| text.parse().unwrap()), from_us: None })
    }

    fn wants(&self, wanted: Wanted) -> Reader {
        Reader::new(self.hub.clone(), self.data.path(), 7, &[KIND], wanted)
    }
}

async fn tick(reader: &mut Reader) -> Arc<TickMessage> {
    loop {
        match reader.next().await.unwrap() {
            Got::Stored(tick) | Got::Written(tick) => return tick,
            Got::Live => {}
        }
    }
}

async fn sequences(reader: &mut Reader, count: usize) -> Vec<u64> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(tick(reader).await.sequence);
    }
    found
}

#[tokio::test]
async fn without_a_cursor_it_begins_with_the_next_tick() {
    let disk = Disk::new();
    disk.write(HOUR, 1..=3);
    let mut reader = disk.reader(None);
    disk.write(HOUR, 4..=5);
    assert_eq!(sequences(&mut reader, 2).await, [4, 5]);
    assert_eq!(reader.cursor().to_string(), format!("7/last:{HOUR}:5"));
}

#[tokio::test]
async fn what_was_missed_comes_from_the_files_and_then_each_tick_once() {
    let disk = Disk::new();
    disk.write(HOUR, 1..=2_500);
    disk.write(HOUR + 3_600, 1..=2);
    let mut reader = disk.reader(Some(&format!("7/last:{HOUR}:3")));
    // Written while it reads, before it listens, and while it listens: at any point each tick comes once.
    let mut found = sequences(&mut reader, 1_000).await;
    disk.write(HOUR, 2_501..=2_502);
    found.extend(sequences(&mut reader, 1_499).await);
    assert!(found.into_iter().eq(4..=2_502));
    assert_eq!(sequences(&mut reader, 2).await, [1, 2]);
    for next in 3..=40 {
        disk.write(HOUR + 3_600, next..=next);
        assert_eq!(sequences(&mut reader, 1).await, [next]);
    }
    // A late tick of the old hour is no old tick.
    disk.write(HOUR, 2_503..=2_503);
    assert_eq!(sequences(&mut reader, 1).await, [2_503]);
    let text = reader.cursor().to_string();
    assert_eq!(text, format!("7/last:{HOUR}:2503,last:{}:40", HOUR + 3_600));
    disk.write(HOUR + 3_600, 41..=41);
    assert_eq!(sequences(&mut disk.reader(Some(&text)), 1).await, [41]);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_stopped() {
    let disk = Disk::new();
    let mut reader = disk.reader(None);
    disk.write(HOUR, 1..=10_000);
    assert!(matches!(reader.next().await, Err(Stopped::TooSlow(Missed(missed))) if missed > 1_000));
    // It reads on from the files.
    let mut reader = disk.reader(Some(&format!("7/last:{HOUR}:0")));
    assert!(sequences(&mut reader, 10_000).await.into_iter().eq(1..=10_000));
}

#[tokio::test]
async fn a_reader_that_is_not_waited_for_loses_nothing() {
    let disk = Disk::new();
    disk.write(HOUR, 1..=2_500);
    let mut reader = disk.reader(Some(&format!("7/last:{HOUR}:0")));
    let mut found = Vec::new();
    while found.len() < 2_500 {
        // Something else happens each time that a file is read.
        let mut next = Box::pin(reader.next());
        let polled = futures::poll!(&mut next);
        drop(next);
        match polled {
            std::task::Poll::Ready(Ok(Got::Stored(tick))) => found.push(tick.sequence),
            std::task::Poll::Ready(other) => panic!("{other:?} after {}", found.len()),
            std::task::Poll::Pending => tokio::task::yield_now().await,
        }
    }
    assert!(found.into_iter().eq(1..=2_500));
}

#[tokio::test]
async fn who_wants_what_is_stored_gets_it_from_that_moment_with_what_was_fetched_and_then_what_comes() {
    let disk = Disk::new();
    disk.write(HOUR, 1..=3);
    disk.write(HOUR + 3_600, 1..=2);
    disk.fetch(HOUR + 3_600, 2);
    let wanted = |second: i64, after: Option<String>| Wanted {
        after: after.map(|text| text.parse().unwrap()),
        from_us: Some(second * 1_000_000),
    };
    let mut all = Vec::new();
    let mut reader = disk.wants(wanted(HOUR + 3, None));
    let mut ids = Vec::new();
    while let Got::Stored(tick) = reader.next().await.unwrap() {
        all.push((tick.ts / 1_000_000 - HOUR, tick.source() == Source::Backfill, tick.sequence));
        ids.push(reader.cursor().to_string());
    }
    let fetched = [(3_600, true, 1), (3_601, true, 2)];
    let live = [(5, false, 1), (5, false, 2), (5, false, 3), (3_605, false, 1), (3_605, false, 2)];
    assert_eq!(all, [live.as_slice(), &fetched].concat());
    // The hour, but not its first seconds.
    let mut late = disk.wants(wanted(HOUR + 3_601, None));
    assert_eq!(sequences(&mut late, 3).await, [1, 2, 2]);
    // Who comes back with any of the ids gets the others, once.
    for (at, id) in ids.into_iter().enumerate() {
        let mut reader = disk.wants(wanted(HOUR + 3, Some(id)));
        let mut rest = Vec::new();
        while let Got::Stored(tick) = reader.next().await.unwrap() {
            rest.push((tick.ts / 1_000_000 - HOUR, tick.source() == Source::Backfill, tick.sequence));
        }
        assert_eq!(rest, all[at + 1..], "{at}");
    }
    disk.write(HOUR + 3_600, 3..=3);
    assert!(matches!(reader.next().await.unwrap(), Got::Written(tick) if tick.sequence == 3));
    // Who reads live ticks gets what was missed of those.
    assert_eq!(sequences(&mut disk.reader(Some(&format!("7/last:{HOUR}:2"))), 4).await, [3, 1, 2, 3]);
}

#[tokio::test]
async fn hours_that_begin_while_it_reads_are_read_too() {
    let disk = Disk::new();
    disk.write(HOUR, 1..=2_500);
    let mut reader = disk.reader(Some(&format!("7/last:{HOUR}:0")));
    assert!(sequences(&mut reader, 10).await.into_iter().eq(1..=10));
    for hour in 1..=5 {
        disk.write(HOUR + hour * 3_600, 1..=1);
    }
    assert!(sequences(&mut reader, 2_490).await.into_iter().eq(11..=2_500));
    assert_eq!(sequences(&mut reader, 5).await, [1; 5]);
    disk.write(HOUR + 5 * 3_600, 2..=2);
    assert_eq!(sequences(&mut reader, 1).await, [2]);
}

/// Another kind may take its time: nobody waits in a queue meanwhile.
#[tokio::test]
async fn a_kind_that_is_read_does_not_make_another_one_slow() {
    let disk = Disk::new();
    disk.write(HOUR, 1..=2_500);
    let cursor = format!("7/last:{HOUR}:0,bid_ask:{HOUR}:1");
    let kinds = [TickKind::BidAsk, KIND];
    let wanted = Wanted { after: cursor.parse().ok(), from_us: None };
    let mut reader = Reader::new(disk.hub.clone(), disk.data.path(), 7, &kinds, wanted);
    assert!(sequences(&mut reader, 1_000).await.into_iter().eq(1..=1_000));
    assert_eq!(disk.hub.listeners(), 0);
    assert!(sequences(&mut reader, 1_500).await.into_iter().eq(1_001..=2_500));
    assert_eq!(reader.next().await.unwrap(), Got::Live);
    assert_eq!(disk.hub.listeners(), 2);
}
