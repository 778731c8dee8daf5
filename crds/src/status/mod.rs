//! What the operator and the streamer report. The operator owns all but `streamer`, which the streamer owns.

mod incident;
mod streamer;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use incident::*;
pub use streamer::*;

use crate::Time;

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
    /// The last restart that a person asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// The last value of the annotation `marketstream.io/restart-stream` that was dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub stream_restart: Option<String>,
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

/// A restart that a person asked for by the annotation `marketstream.io/restart`. Written before it is carried out.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restart {
    /// The annotation's value.
    #[schemars(length(max = 64))]
    pub request: String,
    /// The pod that it replaces; empty when there was none.
    #[serde(rename = "podUID", default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub pod_uid: String,
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
