use super::*;

const LAG: i64 = 60_000;
const TRADES: Recorded = Recorded { con_id: 7, kind: TickKind::Last };
const QUOTES: Recorded = Recorded { con_id: 7, kind: TickKind::BidAsk };

fn pending(streams: &[(Recorded, i64)]) -> Ledger {
    let mut ledger = Ledger::default();
    for (stream, before) in streams {
        ledger.open("a", *stream, Some(before - 10), GapCause::SessionLost);
        assert!(ledger.close(*stream, *before, before * 1_000));
    }
    ledger
}

/// Nothing holds a ripe gap up.
fn at_once(_: &Gap) -> Option<i64> {
    Some(0)
}

fn is_due(ledger: &Ledger, now_ms: i64) -> bool {
    matches!(ledger.next(now_ms, LAG, at_once), Due::Now(_))
}

fn fetched(agreement: Option<f64>) -> Outcome {
    Outcome::Fetched { added: 3, agreement, whole: true }
}

#[test]
fn a_gap_reaches_from_the_last_good_tick_to_the_first_good_one() {
    let mut ledger = Ledger::default();
    ledger.open("a", TRADES, Some(100), GapCause::SessionLost);
    // The stream is subscribed again and again before it ticks: one loss, one gap.
    ledger.open("a", TRADES, Some(105), GapCause::Resubscribed);
    ledger.open("a", QUOTES, None, GapCause::ProcessStart);
    assert!(ledger.is_open(TRADES));
    assert!(ledger.close(TRADES, 130, 5));
    assert!(!ledger.close(TRADES, 131, 6), "only the first good tick closes it");
    let gap = &ledger.gaps()[0];
    assert_eq!((gap.range(), gap.cause, gap.state), (Some(100..=130), GapCause::SessionLost, GapState::Pending));
    assert_eq!(ledger.gaps()[1].range(), None);
    assert_eq!(ledger.counts(), Counts { open: 2, ..Counts::default() });
}

#[test]
fn seconds_that_go_back_make_no_backward_gap() {
    let mut ledger = Ledger::default();
    ledger.open("a", TRADES, Some(100), GapCause::Resubscribed);
    ledger.close(TRADES, 99, 0);
    assert_eq!(ledger.gaps()[0].range(), Some(100..=100));
}

#[test]
fn trades_come_before_quotes_and_the_newest_gap_first_once_history_has_it() {
    let mut ledger = pending(&[(TRADES, 100), (QUOTES, 300), (TRADES, 200)]);
    assert_eq!(ledger.next(100_000 + LAG - 1, LAG, at_once), Due::At(Some(100_000 + LAG)));
    let mut order = Vec::new();
    while let Due::Now(gap) = ledger.next(400_000, LAG, at_once) {
        order.push((gap.stream.kind, gap.before));
        let id = gap.id;
        ledger.settle(id, fetched(Some(1.0)), 400_000);
    }
    assert_eq!(order, [(TickKind::Last, Some(200)), (TickKind::Last, Some(100)), (TickKind::BidAsk, Some(300))]);
    assert_eq!(ledger.counts(), Counts { filled: 3, ..Counts::default() });
}

#[test]
fn only_full_agreement_is_exact_and_all_last_never_is() {
    let all = Recorded { con_id: 7, kind: TickKind::AllLast };
    for (stream, agreement, state) in [
        (TRADES, Some(1.0), GapState::Filled),
        (TRADES, Some(0.99), GapState::Approximate),
        (TRADES, None, GapState::Approximate),
        (all, Some(1.0), GapState::Approximate),
    ] {
        let mut ledger = pending(&[(stream, 100)]);
        ledger.settle(1, fetched(agreement), 0);
        let gap = &ledger.gaps()[0];
        assert_eq!((gap.state, gap.added, gap.reason.is_some()), (state, 3, state == GapState::Approximate));
    }
}

#[test]
fn failures_wait_longer_each_time_and_end() {
    let mut ledger = pending(&[(TRADES, 100)]);
    // Long after its end: what was missed while the process was down is no older for having waited.
    let mut failed = 9_000_000;
    assert!(is_due(&ledger, failed));
    for attempt in 1..=MAX_ATTEMPTS {
        ledger.settle(1, Outcome::Failed("no answer".into()), failed);
        let ripe = failed + (LAG << attempt);
        assert!(!is_due(&ledger, ripe - 1), "{attempt}");
        assert_eq!(is_due(&ledger, ripe), attempt < MAX_ATTEMPTS);
        failed = ripe;
    }
    assert_eq!(ledger.gaps()[0].state, GapState::Unfillable);
    assert_eq!(ledger.gaps()[0].reason.as_deref(), Some("no answer"));
}

