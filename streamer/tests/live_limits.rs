//! Readers over real HTTP at the limits of what is served: how many, how fast, what they may say, and how they are told.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod server;

use std::{fs, io::Write};

use common::*;
use futures::{SinkExt, StreamExt};
use marketstream_proto::{TickKind, TickMessage, framing, layout::HourFile};
use serde_json::{Value, json};
use server::{Socket, serving};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

async fn subscribe(socket: &mut Socket) -> Value {
    let message = json!({"type": "subscribe", "id": "s", "data": {"contract_id": SIM1, "tick_types": ["last"]}});
    socket.send(&message).await;
    socket.answer().await
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_live_streams_are_read_as_there_are_places() {
    let data = tempfile::tempdir().unwrap();
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last"])])).await;

    let mut readers = Vec::new();
    // The paths of ib-stream's own clients lead to the same.
    for path in ["/v2/stream/sim1/live", "/v2/stream/900001/Last", "/stream/900001/last", "/stream/sim1"]
        .iter()
        .cycle()
        .take(64)
    {
        let mut events = server.events(path, None).await;
        assert_eq!(events.next().await.event, "info", "{path}");
        readers.push(events);
    }
    let (status, body) = server.get("/v2/stream/sim1/live").await;
    assert!(status == 503 && body.contains("64 live streams are being read, which is the limit"), "{status} {body}");
    let mut socket = server.socket().await.0;
    let refused = subscribe(&mut socket).await;
    assert_eq!((&refused["type"], &refused["data"]["code"]), (&"error".into(), &"RATE_LIMIT_EXCEEDED".into()));

    readers.pop();
    until("a place is free", async || server.metric("live_readers").await == 63.0).await;
    assert_eq!(subscribe(&mut socket).await["type"], "subscribed");
    drop(readers);
    until("places are free", async || server.metric("live_readers").await == 1.0).await;

    // One connection takes a part of them only.
    for _ in 1..20 {
        assert_eq!(subscribe(&mut socket).await["type"], "subscribed");
    }
    let refused = subscribe(&mut socket).await;
    assert!(refused["data"]["message"].as_str().unwrap().contains("at most 20 streams"), "{refused}");
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_queries_are_answered_as_there_are_places() {
    let data = tempfile::tempdir().unwrap();
    // Far more than connections hold.
    let file = HourFile { hour: 3_600, con_id: SIM1, kind: TickKind::Last };
    let path = data.path().join(file.path().unwrap());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = Vec::new();
    for sequence in 1..=150_000 {
        let (ts, tt) = (3_601_000_000, "last".to_owned());
        let tick = TickMessage { ts, cid: SIM1, tt, p: Some(1.5), s: Some(2.0), sequence, ..TickMessage::default() };
        framing::append(&mut bytes, &tick).unwrap();
    }
    fs::File::create(path).unwrap().write_all(&bytes).unwrap();
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last"])])).await;

    let query = "/v3/buffer/sim1/query?tick_types=last&start_time=3600&end_time=7200";
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let (status, stream) = server.open(query, "").await;
        assert_eq!(status, 200);
        waiting.push(stream);
    }
    let (status, body) = server.get(query).await;
    assert!(status == 503 && body.contains("8 queries are being answered, which is the limit"), "{status} {body}");
    waiting.clear();
    // Whoever hangs up makes place, and an answer is whole.
    until("a place is free", async || server.get(&format!("{query}&limit=1")).await.0 == 200).await;
    let (_, body) = server.get(query).await;
    assert!(body.trim_end().ends_with("\"total_messages\":150000}"), "{}", &body[body.len().saturating_sub(200)..]);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_is_closed_with_the_reason() {
    let data = tempfile::tempdir().unwrap();
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last"])])).await;

    let mut binary = server.socket().await.0;
    binary.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(binary.closed().await, (CloseCode::from(4000), "messages are JSON texts".to_owned()));

    let hasty = server.socket().await.0;
    let (mut says, mut hears) = hasty.0.split();
    let speaking = tokio::spawn(async move {
        // Until it is closed: on a slow machine they may take more than a second.
        while says.send(Message::text(r#"{"type":"ping"}"#)).await.is_ok() {}
    });
    let code = loop {
        match hears.next().await {
            Some(Ok(Message::Close(frame))) => break frame.unwrap().code,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, CloseCode::from(4004));
    speaking.abort();

    let mut last = server.socket().await.0;
    assert_eq!(subscribe(&mut last).await["type"], "subscribed");
    server.stop();
    assert_eq!(last.closed().await, (CloseCode::Away, "the streamer ends".to_owned()));
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_is_kept_alive_and_events_are_apart() {
    let data = tempfile::tempdir().unwrap();
    // What is sampled comes only when the lines do not suffice.
    let (_gateway, streamer, server) = serving(&data, json!([sim1(&["Last"])])).await;
    let text = server.text_until("/v2/stream/sim1/live/rtvolume", ": heartbeat").await;
    let events: Vec<&str> = text.split("\n\n").collect();
    assert!(events.len() >= 2 && events[0].contains("event: info\n"), "{text}");
    assert!(events[0].contains("retry: 2000") && events[0].contains("data: {\"type\":\"info\""), "{text}");
    streamer.stop().await;
}
