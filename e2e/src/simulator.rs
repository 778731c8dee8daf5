//! The simulator in a gateway's pod, as an outsider uses it: its admin HTTP port, through the API server's proxy.

use anyhow::{Context, Result};
use http::Method;
use ib_gateway_sim::{judge::JournalTick, market::tick::TickType};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// The simulator's admin port.
pub const ADMIN_PORT: u16 = 4080;

/// Contract IDs of the test contracts SIM1 to SIM8: each ticks at least once a second in every type.
pub const SIM: [i32; 8] = [900_001, 900_002, 900_003, 900_004, 900_005, 900_006, 900_007, 900_008];

/// What makes a client hear withheld ticks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// A new subscription.
    Resubscribe,
    /// A new connection.
    Reconnect,
    /// Only the end of the fault.
    Never,
}

/// A stream that the simulator can silence.
pub type Stream = (i32, TickType);

/// One simulator.
#[derive(Clone)]
pub struct Simulator {
    cluster: Cluster,
    base: String,
}

/// A line of the simulator's request log. What an event does not have is absent.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// Milliseconds since the epoch, on the simulator's clock.
    pub at_ms: i64,
    /// What happened: `connect`, `subscribe`, `cancel`, `error`, `fault_begin`, `fault_end`, `start` and so on.
    pub event: String,
    /// Number of the connection.
    pub connection: Option<u32>,
    /// Client ID of the connection.
    pub client_id: Option<i32>,
    /// Contract of a subscription.
    pub con_id: Option<i32>,
    /// Type of a subscription.
    pub tick: Option<TickType>,
    /// Code of an error.
    pub code: Option<i32>,
}

impl Entry {
    /// The stream of a subscription or a cancellation.
    #[must_use]
    pub fn stream(&self) -> Option<Stream> {
        Some((self.con_id?, self.tick?))
    }
}

impl Simulator {
    /// The simulator in that pod.
    #[must_use]
    pub fn new(cluster: &Cluster, namespace: &str, pod: &str) -> Self {
        let base = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{ADMIN_PORT}/proxy");
        Self { cluster: cluster.clone(), base }
    }

    /// Withholds all ticks; returns the fault's number.
    ///
    /// # Errors
    /// When the simulator cannot be reached or refuses.
    pub async fn silence_all(&self, cure: Cure) -> Result<u64> {
        self.begin(json!({"kind": "silence", "scope": {"all": true}, "cure": format!("{cure:?}")})).await
    }

    /// Withholds the ticks of one stream; returns the fault's number.
    ///
    /// # Errors
    /// When the simulator cannot be reached or refuses.
    pub async fn silence(&self, (con_id, tick): Stream, cure: Cure) -> Result<u64> {
        let scope = json!({"con_id": con_id, "tick": tick});
        self.begin(json!({"kind": "silence", "scope": scope, "cure": format!("{cure:?}")})).await
    }

    /// Another session of the same user takes the market data; returns the fault's number.
    ///
    /// # Errors
    /// When the simulator cannot be reached or refuses.
    pub async fn compete(&self) -> Result<u64> {
        self.begin(json!({"kind": "competing"})).await
    }

    /// Begins a fault, as `POST /faults` takes it; returns its number.
    ///
    /// # Errors
    /// When the simulator cannot be reached or refuses.
    pub async fn begin(&self, fault: Value) -> Result<u64> {
        let answer = self.send(Method::POST, "/faults", fault.to_string().into_bytes()).await?;
        let answer: Value = serde_json::from_str(&answer).with_context(|| format!("the answer to {fault}"))?;
        answer["id"].as_u64().with_context(|| format!("no id in the answer to {fault}: {answer}"))
    }

    /// Any call of the admin port with a JSON body.
    ///
    /// # Errors
    /// When the simulator cannot be reached or refuses.
    pub async fn post(&self, path: &str, body: Value) -> Result<()> {
        self.send(Method::POST, path, body.to_string().into_bytes()).await.map(drop)
    }

    /// Ends a fault.
    ///
    /// # Errors
    /// When the simulator cannot be reached or does not know the fault.
    pub async fn end(&self, fault: u64) -> Result<()> {
        self.send(Method::DELETE, &format!("/faults/{fault}"), Vec::new()).await.map(drop)
    }

    /// Ends the gateway's process as a crash would.
    ///
    /// # Errors
    /// When the simulator cannot be reached.
    pub async fn crash(&self) -> Result<()> {
        match self.send(Method::POST, "/crash", Vec::new()).await {
            Ok(_) => Ok(()),
            // The crash may cut off its own answer: whether it happened shows in the container's restarts.
            Err(error) if format!("{error:#}").contains("EOF") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The request log from that time on (milliseconds since the epoch), over all processes of this simulator.
    ///
    /// # Errors
    /// When the simulator cannot be reached.
    pub async fn requests(&self, since_ms: i64) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = lines(&self.send(Method::GET, "/requests", Vec::new()).await?)?;
        entries.retain(|entry| entry.at_ms >= since_ms);
        Ok(entries)
    }

    /// The request log with all its fields, over all processes of this simulator.
    ///
    /// # Errors
    /// When the simulator cannot be reached.
    pub async fn log(&self) -> Result<Vec<Value>> {
        lines(&self.send(Method::GET, "/requests", Vec::new()).await?)
    }

    /// The request log from the beginning of that fault on.
    ///
    /// # Errors
    /// When the simulator cannot be reached or never had the fault.
    pub async fn requests_since(&self, fault: u64) -> Result<Vec<Entry>> {
        let log = self.send(Method::GET, "/requests", Vec::new()).await?;
        let values: Vec<Value> = lines(&log)?;
        let begin = values.iter().position(|line| line["event"] == "fault_begin" && line["id"] == fault);
        let begin = begin.with_context(|| format!("fault {fault} is not in the request log"))?;
        values.into_iter().skip(begin).map(|line| Ok(serde_json::from_value(line)?)).collect()
    }

    /// Every tick of the seconds in `from..to` of the streams that were ever subscribed, whether sent or not.
    ///
    /// # Errors
    /// When the simulator cannot be reached.
    pub async fn journal(&self, (from, to): (i64, i64)) -> Result<Vec<JournalTick>> {
        lines(&self.send(Method::GET, &format!("/journal?from={from}&to={to}"), Vec::new()).await?)
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<String> {
        self.cluster.request(method, &format!("{}{path}", self.base), "*/*", body).await
    }
}

/// Reads one JSON value a line.
///
/// # Errors
/// Shows the line that is wrong.
pub fn lines<T: DeserializeOwned>(text: &str) -> Result<Vec<T>> {
    let filled = text.lines().filter(|line| !line.is_empty());
    filled.map(|line| serde_json::from_str(line).with_context(|| format!("unexpected line {line:.200}"))).collect()
}

/// Which streams were subscribed, in order.
#[must_use]
pub fn subscribed(log: &[Entry]) -> Vec<Stream> {
    streams(log, "subscribe")
}

/// Which subscriptions were cancelled, in order.
#[must_use]
pub fn cancelled(log: &[Entry]) -> Vec<Stream> {
    streams(log, "cancel")
}

/// The client IDs that connected, in order.
#[must_use]
pub fn connected(log: &[Entry]) -> Vec<i32> {
    log.iter().filter(|entry| entry.event == "connect").filter_map(|entry| entry.client_id).collect()
}

fn streams(log: &[Entry], event: &str) -> Vec<Stream> {
    log.iter().filter(|entry| entry.event == event).filter_map(Entry::stream).collect()
}
