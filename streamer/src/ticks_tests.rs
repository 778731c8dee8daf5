use std::fs;

use marketstream_proto::framing;

use super::*;

const HOUR: i64 = 1_795_467_600;

fn write(data: &Path, ticks: &[TickMessage], tail: &[u8]) {
    let first = ticks.first().unwrap();
    let file = HourFile::of_tick(first.cid, TickKind::parse(&first.tt).unwrap(), first.ts);
    let path = data.join(file.path().unwrap());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = Vec::new();
    for tick in ticks {
        framing::append(&mut bytes, tick).unwrap();
    }
    bytes.extend_from_slice(tail);
    fs::write(path, bytes).unwrap();
}

fn last(second: i64) -> TickMessage {
    TickMessage {
        ts: second * 1_000_000,
        st: second * 1_000_000 + 5,
        cid: 7,
        tt: "last".to_owned(),
        p: Some(1.5),
        s: Some(2.0),
        sequence: 1,
        ..TickMessage::default()
    }
}

fn quote(second: i64) -> TickMessage {
    TickMessage {
        bp: Some(1.0),
        bs: Some(0.0),
        ap: Some(1.25),
        r#as: Some(4.0),
        bpl: Some(true),
        aph: Some(false),
        p: None,
        s: None,
        tt: "bid_ask".to_owned(),
        ..last(second)
    }
}

fn lines(data: &Path, selection: Selection) -> Vec<String> {
    let mut output = Vec::new();
    print(data, &selection, &mut output).unwrap();
    String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_line_has_what_the_tick_has() {
    let data = tempfile::tempdir().unwrap();
    write(data.path(), &[last(HOUR)], &[]);
    write(data.path(), &[quote(HOUR)], &[0, 0, 0, 80, 1]);
    fs::create_dir(data.path().join(".marketstream")).unwrap();
    let expected = [
        r#"{"con_id":7,"tick":"Last","time_s":1795467600,"received_us":1795467600000005,"sequence":1,"price":1.5,"size":2.0}"#,
        r#"{"con_id":7,"tick":"BidAsk","time_s":1795467600,"received_us":1795467600000005,"sequence":1,"bid":1.0,"ask":1.25,"bid_size":0.0,"ask_size":4.0,"bid_past_low":true}"#,
    ];
    assert_eq!(lines(data.path(), Selection::default()), expected);
}

#[test]
fn a_selection_is_by_contract_kind_and_second() {
    let data = tempfile::tempdir().unwrap();
    write(data.path(), &[last(HOUR), last(HOUR + 10), last(HOUR + 3599)], &[]);
    write(data.path(), &[last(HOUR + 3600)], &[]);
    write(data.path(), &[quote(HOUR + 10)], &[]);
    let count = |selection| lines(data.path(), selection).len();
    assert_eq!(count(Selection::default()), 5);
    assert_eq!(count(Selection { con_id: Some(8), ..Selection::default() }), 0);
    assert_eq!(count(Selection { kind: Some(TickKind::Last), ..Selection::default() }), 4);
    assert_eq!(count(Selection { from: Some(HOUR + 10), to: Some(HOUR + 3600), ..Selection::default() }), 3);
    assert_eq!(count(Selection { from: Some(HOUR + 3600), ..Selection::default() }), 1);
}
