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
        altered: Vec::new(),
    }
}

fn stored(time_s: i64, price: f64) -> RecordedTick {
    RecordedTick { con_id: 5, tick: TickType::Last, time_s, fields: fields(price) }
}

#[test]
fn an_exact_recording_is_complete_whatever_its_order() {
    let journal = [made(1, 1.0, true), made(1, 1.0, true), made(2, 2.0, true)];
    let verdict = compare(&journal, &[stored(2, 2.0), stored(1, 1.0), stored(1, 1.0)], ALL);
    assert!(verdict.complete() && verdict.lossless() && !verdict.in_order());
    let expected = Counts { generated: 3, sent: 3, stored: 3, out_of_order: 1, ..Counts::default() };
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
        ..Counts::default()
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

fn as_sent(time_s: i64, price: f64) -> AsSent {
    AsSent { connection: 1, time_s, fields: fields(price) }
}

#[test]
fn what_a_fault_altered_is_not_held_against_the_recorder() {
    let altered = |second, price, forms| JournalTick { altered: forms, ..made(second, price, true) };
    let journal = [altered(1, 1.0, vec![as_sent(1, 1.5)]), altered(2, 2.0, vec![as_sent(0, 2.0)]), made(3, 3.0, true)];
    let verdict = compare(&journal, &[stored(1, 1.5), stored(0, 2.0), stored(3, 3.0)], ALL);
    let expected =
        Counts { generated: 3, sent: 1, stored: 3, missing_of_generated: 2, altered_by_fault: 2, ..Counts::default() };
    assert_eq!(verdict.total, expected);
    assert!(verdict.lossless() && !verdict.complete());
    assert_eq!(verdict.streams[0].altered_by_fault, [Range { from: 0, to: 2, ticks: 2 }]);
    // Twice is once too often, and another price is the recorder's own.
    let verdict = compare(&journal, &[stored(1, 1.5), stored(1, 1.5), stored(2, 2.5), stored(3, 3.0)], ALL);
    assert_eq!((verdict.total.altered_by_fault, verdict.total.doubled, verdict.total.altered), (1, 1, 1));
    // A second client got it as it is.
    let to = |connection| SentTo { connection, client_id: 2, at_us: 3 };
    let both = JournalTick { sent: vec![to(1), to(2)], ..altered(1, 1.0, vec![as_sent(1, 1.5)]) };
    assert_eq!(compare(&[both], &[], ALL).total.missing_of_sent, 1);
}

#[test]
fn order_is_judged_by_when_ticks_were_sent_and_else_by_when_they_were_due() {
    let sent_at = |tick: JournalTick, at_us| {
        let to = SentTo { connection: 1, client_id: 2, at_us };
        JournalTick { sent: vec![to], ..tick }
    };
    let due = |index, price| JournalTick { index, at_us: 1_000_000 + i64::from(index), ..made(1, price, false) };
    // The third was never sent, the fourth went out before the second.
    let journal = [
        sent_at(due(0, 1.0), 1_500_000),
        sent_at(due(1, 2.0), 1_700_000),
        due(2, 3.0),
        sent_at(due(3, 4.0), 1_600_000),
    ];
    let disorder = |prices: [f64; 4]| {
        let recording = prices.map(|price| stored(1, price));
        let verdict = compare(&journal, &recording, ALL);
        assert!(verdict.complete());
        assert_eq!(verdict.in_order(), verdict.total.out_of_order == 0);
        (verdict.total.out_of_order, verdict.streams[0].out_of_order.clone())
    };
    assert_eq!(disorder([1.0, 4.0, 2.0, 3.0]), (0, vec![]));
    assert_eq!(disorder([1.0, 2.0, 4.0, 3.0]), (1, vec![Range { from: 1, to: 2, ticks: 1 }]));
    assert_eq!(disorder([3.0, 2.0, 4.0, 1.0]).0, 3);
}

#[test]
fn verdicts_of_consecutive_spans_add_up() {
    let journal = [made(1, 1.0, true), made(2, 2.0, true), made(4, 4.0, true)];
    let other = JournalTick { con_id: 4, ..made(2, 2.0, true) };
    let whole = compare(&[&journal[..], std::slice::from_ref(&other)].concat(), &[stored(4, 4.5)], (1, 6));
    let mut parts = compare(&journal, &[], (1, 2));
    parts.append(compare(&[&journal[..], &[other]].concat(), &[], (2, 4)));
    parts.append(compare(&journal, &[stored(4, 4.5)], (4, 6)));
    assert_eq!(parts, whole);
    assert_eq!(parts.streams[1].missing_of_sent[0], Range { from: 1, to: 3, ticks: 2 });
}

#[test]
fn of_ticks_that_say_the_same_the_one_that_was_sent_is_taken_for_the_recorded_one() {
    let due = |index, price, sent| JournalTick { index, at_us: 1_000_000 + i64::from(index), ..made(1, price, sent) };
    let journal = [due(0, 1.0, false), due(1, 2.0, true), due(2, 1.0, true)];
    let verdict = compare(&journal, &[stored(1, 2.0), stored(1, 1.0)], ALL);
    assert!(verdict.lossless() && verdict.in_order(), "{verdict:#?}");
}
