use std::{fs, io::Write};

use marketstream_proto::framing;

use super::*;

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

    fn reader(&self, after: Option<&str>) -> Reader {
        let after = after.map(|text| text.parse().unwrap());
        Reader::new(self.hub.clone(), self.data.path(), 7, &[KIND], after, HOUR + 3_700)
    }
}

async fn sequences(reader: &mut Reader, count: usize) -> Vec<u64> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(reader.next().await.unwrap().sequence);
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
