//! What becomes of a gap by what history says.

use marketstream_proto::{framing, layout::HourFile};

use super::*;
use crate::backfill::ledger::{GapCause, GapState, Ledger};
use crate::seal::instruments::Session;

const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };
const HOUR: i64 = 1_795_467_600;
/// The gap's first and last second.
const GAP: (i64, i64) = (HOUR + 100, HOUR + 110);

/// A history that answers each question with the ticks of these seconds from the asked one on, so many at a time, or with
/// an error.
struct Told {
    answer: Result<Vec<i64>, FetchError>,
    at_once: usize,
    asked: Vec<i64>,
}

impl Told {
    fn new(answer: Result<Vec<i64>, FetchError>) -> Self {
        Self { answer, at_once: usize::MAX, asked: Vec::new() }
    }
}

impl History for Told {
    async fn ticks(&mut self, _: Recorded, from: i64) -> Result<Vec<TickMessage>, FetchError> {
        self.asked.push(from);
        let seconds = self.answer.clone()?;
        Ok(seconds.into_iter().filter(|second| *second >= from).take(self.at_once).map(tick).collect())
    }
}

fn tick(second: i64) -> TickMessage {
    TickMessage { ts: second * 1_000_000, cid: 7, tt: "last".into(), p: Some(1.0), ..TickMessage::default() }
}

