//! A market in which nothing happens is told from a stream that has died, and streams without a tick-by-tick line are
//! recorded from market data.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use marketstream_crds::{ActionKind, ActionState, StreamState, StreamerStatus};
use serde_json::json;

/// A contract of the simulator that is always halted: SIMHALTED.
const HALTED: i32 = 900_011;

/// A contract of the simulator that is often silent, quotes and trades alike: SIMTHIN.
const THIN: i32 = 900_009;

/// Pending before the manifest is known.
fn state(status: &StreamerStatus, key: &str) -> StreamState {
    status.streams.iter().find(|stream| stream.key() == key).map_or(StreamState::Pending, |stream| stream.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_contract_is_halted_and_not_stale() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    let halted = json!({"name": "halted", "conId": HALTED, "ticks": ["Last", "BidAsk"]});
    streamer.apply(&spec(json!([halted, sim1(&["Last"])]), &[gateway.port()]));
    let status = streamer
        .until("the halt is known", |status| {
            state(status, "halted/Last") == StreamState::Halted && state(status, "halted/BidAsk") == StreamState::Halted
        })
        .await;
    assert!(status.streams.iter().all(|stream| stream.state != StreamState::Halted || stream.silent_seconds == 0.0));
    let status = streamer.until("the other one flows", |status| status.flowing == 1).await;
    assert_eq!(status.summary, "1/1", "nothing is expected of a halted contract");
    // It stays so, long after it would be stale.
    let since = status.streams[0].since;
    until("ten times staleAfter have passed", async || {
        now_s() > since.get().as_second() + 20 || {
            assert_eq!(state(&streamer.status(), "halted/Last"), StreamState::Halted);
            false
        }
    })
    .await;
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_died_is_stale_while_its_line_goes_on() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]));
    streamer.until_flowing().await;
    until("the line was asked for", async || gateway.requests("feed").await.len() == 1).await;
    let seen = now_s();
    until("the line has spoken", async || now_s() > seen + 2).await;
    gateway.begin(json!({"kind": "lose_subscriptions", "scope": {"con_id": SIM1, "tick": "BidAsk"}})).await;
    let stale = |status: &StreamerStatus| state(status, "sim1/BidAsk") == StreamState::Stale;
    let status = streamer.until("the lost stream is stale", stale).await;
    assert_eq!(state(&status, "sim1/Last"), StreamState::Flowing);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trades_that_are_not_made_leave_a_stream_quiet() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]));
    streamer.until_flowing().await;
    // The line shows quotes and no trade: the market of this contract has none.
    let fault = json!({"kind": "silence", "scope": {"con_id": SIM1, "tick": "Last"}, "cure": "Never"});
    gateway.begin(fault).await;
    let quiet = |status: &StreamerStatus| state(status, "sim1/Last") == StreamState::Quiet;
    let status = streamer.until("nothing trades", quiet).await;
    assert_eq!((status.summary.as_str(), status.streams[0].silent_seconds), ("1/1", 0.0));
    assert!(streamer.gaps().iter().all(|gap| gap.cause != marketstream_streamer::backfill::ledger::GapCause::Silence));
    gateway.end_faults().await;
    let status = streamer.until_flowing().await;
    assert_eq!(status.streams[0].restarts, 0, "nobody has touched it");
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_knows_that_a_thin_contract_is_quiet() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    // Nothing comes on its line either.
    streamer.apply(&spec(json!([{"name": "thin", "conId": THIN, "ticks": ["Last"]}]), &[gateway.port()]));
    let quiet = |status: &StreamerStatus| state(status, "thin/Last") == StreamState::Quiet;
    streamer.until("the line's first word", quiet).await;
    // Soon that is too old, and history tells only when half a minute has passed.
    let started = now_s();
    let told = |status: &StreamerStatus| quiet(status) && now_s() > started + 25;
    streamer.until_within(Duration::from_secs(150), "history was asked", told).await;
    assert!(!gateway.requests("history").await.is_empty());
    let status = streamer.status();
    assert_eq!((status.summary.as_str(), status.streams[0].silent_seconds), ("0/0", 0.0));
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_knows_that_a_session_is_dead() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec(json!([sim1(&["Last"])]), &[gateway.port()]));
    streamer.until_flowing().await;
    gateway.begin(json!({"kind": "silence", "scope": {"all": true}, "cure": "Never"})).await;
    let stale = |status: &StreamerStatus| state(status, "sim1/Last") == StreamState::Stale;
    streamer.until("the silence", stale).await;
    let asked = async || gateway.requests("history").await.len() >= 2;
    until("history was asked twice", async || {
        assert_eq!(state(&streamer.status(), "sim1/Last"), StreamState::Stale);
        asked().await
    })
    .await;
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_data_are_named_and_not_recorded() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    gateway.begin(json!({"kind": "delayed", "scope": {"con_id": SIM1}})).await;
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec(json!([sim1(&["Last"])]), &[gateway.port()]));
    let rejected =
        |status: &StreamerStatus| state(status, "sim1/Last") == StreamState::Rejected && status.streams[0].delayed;
    let status = streamer.until("delayed data", rejected).await;
    assert_eq!(status.streams[0].error.as_ref().unwrap().code, 10167);
    until("each notice is counted once", async || {
        let sent = gateway.requests("error").await.iter().filter(|line| line["code"] == 10167).count() as u64;
        sent > 0 && streamer.facts().counters.notices().contains(&(10167, sent))
    })
    .await;
    assert_eq!((status.flowing, status.last_tick_time), (0, None));
    gateway.end_faults().await;
    let started = now_s();
    let status = streamer.until_within(Duration::from_secs(60), "live data", |status| status.flowing == 1).await;
    assert!(status.streams[0].error.is_none());
    streamer.until("the line is live again", |status| !status.streams[0].delayed).await;
    streamer.stop().await;
    assert!(stored(data.path()).iter().all(|tick| tick.time_s >= started), "a delayed tick was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exceeds_the_lines_is_recorded_from_market_data_under_its_own_type() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    let sim2 = json!({"name": "sim2", "conId": SIM2, "ticks": ["Last", "BidAsk"], "priority": -1});
    let mut spec = spec(json!([sim1(&["Last", "BidAsk"]), sim2]), &[gateway.port()]);
    (spec.limits.tick_by_tick, spec.limits.overflow) = (2, marketstream_crds::Overflow::MarketData);
    streamer.apply(&spec);
    let status = streamer.until_flowing().await;
    let states: Vec<StreamState> = status.streams.iter().map(|stream| stream.state).collect();
    use StreamState::{Flowing, Overflow};
    assert_eq!(states, [Flowing, Flowing, Overflow, Overflow]);
    assert!(status.streams.iter().all(|stream| stream.error.is_none()));
    let kinds = || {
        let kind = |line: &serde_json::Value| (line["con_id"].as_i64(), line["tick"].as_str().unwrap().to_owned());
        lines(data.path()).iter().map(kind).collect::<std::collections::BTreeSet<_>>()
    };
    until("all are stored", async || kinds().len() == 4).await;
    let of = |con_id: i32, kind: &str| (Some(i64::from(con_id)), kind.to_owned());
    let expected = [of(SIM1, "Last"), of(SIM1, "BidAsk"), of(SIM2, "QuoteL1"), of(SIM2, "RtVolume")];
    assert_eq!(kinds(), expected.into_iter().collect());
    assert_eq!(gateway.requests("subscribe").await.len(), 2, "never more tick-by-tick requests than lines");

    // What frees a line gives it to the most important one that has none.
    spec.contracts[0].ticks = vec![marketstream_crds::TickType::Last];
    streamer.apply(&spec);
    let status = streamer
        .until("the next stream has the line", |status| {
            status.total == 3 && state(status, "sim2/Last") == Flowing && state(status, "sim2/BidAsk") == Overflow
        })
        .await;
    assert_eq!(status.flowing, 3);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_recorded_from_market_data_can_be_restarted() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    let sim2 = json!({"name": "sim2", "conId": SIM2, "ticks": ["BidAsk"], "priority": -1});
    let mut spec = spec(json!([sim1(&["Last"]), sim2]), &[gateway.port()]);
    (spec.limits.tick_by_tick, spec.limits.overflow) = (1, marketstream_crds::Overflow::MarketData);
    streamer.apply(&spec);
    let overflows = |status: &StreamerStatus| state(status, "sim2/BidAsk") == StreamState::Overflow;
    streamer.until("the quotes come from market data", overflows).await;
    gateway.begin(json!({"kind": "lose_subscriptions", "scope": {"con_id": SIM2}})).await;
    let stale = |status: &StreamerStatus| state(status, "sim2/BidAsk") == StreamState::Stale;
    streamer.until("the gateway has forgotten the line", stale).await;
    streamer.send(&spec, None, Some(action("1", ActionKind::RestartStreams, &["sim2/BidAsk"], 851)));
    let done = |status: &StreamerStatus| {
        status.action.as_ref().is_some_and(|action| action.state == ActionState::Done) && overflows(status)
    };
    streamer.until("the line is subscribed again", done).await;
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_the_gateway_does_not_have_overflows_too() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let text = "Max number of tick-by-tick requests has been reached.";
    let scope = json!({"con_id": SIM1, "tick": "Last"});
    gateway.begin(json!({"kind": "reject", "scope": scope, "code": 10190, "text": text})).await;
    let streamer = Streamer::start(data.path());
    let mut spec = spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]);
    spec.limits.overflow = marketstream_crds::Overflow::MarketData;
    streamer.apply(&spec);
    let overflows = |status: &StreamerStatus| {
        (state(status, "sim1/Last"), state(status, "sim1/BidAsk")) == (StreamState::Overflow, StreamState::Flowing)
    };
    let status = streamer.until("the trades come from market data", overflows).await;
    assert_eq!(status.streams[0].error.as_ref().unwrap().code, 10190, "and it is said why");
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_may_not_be_had_leaves_its_line_to_the_next() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    let nobody = json!({"name": "nobody", "conId": 1, "ticks": ["Last"], "priority": 9});
    let mut spec = spec(json!([nobody, sim1(&["Last"])]), &[gateway.port()]);
    spec.limits.tick_by_tick = 1;
    streamer.apply(&spec);
    let status = streamer
        .until("the unknown contract leaves its line", |status| state(status, "sim1/Last") == StreamState::Flowing)
        .await;
    assert_eq!(status.streams[0].error.as_ref().unwrap().code, 200);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_far_off_the_market_is_put_aside_and_the_stream_is_asked_for_again() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]));
    streamer.until_flowing().await;
    let seen = now_s();
    until("the line has spoken", async || now_s() > seen + 2).await;
    let fault = json!({"kind": "wrong_prices", "scope": {"con_id": SIM1, "tick": "Last"}, "cure": "Resubscribe",
        "offset": 500.0});
    gateway.begin(fault).await;
    let corrupt = |status: &StreamerStatus| status.streams[0].corrupt.is_some();
    let status = streamer.until("a wrong price is seen", corrupt).await;
    assert!(status.streams[0].corrupt.as_ref().unwrap().message.contains("while the market is at"));
    assert!(status.streams[1].corrupt.is_none());
    let status = streamer
        .until("the stream was asked for again", |status| status.flowing == 2 && status.streams[0].restarts == 1)
        .await;
    assert_eq!(status.streams[1].restarts, 0);
    assert!(streamer.gaps().iter().any(|gap| gap.cause == marketstream_streamer::backfill::ledger::GapCause::Corrupt));
    let to = now_s();
    streamer.stop().await;
    let aside = std::fs::read_dir(data.path().join("quarantine")).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read_to_string(aside.path()).unwrap().contains("\"stream\":\"sim1/Last\""));
    let verdict = gateway.judge(data.path(), seen, to).await;
    assert_eq!(verdict.total.altered + verdict.total.altered_by_fault, 0, "{verdict:#?}");
}
