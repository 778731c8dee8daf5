//! Market-data lines: whom they record for, and when they are asked for again.

use marketstream_crds::{Contract, MarketStreamSpec};
use serde_json::json;

use super::*;
use crate::{
    engine::bench::{Bench, refusal, silent_since_100_s},
    session::details::Resolved,
    test_support::{manifest, spec},
};

/// One tick-by-tick line for two contracts: what exceeds it is recorded from market data.
fn overflowing(ticks: &[&str]) -> MarketStreamSpec {
    spec(json!({
        "contracts": [
            {"name": "a", "conId": 1, "ticks": ["Last"]},
            {"name": "b", "conId": 2, "ticks": ticks},
        ],
        "gateway": {"external": {"host": "127.0.0.1", "ports": [1]}},
        "limits": {"tickByTick": 1, "overflow": "MarketData"},
    }))
}

fn bench(ticks: &[&str]) -> Bench {
    let mut bench = Bench::new();
    plan(&mut bench, overflowing(ticks));
    bench
}

fn plan(bench: &mut Bench, spec: MarketStreamSpec) {
    bench.engine.take_manifest(manifest(spec));
    let now = bench.engine.now();
    bench.engine.assign_lines(now);
    bench.engine.plan_lines(now);
}

fn recorded(bench: &Bench) -> Vec<String> {
    bench.engine.lines["b"].recorded.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_line_is_asked_for_again_when_other_streams_are_recorded_from_it() {
    for (before, after, lines, expected) in [
        (&["BidAsk"][..], &["BidAsk", "MidPoint"][..], 1, &["b/BidAsk", "b/MidPoint"][..]),
        (&["AllLast", "Last"], &["AllLast"], 1, &["b/AllLast"]),
        // The first of them gets a tick-by-tick line.
        (&["BidAsk", "MidPoint"], &["BidAsk", "MidPoint"], 2, &["b/MidPoint"]),
    ] {
        let mut bench = bench(before);
        let wish = bench.engine.lines["b"].wish;
        bench.engine.lines.get_mut("b").unwrap().pretend(Duration::ZERO);
        plan(&mut bench, overflowing(before));
        assert!(bench.engine.lines["b"].is_running(), "nothing has changed");
        let mut spec = overflowing(after);
        spec.limits.tick_by_tick = lines;
        plan(&mut bench, spec);
        assert_eq!(bench.engine.lines["b"].wish, wish);
        assert!(!bench.engine.lines["b"].is_running(), "{before:?} {after:?}");
        assert_eq!(recorded(&bench), expected);
    }
}

#[tokio::test]
async fn that_no_line_is_left_is_told_once_and_until_there_is_one() {
    let mut spec = overflowing(&["BidAsk"]);
    spec.limits.lines = 1;
    spec.contracts.push(Contract { name: "c".to_owned(), con_id: Some(3), ..spec.contracts[1].clone() });
    let mut bench = bench(&["BidAsk"]);
    plan(&mut bench, spec.clone());
    let told = |bench: &mut Bench, second: i64| {
        let now = bench.engine.now();
        let now = Now { wall: now.wall + jiff::SignedDuration::from_secs(second), ..now };
        bench.engine.assign_lines(now);
        bench.engine.plan_lines(now);
        let stream = bench.stream("c/BidAsk");
        (stream.is_refused_by(Origin::Lines), stream.error.as_ref().map(|error| error.time))
    };
    let first = told(&mut bench, 0);
    assert!(first.0 && first.1.is_some() && !bench.engine.lines.contains_key("c"));
    assert_eq!(told(&mut bench, 60), first, "it is no news");
    let says = |bench: &mut Bench| bench.stream("c/BidAsk").error.as_ref().unwrap().message.clone();
    assert!(says(&mut bench).contains("limits.lines is 1"));
    spec.limits.overflow = Overflow::Refuse;
    plan(&mut bench, spec.clone());
    assert!(says(&mut bench).contains("limits.tickByTick is 1"));
    (spec.limits.overflow, spec.limits.lines) = (Overflow::MarketData, 2);
    plan(&mut bench, spec);
    assert_eq!(told(&mut bench, 70), (false, None));
    assert!(bench.stream("c/BidAsk").overflow);
}

#[tokio::test]
async fn a_line_that_is_recorded_from_is_a_canary_too_and_its_first_sample_ends_the_hold() {
    let mut bench = bench(&["BidAsk"]);
    let now = bench.engine.now();
    bench.engine.begin_hold(10197, "No market data during competing live session", now);
    let canaries = |bench: &Bench| {
        let keys = bench.engine.askable_by_line(bench.engine.now()).into_iter().map(|(key, _)| key.to_string());
        keys.collect::<Vec<_>>()
    };
    assert!(canaries(&bench).is_empty(), "its contract is not known");
    let resolved = Resolved::known_before(2, "CME", None, false);
    bench.engine.contracts.get_mut("b").unwrap().resolved = Some(resolved);
    assert_eq!(canaries(&bench), ["b/BidAsk"]);
    let line = bench.engine.lines.get_mut("b").unwrap();
    line.pretend(now.mono);
    assert!(canaries(&bench).is_empty(), "it may yet speak");
    let (key, stream) = bench.engine.streams.iter().find(|(key, _)| key.contract == "b").unwrap();
    let (key, pulse) = (key.clone(), stream.pulse.clone());
    let mut held_after = |canary: bool, sample: Duration| {
        bench.engine.lines.get_mut("b").unwrap().running.as_mut().unwrap().canary = canary;
        pulse.beat(Now { mono: sample, ..now });
        bench.engine.hear_canary_lines(now);
        bench.engine.hold.is_some()
    };
    let (before, after) = (now.mono.saturating_sub(Duration::from_millis(1)), now.mono + Duration::from_millis(1));
    assert_eq!((held_after(false, now.mono), held_after(true, before), held_after(true, after)), (true, true, false));
    // One that is refused for a reason of its own comes last.
    assert!(!bench.engine.is_refused_itself(&key));
    bench.engine.lines.get_mut("b").unwrap().refused = Some(refusal(354, now));
    assert!(bench.engine.is_refused_itself(&key));
}

#[tokio::test]
async fn what_was_to_be_restarted_during_a_hold_is_restarted_at_its_end() {
    let mut bench = bench(&["BidAsk"]);
    let now = bench.engine.now();
    bench.engine.begin_hold(10197, "No market data during competing live session", now);
    let (key, stream) = bench.engine.streams.iter_mut().find(|(_, stream)| stream.lined).unwrap();
    stream.start(1, AbortOnDropHandle::new(tokio::spawn(std::future::pending())), now.mono);
    bench.engine.pending = Some(("1".to_owned(), [key.clone()].into()));
    bench.engine.end_hold(now);
    let stream = bench.engine.streams.values().find(|stream| stream.lined).unwrap();
    assert!(!stream.is_running() && stream.wanted_at.is_some());
}

#[tokio::test]
async fn a_line_that_says_nothing_after_the_data_are_back_is_asked_for_again() {
    let again: [fn(&mut Engine, Now); 2] = [|engine, now| engine.verify_later(now.mono), Engine::end_hold];
    for (again, speaks) in again.into_iter().flat_map(|again| [(again, false), (again, true)]) {
        let mut bench = bench(&["BidAsk"]);
        let now = bench.engine.now();
        // It was asked for a moment after the notice: the gateway may have lost that, too.
        again(&mut bench.engine, now);
        let line = bench.engine.lines.get_mut("b").unwrap();
        line.pretend(now.mono + Duration::from_secs(1));
        if speaks {
            line.seen.lock().speaks(now.mono + Duration::from_secs(2));
        }
        let later = Now { mono: now.mono + Duration::from_secs(40), ..now };
        bench.engine.verify_if_due(later);
        assert_eq!(bench.engine.lines["b"].is_running(), speaks);
    }
}

#[tokio::test]
async fn streams_that_were_denied_live_data_are_asked_for_when_their_line_has_them_again() {
    let mut bench = Bench::new();
    let (_, at) = silent_since_100_s(&mut bench);
    bench.resolve();
    bench.not_wanted();
    bench.engine.lines.get_mut("a").unwrap().refused = Some(refusal(10167, at));
    bench.stream("a/Last").error = Some(refusal(10167, at));
    // It speaks, and has not shown of what kind its data are.
    bench.engine.look_after_lines(at);
    assert!(bench.wanted().is_empty() && bench.engine.lines["a"].is_delayed());
    bench.engine.lines["a"].seen.lock().live = true;
    bench.engine.look_after_lines(at);
    assert_eq!(bench.wanted(), ["a/Last"]);
    assert!(!bench.engine.lines["a"].is_delayed());
    bench.not_wanted();
    bench.engine.look_after_lines(at);
    assert!(bench.wanted().is_empty(), "once");
}

#[tokio::test]
async fn a_line_is_not_dead_for_having_been_silent_while_its_session_was_closed() {
    let mut bench = Bench::new();
    let (_, at) = silent_since_100_s(&mut bench);
    bench.resolve();
    let mut restarted = |opened: u64| {
        let now = Now { mono: Duration::from_secs(5_000), ..at };
        bench.engine.lines.get_mut("a").unwrap().pretend(Duration::from_secs(50));
        bench.line_speaks(90);
        let stream = bench.stream("a/Last");
        stream.pulse.beat(now);
        (stream.verdict.state, stream.verdict.counted_from) = (StreamState::Flowing, Some(Duration::from_secs(opened)));
        bench.engine.look_after_lines(now);
        !bench.engine.lines["a"].is_running()
    };
    // The session opened just now, or long enough ago for the line to have spoken.
    assert_eq!((restarted(4_999), restarted(4_600)), (false, true));
}
