//! The streamer's report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{TickType, Time};

/// The streamer's report. Between transitions only `heartbeatTime`, `lastTickTime` and `summary` change.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamerStatus {
    /// Name of the reporting pod.
    #[schemars(length(max = 253))]
    pub pod: String,
    /// UID of the reporting pod.
    #[serde(rename = "podUID")]
    #[schemars(length(max = 64))]
    pub pod_uid: String,
    /// API client ID of the current or next session.
    pub client_id: i32,
    /// When this report was written, on the streamer's clock.
    pub heartbeat_time: Time,
    /// When the last tick of any stream was received, on the streamer's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_time: Option<Time>,
    /// Streams that flow out of those that should, such as "3/4".
    #[schemars(length(max = 16))]
    pub summary: String,
    /// Streams that flow.
    pub flowing: i32,
    /// Streams of the manifest.
    pub total: i32,
    /// The API session.
    pub socket: SocketStatus,
    /// Link between the gateway and IBKR, as far as notices tell (1100, 1101, 1102, 2110).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// IBKR's data farms by name, as far as notices tell (2103 to 2108, 2157, 2158).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub farms: BTreeMap<String, FarmState>,
    /// Every stream of the manifest.
    #[schemars(length(max = 400))]
    pub streams: Vec<StreamStatus>,
    /// The data volume.
    pub storage: StorageStatus,
    /// Acknowledgement of the last action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionStatus>,
}

impl StreamerStatus {
    /// The report without what changes by the mere passing of time: two of these differ by a transition only.
    #[must_use]
    pub fn without_clock(&self) -> Self {
        let mut report = self.clone();
        report.heartbeat_time = report.socket.since;
        report.last_tick_time = None;
        report.summary.clear();
        report.socket.down_seconds = 0.0;
        for stream in &mut report.streams {
            stream.silent_seconds = 0.0;
        }
        report
    }
}

/// The API session of the streamer with the gateway.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SocketStatus {
    /// State of the session.
    pub state: SocketState,
    /// `host:port` that was connected, or tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub endpoint: Option<String>,
    /// Since when the session is in this state, on the streamer's clock.
    pub since: Time,
    /// For how many seconds there is no session; 0 while there is one.
    pub down_seconds: f64,
    /// Whether a session has been up in this pod's life. Before that, a refused port is a login that is not done.
    pub ever_connected: bool,
    /// What the last attempt failed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// State of the API session.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum SocketState {
    /// The first attempt is under way.
    Connecting,
    /// Handshake done, last probe answered.
    Connected,
    /// No port accepts a connection.
    Refused,
    /// The gateway closed the session.
    Closed,
    /// A port accepts connections, and the handshake stays unanswered.
    NoHandshake,
    /// The session stands, and the probe for the current time stays unanswered.
    ProbeTimeout,
    /// Error 326: the gateway still holds the client ID.
    ClientIdInUse,
    /// What answers does not speak the TWS API.
    NotAGateway,
}

/// Link between the gateway and IBKR.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Upstream {
    /// Up, or restored (1101, 1102).
    Up,
    /// Lost (1100, 2110).
    Down,
}

/// State of one of IBKR's data farms.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum FarmState {
    /// 2104, 2106, 2158.
    Ok,
    /// 2103, 2105, 2157.
    Broken,
    /// 2107, 2108: available on demand, which is normal.
    Inactive,
    /// 2119.
    Connecting,
}

/// One stream: a contract and a tick type.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamStatus {
    /// Name of the contract in the manifest.
    #[schemars(length(max = 63))]
    pub contract: String,
    /// Tick type.
    pub tick: TickType,
    /// State of the stream.
    pub state: StreamState,
    /// For how long data that should have come did not, when this was written; 0 outside its session.
    pub silent_seconds: f64,
    /// Since when the stream is in this state, on the streamer's clock.
    pub since: Time,
    /// Whether the contract's session is open.
    pub session: Session,
    /// The gateway's last refusal of this stream, until its next tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<GatewayError>,
    /// How often the stream was subscribed again.
    pub restarts: i32,
}

impl StreamStatus {
    /// `contract/TickType`, as incidents and actions name a stream.
    #[must_use]
    pub fn key(&self) -> String {
        stream_key(&self.contract, self.tick)
    }
}

/// `contract/TickType`, as incidents and actions name a stream.
#[must_use]
pub fn stream_key(contract: &str, tick: TickType) -> String {
    format!("{contract}/{}", tick.as_str())
}

/// State of a stream.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum StreamState {
    /// Asked for, nothing yet.
    Pending,
    /// Ticks come.
    Flowing,
    /// Silent for longer than `staleAfter` in its own open session.
    Stale,
    /// Its session is closed, or just opened.
    Idle,
    /// The gateway refused it, or no line was left.
    Rejected,
}

/// Whether a contract trades now, by its own hours.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Session {
    /// In its session.
    Open,
    /// Outside its session.
    Closed,
    /// Its hours are not known (yet), or have run out.
    Unknown,
}

/// An error that the gateway sent for a request.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayError {
    /// IBKR's code.
    pub code: i32,
    /// IBKR's text.
    #[schemars(length(max = 512))]
    pub message: String,
    /// When it came, on the streamer's clock.
    pub time: Time,
}

/// The data volume.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageStatus {
    /// Whether the last write and sync succeeded.
    pub writable: bool,
    /// Ticks received that could not be kept, since the process started.
    pub dropped: i64,
    /// What the last write failed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// Acknowledgement of an action.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionStatus {
    /// The action's identifier.
    #[schemars(length(max = 64))]
    pub id: String,
    /// How far it got.
    pub state: ActionState,
    /// What came of it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// How far an action got.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ActionState {
    /// Under way.
    Accepted,
    /// Carried out; whether it helped is for the operator to see.
    Done,
    /// Could not be carried out.
    Failed,
    /// Found at start: it was meant for an earlier process.
    Superseded,
}
