//! A simulated gateway, the streamer's core beside it, and waiting for conditions.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ib_gateway_sim::{
    Config, Simulator,
    judge::{JournalTick, RecordedTick, Verdict, compare},
};
use marketstream_crds::{Action, ActionKind, MarketStreamSpec, StreamStatus, StreamerStatus};
use marketstream_streamer::{
    backfill::ledger::Gap,
    clock::Clock,
    engine::{Event, Manifest, Request},
    facts::{Facts, Recovery},
    gateway::Place,
    http::View,
    runtime::Core,
    status::{Identity, build},
    ticks::{self, Selection},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

/// A test contract of the simulator that ticks in each second: SIM1.
pub const SIM1: i32 = 900_001;
/// A gap is asked for when the ten seconds behind it are history, too: they show how far it can be trusted.
pub const BACKFILL_LAG: Duration = Duration::from_secs(13);
/// Another one: SIM2.
pub const SIM2: i32 = 900_002;
/// The pod's UID.
pub const UID: &str = "uid-1";
/// Generous: on a busy machine a test is slow, not wrong.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Gateway {
    pub simulator: Simulator,
    config: Config,
    _state: TempDir,
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut config = Config::local(state.path());
        change(&mut config);
        let simulator = Simulator::start(config.clone()).await.unwrap();
        Self { simulator, config, _state: state }
    }

    /// The process ends, `meanwhile` happens, and it starts again on the same ports and state.
    pub async fn restart(self, meanwhile: impl AsyncFnOnce()) -> Self {
        let Self { simulator, config, _state } = self;
        let config = Config { api: simulator.api_addr(), admin: simulator.admin_addr(), ..config };
        simulator.shutdown().await;
        meanwhile().await;
        let simulator = Simulator::start(config.clone()).await.unwrap();
        Self { simulator, config, _state }
    }

    pub fn port(&self) -> u16 {
        self.simulator.api_addr().port()
    }

    /// Begins a fault and returns its number.
    pub async fn begin(&self, fault: Value) -> u64 {
        let answer = http(self.simulator.admin_addr(), "POST", "/faults", &fault.to_string()).await;
        serde_json::from_str::<Value>(&answer).unwrap()["id"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }

    /// The lines of an answer of the admin port.
    pub async fn lines(&self, path: &str) -> Vec<Value> {
        let text = http(self.simulator.admin_addr(), "GET", path, "").await;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Sends a command to the admin port.
    pub async fn post(&self, path: &str, body: Value) {
        http(self.simulator.admin_addr(), "POST", path, &body.to_string()).await;
    }

    /// Sets the gateway's clock.
    pub async fn set_clock(&self, at: jiff::Timestamp) {
        http(self.simulator.admin_addr(), "PUT", "/clock", &json!({"at": at}).to_string()).await;
    }

    pub async fn end_faults(&self) {
        http(self.simulator.admin_addr(), "DELETE", "/faults", "").await;
    }

    pub async fn close_sockets(&self) {
        http(self.simulator.admin_addr(), "POST", "/sockets/close", "").await;
    }

    /// The lines of the request log that say `event`.
    pub async fn requests(&self, event: &str) -> Vec<Value> {
        self.lines("/requests").await.into_iter().filter(|line| line["event"] == event).collect()
    }

    /// Compares what is stored with what was sent, over whole seconds.
    pub async fn judge(&self, data: &Path, from: i64, to: i64) -> Verdict {
        let path = format!("/journal?from={from}&to={to}");
        let journal = http(self.simulator.admin_addr(), "GET", &path, "").await;
        let journal: Vec<JournalTick> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        compare(&journal, &stored(data), (from, to))
    }
}

/// Everything that is stored, as the `ticks` command prints it.
pub fn stored(data: &Path) -> Vec<RecordedTick> {
    lines(data).into_iter().map(|line| serde_json::from_value(line).unwrap()).collect()
}

pub fn lines(data: &Path) -> Vec<Value> {
    let mut output = Vec::new();
    ticks::print(data, &Selection::default(), &mut output).unwrap();
    String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub struct Streamer {
    core: Option<Core>,
    data: PathBuf,
}

impl Streamer {
    pub fn start(data: &Path) -> Self {
        Self::start_by(Clock::start(), data)
    }

    pub fn start_by(clock: Clock, data: &Path) -> Self {
        let core = Core::start_by(clock, data, UID.to_owned(), Place::in_pod(), BACKFILL_LAG).unwrap();
        Self { core: Some(core), data: data.to_owned() }
    }

    fn core(&self) -> &Core {
        self.core.as_ref().unwrap()
    }

    pub fn apply(&self, spec: &MarketStreamSpec) {
        self.send(spec, None, None);
    }

    pub fn send(&self, spec: &MarketStreamSpec, client_id: Option<i32>, action: Option<Action>) {
        let manifest = Manifest {
            spec: spec.clone(),
            client_id,
            action,
            late: false,
            acknowledged: None,
            retry_login: None,
            stored: false,
        };
        self.core().manifests().send_replace(Some(manifest));
    }

    pub fn status(&self) -> StreamerStatus {
        build(&self.core().facts(), &identity())
    }

    pub fn stream(&self, key: &str) -> StreamStatus {
        self.status().streams.into_iter().find(|stream| stream.key() == key).unwrap_or_else(|| panic!("no {key}"))
    }

    /// Waits until the status is as wanted, and returns it.
    pub async fn until(&self, what: &str, condition: impl Fn(&StreamerStatus) -> bool) -> StreamerStatus {
        self.until_within(PATIENCE, what, condition).await
    }

    pub async fn until_within(
        &self,
        patience: Duration,
        what: &str,
        condition: impl Fn(&StreamerStatus) -> bool,
    ) -> StreamerStatus {
        let start = Instant::now();
        loop {
            let status = self.status();
            if condition(&status) {
                return status;
            }
            assert!(start.elapsed() < patience, "{what} did not happen; the status is {status:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn until_flowing(&self) -> StreamerStatus {
        self.until("all streams flow", |status| status.total > 0 && status.flowing == status.total).await
    }

    pub fn facts(&self) -> Facts {
        self.core().facts()
    }

    /// What the HTTP server shows.
    pub fn view(&self) -> View {
        View {
            identity: identity(),
            facts: self.facts(),
            requests: self.core().requests(),
            hearts: self.core().hearts(),
        }
    }

    /// Says what an operator would say of recovery.
    pub fn recovery(&self, recovery: Recovery) {
        self.core().recovery().send_replace(recovery);
    }

    pub fn gaps(&self) -> Vec<Gap> {
        self.core().facts().session.borrow().gaps.0.gaps().to_vec()
    }

    /// IBKR's identifier of a contract, once it is known.
    pub fn con_id(&self, contract: &str) -> Option<i32> {
        let snapshot = self.core().facts().session.borrow().clone();
        snapshot.streams.iter().find(|stream| stream.key.contract == contract)?.con_id
    }

    /// What a person asks for.
    pub fn request(&self, request: Request) {
        self.core().requests().try_send(Event::Backfill(request)).unwrap_or_else(|_| panic!("the session has died"));
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub async fn stop(mut self) {
        self.stop_in_place().await;
    }

    /// Leaves room for another process on the same data.
    pub async fn stop_in_place(&mut self) {
        let core = self.core.take().unwrap();
        tokio::task::spawn_blocking(move || core.stop()).await.unwrap();
    }
}

/// A spec with short times: contracts, and the gateway's ports.
pub fn spec(contracts: Value, ports: &[u16]) -> MarketStreamSpec {
    serde_json::from_value(json!({
        "contracts": contracts,
        "gateway": {
            "external": {"host": "127.0.0.1", "ports": ports},
            "connectTimeout": "700ms",
            "reconnectDelay": "200ms",
            "probeInterval": "500ms",
        },
        "limits": {"sameInstrumentSpacing": "300ms"},
        "recovery": {"staleAfter": "2s", "zombieTimeout": "2s", "openGrace": "0s"},
    }))
    .unwrap()
}

pub fn sim1(ticks: &[&str]) -> Value {
    json!({"name": "sim1", "conId": SIM1, "ticks": ticks})
}

pub fn action(id: &str, kind: ActionKind, streams: &[&str], client_id: i32) -> Action {
    let time = jiff::Timestamp::now().into();
    Action {
        id: id.to_owned(),
        incident: "incident".to_owned(),
        kind,
        streams: streams.iter().map(|&stream| stream.to_owned()).collect(),
        client_id,
        pod_uid: UID.to_owned(),
        issued_at: time,
        deadline: time,
    }
}

fn identity() -> Identity {
    Identity { pod: "demo-0".to_owned(), pod_uid: UID.to_owned() }
}

/// Waits for a condition that is not in the status.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The code and body of an answer, unless nobody answers.
pub async fn ask(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: streamer\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((code, if chunked { unchunk(body) } else { body.to_owned() }))
}

async fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_owned() }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
    }
    whole
}

/// The present, in seconds since 1970.
pub fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}
