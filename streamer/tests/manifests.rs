//! Changes of the manifest act at once, and only where something changed.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use marketstream_crds::StreamState;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn contracts_come_and_go_while_the_others_flow() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let ports = [gateway.port()];
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec(json!([sim1(&["Last"])]), &ports));
    streamer.until_flowing().await;

    let sim2 = json!({"name": "sim2", "symbol": "SIM2", "secType": "CRYPTO", "exchange": "PAXOS", "currency": "USD",
        "ticks": ["BidAsk"]});
    streamer.apply(&spec(json!([sim1(&["Last", "BidAsk"]), sim2]), &ports));
    let status = streamer.until("three streams flow", |status| status.flowing == 3).await;
    assert!(status.streams.iter().all(|stream| stream.restarts == 0));

    streamer.apply(&spec(json!([sim2]), &ports));
    let status = streamer.until("one stream is left", |status| status.total == 1).await;
    assert_eq!((status.streams[0].key().as_str(), status.streams[0].restarts), ("sim2/BidAsk", 0));
    until("the others are cancelled", async || gateway.requests("cancel").await.len() == 2).await;
    assert_eq!(gateway.requests("connect").await.len(), 1);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_the_lines_are_refused_until_there_are_more_lines() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let mut spec = spec(
        json!([sim1(&["Last", "BidAsk"]), {"name": "sim2", "conId": SIM2, "ticks": ["Last"], "priority": 9}]),
        &[gateway.port()],
    );
    spec.limits.tick_by_tick = 2;
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    let status = streamer.until("two streams flow", |status| status.flowing == 2).await;
    let refused: Vec<_> = status.streams.iter().filter(|stream| stream.state == StreamState::Rejected).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].key(), "sim1/BidAsk");
    let error = refused[0].error.as_ref().unwrap();
    assert_eq!(error.code, 0);
    assert!(error.message.contains("spec.limits.tickByTick is 2"), "{}", error.message);

    spec.limits.tick_by_tick = 3;
    streamer.apply(&spec);
    let status = streamer.until_flowing().await;
    assert!(status.streams.iter().all(|stream| stream.restarts == 0 && stream.error.is_none()));
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_contract_is_refused_until_the_manifest_is_right() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let ports = [gateway.port()];
    let streamer = Streamer::start(data.path());
    let wrong = json!({"name": "other", "conId": 4_242, "ticks": ["Last"]});
    streamer.apply(&spec(json!([sim1(&["Last"]), wrong]), &ports));
    streamer.until("the good one flows", |status| status.flowing == 1).await;
    let status = streamer.until("the refusal", |status| status.streams[0].state == StreamState::Rejected).await;
    assert_eq!(status.streams[0].error.as_ref().map(|error| error.code), Some(200));

    let right = json!({"name": "other", "conId": SIM2, "ticks": ["Last"]});
    streamer.apply(&spec(json!([sim1(&["Last"]), right]), &ports));
    let status = streamer.until_flowing().await;
    assert_eq!(status.streams[1].restarts, 0);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_gateway_in_the_manifest_is_gone_to() {
    let (first, second, data) = (Gateway::start().await, Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec(json!([sim1(&["Last"])]), &[first.port()]));
    streamer.until_flowing().await;
    streamer.apply(&spec(json!([sim1(&["Last"])]), &[second.port()]));
    let endpoint = format!("127.0.0.1:{}", second.port());
    streamer.until("the move", |status| status.socket.endpoint.as_ref() == Some(&endpoint)).await;
    streamer.until_flowing().await;
    streamer.stop().await;
}
