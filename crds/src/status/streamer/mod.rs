//! The streamer's report.

mod action;
mod contract;
mod session;
mod storage;
mod stream;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{action::*, contract::*, session::*, storage::*, stream::*};
use crate::Time;

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
    pub upstream: Option<UpstreamStatus>,
    /// IBKR's data farms by name, as far as notices tell (2103 to 2108, 2119, 2157, 2158).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub farms: BTreeMap<String, FarmStatus>,
    /// Whether the gateway answers on its command port; absent when it has none or was never asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_port: Option<CommandPort>,
    /// The gateway's login, as far as its log tells; absent without a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginStatus>,
    /// A pause after too many requests, while it lasts: no stream is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pacing: Option<PacingStatus>,
    /// Every stream of the manifest.
    #[schemars(length(max = 400))]
    pub streams: Vec<StreamStatus>,
    /// Which contracts are recorded, of those that expire or roll.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub contracts: Vec<ContractStatus>,
    /// The data volume.
    pub storage: StorageStatus,
    /// Gaps in the recording, by what became of them; the streamer's HTTP port lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<GapCounts>,
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
        report.storage.failing_seconds = 0.0;
        for stream in &mut report.streams {
            stream.silent_seconds = 0.0;
            stream.last_tick_seconds = None;
            if let Some(error) = &mut stream.error {
                error.age_seconds = 0.0;
            }
            if let Some(corrupt) = &mut stream.corrupt {
                corrupt.age_seconds = 0.0;
            }
        }
        for farm in report.farms.values_mut() {
            farm.for_seconds = 0.0;
        }
        if let Some(upstream) = &mut report.upstream {
            upstream.for_seconds = 0.0;
        }
        if let Some(login) = &mut report.login {
            login.for_seconds = 0.0;
        }
        if let Some(pacing) = &mut report.pacing {
            pacing.remaining_seconds = 0.0;
        }
        if let Some(gaps) = &mut report.gaps {
            gaps.eta_seconds = None;
        }
        report
    }
}
