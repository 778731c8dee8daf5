//! Faults, why they are, and what is done about them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// Why data do not flow, as far as the evidence tells. In this order, the first that matches wins in its scope.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum Cause {
    /// Session: no heartbeat of the streamer, or its pod does not run.
    NotReporting,
    /// Session: the data volume refuses writes.
    StorageFull,
    /// Session: the gateway waits for a person to log in.
    AuthRequired,
    /// Session: another session of the same user holds the market data.
    CompetingSession,
    /// Session: the gateway still holds the client ID (error 326).
    ClientIdInUse,
    /// Session: the API port refuses or closed, after a login had completed in this pod.
    GatewayDown,
    /// Session: the port accepts and there is no handshake, or the time probe stays unanswered.
    GatewayHung,
    /// Session: the gateway has lost IBKR (1100, 2110), or no data came back with it.
    UpstreamDown,
    /// Session: the socket is up and every stream that should flow is silent.
    Zombie,
    /// Session: requests came too fast; they pause.
    Pacing,
    /// Stream: the user lacks the market-data subscription.
    NotEntitled,
    /// Stream: no line is left, by IBKR's limits or our own.
    Capacity,
    /// Stream: IBKR does not know the contract (200, 203, 321).
    ContractInvalid,
    /// Stream: silent since one of IBKR's market-data farms broke (2103).
    FarmDown,
    /// Stream: ticks come that cannot be true.
    CorruptData,
    /// Stream: its session is closed. Excuses silence; never an incident.
    MarketClosed,
    /// Stream: silent while its siblings flow.
    StreamSilent,
    /// Either: no data, and none of the above.
    Unknown,
}

impl Cause {
    /// Every cause, in order.
    pub const ALL: [Self; 18] = [
        Self::NotReporting,
        Self::StorageFull,
        Self::AuthRequired,
        Self::CompetingSession,
        Self::ClientIdInUse,
        Self::GatewayDown,
        Self::GatewayHung,
        Self::UpstreamDown,
        Self::Zombie,
        Self::Pacing,
        Self::NotEntitled,
        Self::Capacity,
        Self::ContractInvalid,
        Self::FarmDown,
        Self::CorruptData,
        Self::MarketClosed,
        Self::StreamSilent,
        Self::Unknown,
    ];

    /// The name in status, conditions, events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReporting => "NotReporting",
            Self::StorageFull => "StorageFull",
            Self::AuthRequired => "AuthRequired",
            Self::CompetingSession => "CompetingSession",
            Self::ClientIdInUse => "ClientIdInUse",
            Self::GatewayDown => "GatewayDown",
            Self::GatewayHung => "GatewayHung",
            Self::UpstreamDown => "UpstreamDown",
            Self::Zombie => "Zombie",
            Self::Pacing => "Pacing",
            Self::NotEntitled => "NotEntitled",
            Self::Capacity => "Capacity",
            Self::ContractInvalid => "ContractInvalid",
            Self::FarmDown => "FarmDown",
            Self::CorruptData => "CorruptData",
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
    /// Restart the gateway in its pod by its command port, which keeps the login.
    RestartGateway,
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
            Self::RestartGateway => "RestartGateway",
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
    /// The incident that it belongs to; `requested` when a person asked for it.
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