#[test]
fn what_passes_is_asked_for_again_every_half_hour_and_never_given_up_here() {
    let mut ledger = pending(&[(TRADES, 100)]);
    let mut failed = 9_000_000;
    for doublings in [1, 2, 3, 4, 5, 5, 5] {
        ledger.settle(1, Outcome::Postponed("no answer".into()), failed);
        let ripe = failed + (LAG << doublings);
        assert_eq!((is_due(&ledger, ripe - 1), is_due(&ledger, ripe)), (false, true), "{doublings}");
        failed = ripe;
    }
    // What history answers in between begins anew.
    let progress = Progress { through: 95, newest: Some(95), compared: Compared::default() };
    ledger.settle(1, Outcome::Partly { added: 0, progress }, failed);
    ledger.settle(1, Outcome::Postponed("no answer".into()), failed);
    assert!(is_due(&ledger, failed + 2 * LAG));
}

#[test]
fn a_gap_is_too_old_by_its_end_and_what_a_person_asked_for_by_its_failures() {
    let mut ledger = pending(&[(TRADES, 100)]);
    ledger.request("a", QUOTES, 0..=9, 500_000);
    let old = |ledger: &Ledger, at: usize, oldest| ledger.gaps()[at].is_too_old(oldest);
    assert_eq!([100_000, 100_001].map(|oldest| old(&ledger, 0, oldest)), [false, true]);
    assert!(!old(&ledger, 1, i64::MAX), "it has not failed yet");
    for failed in [700_000, 900_000] {
        ledger.settle(2, Outcome::Postponed("no answer".into()), failed);
    }
    assert_eq!([700_000, 700_001].map(|oldest| old(&ledger, 1, oldest)), [false, true]);
}

#[test]
fn a_beginning_is_no_gap() {
    let mut ledger = pending(&[(TRADES, 100), (QUOTES, 200)]);
    ledger.settle(2, Outcome::Beginning, 0);
    assert_eq!(ledger.gaps().len(), 1);
}

#[test]
fn a_range_that_is_history_already_is_asked_for_at_once() {
    let mut ledger = Ledger::default();
    ledger.request("a", TRADES, 100..=199, 5_000_000);
    assert!(is_due(&ledger, 5_000_000));
    ledger.request("a", QUOTES, 4_000..=4_999, 5_000_000);
    ledger.settle(1, fetched(Some(1.0)), 5_000_000);
    assert!(!is_due(&ledger, 5_000_000));
}

#[test]
fn it_is_bounded_and_reads_back() {
    let mut ledger = Ledger::default();
    for number in 0..MAX_GAPS as i64 + 5 {
        let id = ledger.request("a", TRADES, number..=number, 0);
        ledger.settle(id, Outcome::Unfillable("no".into()), 0);
    }
    assert_eq!(ledger.gaps().len(), MAX_GAPS);
    assert_eq!(ledger.gaps()[0].id, 6, "the oldest went first");
    let text = serde_json::to_string(&ledger).unwrap();
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
}

#[test]
fn no_loss_is_forgotten_when_too_many_gaps_wait() {
    let mut ledger = Ledger::default();
    ledger.open("a", QUOTES, Some(5), GapCause::SessionLost);
    ledger.close(QUOTES, 6, 0);
    for number in 0..MAX_GAPS as i64 {
        ledger.open("a", TRADES, Some(10 * number), GapCause::SessionLost);
        ledger.close(TRADES, 10 * number + 1, 0);
    }
    assert_eq!(ledger.gaps().len(), MAX_GAPS);
    let ranges: Vec<_> = ledger.gaps()[..3].iter().map(|gap| gap.range().unwrap()).collect();
    assert_eq!(ranges, [5..=6, 0..=11, 20..=21], "the only gap of a stream stays as it is");
}

