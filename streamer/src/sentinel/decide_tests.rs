use super::*;

const T: fn(u64) -> Duration = Duration::from_secs;
/// IBKR's second of the stream's last tick, which came at 100 s on the monotonic clock.
const SECOND: i64 = 1_800_000_000;

fn silent(tick: TickType, line: Option<&Seen>) -> Silent<'_> {
    Silent { tick, from: T(100), second: SECOND, patience: T(60), line, answer: None }
}

/// A line that has spoken since the start and last at `last_frame`.
fn line(last_frame: u64) -> Seen {
    Seen { since: Some(T(1)), last_frame: Some(T(last_frame)), trade_second: Some(SECOND), ..Seen::default() }
}

const ALL: [TickType; 4] = [TickType::Last, TickType::AllLast, TickType::BidAsk, TickType::MidPoint];

#[test]
fn a_line_that_speaks_and_shows_nothing_of_the_kind_means_quiet() {
    let line = line(155);
    for tick in ALL {
        assert_eq!(decide(&silent(tick, Some(&line)), T(160)), Meaning::QuietByLine, "{tick:?}");
    }
    // It has been silent as long as the stream: it may be as dead.
    assert_eq!(decide(&silent(TickType::Last, Some(&line)), T(216)), Meaning::Undecided);
    assert_eq!(decide(&silent(TickType::Last, None), T(160)), Meaning::Undecided);
    // Nothing has come on it yet.
    assert_eq!(decide(&silent(TickType::Last, Some(&Seen::default())), T(160)), Meaning::Undecided);
}

#[test]
fn what_the_line_shows_and_the_stream_does_not_means_stale() {
    type Note = fn(&mut Seen, Duration);
    let kinds: [(Note, [Meaning; 4]); 4] = [
        (|line, at| line.traded.note(at), [Meaning::Stale, Meaning::Stale, Meaning::Undecided, Meaning::QuietByLine]),
        (
            |line, at| line.volume_changed.note(at),
            [Meaning::QuietByLine, Meaning::Stale, Meaning::QuietByLine, Meaning::QuietByLine],
        ),
        (
            |line, at| line.quoted.note(at),
            [Meaning::QuietByLine, Meaning::QuietByLine, Meaning::Stale, Meaning::QuietByLine],
        ),
        (
            |line, at| line.moved.note(at),
            [Meaning::QuietByLine, Meaning::QuietByLine, Meaning::QuietByLine, Meaning::Stale],
        ),
    ];
    for (number, (note, expected)) in kinds.into_iter().enumerate() {
        let mut shown = line(159);
        note(&mut shown, T(120));
        for (tick, expected) in ALL.into_iter().zip(expected) {
            assert_eq!(decide(&silent(tick, Some(&shown)), T(160)), expected, "{number} {tick:?}");
        }
    }
}

#[test]
fn what_happened_beside_the_last_tick_or_just_now_proves_nothing() {
    for (at, expected) in [
        (100, Meaning::QuietByLine),
        (105, Meaning::QuietByLine),
        (106, Meaning::Stale),
        (155, Meaning::Stale),
        (156, Meaning::QuietByLine),
    ] {
        let mut shown = line(159);
        shown.traded.note(T(at));
        assert_eq!(decide(&silent(TickType::Last, Some(&shown)), T(160)), expected, "{at}");
    }
    // Scaled down for an impatient stream.
    let mut shown = line(100);
    shown.traded.note(T(101));
    let impatient = Silent { patience: T(2), ..silent(TickType::Last, Some(&shown)) };
    assert_eq!(decide(&impatient, T(102)), Meaning::Stale);
}

#[test]
fn a_line_that_is_younger_than_the_silence_speaks_for_its_own_time_only() {
    let mut young = Seen { since: Some(T(150)), ..line(159) };
    assert_eq!(decide(&silent(TickType::BidAsk, Some(&young)), T(154)), Meaning::Undecided);
    assert_eq!(decide(&silent(TickType::BidAsk, Some(&young)), T(155)), Meaning::QuietByLine);
    // Its first word tells of the last trade.
    young.trade_second = Some(SECOND + 31);
    assert_eq!(decide(&silent(TickType::Last, Some(&young)), T(155)), Meaning::Stale);
    assert_eq!(decide(&silent(TickType::BidAsk, Some(&young)), T(155)), Meaning::QuietByLine);
    young.trade_second = Some(SECOND + 30);
    assert_eq!(decide(&silent(TickType::Last, Some(&young)), T(155)), Meaning::QuietByLine);
}

#[test]
fn a_halt_excuses_until_somebody_knows_of_a_trade() {
    let halted = Seen { halted: true, ..line(101) };
    let mut silent = silent(TickType::Last, Some(&halted));
    assert_eq!(decide(&silent, T(10_000)), Meaning::Halted, "a halted line has nothing to say");
    silent.answer = Some(Answer { asked: T(9_000), newest: Some(SECOND + 31) });
    assert_eq!(decide(&silent, T(10_000)), Meaning::Stale);
}

#[test]
fn history_decides_when_the_line_is_silent() {
    let dead = line(90);
    let answer = |newest| Some(Answer { asked: T(150), newest });
    let with = |newest| Silent { answer: answer(newest), ..silent(TickType::BidAsk, Some(&dead)) };
    assert_eq!(decide(&with(Some(SECOND)), T(160)), Meaning::QuietByHistory);
    assert_eq!(decide(&with(Some(SECOND - 900)), T(160)), Meaning::QuietByHistory);
    assert_eq!(decide(&with(Some(SECOND + 1)), T(160)), Meaning::Undecided);
    assert_eq!(decide(&with(Some(SECOND + 30)), T(160)), Meaning::Undecided);
    assert_eq!(decide(&with(Some(SECOND + 31)), T(160)), Meaning::Stale);
    assert_eq!(decide(&with(None), T(160)), Meaning::Undecided);
    assert_eq!(decide(&with(Some(SECOND)), T(150) + ANSWER_HOLDS), Meaning::Undecided, "it is too old");
    let early = Silent { from: T(121), ..with(Some(SECOND)) };
    assert_eq!(decide(&early, T(190)), Meaning::Undecided, "it was asked too soon");
    // An answer from before the last tick is about another silence.
    let ticked = Silent { from: T(151), ..with(Some(SECOND + 31)) };
    assert_eq!(decide(&ticked, T(220)), Meaning::Undecided);
}

#[test]
fn history_overrules_a_line_that_lies() {
    let speaks = line(159);
    let answer = Some(Answer { asked: T(150), newest: Some(SECOND + 40) });
    assert_eq!(decide(&Silent { answer, ..silent(TickType::Last, Some(&speaks)) }, T(160)), Meaning::Stale);
}
