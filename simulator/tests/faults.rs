//! Each fault, and what ends it.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::time::Duration;

use ib_gateway_sim::judge::compare;
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::{Config, Simulator};
use support::*;
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
