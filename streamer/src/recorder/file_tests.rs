use std::io::BufReader;

use marketstream_proto::{TickKind, TickMessage};

use super::*;

const HOUR: i64 = 1_795_467_600;
const NAME: HourFile = HourFile { hour: HOUR, con_id: 7, kind: TickKind::Last };
/// Zeros that a power cut leaves behind: part of a length, a length, a block and its neighbours, more than a record has.
const ZEROS: [usize; 8] = [0, 1, 3, 4, 5, 4_096, 4_097, 70_000];

fn tick(number: u64) -> TickMessage {
    TickMessage {
        ts: (HOUR + 10 * number as i64) * 1_000_000,
        cid: 7,
        tt: "last".to_owned(),
        p: Some(number as f64),
        // Records of different lengths, and one whose content looks like a record.
        exchange: Some("\0\0\0\u{1}x".repeat(number as usize)),
        sequence: number,
        ..TickMessage::default()
    }
}

/// Opens the file for another tick, as after a start. Returns what it then holds, and what was told of a loss.
fn reopened(data: &Path, number: u64) -> (Vec<TickMessage>, Option<i64>) {
    let mut writer = HourWriter::new(NAME);
    let mut body = Vec::new();
    framing::encode_unnumbered(&mut body, &TickMessage { sequence: 0, ..tick(number) }).unwrap();
    writer.take(&body);
    writer.flush(data, &Hub::default(), Duration::ZERO, false);
    writer.sync(Duration::ZERO);
    assert!(writer.failure().is_none() && writer.held() == 0);
    let file = File::open(data.join(NAME.path().unwrap())).unwrap();
    (Reader::new(BufReader::new(file)).map(Result::unwrap).collect(), writer.take_lost())
}

#[test]
fn wherever_a_file_is_cut_whole_records_stay_as_they_are_and_the_loss_is_told() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join(NAME.path().unwrap());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (mut bytes, mut ends) = (Vec::new(), vec![0]);
    for number in 1..=4 {
        framing::append(&mut bytes, &tick(number)).unwrap();
        ends.push(bytes.len());
    }
    for cut in 0..=bytes.len() {
        for zeros in ZEROS {
            fs::write(&path, [&bytes[..cut], vec![0; zeros].as_slice()].concat()).unwrap();
            let whole = ends.iter().filter(|end| **end > 0 && **end <= cut).count() as u64;
            let (found, lost) = reopened(data.path(), whole + 1);
            let expected: Vec<_> = (1..=whole + 1).map(tick).collect();
            assert!(found == expected, "cut at {cut}, {zeros} zeros: {found:?}");
            let damaged = !ends.contains(&cut) || zeros > 0;
            assert_eq!(lost, damaged.then_some(HOUR + 10 * whole as i64), "cut at {cut}, {zeros} zeros");
        }
    }
}
