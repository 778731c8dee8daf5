//! One stream: its state, and the last thing that was wrong with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{TickType, Time};

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
    /// How many seconds ago its last tick came, when this was written; absent before the first. Silence counts within
    /// sessions only, this counts through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_seconds: Option<f64>,
    /// Since when the stream is in this state, on the streamer's clock.
    pub since: Time,
    /// Whether the contract's session is open.
    pub session: Session,
    /// The gateway's last refusal of this stream, until its next tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<GatewayError>,
    /// The last tick that cannot be true, and was put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<CorruptStatus>,
    /// IBKR sends delayed data instead of live ones (10167).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delayed: bool,
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
    /// Silent, and known that nothing traded.
    Quiet,
    /// Silent, and known that trading is halted.
    Halted,
    /// Its session is closed, or just opened.
    Idle,
    /// The gateway refused it, or no line was left.
    Rejected,
    /// No tick-by-tick line was left: recorded from ordinary market data.
    Overflow,
    /// The contract's last trade date has passed.
    Expired,
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
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayError {
    /// IBKR's code.
    pub code: i32,
    /// IBKR's text.
    #[schemars(length(max = 512))]
    pub message: String,
    /// When it came, on the streamer's clock.
    pub time: Time,
    /// How many seconds ago that was, when this was written. Evidence expires.
    #[serde(default)]
    pub age_seconds: f64,
}

/// Ticks that cannot be true: zero or epoch fields, a price far off the market, a message that does not decode.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorruptStatus {
    /// How many seconds ago the last one came, when this was written.
    pub age_seconds: f64,
    /// What is wrong with it.
    #[schemars(length(max = 512))]
    pub message: String,
}
