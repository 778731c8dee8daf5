//! Requests keep the pace that IBKR allows, and go out in the order of their importance.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use ib_gateway_sim::{
    limits::{AboveRate, LimitsConfig},
    market::catalog::Catalog,
};
use serde_json::{Value, json};

/// With so many requests at once on a busy machine.
const PATIENT: Duration = Duration::from_secs(60);

/// Those of the last session.
async fn requests_of_the_last_session(gateway: &Gateway) -> Vec<Value> {
    let all = gateway.lines("/requests").await;
    let begin = all.iter().rposition(|line| line["event"] == "connect").unwrap_or(all.len());
    all[begin..].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_keeps_the_pace_and_asks_for_the_most_important_streams_first() {
    // IBKR's own is 50; the rest is for pauses of a busy machine, after which what was held back arrives at once.
    let limits = LimitsConfig { messages_per_s: 90, above_rate: AboveRate::Reject, ..LimitsConfig::OFF };
    let gateway = Gateway::start_with(|config| config.limits = limits).await;
    let today = jiff::Zoned::now();
    let catalog = Catalog::on(today.date());
    let trading = catalog.contracts().iter().filter(|known| !known.expired_at(today.timestamp().as_second()));
    // More than go out in a second; their names, priorities and places in the manifest have three different orders.
    let contracts: Vec<Value> = trading
        .enumerate()
        .map(|(at, known)| {
            let name = format!("c{:02}", at * 7 % 89);
            json!({"name": name, "conId": known.con_id, "ticks": ["BidAsk"], "priority": at * 5 % 3})
        })
        .collect();
    assert!(contracts.len() > 35, "{}", contracts.len());
    let mut expected = contracts.clone();
    expected.sort_by_key(|contract| std::cmp::Reverse(contract["priority"].as_i64()));
    let expected: Vec<i64> = expected.iter().map(|contract| contract["conId"].as_i64().unwrap()).collect();
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start(data.path());
    let mut spec = spec(Value::Array(contracts), &[gateway.port()]);
    spec.limits.tick_by_tick = 100;
    streamer.apply(&spec);
    let asked = async |event: &str| {
        let requests = requests_of_the_last_session(&gateway).await.into_iter().filter(|line| line["event"] == event);
        requests.filter_map(|line| line["con_id"].as_i64()).collect::<Vec<_>>()
    };
    let whole =
        async || asked("feed").await.len() == expected.len() && asked("subscribe").await.len() == expected.len();
    until("all is asked for", whole).await;
    let asked_at = now_s();
    until("each may be asked for again", async || now_s() > asked_at + 1).await;
    gateway.close_sockets().await;
    until("another session", async || gateway.requests("connect").await.len() == 2).await;
    until("all is asked for again", whole).await;
    assert_eq!(asked("subscribe").await, expected);
    // Nothing that could wait goes before them.
    let requests = requests_of_the_last_session(&gateway).await;
    let early = requests.iter().skip(1).take(expected.len()).all(|line| line["event"] == "subscribe");
    assert!(early, "{requests:#?}");
    streamer.stop().await;
    let too_fast: Vec<Value> = gateway.requests("error").await.into_iter().filter(|line| line["code"] == 100).collect();
    assert_eq!(too_fast, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_insists_on_distance_within_an_instrument_gets_it() {
    const PAUSE_S: u32 = 3;
    let limits = LimitsConfig { tick_by_tick_pause_s: PAUSE_S, ..LimitsConfig::OFF };
    let gateway = Gateway::start_with(|config| config.limits = limits).await;
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start(data.path());
    let mut spec = spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]);
    // Longer than the gateway wants it, for the way there.
    spec.limits.same_instrument_spacing = "4s".parse().unwrap();
    streamer.apply(&spec);
    let refused = async || gateway.requests("error").await.into_iter().filter(|line| line["code"] == 10190).count();
    streamer.until_within(PATIENT, "both flow", |status| status.flowing == 2).await;
    assert_eq!(refused().await, 1, "which shows that it insists");
    gateway.close_sockets().await;
    until("both are asked for again", async || gateway.requests("subscribe").await.len() == 4).await;
    streamer.until_within(PATIENT, "both flow again", |status| status.flowing == 2).await;
    streamer.stop().await;
    assert_eq!(refused().await, 1);
}
