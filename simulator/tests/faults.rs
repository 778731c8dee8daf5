//! Each fault, and what ends it.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::time::Duration;

use ib_gateway_sim::judge::{RecordedTick, compare};
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::wire::pb;
use ib_gateway_sim::{Config, Simulator};
use prost::Message;
use support::raw::Raw;
use support::*;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const TICK: TickType = TickType::BidAsk;

fn silence(scope: &str, cure: &str) -> String {
    format!(r#"{{"kind":"silence","scope":{scope},"cure":"{cure}"}}"#)
}

#[tokio::test]
async fn a_silence_that_a_new_subscription_cures() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut old = Ticks::subscribe(&client, SIM1, TICK).await;
    let mut other = Ticks::subscribe(&client, SIM2, TICK).await;
    old.flows(SIM1).await;
    let scope = format!(r#"{{"con_id":{SIM1},"tick":"BidAsk"}}"#);
    let fault = gateway.fault(&silence(&scope, "Resubscribe")).await;
    assert!(old.is_silent(SIM1).await);
    other.flows(SIM2).await;
    Ticks::subscribe(&client, SIM1, TICK).await.flows(SIM1).await;
    assert!(old.is_silent(SIM1).await);
    gateway.end(fault).await;
    old.flows(SIM1).await;
}

#[tokio::test]
async fn a_silence_that_a_new_connection_cures_and_whose_ticks_are_lost() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut old = Ticks::subscribe(&client, SIM1, TICK).await;
    let from = old.flows(SIM1).await.time_s + 1;
    gateway.fault(&silence(r#"{"all":true}"#, "Reconnect")).await;
    assert!(old.is_silent(SIM1).await);
    let mut again = Ticks::subscribe(&client, SIM1, TICK).await;
    assert!(again.is_silent(SIM1).await);
    let new_client = gateway.client(2).await;
    let mut new = Ticks::subscribe(&new_client, SIM1, TICK).await;
    let to = new.flows(SIM1).await.time_s;
    let journal = gateway.journal(from, to).await;
    let verdict = compare(&journal, &[], (from, to));
    assert!(verdict.total.generated >= 2 && verdict.total.sent < verdict.total.generated, "{verdict:#?}");
    let (_, status) = gateway.http("GET", "/sessions", "").await;
    assert!(status.contains("withheld") && status.contains("flowing"), "{status}");
}

#[tokio::test]
async fn a_silence_that_nothing_cures_outlives_the_process() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut stream = Ticks::subscribe(&client, SIM1, TICK).await;
    let seen = stream.flows(SIM1).await;
    let fault = gateway.fault(&silence(r#"{"all":true}"#, "Never")).await;
    assert!(stream.is_silent(SIM1).await);
    let gateway = gateway.restart().await;
    let client = gateway.client(1).await;
    let mut stream = Ticks::subscribe(&client, SIM1, TICK).await;
    assert!(stream.is_silent(SIM1).await);
    gateway.end(fault).await;
    stream.flows(SIM1).await;
    // The journal still knows what the first process sent, and counts connections on.
    let journal = gateway.journal(seen.time_s, seen.time_s + 1).await;
    let first: Vec<_> = journal.iter().flat_map(|tick| &tick.sent).collect();
    assert!(!first.is_empty() && first.iter().all(|sent| sent.connection == 1));
    let verdict = compare(&journal, &[seen], (i64::MIN, i64::MAX));
    assert_eq!((verdict.total.altered, verdict.total.unknown), (0, 0));
    let requests = gateway.requests().await;
    let connections: Vec<_> =
        requests.iter().filter(|line| line["event"] == "connect").map(|line| line["connection"].clone()).collect();
    assert_eq!(connections, [1, 2]);
}

#[tokio::test]
async fn refuse_closes_the_port_and_keeps_connections() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut stream = Ticks::subscribe(&client, SIM1, TICK).await;
    let fault = gateway.fault(r#"{"kind":"refuse"}"#).await;
    within("the port to close", async {
        while TcpStream::connect(gateway.sim.api_addr()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    stream.flows(SIM1).await;
    gateway.end(fault).await;
    gateway.client(2).await;
}

#[tokio::test]
async fn hang_freezes_everything_until_it_ends() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut stream = Ticks::subscribe(&client, SIM1, TICK).await;
    stream.flows(SIM1).await;
    let fault = gateway.fault(r#"{"kind":"hang"}"#).await;
    assert!(stream.is_silent(SIM1).await);
    assert!(tokio::time::timeout(Duration::from_millis(500), client.server_time_millis()).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(500), gateway.try_client(2)).await.is_err());
    // It is accepted all the same.
    TcpStream::connect(gateway.sim.api_addr()).await.unwrap();
    gateway.end(fault).await;
    stream.flows(SIM1).await;
    gateway.client(3).await;
}

#[tokio::test]
async fn a_competing_session_ends_streams_and_refuses_new_ones() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut old = Ticks::subscribe(&client, SIM1, TICK).await;
    old.flows(SIM1).await;
    let fault = gateway.fault(r#"{"kind":"competing"}"#).await;
    assert_eq!(old.error(SIM1).await, (10197, "No market data during competing live session".to_owned()));
    let (code, text) = Ticks::subscribe(&client, SIM1, TICK).await.error(SIM1).await;
    assert_eq!(code, 10189);
    assert!(text.ends_with("Trading TWS session is connected from a different IP address"));
    gateway.end(fault).await;
    Ticks::subscribe(&client, SIM1, TICK).await.flows(SIM1).await;
}

#[tokio::test]
async fn reject_refuses_the_streams_in_its_scope() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let fault = format!(r#"{{"kind":"reject","scope":{{"con_id":{SIM1}}},"code":354,"text":"Not subscribed"}}"#);
    gateway.fault(&fault).await;
    assert_eq!(Ticks::subscribe(&client, SIM1, TICK).await.error(SIM1).await, (354, "Not subscribed".to_owned()));
    Ticks::subscribe(&client, SIM2, TICK).await.flows(SIM2).await;
    assert_eq!(gateway.json("DELETE", "/faults", "").await["ended"], serde_json::json!([1]));
    Ticks::subscribe(&client, SIM1, TICK).await.flows(SIM1).await;
}

#[tokio::test]
async fn sockets_are_closed_on_demand() {
    let gateway = Gateway::start().await;
    for how in ["", "?how=rst", "?how=fin"] {
        let client = gateway.client(1).await;
        let mut stream = Ticks::subscribe(&client, SIM1, TICK).await;
        stream.flows(SIM1).await;
        assert_eq!(gateway.json("POST", &format!("/sockets/close{how}"), "").await["closed"], 1);
        within("the end", async { while stream.next(SIM1).await.is_ok() {} }).await;
    }
}

#[tokio::test]
async fn the_admin_port_says_what_is_wrong() {
    let gateway = Gateway::start().await;
    for (method, path, body, status, error) in [
        ("POST", "/faults", "{", 400, "not JSON"),
        ("POST", "/faults", r#"{"kind":"sulk"}"#, 400, "kind: must be one of"),
        ("POST", "/faults", r#"{"kind":"client_id_in_use"}"#, 400, "client_id is missing"),
        ("DELETE", "/faults/7", "", 404, "no fault 7"),
        ("DELETE", "/faults/x", "", 400, "the id of a fault is a number"),
        ("GET", "/journal?from=1", "", 400, "to is missing"),
        ("GET", "/journal?from=2&to=1", "", 400, "from must be at least 0, and to at most"),
        ("GET", "/journal?from=-377705116800&to=-377705116799", "", 400, "from must be at least 0"),
        ("GET", "/journal?from=x&to=1", "", 400, "from must be a whole number"),
        ("GET", "/journal?from=1&to=2&tick=Quote", "", 400, "tick must be one of"),
        ("POST", "/sockets/close?how=softly", "", 400, "how must be rst or fin"),
    ] {
        let (got, text) = gateway.http(method, path, body).await;
        assert_eq!(got, status, "{method} {path}: {text}");
        assert!(text.contains(error), "{method} {path}: {text}");
    }
    assert_eq!(gateway.http("GET", "/healthz", "").await.0, 200);
    let tick = "/journal?from=1700000000&to=1700000002&con_id=900001&tick=Last";
    assert!(gateway.http("GET", tick, "").await.1.lines().count() >= 2);
}

#[tokio::test]
async fn a_crash_is_asked_for_by_http() {
    let gateway = Gateway::start().await;
    gateway.http("POST", "/crash", "").await;
    within("the crash", gateway.sim.crashed()).await;
}

#[tokio::test]
async fn a_failed_login_leaves_the_port_closed() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { login: false, ..Config::local(dir.path()) };
    let sim = Simulator::start(config).await.unwrap();
    let gateway = Gateway { sim, dir };
    within("the failure", async {
        while !gateway.requests().await.iter().any(|line| line["event"] == "login_failed") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(TcpStream::connect(gateway.sim.api_addr()).await.is_err());
    assert_eq!(gateway.json("GET", "/status", "").await["listening"], false);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let gateway = Gateway::start().await;
    gateway.client(1).await;
    let dir = tempfile::tempdir().unwrap();
    let config = Config { api: gateway.sim.api_addr(), ..Config::local(dir.path()) };
    let error = Simulator::start(config).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("API port {}: ", gateway.sim.api_addr())), "{error}");
}

#[tokio::test]
async fn wrong_prices_end_with_a_new_subscription_and_the_journal_knows_them() {
    let gateway = Gateway::start().await;
    let mut client = Raw::connect(&gateway, 1).await;
    client.subscribe(1, SIM1, TICK).await;
    let from = client.tick(SIM1).await.time_s + 1;
    gateway.fault(r#"{"kind":"wrong_prices","scope":{"all":true},"cure":"Resubscribe","offset":-900}"#).await;
    let wrong = |tick: &RecordedTick| tick.fields.bid.unwrap() < 500.0;
    let mut recorded = Vec::new();
    let mut last = client.tick(SIM1).await;
    while !wrong(&last) || last.time_s < from + 2 {
        recorded.push(last);
        last = client.tick(SIM1).await;
    }
    let to = last.time_s;
    let journal = gateway.journal(from, to).await;
    assert!(journal.iter().any(|tick| !tick.altered.is_empty()));
    let verdict = compare(&journal, &recorded, (from, to));
    let known = recorded.iter().filter(|tick| (from..to).contains(&tick.time_s));
    assert_eq!(verdict.total.altered_by_fault, known.filter(|tick| wrong(tick)).count() as u64);
    assert!(verdict.lossless() && !verdict.complete() && verdict.in_order(), "{verdict:#?}");
    client.subscribe(2, SIM1, TICK).await;
    // Both subscriptions go on: one is right, the other still wrong.
    within("a right tick", async { while wrong(&client.tick(SIM1).await) {} }).await;
    within("a wrong tick", async { while !wrong(&client.tick(SIM1).await) {} }).await;
}

#[tokio::test]
async fn zero_fields_are_zero_on_the_wire() {
    let gateway = Gateway::start().await;
    gateway.fault(r#"{"kind":"zero_fields","scope":{"con_id":900001},"cure":"Never","fields":["time","size"]}"#).await;
    let mut client = Raw::connect(&gateway, 1).await;
    client.subscribe(1, SIM1, TickType::AllLast).await;
    let tick = client.tick(SIM1).await;
    assert_eq!((tick.time_s, tick.fields.size), (0, Some(0.0)));
    assert!(tick.fields.price.unwrap() > 0.0);
}

#[tokio::test]
async fn garbage_comes_between_ticks_that_go_on() {
    let gateway = Gateway::start().await;
    let mut client = Raw::connect(&gateway, 1).await;
    client.subscribe(77, SIM1, TICK).await;
    client.tick(SIM1).await;
    let garbage = |what: &str| format!(r#"{{"kind":"garbage","scope":{{"all":true}},"what":"{what}"}}"#);
    gateway.fault(&garbage("unknown_message")).await;
    assert_eq!(client.other().await, (999_i32 + 200).to_be_bytes());
    client.tick(SIM1).await;
    // A client that is strict loses the stream to it, and no other.
    let strict = gateway.client(2).await;
    let mut broken = Ticks::subscribe(&strict, SIM1, TICK).await;
    let mut healthy = Ticks::subscribe(&strict, SIM2, TICK).await;
    broken.flows(SIM1).await;
    let bad = format!(r#"{{"kind":"garbage","scope":{{"con_id":{SIM1}}},"what":"bad_size"}}"#);
    gateway.fault(&bad).await;
    within("the end of the stream", async { while broken.next(SIM1).await.is_ok() {} }).await;
    healthy.flows(SIM2).await;
    gateway.fault(&garbage("bad_length")).await;
    within("a bad length", async { while client.frame().await.is_ok() {} }).await;
    // Nothing of this lasts.
    assert_eq!(gateway.json("GET", "/faults", "").await, serde_json::json!([]));
}

#[tokio::test]
async fn half_a_frame_is_the_last_that_a_connection_hears() {
    let gateway = Gateway::start().await;
    let mut client = Raw::connect(&gateway, 1).await;
    client.subscribe(1, SIM1, TICK).await;
    client.tick(SIM1).await;
    gateway.fault(r#"{"kind":"half_frame"}"#).await;
    let rest = client.rest(SILENCE).await;
    let mut at = 0;
    let length = |at: usize| 4 + u32::from_be_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
    while at + length(at) <= rest.len() {
        at += length(at);
    }
    let torn = rest.len() - at;
    assert!(torn > 4 && torn < length(at), "{torn} of {}", length(at));
    // The socket is open, and another one is well.
    client.write(&[0]).await;
    let mut other = Raw::connect(&gateway, 2).await;
    other.subscribe(1, SIM1, TICK).await;
    other.tick(SIM1).await;
}

#[tokio::test]
async fn a_handshake_may_never_be_answered() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let fault = gateway.fault(r#"{"kind":"no_handshake"}"#).await;
    assert!(tokio::time::timeout(Duration::from_millis(500), gateway.try_client(2)).await.is_err());
    let mut stream = Ticks::subscribe(&client, SIM1, TICK).await;
    stream.flows(SIM1).await;
    gateway.end(fault).await;
    gateway.client(3).await;
}

#[tokio::test]
async fn packets_of_old_connections_are_dropped_for_good() {
    let gateway = Gateway::start().await;
    let mut client = Raw::connect(&gateway, 1).await;
    client.subscribe(1, SIM1, TICK).await;
    client.tick(SIM1).await;
    let fault = gateway.fault(r#"{"kind":"blackhole","connections":"old"}"#).await;
    client.rest(Duration::from_millis(300)).await;
    client.send(49, &pb::AnyRequest::default()).await;
    assert!(client.rest(SILENCE).await.is_empty());
    // The gateway has not noticed anything: the client id is taken. New ones are well.
    let error = gateway.try_client(1).await.err().unwrap();
    assert!(error.to_string().contains("326") || error.to_string().contains("already in use"), "{error}");
    let new = gateway.client(2).await;
    Ticks::subscribe(&new, SIM1, TICK).await.flows(SIM1).await;
    gateway.end(fault).await;
    assert!(within("a reset", client.frame()).await.is_err());
    gateway.client(1).await;
}

#[tokio::test]
async fn attempts_to_connect_are_dropped_without_an_answer() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let fault = gateway.fault(r#"{"kind":"blackhole","connections":"new"}"#).await;
    let attempt = || tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(gateway.sim.api_addr()));
    within("attempts to be dropped", async { while attempt().await.is_ok() {} }).await;
    assert!(attempt().await.is_err());
    Ticks::subscribe(&client, SIM1, TICK).await.flows(SIM1).await;
    gateway.end(fault).await;
    gateway.client(2).await;
}

#[tokio::test]
async fn a_slow_link_has_its_speed() {
    let gateway = Gateway::start().await;
    let mut client = Raw::connect(&gateway, 1).await;
    // What comes at once without the fault.
    let usual = client.rest(Duration::from_millis(500)).await;
    assert!(usual.len() > 200, "{}", usual.len());
    gateway.fault(r#"{"kind":"slow_link","bytes_per_s":100}"#).await;
    let begin = std::time::Instant::now();
    let mut slow = Raw::connect(&gateway, 2).await;
    let mut bytes = vec![0; usual.len()];
    within("the same", slow.stream.read_exact(&mut bytes)).await.unwrap();
    let expected = Duration::from_secs_f64(usual.len() as f64 / 100.0);
    assert!(begin.elapsed() >= expected, "{:?} for {} bytes", begin.elapsed(), usual.len());
}

#[tokio::test]
async fn subscriptions_are_lost_without_a_word() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut streams = Vec::new();
    for con_id in [SIM1, SIM2] {
        let mut stream = Ticks::subscribe(&client, con_id, TICK).await;
        stream.flows(con_id).await;
        streams.push(stream);
    }
    gateway.fault(r#"{"kind":"lose_subscriptions","scope":{"all":true},"every":2}"#).await;
    assert!(streams[0].is_silent(SIM1).await);
    streams[1].flows(SIM2).await;
    Ticks::subscribe(&client, SIM1, TICK).await.flows(SIM1).await;
}

#[tokio::test]
async fn delayed_data_are_announced_and_old() {
    let gateway = Gateway::start().await;
    gateway.fault(r#"{"kind":"delayed","scope":{"all":true},"by_s":600}"#).await;
    let mut client = Raw::connect(&gateway, 1).await;
    client.subscribe(5, SIM1, TICK).await;
    let notice = pb::ErrorMessage::decode(&client.other().await[4..]).unwrap();
    assert_eq!((notice.id, notice.error_code), (Some(5), Some(10167)));
    let tick = client.tick(SIM1).await;
    let age = now_s() - tick.time_s;
    assert!((600..620).contains(&age), "{age}");
    let journal = gateway.journal(tick.time_s, tick.time_s + 1).await;
    assert!(journal.iter().any(|line| !line.sent.is_empty()));
}

#[tokio::test]
async fn a_burst_arrives_whole_and_is_judged_tick_by_tick() {
    const TICKS: u32 = 100_000;
    let gateway = Gateway::start().await;
    let mut client = Raw::connect(&gateway, 1).await;
    client.subscribe(1, SIM1, TICK).await;
    let from = client.tick(SIM1).await.time_s + 1;
    let mut recorded = vec![client.tick(SIM1).await];
    while recorded[recorded.len() - 1].time_s < from {
        recorded.push(client.tick(SIM1).await);
    }
    gateway.fault(&format!(r#"{{"kind":"burst","con_id":{SIM1},"tick":"BidAsk","ticks":{TICKS}}}"#)).await;
    while recorded.len() < TICKS as usize {
        recorded.push(client.tick(SIM1).await);
    }
    let mut last = client.tick(SIM1).await;
    while last.time_s <= recorded[TICKS as usize - 1].time_s + 1 {
        recorded.push(last);
        last = client.tick(SIM1).await;
    }
    let to = last.time_s;
    let journal = gateway.journal(from, to).await;
    let verdict = compare(&journal, &recorded, (from, to));
    assert!(verdict.complete() && verdict.total.sent > u64::from(TICKS), "{:?}", verdict.total);
    let lacking = recorded.len() / 2;
    recorded.remove(lacking);
    assert_eq!(compare(&journal, &recorded, (from, to)).total.missing_of_sent, 1);
    let error = r#"{"kind":"burst","con_id":7,"tick":"Last","ticks":5}"#;
    assert_eq!(gateway.http("POST", "/faults", error).await.0, 400);
}

#[tokio::test]
async fn the_kinds_of_faults_are_listed() {
    let gateway = Gateway::start().await;
    let kinds = gateway.json("GET", "/faults/kinds", "").await;
    let kind = |name: &str| kinds.as_array().unwrap().iter().find(|kind| kind["kind"] == name).unwrap().clone();
    assert_eq!(kind("silence")["fillable"], true);
    assert_eq!(kind("wrong_prices")["fillable"], false);
    assert_eq!(kind("burst")["lasts"], false);
    assert_eq!(kind("delayed")["fields"][1]["name"], "by_s");
}