/// Live ticks of these seconds.
fn record(data: &std::path::Path, seconds: impl IntoIterator<Item = i64>) {
    let path = data.join(HourFile { hour: HOUR, con_id: STREAM.con_id, kind: STREAM.kind }.path().unwrap());
    let mut bytes = Vec::new();
    for (second, sequence) in seconds.into_iter().zip(1..) {
        framing::append(&mut bytes, &TickMessage { sequence, ..tick(second) }).unwrap();
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A gap between recorded seconds: one tick a second up to its begin, and from its end on.
fn scene(recorded: bool) -> (tempfile::TempDir, Files, Ledger) {
    let data = tempfile::tempdir().unwrap();
    let files = Files::new(data.path());
    if recorded {
        record(data.path(), (GAP.0 - MARGIN..=GAP.0).chain(GAP.1..=GAP.1 + MARGIN));
    }
    let mut ledger = Ledger::default();
    ledger.open("mnq", STREAM, Some(GAP.0), GapCause::SessionLost);
    ledger.close(STREAM, GAP.1, 0);
    (data, files, ledger)
}

/// Asks until nothing is left to ask, or it fails.
async fn attempt(ledger: &mut Ledger, files: &Files, answer: Result<Vec<i64>, FetchError>) -> Gap {
    let mut told = Told::new(answer);
    while ask(ledger, 1, files, &mut told).await {}
    ledger.gaps()[0].clone()
}

/// A session that ends with the hour, and the next one, after two days.
const NEXT: i64 = HOUR + 48 * 3_600;

fn told_openings() -> Openings {
    let session = |open, close| Session { open, close, date: jiff::civil::date(2026, 11, 23), liquid: false };
    Openings::new(&[session(HOUR - 7_200, HOUR + 3_600), session(NEXT, NEXT + 3_600)], None)
}

/// Asks once, and returns whether there is more to ask.
async fn ask(ledger: &mut Ledger, id: u64, files: &Files, told: &mut Told) -> bool {
    let mut gap = ledger.gaps().iter().find(|gap| gap.id == id).unwrap().clone();
    let beside = ledger.beside(&gap);
    let outcome = fill(&mut gap, told, &told_openings(), &beside, files).await;
    let more = matches!(outcome, Outcome::Partly { .. });
    ledger.settle(id, outcome, 0);
    more
}

fn error(code: i32, text: &str) -> Result<Vec<i64>, FetchError> {
    Err(FetchError::Refused(code, text.to_owned()))
}

#[tokio::test]
async fn what_ibkr_will_never_give_is_unfillable_with_its_words() {
    for (code, text) in [
        (354, "Requested market data is not subscribed"),
        (10187, "Failed to request historical ticks:No market data permissions for CME FUT"),
        (162, "Historical Market Data Service error message:No market data permissions for CME FUT"),
        (200, "No security definition has been found for the request"),
        (166, "HMDS Expired Contract Violation:contract can not expire."),
    ] {
        let (_data, files, mut ledger) = scene(true);
        let gap = attempt(&mut ledger, &files, error(code, text)).await;
        assert_eq!((gap.state, gap.attempts), (GapState::Unfillable, 0), "{code} {text}");
        let reason = gap.reason.unwrap();
        assert!(reason.contains(text) && reason.contains(&code.to_string()), "{reason}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_help_is_asked_for_again_and_then_given_up_with_the_last_reason() {
    for answer in [
        error(10_225, "Bust event occurred, current subscription is deactivated."),
        // History lags: it may have nothing yet of what was recorded.
        Ok(Vec::new()),
    ] {
        let (_data, files, mut ledger) = scene(true);
        for attempts in 1..MAX_ATTEMPTS {
            let gap = attempt(&mut ledger, &files, answer.clone()).await;
            assert_eq!((gap.state, gap.attempts), (GapState::Pending, attempts), "{answer:?}");
        }
        let gap = attempt(&mut ledger, &files, answer.clone()).await;
        assert_eq!((gap.state, gap.reason.is_some()), (GapState::Unfillable, true), "{answer:?}");
    }
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    for answer in [
        error(162, "Historical Market Data Service error message:HMDS connection attempt failed."),
        error(162, "Historical Market Data Service error message:API historical data query cancelled: 9001"),
        Err(FetchError::Pacing("pacing violation".to_owned())),
        Err(FetchError::Competing(162, "connected from a different IP address".to_owned())),
        Err(FetchError::NoAnswer),
    ] {
        let (_data, files, mut ledger) = scene(true);
        for postponed in 1..=2 * MAX_ATTEMPTS {
            let gap = attempt(&mut ledger, &files, answer.clone()).await;
            let expected = (GapState::Pending, 0, postponed, true);
            assert_eq!((gap.state, gap.attempts, gap.postponed, gap.reason.is_some()), expected, "{answer:?}");
        }
    }
    // So it is when the disk does not take what history gave.
    let (data, files, mut ledger) = scene(true);
    let path = HourFile { hour: HOUR, con_id: STREAM.con_id, kind: STREAM.kind };
    let path = path.path_of(marketstream_proto::layout::Part::Backfill).unwrap();
    std::fs::create_dir(data.path().join(path)).unwrap();
    let gap = attempt(&mut ledger, &files, Ok((GAP.0..=GAP.1).collect())).await;
    assert_eq!((gap.state, gap.attempts, gap.postponed), (GapState::Pending, 0, 1));
}

#[tokio::test]
async fn a_range_of_which_nobody_knows_a_tick_is_unfillable_at_once() {
    let (_data, files, mut ledger) = scene(false);
    let gap = attempt(&mut ledger, &files, Ok(Vec::new())).await;
    assert_eq!((gap.state, gap.reason.as_deref()), (GapState::Unfillable, Some(NOTHING)));
}

#[tokio::test]
async fn a_history_that_lags_is_waited_for_and_what_it_had_is_kept() {
    let (_data, files, mut ledger) = scene(true);
    let until = |last: i64| Ok((GAP.0 - MARGIN..=last).collect::<Vec<_>>());
    let gap = attempt(&mut ledger, &files, until(GAP.0 + 4)).await;
    assert_eq!((gap.state, gap.attempts), (GapState::Pending, 1));
    assert_eq!(files.read(STREAM, &(GAP.0 + 1..=GAP.1 - 1)).unwrap().len(), 4);
    let gap = attempt(&mut ledger, &files, until(GAP.1 + MARGIN)).await;
    assert_eq!((gap.state, gap.added, gap.agreement), (GapState::Filled, 9, Some(1.0)), "with what came before");
    // One that never comes so far is used as it is, and not called exact.
    let (_data, files, mut ledger) = scene(true);
    for _ in 0..MAX_ATTEMPTS {
        attempt(&mut ledger, &files, until(GAP.0 + 4)).await;
    }
    assert_eq!(ledger.gaps()[0].state, GapState::Approximate);
}

#[tokio::test]
async fn a_gap_is_fetched_piece_by_piece_and_another_process_goes_on_where_it_was() {
    let (_data, files, mut ledger) = scene(true);
    let all: Vec<i64> = (GAP.0 - MARGIN..=GAP.1 + MARGIN).collect();
    let mut told = Told { at_once: 4, ..Told::new(Ok(all)) };
    while ask(&mut ledger, 1, &files, &mut told).await {
        let gap = &ledger.gaps()[0];
        assert_eq!(
            (gap.state, gap.progress.map(|progress| progress.through)),
            (GapState::Pending, told.asked.last().map(|from| from + 3))
        );
        ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
    }
    let asked: Vec<i64> = (GAP.0 - MARGIN..=GAP.1 + MARGIN).step_by(4).collect();
    assert_eq!(told.asked, asked, "nothing is asked for twice");
    let gap = &ledger.gaps()[0];
    assert_eq!((gap.state, gap.added, gap.agreement, gap.progress), (GapState::Filled, 9, Some(1.0), None));
}

#[tokio::test]
async fn what_was_fetched_before_an_error_stays_and_the_last_second_is_asked_for_again() {
    let (_data, files, mut ledger) = scene(true);
    // It lags in the middle of a second.
    let lagging: Vec<i64> = (GAP.0 - MARGIN..=GAP.0 + 5).collect();
    let mut told = Told { at_once: 7, ..Told::new(Ok(lagging)) };
    assert!(ask(&mut ledger, 1, &files, &mut told).await);
    assert!(ask(&mut ledger, 1, &files, &mut told).await);
    assert!(ask(&mut ledger, 1, &files, &mut told).await);
    told.answer = Err(FetchError::NoAnswer);
    assert!(!ask(&mut ledger, 1, &files, &mut told).await);
    assert_eq!((ledger.gaps()[0].added, ledger.gaps()[0].postponed), (5, 1));
    let twice = GAP.0 + 5;
    told.answer = Ok((GAP.0 - MARGIN..=GAP.1 + MARGIN).chain([twice]).collect());
    told.answer.as_mut().unwrap().sort_unstable();
    while ask(&mut ledger, 1, &files, &mut told).await {}
    let from = GAP.0 - MARGIN;
    assert_eq!(told.asked[..5], [from, from + 7, from + 14, from + 16, twice]);
    let gap = &ledger.gaps()[0];
    assert_eq!((gap.state, gap.added, gap.agreement), (GapState::Filled, 10, Some(1.0)));
    assert_eq!(files.read(STREAM, &(twice..=twice)).unwrap().len(), 2);
}

#[tokio::test]
async fn only_what_was_recorded_live_and_without_another_loss_is_compared() {
    // A second loss, five seconds behind the first.
    let other = (GAP.1 + 5, GAP.1 + 9);
    let data = tempfile::tempdir().unwrap();
    let files = Files::new(data.path());
    record(data.path(), (GAP.0 - MARGIN..=GAP.0).chain(GAP.1..=other.0).chain(other.1..=other.1 + MARGIN));
    let all: Vec<i64> = (GAP.0 - MARGIN..=other.1 + MARGIN).collect();
    for wrong in [false, true] {
        let mut ledger = Ledger::default();
        for (after, before) in [GAP, other] {
            ledger.open("mnq", STREAM, Some(after), GapCause::SessionLost);
            ledger.close(STREAM, before, 0);
        }
        // What history has more than was recorded is told, also when a person has had it fetched before.
        let extra = GAP.0 - 3;
        let mut history = all.clone();
        if wrong {
            history.push(extra);
            history.sort_unstable();
            let asked = ledger.request("mnq", STREAM, extra..=extra, 0);
            while ask(&mut ledger, asked, &files, &mut Told::new(Ok(history.clone()))).await {}
            assert_eq!(files.read(STREAM, &(extra..=extra)).unwrap().len(), 2);
        }
        for id in [1, 2] {
            while ask(&mut ledger, id, &files, &mut Told::new(Ok(history.clone()))).await {}
        }
        let agreements: Vec<_> = ledger.gaps()[..2].iter().map(|gap| gap.agreement).collect();
        // Nine recorded seconds before the first gap and four behind it.
        let first = if wrong { 13.0 / 14.0 } else { 1.0 };
        assert_eq!(agreements, [Some(first), Some(1.0)]);
    }
}

#[tokio::test]
async fn what_is_not_wanted_is_not_asked_for() {
    let (_data, files, ledger) = scene(true);
    let mut gap = ledger.gaps()[0].clone();
    let refused = Outcome::Unfillable("not wanted".to_owned());
    assert_eq!(refuse(&mut gap, "not wanted".to_owned(), &files).await, refused);
    // Where it began is looked up all the same, and what has no begin is none.
    gap.after = None;
    assert_eq!((refuse(&mut gap, "not wanted".to_owned(), &files).await, gap.after), (refused, Some(GAP.0)));
    let (_data, files, _) = scene(false);
    gap.after = None;
    assert_eq!(refuse(&mut gap, "not wanted".to_owned(), &files).await, Outcome::Beginning);
}

#[tokio::test]
async fn a_gap_over_a_weekend_goes_on_in_the_next_session_and_is_not_filled_before() {
    // History has one session a question: it answers nothing for the time in between.
    let recorded: Vec<i64> = (GAP.0 - 3..=GAP.0).chain(NEXT + 5..=NEXT + 8).collect();
    let history: Vec<i64> = (GAP.0 - MARGIN..=GAP.0 + 60).chain(NEXT..=NEXT + 5 + MARGIN).collect();
    let lose = |data: &std::path::Path, before: i64| {
        for second in recorded.iter().copied() {
            let hour = second - second.rem_euclid(3_600);
            let path = data.join(HourFile { hour, con_id: STREAM.con_id, kind: STREAM.kind }.path().unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut bytes = std::fs::read(&path).unwrap_or_default();
            framing::append(&mut bytes, &tick(second)).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let mut ledger = Ledger::default();
        ledger.open("mnq", STREAM, Some(GAP.0), GapCause::SessionLost);
        ledger.close(STREAM, before, 0);
        ledger
    };
    struct BySession(Vec<i64>, Vec<i64>);
    impl History for BySession {
        async fn ticks(&mut self, _: Recorded, from: i64) -> Result<Vec<TickMessage>, FetchError> {
            self.1.push(from);
            let until = if from < HOUR + 3_600 {
                HOUR + 3_600
            } else if from < NEXT {
                from
            } else {
                i64::MAX
            };
            Ok(self.0.iter().copied().filter(|second| (from..until).contains(second)).map(tick).collect())
        }
    }
    let settled = async |openings: &Openings, before: i64| {
        let data = tempfile::tempdir().unwrap();
        let (mut ledger, files) = (lose(data.path(), before), Files::new(data.path()));
        let mut history = BySession(history.clone(), Vec::new());
        for _ in 0..20 {
            let mut gap = ledger.gaps()[0].clone();
            if gap.state == GapState::Pending {
                let outcome = fill(&mut gap, &mut history, openings, &[], &files).await;
                ledger.settle(1, outcome, 0);
            }
        }
        let gap = ledger.gaps()[0].clone();
        (gap.state, gap.added, gap.agreement, history.1.len())
    };
    let filled = settled(&told_openings(), NEXT + 5).await;
    // To the end of the one session, nothing, and the other.
    assert_eq!(filled, (GapState::Filled, 60 + 5, Some(1.0), 3));
    // Nobody knows of the next session: what was recorded tells that there was one.
    let (state, added, agreement, _) = settled(&Openings::default(), NEXT + 5).await;
    assert_eq!((state, added), (GapState::Approximate, 60));
    assert!(agreement.is_some_and(|agreement| agreement < 1.0));
    // A range that ends where nothing was recorded: the other side agrees, and says nothing of the end.
    let ends = NEXT - 3_600;
    let filled = settled(&told_openings(), ends).await;
    assert_eq!((filled.0, filled.2), (GapState::Filled, Some(1.0)), "the contract was closed then");
    let unknown = settled(&Openings::default(), ends).await;
    assert_eq!((unknown.0, unknown.2), (GapState::Approximate, Some(1.0)));
}

#[tokio::test]
async fn now_and_then_the_last_second_is_asked_for_again() {
    let (_data, files, mut ledger) = scene(true);
    let all: Vec<i64> = (GAP.0 - MARGIN..=GAP.1 + MARGIN).collect();
    let mut told = Told { at_once: 1, ..Told::new(Ok(all.clone())) };
    for _ in 0..19 {
        assert!(ask(&mut ledger, 1, &files, &mut told).await);
    }
    assert_eq!(told.asked, all[..19], "what is beside the gap is asked for once");
    // The last second was not whole.
    let again = all[18];
    told.answer = Ok(all.iter().copied().chain([again]).collect());
    told.answer.as_mut().unwrap().sort_unstable();
    told.at_once = 2;
    while ask(&mut ledger, 1, &files, &mut told).await {}
    assert_eq!(told.asked[19..22], [again, again + 1, again + 3]);
    assert_eq!(files.read(STREAM, &(again..=again)).unwrap().len(), 2);
    let gap = &ledger.gaps()[0];
    assert_eq!((gap.state, gap.added, gap.agreement), (GapState::Filled, 10, Some(1.0)));
}
