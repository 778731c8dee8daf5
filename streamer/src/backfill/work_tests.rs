//! What becomes of a gap by what history says.

use super::*;
use crate::backfill::ledger::{GapCause, GapState, Ledger};

const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };
const HOUR: i64 = 1_795_467_600;
/// The gap's first and last second.
const GAP: (i64, i64) = (HOUR + 100, HOUR + 110);

/// A history that answers each question with the ticks of these seconds from the asked one on, or with an error.
struct Told(Result<Vec<i64>, FetchError>);

impl History for Told {
    async fn ticks(&mut self, _: Recorded, from: i64) -> Result<Vec<TickMessage>, FetchError> {
        let seconds = self.0.clone()?;
        Ok(seconds.into_iter().filter(|second| *second >= from).map(tick).collect())
    }
}

fn tick(second: i64) -> TickMessage {
    TickMessage { ts: second * 1_000_000, cid: 7, tt: "last".into(), p: Some(1.0), ..TickMessage::default() }
}

/// A gap between recorded seconds: one tick a second up to its begin, and from its end on.
fn scene(recorded: bool) -> (tempfile::TempDir, Files, Ledger) {
    let data = tempfile::tempdir().unwrap();
    let files = Files::new(data.path());
    if recorded {
        let seconds = (GAP.0 - MARGIN..=GAP.0).chain(GAP.1..=GAP.1 + MARGIN);
        files.add(STREAM, &seconds.map(tick).collect::<Vec<_>>()).unwrap();
    }
    let mut ledger = Ledger::default();
    ledger.open("mnq", STREAM, Some(GAP.0), GapCause::SessionLost);
    ledger.close(STREAM, GAP.1, 0);
    (data, files, ledger)
}

async fn attempt(
    ledger: &mut Ledger,
    files: &Files,
    refused: Option<&str>,
    answer: Result<Vec<i64>, FetchError>,
) -> Gap {
    let mut gap = ledger.gaps()[0].clone();
    let outcome = fill(&mut gap, refused, &mut Told(answer), None, files).await;
    ledger.settle(1, outcome, 0);
    ledger.gaps()[0].clone()
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
        let gap = attempt(&mut ledger, &files, None, error(code, text)).await;
        assert_eq!((gap.state, gap.attempts), (GapState::Unfillable, 0), "{code} {text}");
        let reason = gap.reason.unwrap();
        assert!(reason.contains(text) && reason.contains(&code.to_string()), "{reason}");
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_then_given_up_with_the_last_reason() {
    for answer in [
        error(162, "Historical Market Data Service error message:HMDS connection attempt failed."),
        error(162, "Historical Market Data Service error message:API historical data query cancelled: 9001"),
        Err(FetchError::Pacing("pacing violation".to_owned())),
        Err(FetchError::NoAnswer),
        // History lags: it may have nothing yet of what was recorded.
        Ok(Vec::new()),
    ] {
        let (_data, files, mut ledger) = scene(true);
        for attempts in 1..MAX_ATTEMPTS {
            let gap = attempt(&mut ledger, &files, None, answer.clone()).await;
            assert_eq!((gap.state, gap.attempts), (GapState::Pending, attempts), "{answer:?}");
        }
        let gap = attempt(&mut ledger, &files, None, answer.clone()).await;
        assert_eq!((gap.state, gap.reason.is_some()), (GapState::Unfillable, true), "{answer:?}");
    }
}

#[tokio::test]
async fn a_range_of_which_nobody_knows_a_tick_is_unfillable_at_once() {
    let (_data, files, mut ledger) = scene(false);
    let gap = attempt(&mut ledger, &files, None, Ok(Vec::new())).await;
    assert_eq!((gap.state, gap.reason.as_deref()), (GapState::Unfillable, Some(NOTHING)));
}

#[tokio::test]
async fn a_history_that_lags_is_waited_for_and_what_it_had_is_kept() {
    let (_data, files, mut ledger) = scene(true);
    let until = |last: i64| Ok((GAP.0 - MARGIN..=last).collect::<Vec<_>>());
    let gap = attempt(&mut ledger, &files, None, until(GAP.0 + 4)).await;
    assert_eq!((gap.state, gap.attempts), (GapState::Pending, 1));
    assert_eq!(files.read(STREAM, &(GAP.0 + 1..=GAP.1 - 1)).unwrap().len(), 4);
    let gap = attempt(&mut ledger, &files, None, until(GAP.1 + MARGIN)).await;
    assert_eq!((gap.state, gap.added, gap.agreement), (GapState::Filled, 5, Some(1.0)));
    // One that never comes so far is used as it is, and not called exact.
    let (_data, files, mut ledger) = scene(true);
    for _ in 0..MAX_ATTEMPTS {
        attempt(&mut ledger, &files, None, until(GAP.0 + 4)).await;
    }
    assert_eq!(ledger.gaps()[0].state, GapState::Approximate);
}

#[tokio::test]
async fn what_is_not_wanted_is_not_asked_for() {
    let (_data, files, mut ledger) = scene(true);
    let gap = attempt(&mut ledger, &files, Some("older than spec.backfill.maxAge"), error(1, "asked")).await;
    assert_eq!(gap.reason.as_deref(), Some("older than spec.backfill.maxAge"));
    assert_eq!(gap.state, GapState::Unfillable);
}
