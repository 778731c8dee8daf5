//! Which gap has its turn, and what becomes of those that no tick will end.

use std::time::Duration;

use marketstream_crds::{MarketStreamSpec, StreamState};
use marketstream_proto::TickKind;

use super::*;
use crate::{
    backfill::{budget::SPACING, fetch::FetchError},
    engine::bench::Bench,
    session::{details::Resolved, volumes::Unknown},
    test_support::manifest,
};

fn stream(con_id: i32) -> Recorded {
    Recorded { con_id, kind: TickKind::Last }
}

/// A gap that ended some minutes ago.
fn gap(bench: &mut Bench, contract: &str, con_id: i32, minutes: i64) {
    let now = bench.engine.now();
    let second = now.wall.as_second() - 60 * minutes;
    let ended = Now { wall: now.wall - jiff::SignedDuration::from_mins(minutes), ..now };
    bench.engine.gaps.open(contract, stream(con_id), Some(second - 1_000), GapCause::SessionLost);
    bench.engine.gaps.close(stream(con_id), second, ended);
}

fn known(bench: &mut Bench, contract: &str, con_id: i32) {
    let entry = bench.engine.contracts.get_mut(contract).unwrap();
    entry.resolved = Some(Resolved::known_before(con_id, "CME", None, false));
}

/// The contract of the gap whose turn it is, and what is done about it: asked, or the reason why not.
fn turn(bench: &Bench) -> Option<(i32, String)> {
    match bench.engine.choose(true, bench.engine.now()).unwrap() {
        Turn::Now(gap, Chosen::Asked(contract, _)) => {
            Some((gap.stream.con_id, format!("asked {}", contract.contract_id)))
        }
        Turn::Now(gap, Chosen::Refused(reason)) => Some((gap.stream.con_id, reason)),
        Turn::At(_) => None,
    }
}

fn asked(con_id: i32) -> Option<(i32, String)> {
    Some((con_id, format!("asked {con_id}")))
}

fn change(bench: &mut Bench, change: impl FnOnce(&mut MarketStreamSpec)) {
    let mut spec = bench.engine.spec.clone().unwrap();
    change(&mut spec);
    bench.engine.take_manifest(manifest(spec));
}

#[tokio::test]
async fn a_contract_that_is_not_known_holds_up_its_own_gaps_only() {
    let mut bench = Bench::new();
    gap(&mut bench, "a", 1, 5);
    gap(&mut bench, "b", 2, 10);
    assert_eq!(turn(&bench), None, "neither look-up has told yet");
    known(&mut bench, "b", 2);
    assert_eq!(turn(&bench), asked(2));
    known(&mut bench, "a", 1);
    assert_eq!(turn(&bench), asked(1), "the newest first");
    // An entry that was refused since it means the contract of another one leaves its gaps to that one.
    change(&mut bench, |spec| spec.contracts[1].con_id = Some(1));
    bench.engine.contracts.get_mut("b").unwrap().double = true;
    gap(&mut bench, "b", 1, 3);
    assert_eq!(turn(&bench), asked(1));
    let newest = bench.engine.choose(true, bench.engine.now());
    assert!(matches!(newest, Some(Turn::Now(gap, Chosen::Asked(..))) if gap.contract == "b"));
}

#[tokio::test]
async fn what_is_not_to_be_asked_is_settled_whether_history_can_be_asked_or_not() {
    let mut bench = Bench::new();
    gap(&mut bench, "a", 1, 25 * 60);
    let Some(Turn::Now(old, Chosen::Refused(reason))) = bench.engine.choose(false, bench.engine.now()) else {
        panic!("it waits for a look-up that may never tell");
    };
    assert_eq!((old.stream.con_id, reason.as_str()), (1, "older than spec.backfill.maxAge"));
    // There is no session at all.
    bench.engine.turn();
    let settled = tokio::time::timeout(Duration::from_secs(30), bench.engine.inbox.recv()).await.unwrap().unwrap();
    bench.engine.take_event(settled);
    assert_eq!(bench.engine.gaps.published().0.gaps()[0].state, GapState::Unfillable);
}

#[tokio::test]
async fn a_contract_keeps_its_backlog_under_another_name() {
    let mut bench = Bench::new();
    gap(&mut bench, "a", 1, 5);
    change(&mut bench, |spec| spec.contracts[0].name = "renamed".to_owned());
    assert_eq!(turn(&bench), None);
    known(&mut bench, "renamed", 1);
    assert_eq!(turn(&bench), asked(1));
    // Its fields may mean the same contract: the look-up tells.
    change(&mut bench, |spec| (spec.contracts[0].con_id, spec.contracts[0].symbol) = (None, Some("MNQ".to_owned())));
    assert_eq!(turn(&bench), None);
    known(&mut bench, "renamed", 3);
    assert_eq!(turn(&bench), Some((1, "the contract is no longer in the manifest".to_owned())));
    change(&mut bench, |spec| spec.contracts[0].name = "a".to_owned());
    known(&mut bench, "a", 3);
    assert_eq!(turn(&bench), Some((1, "the manifest's name now means another contract".to_owned())));
}

