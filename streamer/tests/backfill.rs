//! What was lost is fetched again: with a history that is exact, nothing is missing, doubled or altered afterwards.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use marketstream_crds::{ActionKind, GapCounts, MarketStreamSpec, StreamerStatus, TickType};
use marketstream_streamer::{backfill::ledger::GapState, engine};
use serde_json::json;

/// Longest wait for a gap to be filled: the lag, the requests' spacing, and a busy machine.
const FILLED: Duration = Duration::from_secs(90);

/// Records both trades and quotes, loses something, and judges all seconds from the first to the last.
async fn nothing_is_missing_after(loss: impl AsyncFnOnce(&Gateway, &mut Streamer, &MarketStreamSpec)) {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let spec = spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]);
    let mut streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    let from = now_s() + 1;
    until("seconds were recorded", async || now_s() > from + 2).await;
    loss(&gateway, &mut streamer, &spec).await;
    streamer.until_flowing().await;
    let filled = |status: &StreamerStatus| {
        status.gaps.is_some_and(|gaps| gaps.open == 0 && gaps.filled + gaps.approximate + gaps.unfillable > 0)
    };
    let status = streamer.until_within(FILLED, "every gap is settled", filled).await;
    let gaps = streamer.gaps();
    assert!(gaps.iter().all(|gap| gap.state == GapState::Filled), "{:?}: {gaps:#?}", status.gaps);
    assert!(gaps.iter().any(|gap| gap.added > 0), "nothing was lost, so nothing is proven: {gaps:#?}");
    let to = now_s() - 1;
    streamer.stop().await;
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.total.stored > 0 && verdict.complete(), "{verdict:#?}\n{gaps:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_is_filled() {
    nothing_is_missing_after(async |gateway, streamer, _| {
        gateway.begin(json!({"kind": "refuse"})).await;
        gateway.close_sockets().await;
        streamer.until("the session is down", |status| status.socket.down_seconds > 2.0).await;
        gateway.end_faults().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_process_is_filled() {
    nothing_is_missing_after(async |gateway, streamer, spec| {
        let data = streamer.data().to_owned();
        streamer.stop_in_place().await;
        let stopped = now_s();
        until("seconds passed", async || now_s() > stopped + 3).await;
        *streamer = Streamer::start(&data);
        streamer.apply(spec);
        assert!(gateway.port() > 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_that_a_resubscription_cures_is_filled() {
    nothing_is_missing_after(async |gateway, streamer, spec| {
        gateway.begin(json!({"kind": "silence", "scope": {"all": true}, "cure": "Resubscribe"})).await;
        streamer.until("the silence", |status| status.flowing == 0).await;
        let streams = ["sim1/Last", "sim1/BidAsk"];
        streamer.send(spec, None, Some(action("1", ActionKind::RestartStreams, &streams, 851)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_that_ends_by_itself_is_filled() {
    nothing_is_missing_after(async |gateway, streamer, _| {
        gateway.begin(json!({"kind": "silence", "scope": {"all": true}, "cure": "Never"})).await;
        streamer.until("the silence", |status| status.flowing == 0).await;
        gateway.end_faults().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_type_that_is_not_wanted_is_marked_and_a_person_may_still_ask() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let mut spec = spec(json!([sim1(&["MidPoint"])]), &[gateway.port()]);
    spec.backfill.requests_per_10_minutes = 20;
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    gateway.close_sockets().await;
    let unfillable = |status: &StreamerStatus| status.gaps == Some(GapCounts { unfillable: 1, ..GapCounts::default() });
    streamer.until_within(FILLED, "the gap is marked", unfillable).await;
    assert_eq!(streamer.gaps()[0].reason.as_deref(), Some("its tick type is not in spec.backfill.ticks"));

    // Before anything was recorded.
    let (from, to) = (now_s() - 300, now_s() - 120);
    let request = engine::Request { contract: "sim1".to_owned(), tick: TickType::MidPoint, seconds: from..=to - 1 };
    streamer.request(request);
    let settled =
        |status: &StreamerStatus| status.gaps.is_some_and(|gaps| gaps.open == 0 && gaps.filled + gaps.approximate == 1);
    streamer.until_within(FILLED, "the range is fetched", settled).await;
    streamer.stop().await;
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.total.stored > 0 && verdict.complete(), "{verdict:#?}");
    assert!(lines(data.path()).iter().any(|line| line["backfill"] == true));
}
