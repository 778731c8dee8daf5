//! What the operator and the streamer report. The operator owns all but `streamer`, which the streamer owns.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

use crate::{TickType, Time};

/// The observed state. Bulk facts (ticks, coverage) never stand here: the streamer serves them on its HTTP port.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MarketStreamStatus {
    /// Generation of the spec that the operator acted on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Health of the collection, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Highest rung that an open incident has reached: 0 (none) to 4 (Critical).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4))]
    pub level: Option<u8>,
    /// Cause of the incident that reached `level`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// API client ID for the next connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<i32>,
    /// Open incidents, the highest level first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub incidents: Vec<Incident>,
    /// Closed incidents, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub history: Vec<Incident>,
    /// The last action, written before it is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// When pods were rolled in the last 24 hours, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub recent_rolls: Vec<Time>,
    /// Standard conditions, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// What the streamer reports. One atomic map: a granular one doubles the object with managed fields (measured).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = StructMerge::Atomic)]
    pub streamer: Option<StreamerStatus>,
}

/// Health of the collection.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Health {
    /// The socket is up and every stream flows, or is known to be quiet, halted or closed.
    Healthy,
    /// The socket is up and some stream is silent or refused: the zombie connection when nothing flows.
    Degraded,
    /// There is no API session.
    Disconnected,
    /// Every session is closed; nothing has to flow.
    Idle,
    /// There is no fresh report of the streamer.
    Unknown,
}

impl Health {
    /// The name in status, events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Degraded => "Degraded",
            Self::Disconnected => "Disconnected",
            Self::Idle => "Idle",
            Self::Unknown => "Unknown",
        }
    }
}

/// Why data do not flow, as far as the evidence tells.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum Cause {
    /// Session: no heartbeat of the streamer, or its pod does not run.
    NotReporting,
    /// Session: another session of the same user holds the market data.
    CompetingSession,
    /// Session: the gateway still holds the client ID (error 326).
    ClientIdInUse,
    /// Session: the API port refuses or closed, after a session had been up in this pod.
    GatewayDown,
    /// Session: the port accepts and there is no handshake, or the time probe stays unanswered.
    GatewayHung,
    /// Session: the socket is up and every stream that should flow is silent.
    Zombie,
    /// Stream: IBKR does not know the contract (200, 203, 321).
    ContractInvalid,
    /// Stream: refused by the gateway, or beyond the account's tick-by-tick lines.
    Rejected,
    /// Stream: its session is closed. Excuses silence; never an incident.
    MarketClosed,
    /// Stream: silent while its siblings flow.
    StreamSilent,
    /// Either: no data, and none of the above.
    Unknown,
}

impl Cause {
    /// The name in status, conditions, events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReporting => "NotReporting",
            Self::CompetingSession => "CompetingSession",
            Self::ClientIdInUse => "ClientIdInUse",
            Self::GatewayDown => "GatewayDown",
            Self::GatewayHung => "GatewayHung",
            Self::Zombie => "Zombie",
            Self::ContractInvalid => "ContractInvalid",
            Self::Rejected => "Rejected",
            Self::MarketClosed => "MarketClosed",
            Self::StreamSilent => "StreamSilent",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an incident covers the whole login session or some of its streams.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Scope {
    /// All streams.
    Session,
    /// The streams that it lists.
    Stream,
}

/// One fault and what was done about it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Identifier, unique within the MarketStream.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Session or Stream.
    pub scope: Scope,
    /// When data should first have come and did not, on the operator's clock.
    pub since: Time,
    /// Cause, as the evidence stands now.
    pub cause: Cause,
    /// Affected streams, `contract/TickType`; empty for a whole session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 80)))]
    pub streams: Vec<String>,
    /// Highest rung that fired: 0 to 4.
    #[schemars(range(min = 0, max = 4))]
    pub level: u8,
    /// Actions taken at levels 2 and 3.
    #[schemars(range(min = 0))]
    pub attempts: i32,
    /// The rungs that fired, the oldest first; the newest are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12))]
    pub rungs: Vec<Rung>,
    /// What was done last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_action: Option<ActionKind>,
    /// What comes next, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub next_action: Option<String>,
    /// When that is due, unless data flow before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action_time: Option<Time>,
    /// Since when all affected streams flow again; the incident closes when that has lasted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_time: Option<Time>,
    /// When the incident closed (in `history` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_time: Option<Time>,
}

/// A rung of the ladder that fired.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rung {
    /// 1 warning, 2 restart of streams, 3 reset of the connection, 4 Critical.
    #[schemars(range(min = 1, max = 4))]
    pub level: u8,
    /// When it was due.
    pub due_time: Time,
    /// When it fired.
    pub time: Time,
    /// The action that it took, at levels 2 and 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionKind>,
}

/// What recovery does to the data path.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ActionKind {
    /// Cancel the silent streams and subscribe them again.
    RestartStreams,
    /// A new API session with the next client ID.
    Reconnect,
    /// Replace the pod; the new one uses the next client ID.
    RollPod,
}

impl ActionKind {
    /// The name in status, events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RestartStreams => "RestartStreams",
            Self::Reconnect => "Reconnect",
            Self::RollPod => "RollPod",
        }
    }
}

/// An action, written before it is carried out, so that it survives a restart of either side.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Identifier; the streamer acts on each one once.
    #[schemars(length(max = 64))]
    pub id: String,
    /// The incident that it belongs to.
    #[schemars(length(max = 64))]
    pub incident: String,
    /// What to do.
    pub kind: ActionKind,
    /// Streams to restart, `contract/TickType` (RestartStreams only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 80)))]
    pub streams: Vec<String>,
    /// API client ID to use from now on.
    pub client_id: i32,
    /// The pod that it is meant for; another pod must not act on it.
    #[serde(rename = "podUID")]
    #[schemars(length(max = 64))]
    pub pod_uid: String,
    /// When it was decided, on the operator's clock.
    pub issued_at: Time,
    /// What is not acknowledged by then has failed, on the operator's clock.
    pub deadline: Time,
}

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