#[tokio::test]
async fn a_gap_is_chosen_only_when_the_budget_has_room_for_it() {
    let mut bench = Bench::new();
    known(&mut bench, "a", 1);
    gap(&mut bench, "a", 1, 5);
    let now = bench.engine.now();
    locked(&bench.engine.gaps.budget).spend(TickKind::Last, now.mono);
    let due = |bench: &Bench, now: Now| match bench.engine.choose(true, now).unwrap() {
        Turn::Now(..) => None,
        Turn::At(due) => Some(due.unwrap() - now.mono),
    };
    assert_eq!((due(&bench, now), due(&bench, Now { mono: now.mono + SPACING, ..now })), (Some(SPACING), None));
    locked(&bench.engine.gaps.budget).cool_down(now.mono);
    assert_eq!(due(&bench, now), Some(Duration::from_secs(600)));
    // What needs no question does not wait.
    change(&mut bench, |spec| spec.backfill.ticks = Vec::new());
    assert_eq!(turn(&bench), Some((1, "its tick type is not in spec.backfill.ticks".to_owned())));
}

/// The gaps' streams, and how far they are.
fn states(bench: &Bench) -> Vec<(i32, TickKind, GapState)> {
    let ledger = bench.engine.gaps.published().0;
    ledger.gaps().iter().map(|gap| (gap.stream.con_id, gap.stream.kind, gap.state)).collect()
}

#[tokio::test]
async fn a_gap_ends_when_its_stream_leaves_the_manifest() {
    use GapState::{Open, Pending};
    use TickKind::{BidAsk, Last, QuoteL1};
    let mut bench = Bench::new();
    for (contract, con_id, kind) in [("a", 1, Last), ("a", 1, BidAsk), ("b", 2, Last), ("c", 3, Last)] {
        bench.engine.gaps.open(contract, Recorded { con_id, kind }, None, GapCause::ProcessStart);
    }
    // A tick type, and a contract that was not there when this process started.
    change(&mut bench, |spec| spec.contracts[0].ticks.truncate(1));
    assert_eq!(states(&bench), [(1, Last, Open), (1, BidAsk, Pending), (2, Last, Open), (3, Last, Pending)]);
    // Under another name it goes on; by its fields alone it may be another one, which its look-up tells.
    change(&mut bench, |spec| spec.contracts[0].name = "renamed".to_owned());
    change(&mut bench, |spec| (spec.contracts[1].con_id, spec.contracts[1].symbol) = (None, Some("MNQ".to_owned())));
    assert_eq!([0, 2].map(|at| states(&bench)[at].2), [Open, Open]);
    known(&mut bench, "b", 4);
    let now = bench.engine.now();
    bench.engine.end_left(now);
    assert_eq!([0, 2].map(|at| states(&bench)[at].2), [Open, Pending]);
    let ended = bench.engine.gaps.published().0.gaps()[2].before;
    assert_eq!(ended, Some(now.wall.as_second()));
    // No tick ends a gap of samples either, of which IBKR keeps no history.
    let samples = Recorded { con_id: 1, kind: QuoteL1 };
    let trouble = Trouble { unwritten: BTreeMap::new(), lost: [(samples, 5)].into(), ended: false };
    bench.engine.disk_told(trouble);
    assert_eq!(states(&bench)[4], (1, QuoteL1, Pending));
}

#[tokio::test]
async fn what_history_says_of_another_session_holds_the_streams_unless_they_flow() {
    type Way = fn(&mut Bench, (i32, String));
    let competing = || (162, "Trading TWS session is connected from a different IP address".to_owned());
    let ways: [Way; 3] = [
        |bench, (code, text)| bench.engine.filled(1, None, Outcome::Competing(code, text)),
        |bench, (code, text)| {
            let (key, now) = (bench.engine.order[0].clone(), bench.engine.now());
            bench.engine.probed(&key, Err(FetchError::Competing(code, text)), now);
        },
        |bench, (code, text)| {
            let now = bench.engine.now();
            bench.engine.volumes("a", Err(Unknown::Competing(code, text)), now);
        },
    ];
    for way in ways {
        for flows in [false, true] {
            let mut bench = Bench::new();
            gap(&mut bench, "a", 1, 5);
            let now = bench.engine.now();
            let stream = bench.engine.streams.values_mut().next().unwrap();
            stream.start(1, AbortOnDropHandle::new(tokio::spawn(std::future::pending())), now.mono);
            stream.verdict.state = if flows { StreamState::Flowing } else { StreamState::Stale };
            way(&mut bench, competing());
            assert_eq!(bench.engine.hold.is_some(), !flows);
        }
    }
}

#[tokio::test]
async fn what_waits_for_history_is_told_while_it_can_be_asked() {
    let mut bench = Bench::new();
    known(&mut bench, "a", 1);
    let now = bench.engine.now();
    let eta = |bench: &mut Bench, asks: bool, after: u64| {
        let now = Now { mono: now.mono + Duration::from_secs(after), ..now };
        bench.engine.count_backlog(asks, now);
        bench.engine.gaps.published().eta_seconds(now)
    };
    assert_eq!(eta(&mut bench, true, 0), None);
    // 1,021 seconds, at one tick a second as long as nothing is known.
    gap(&mut bench, "a", 1, 5);
    gap(&mut bench, "b", 2, 5);
    assert_eq!(eta(&mut bench, true, 2), Some(1), "the contract of the other is not known");
    assert_eq!(eta(&mut bench, false, 4), None);
    locked(&bench.engine.gaps.budget).cool_down(now.mono);
    assert_eq!(eta(&mut bench, true, 6), Some(600 - 6 + 1));
    change(&mut bench, |spec| spec.backfill.enabled = false);
    assert_eq!(eta(&mut bench, true, 8), None);
}