#[test]
fn a_long_gap_goes_on_where_it_was_and_only_failures_without_progress_count() {
    let mut ledger = pending(&[(TRADES, 100)]);
    let progress = |through, newest| Progress { through, newest, compared: Compared { common: 1, all: 2 } };
    let failed = || Outcome::Failed("no answer".into());
    let partly = |progress| Outcome::Partly { added: 2, progress };
    ledger.settle(1, failed(), 0);
    ledger.settle(1, partly(progress(95, Some(95))), 0);
    let gap = |ledger: &Ledger| ledger.gaps()[0].clone();
    assert_eq!((gap(&ledger).attempts, gap(&ledger).added, gap(&ledger).state), (0, 2, GapState::Pending));
    assert!(is_due(&ledger, 100_000 + LAG), "at once");
    // The last second may not have been whole: once more from there.
    ledger.settle(1, failed(), 0);
    assert_eq!(gap(&ledger).progress, Some(progress(94, Some(95))));
    // It brings nothing new: then it does not begin to count anew.
    ledger.settle(1, partly(progress(95, Some(95))), 0);
    ledger.settle(1, failed(), 0);
    assert_eq!(gap(&ledger).attempts, 2);
    // What lies before the gap is compared once.
    let mut ledger = pending(&[(TRADES, 100)]);
    ledger.settle(1, partly(progress(85, Some(85))), 0);
    ledger.settle(1, failed(), 0);
    assert_eq!(gap(&ledger).progress, Some(progress(85, Some(85))));
    ledger.settle(1, fetched(Some(1.0)), 0);
    assert_eq!((gap(&ledger).progress, gap(&ledger).added), (None, 5));
}

#[test]
fn what_else_was_lost_of_a_stream_is_known_of_a_gap() {
    let mut ledger = pending(&[(TRADES, 100), (QUOTES, 100), (TRADES, 120)]);
    ledger.open("a", TRADES, None, GapCause::ProcessStart);
    ledger.close(TRADES, 140, 0);
    ledger.request("a", TRADES, 0..=999, 0);
    ledger.open("a", TRADES, Some(150), GapCause::SessionLost);
    let first = ledger.gaps()[0].clone();
    assert_eq!(ledger.beside(&first), [110..=120, 140..=140, 150..=i64::MAX]);
}

#[test]
fn what_was_in_memory_only_is_a_gap_when_the_process_is_gone() {
    let mut ledger = Ledger::default();
    let in_memory = |stream, from| Unwritten { contract: "a".to_owned(), stream, from };
    // While it lives, nothing is lost.
    ledger.set_unwritten(vec![in_memory(TRADES, 90), in_memory(QUOTES, 95)]);
    assert_eq!(ledger.gaps(), []);
    let kept = serde_json::to_string(&ledger).unwrap();
    let mut ledger: Ledger = serde_json::from_str(&kept).unwrap();
    // A loss that came later does not hide it.
    ledger.open("a", TRADES, Some(100), GapCause::SessionLost);
    ledger.lose_unwritten();
    let found: Vec<_> = ledger.gaps().iter().map(|gap| (gap.stream, gap.after, gap.cause)).collect();
    let expected = [(TRADES, Some(90), GapCause::SessionLost), (QUOTES, Some(95), GapCause::Unwritten)];
    assert_eq!((found.as_slice(), ledger.unwritten()), (expected.as_slice(), [].as_slice()));
    ledger.lost("a", QUOTES, 99);
    assert_eq!(ledger.gaps()[1].after, Some(95), "what is lost already is not lost again");
}

#[test]
fn what_cannot_be_done_now_holds_up_no_other_gap() {
    let ledger = pending(&[(TRADES, 100), (QUOTES, 300), (TRADES, 200)]);
    let next = |may: fn(&Gap) -> Option<i64>| match ledger.next(400_000, LAG, may) {
        Due::Now(gap) => Ok(gap.id),
        Due::At(due) => Err(due),
    };
    assert_eq!(next(at_once), Ok(3));
    assert_eq!(next(|gap| (gap.id != 3).then_some(0)), Ok(1), "nobody knows when");
    assert_eq!(next(|gap| Some(if gap.stream == TRADES { 500_000 } else { 0 })), Ok(2));
    assert_eq!(next(|gap| Some(500_000 + gap.id as i64)), Err(Some(500_001)), "the first that may");
    assert_eq!(next(|_| None), Err(None));
}
