use super::*;

const ALL: (i64, i64) = (0, 1_000);

fn fields(price: f64) -> Fields {
    Fields { price: Some(price), size: Some(1.0), ..Fields::default() }
}

fn made(second: i64, price: f64, sent: bool) -> JournalTick {
    let to = SentTo { connection: 1, client_id: 2, at_us: 3 };
    JournalTick {
        con_id: 5,
        tick: TickType::Last,
        second,
        index: 0,
        at_us: second * 1_000_000,
        fields: fields(price),
        sent: if sent { vec![to] } else { Vec::new() },
    }
}

fn stored(time_s: i64, price: f64) -> RecordedTick {
    RecordedTick { con_id: 5, tick: TickType::Last, time_s, fields: fields(price) }
}

#[test]
fn an_exact_recording_is_complete_whatever_its_order() {
    let journal = [made(1, 1.0, true), made(1, 1.0, true), made(2, 2.0, true)];
    let verdict = compare(&journal, &[stored(2, 2.0), stored(1, 1.0), stored(1, 1.0)], ALL);
    assert!(verdict.complete() && verdict.lossless());
    let expected = Counts { generated: 3, sent: 3, stored: 3, ..Counts::default() };
    assert_eq!(verdict.total, expected);
}

#[test]
fn missing_doubled_altered_and_unknown_are_told_apart() {
    let journal = [made(1, 1.0, true), made(2, 2.0, true), made(3, 3.0, false), made(4, 4.0, true), made(9, 9.0, true)];
    let recording = [stored(1, 1.0), stored(1, 1.0), stored(4, 4.5), stored(7, 7.0), stored(9, 9.0)];
    let verdict = compare(&journal, &recording, ALL);
    assert!(!verdict.complete() && !verdict.lossless());
    let expected = Counts {
        generated: 5,
        sent: 4,
        stored: 5,
        missing_of_generated: 3,
        missing_of_sent: 2,
        doubled: 1,
        altered: 1,
        unknown: 1,
    };
    assert_eq!(verdict.total, expected);
    let stream = &verdict.streams[0];
    assert_eq!(stream.missing_of_generated, [Range { from: 2, to: 5, ticks: 3 }]);
    assert_eq!(stream.missing_of_sent, [Range { from: 2, to: 3, ticks: 1 }, Range { from: 4, to: 5, ticks: 1 }]);
    assert_eq!(stream.doubled, [Range { from: 1, to: 2, ticks: 1 }]);
    assert_eq!(stream.wrong, [Range { from: 4, to: 5, ticks: 1 }, Range { from: 7, to: 8, ticks: 1 }]);
}

#[test]
fn a_lossless_recording_may_lack_what_was_never_sent() {
    let verdict = compare(&[made(1, 1.0, true), made(2, 2.0, false)], &[stored(1, 1.0)], ALL);
    assert!(verdict.lossless() && !verdict.complete());
}

#[test]
fn only_the_window_counts() {
    let verdict = compare(&[made(1, 1.0, true), made(2, 2.0, true)], &[stored(2, 2.0), stored(3, 3.0)], (2, 3));
    assert!(verdict.complete());
    assert_eq!(verdict.total.generated, 1);
}

#[test]
fn lines_of_both_sides_read_as_json() {
    let line = r#"{"con_id":5,"tick":"BidAsk","second":7,"index":1,"at_us":7000123,"bid":1.25,"ask":1.5,"bid_size":3.0,
        "ask_size":4.0,"bid_past_low":false,"ask_past_high":false,"sent":[{"connection":1,"client_id":851,"at_us":7000200}]}"#;
    let made: JournalTick = serde_json::from_str(line).unwrap();
    assert_eq!(serde_json::from_str::<JournalTick>(&serde_json::to_string(&made).unwrap()).unwrap(), made);
    let stored = r#"{"con_id":5,"tick":"BidAsk","time_s":7,"bid":1.25,"ask":1.5,"bid_size":3,"ask_size":4}"#;
    let stored: RecordedTick = serde_json::from_str(stored).unwrap();
    assert!(compare(&[made], &[stored], ALL).complete());
}
