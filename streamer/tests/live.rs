//! Readers over real HTTP: server-sent events, a WebSocket, range queries, and those that do not keep up.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod server;

use std::{collections::BTreeMap, time::Duration};

use common::*;
use marketstream_proto::{TickKind, TickMessage, framing, layout::HourFile};
use serde_json::{Value, json};
use server::serving;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// One field of each tick that tells it from others of its stream.
fn received(tick: &Value) -> (String, u64) {
    let id = tick["metadata"]["id"].as_str().unwrap();
    let last = id.rsplit([',', '/']).next().unwrap();
    let (hour, sequence) = last.rsplit_once(':').unwrap();
    (hour.to_owned(), sequence.parse().unwrap())
}

/// Numbers without a hole or a repetition, within each hour.
fn assert_consecutive(ticks: &[(String, u64)]) {
    for pair in ticks.windows(2) {
        let next = if pair[0].0 == pair[1].0 { pair[0].1 + 1 } else { 1 };
        assert_eq!(pair[1].1, next, "{pair:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_source_gets_each_tick_once_and_reads_on_where_it_was() {
    let data = tempfile::tempdir().unwrap();
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last", "BidAsk"])])).await;

    let mut events = server.events("/v2/stream/sim1/live/last", None).await;
    let first = events.next().await;
    assert_eq!((first.event.as_str(), first.retry), ("info", Some(Duration::from_secs(2))));
    let info: Value = serde_json::from_str(&first.data).unwrap();
    assert_eq!((&info["data"]["status"], &info["data"]["state"]), (&"subscribed".into(), &"Flowing".into()));
    let stream_id = info["stream_id"].as_str().unwrap().to_owned();
    assert!(stream_id.starts_with(&format!("{SIM1}_last_")), "{stream_id}");
    let mut ticks = Vec::new();
    let mut last_id = String::new();
    while ticks.len() < 8 {
        let event = events.next().await;
        assert_eq!(event.event, "tick");
        let tick: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!((&tick["type"], &tick["stream_id"]), (&"tick".into(), &stream_id.as_str().into()));
        assert_eq!((&tick["data"]["type"], &tick["data"]["contract_id"]), (&"time_sales".into(), &SIM1.into()));
        assert_eq!(tick["metadata"]["id"], event.id.as_str());
        ticks.push(received(&tick));
        last_id = event.id;
    }
    drop(events);

    // While it is away ticks go on; then it comes back as a browser does, also under the contract's number.
    let before = streamer.stream("sim1/Last").last_tick_seconds;
    assert!(before.is_some());
    until("ticks that it missed are stored", async || {
        lines(data.path()).iter().filter(|tick| tick["tick"] == "Last").count() > ticks.len() + 10
    })
    .await;
    let mut events = server.events(&format!("/v2/stream/{SIM1}/live/Last?limit=30"), Some(&last_id)).await;
    let complete = loop {
        let event = events.next().await;
        let message: Value = serde_json::from_str(&event.data).unwrap();
        match event.event.as_str() {
            "tick" => ticks.push(received(&message)),
            "complete" => break message,
            _ => {}
        }
    };
    assert_eq!((&complete["data"]["reason"], &complete["data"]["total_ticks"]), (&"limit_reached".into(), &30.into()));
    assert_eq!(ticks.len(), 38);
    assert_consecutive(&ticks);
    assert!(events.ended().await);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_stream_is_told_and_a_removed_contract_ends_it() {
    let data = tempfile::tempdir().unwrap();
    let both = json!([sim1(&["BidAsk"]), {"name": "sim2", "conId": SIM2, "ticks": ["BidAsk"]}]);
    let (gateway, streamer, server) = serving(&data, both).await;
    let mut events = server.events("/v2/stream/sim2/live", None).await;
    let scope = json!({"con_id": SIM2});
    gateway.begin(json!({"kind": "silence", "scope": scope, "cure": "Never"})).await;
    let data_of = |event: server::Event| serde_json::from_str::<Value>(&event.data).unwrap()["data"].clone();
    loop {
        let event = events.next().await;
        if event.event == "info" && data_of(event)["status"] == "state_changed" {
            break;
        }
    }
    streamer.apply(&spec(json!([sim1(&["BidAsk"])]), &[gateway.port()]));
    let last = loop {
        let event = events.next().await;
        if event.event == "complete" {
            break data_of(event);
        }
    };
    assert_eq!(last["reason"], "contract_removed");
    let (status, body) = server.get("/v2/stream/sim2/live").await;
    assert_eq!(status, 404);
    assert!(body.contains("sim2 is not recorded here") && body.contains("(sim1)"), "{body}");
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_subscribes_and_unsubscribes_stream_by_stream() {
    let data = tempfile::tempdir().unwrap();
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last", "BidAsk", "MidPoint"])])).await;

    let (mut socket, connected) = server.socket().await;
    assert_eq!(connected["data"]["version"], "2.0.0");
    for (message, code, named) in [
        (json!({"type": "sing"}), "INVALID_MESSAGE", "unknown variant"),
        (
            json!({"type": "subscribe", "id": "a", "data": {"contract_id": 5, "tick_types": ["last"]}}),
            "CONTRACT_NOT_FOUND",
            "5 is not recorded here",
        ),
        (
            json!({"type": "subscribe", "id": "a", "data": {"contract_id": SIM1, "tick_types": ["all_last"]}}),
            "CONTRACT_NOT_FOUND",
            "all_last is not recorded of sim1",
        ),
        (
            json!({"type": "subscribe", "id": "a", "data": {"contract_id": SIM1, "tick_types": ["last"], "config": {"limit": 0}}}),
            "INVALID_REQUEST",
            "limit=0: write a number from 1 to 10000",
        ),
        (json!({"type": "unsubscribe", "data": {"stream_id": "x"}}), "INVALID_REQUEST", "no such stream"),
    ] {
        socket.send(&message).await;
        let answer = socket.next().await;
        assert_eq!((&answer["type"], &answer["data"]["code"]), (&"error".into(), &code.into()), "{answer}");
        assert!(answer["data"]["message"].as_str().unwrap().contains(named), "{answer}");
    }
    let ping = json!({"type": "ping", "id": "p", "timestamp": "2026-11-24T12:00:00Z"});
    socket.send(&ping).await;
    let pong = socket.next().await;
    assert_eq!((&pong["type"], &pong["id"]), (&"pong".into(), &"p".into()));
    assert_eq!(pong["data"]["client_timestamp"], "2026-11-24T12:00:00Z");

    let subscribe = json!({"type": "subscribe", "id": "s", "timestamp": "2026-11-24T12:00:00Z",
               "data": {"contract_id": SIM1, "tick_types": ["last", "bid_ask"]}});
    socket.send(&subscribe).await;
    let subscribed = socket.next().await;
    assert_eq!((&subscribed["type"], &subscribed["id"]), (&"subscribed".into(), &"s".into()));
    let streams = subscribed["data"]["streams"].as_array().unwrap().clone();
    let id_of = |kind: &str| {
        streams.iter().find(|stream| stream["tick_type"] == kind).unwrap()["stream_id"].as_str().unwrap().to_owned()
    };
    let (last, bid_ask) = (id_of("last"), id_of("bid_ask"));
    let mut ticks: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    while ticks.len() < 2 || ticks.values().any(|ticks| ticks.len() < 5) {
        let message = socket.next().await;
        if message["type"] == "tick" {
            ticks.entry(message["stream_id"].as_str().unwrap().to_owned()).or_default().push(received(&message));
        }
    }
    assert!(ticks.keys().eq([&bid_ask, &last]), "{ticks:?}");
    ticks.values().for_each(|ticks| assert_consecutive(ticks));

    let unsubscribe = json!({"type": "unsubscribe", "id": "u", "data": {"stream_id": last}});
    socket.send(&unsubscribe).await;
    loop {
        let message = socket.next().await;
        if message["type"] == "unsubscribed" {
            break;
        }
    }
    // What was under way may still come; then only the other stream.
    let mut others = 0;
    while others < 20 {
        let message = socket.next().await;
        others = if message["stream_id"] == last.as_str() { 0 } else { others + 1 };
    }
    until("the stream is no longer read", async || server.metric("live_readers").await == 1.0).await;
    socket.0.close(None).await.unwrap();
    until("nothing is read", async || server.metric("live_readers").await == 0.0).await;
    streamer.stop().await;
}

/// Far more ticks than a connection and a reader's queue hold, shown as the recorder shows them.
fn flood(streamer: &Streamer) {
    let live = streamer.facts().live;
    let file = HourFile { hour: 3_600, con_id: SIM2, kind: TickKind::Last };
    for batch in 0..200 {
        let mut bytes = Vec::new();
        for number in 1..=1_000 {
            let tick = TickMessage {
                ts: 3_601_000_000,
                cid: SIM2,
                tt: "last".to_owned(),
                p: Some(1.0),
                s: Some(1.0),
                sequence: batch * 1_000 + number,
                ..TickMessage::default()
            };
            framing::append(&mut bytes, &tick).unwrap();
        }
        live.wrote(file, &bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_keep_up_is_told_so_and_dropped_and_nobody_else_notices() {
    let data = tempfile::tempdir().unwrap();
    let both = json!([sim1(&["Last", "BidAsk"]), {"name": "sim2", "conId": SIM2, "ticks": ["Last"]}]);
    let (gateway, streamer, server) = serving(&data, both).await;

    let mut slow = server.events("/v2/stream/sim2/live/last", None).await;
    slow.next().await;
    let (mut socket, _) = server.socket().await;
    let subscribe = json!({"type": "subscribe", "id": "s", "data": {"contract_id": "sim2", "tick_types": ["last"]}});
    socket.send(&subscribe).await;
    let mut quick = server.events("/v2/stream/sim1/live/last", None).await;
    until("all three read", async || server.metric("live_readers").await == 3.0).await;

    let from = now_s() + 1;
    flood(&streamer);
    // The quick reader goes on while the others do not read.
    let mut ticks = Vec::new();
    while ticks.len() < 10 {
        let event = quick.next().await;
        if event.event == "tick" {
            ticks.push(received(&serde_json::from_str(&event.data).unwrap()));
        }
    }
    assert_consecutive(&ticks);

    // When they read at last, they get what they were sent, the reason, and the end.
    let mut sent = 0_u64;
    let error: Value = loop {
        let event = slow.next().await;
        match event.event.as_str() {
            "tick" => sent += 1,
            "error" => break serde_json::from_str(&event.data).unwrap(),
            _ => {}
        }
    };
    assert_eq!(error["data"]["code"], "SLOW_READER");
    assert!(error["data"]["message"].as_str().unwrap().contains("this reader is too slow"), "{error}");
    assert!(sent < 200_000);
    assert!(slow.ended().await);
    let (code, reason) = socket.closed().await;
    assert_eq!(code, CloseCode::from(4005));
    assert!(reason.contains("too slow"), "{reason}");
    assert_eq!(server.metric("slow_readers_total").await, 2.0);

    // The recorder did not notice.
    let to = from + 3;
    until("later ticks are stored", async || {
        lines(data.path()).iter().any(|tick| tick["tick"] == "BidAsk" && tick["time_s"].as_i64() >= Some(to))
            && stored(data.path()).iter().any(|tick| tick.con_id == SIM2 && tick.time_s >= to)
    })
    .await;
    let verdict = gateway.judge(data.path(), from, to - 1).await;
    assert!(verdict.complete(), "{verdict:#?}");
    assert_eq!(server.metric("dropped_ticks_total").await, 0.0);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_what_is_stored_of_it() {
    let data = tempfile::tempdir().unwrap();
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last", "BidAsk"])])).await;
    let (from, to) = (now_s() + 1, now_s() + 4);
    until("the range is stored", async || {
        let later = |kind: &str| {
            lines(data.path()).iter().any(|tick| tick["tick"] == kind && tick["time_s"].as_i64() >= Some(to))
        };
        later("Last") && later("BidAsk")
    })
    .await;
    let range = format!("start_time={from}&end_time={to}");
    let expected: Vec<Value> =
        lines(data.path()).into_iter().filter(|line| (from..to).contains(&line["time_s"].as_i64().unwrap())).collect();
    assert!(expected.len() > 10);

    let (status, body) = server.get(&format!("/v3/buffer/sim1/query?tick_types=last,bid_ask&{range}")).await;
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["total_messages"], expected.len());
    assert_eq!(answer["tick_types"], json!(["last", "bid_ask"]));
    let messages = answer["messages"].as_array().unwrap();
    let key = |second: i64, sequence: &Value, price: &Value| (second, sequence.as_u64(), price.to_string());
    let mut found: Vec<_> = messages
        .iter()
        .map(|message| {
            let price = message.get("price").or(message.get("bid_price")).unwrap();
            key(message["ib_timestamp"].as_i64().unwrap() / 1_000_000, &message["sequence"], price)
        })
        .collect();
    let mut wanted: Vec<_> = expected
        .iter()
        .map(|line| {
            let price = line.get("price").or(line.get("bid")).unwrap();
            key(line["time_s"].as_i64().unwrap(), &line["sequence"], price)
        })
        .collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);

    let (_, body) = server.get(&format!("/v3/buffer/{SIM1}/query?tick_types=last&raw=true&limit=3&{range}")).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&answer["total_messages"], &answer["raw_format"]), (&3.into(), &true.into()));
    assert_eq!((&answer["messages"][0]["cid"], &answer["messages"][0]["tt"]), (&SIM1.into(), &"last".into()));

    let bytes = server.bytes(&format!("/v3/buffer/{SIM1}/query?format=protobuf&{range}")).await;
    let records: Vec<TickMessage> = framing::Reader::new(bytes.as_slice()).map(Result::unwrap).collect();
    let quotes = expected.iter().filter(|line| line["tick"] == "BidAsk").count();
    assert!(records.len() == quotes && records.iter().all(|tick| tick.tt == "bid_ask"));

    let (_, body) = server.get("/v3/buffer/sim1/query?start_time=100&end_time=200").await;
    let empty: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&empty["total_messages"], &empty["messages"]), (&0.into(), &json!([])));
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_comes_first_and_then_each_tick_once() {
    let data = tempfile::tempdir().unwrap();
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last", "BidAsk"])])).await;
    until("some ticks are stored", async || lines(data.path()).len() > 50).await;
    let before = lines(data.path()).len();

    let mut events = server.events("/v2/stream/sim1/buffer?buffer_duration=2d&limit=20", None).await;
    let mut ticks: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    let (mut said, mut historical) = (Vec::new(), [0, 0]);
    let complete = loop {
        let event = events.next().await;
        let message: Value = serde_json::from_str(&event.data).unwrap();
        match event.event.as_str() {
            "tick" => {
                let is_historical = message["metadata"]["historical"].as_bool().unwrap();
                assert_eq!(is_historical, !said.contains(&"live_start".to_owned()), "{message}");
                historical[usize::from(is_historical)] += 1;
                // The identifier of both kinds' places ends with the last kind's: tell them apart by the stream.
                let stream = message["stream_id"].as_str().unwrap().to_owned();
                let kind = if stream.contains("bid_ask") { "bid_ask" } else { "last" };
                let place = event.id.split(['/', ',']).rfind(|part| part.starts_with(&format!("{kind}:"))).unwrap();
                let (hour, number) = place.rsplit_once(':').unwrap();
                ticks.entry(stream).or_default().push((hour.to_owned(), number.parse().unwrap()));
            }
            "info" => {
                let data = &message["data"];
                if data["status"] == "buffer_complete" {
                    assert_eq!(data["buffer_message_count"], historical[1], "{message}");
                }
                said.push(data["status"].as_str().unwrap().to_owned());
            }
            _ => break message,
        }
    };
    said.retain(|status| status != "state_changed");
    assert_eq!(said, ["subscribed", "subscribed", "buffer_start", "buffer_complete", "live_start"]);
    assert_eq!((&complete["data"]["reason"], &complete["data"]["total_ticks"]), (&"limit_reached".into(), &20.into()));
    assert!(historical[0] == 20 && historical[1] >= before, "{historical:?}, and {before} were stored");
    assert_eq!(ticks.len(), 2);
    for ticks in ticks.values() {
        assert_eq!(ticks[0].1, 1);
        assert_consecutive(ticks);
    }
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_when_the_streamer_ends() {
    let data = tempfile::tempdir().unwrap();
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last"])])).await;
    let mut events = server.events("/v2/stream/sim1/live", None).await;
    events.next().await;
    server.stop();
    let last = loop {
        let event = events.next().await;
        if event.event == "complete" {
            break serde_json::from_str::<Value>(&event.data).unwrap();
        }
    };
    assert_eq!(last["data"]["reason"], "server_shutdown");
    streamer.stop().await;
}
