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

/// Link between the gateway and IBKR. It belongs to one API session.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamStatus {
    /// State of the link.
    pub state: Upstream,
    /// For how many seconds it is in this state.
    pub for_seconds: f64,
    /// What the notice that ended the last outage said of the subscriptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
}

/// State of the link between the gateway and IBKR.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Upstream {
    /// Restored (1101, 1102).
    Up,
    /// Lost (1100, 2110).
    Down,
}

/// What became of the subscriptions when the link came back.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Restored {
    /// 1101: they are gone.
    Lost,
    /// 1102: they are said to go on; often they do not.
    Maintained,
}

/// One of IBKR's data farms.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FarmStatus {
    /// What it serves.
    pub kind: FarmKind,
    /// State of the link to it.
    pub state: FarmState,
    /// For how many seconds it can be used (Ok, Inactive), or cannot (Broken, Connecting).
    pub for_seconds: f64,
}

/// What a data farm serves.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum FarmKind {
    /// Live market data (2103, 2104, 2108, 2119).
    MarketData,
    /// Historical data (2105 to 2107).
    History,
    /// Contract definitions (2157, 2158).
    Definitions,
}

/// State of the link to one of IBKR's data farms.
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

/// Whether the gateway answers on its command port (IBC's command server).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum CommandPort {
    /// It does.
    Up,
    /// It does not.
    Down,
}

/// The gateway's login.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginStatus {
    /// The last thing that happened to it.
    pub state: LoginState,
    /// How many seconds ago.
    pub for_seconds: f64,
    /// The line of the log that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// Where a login stands, by the markers in the gateway's log.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum LoginState {
    /// Under way, and nothing waits for a person.
    Started,
    /// Login has completed.
    Completed,
    /// No login token was found: full authentication will be required.
    FullAuthentication,
    /// Second Factor Authentication initiated, and not confirmed yet.
    SecondFactor,
    /// Login failed.
    Failed,
    /// Too many failed login attempts.
    TooManyAttempts,
    /// Existing session detected, or Re-login: another login of the same user has the session.
    ExistingSession,
    /// The login gate keeps the gateway down until a person asks for a login.
    Held,
}

/// A pause after requests came too fast for IBKR (100, 162, 420).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PacingStatus {
    /// How many seconds it still lasts.
    pub remaining_seconds: f64,
    /// IBKR's code.
    pub code: i32,
    /// IBKR's text.
    #[schemars(length(max = 512))]
    pub message: String,
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

/// From so many calendar days before its last trade date on, people are told that a contract ends.
pub const EXPIRY_NOTICE_DAYS: i32 = 7;

/// A contract that expires.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractStatus {
    /// Name of the contract in the manifest.
    #[schemars(length(max = 63))]
    pub contract: String,
    /// IBKR's identifier of what is recorded now.
    pub con_id: i32,
    /// The exchange's own symbol, such as MNQZ6.
    #[schemars(length(max = 32))]
    pub local_symbol: String,
    /// Its last trade date, YYYY-MM-DD.
    #[schemars(length(max = 10))]
    pub last_trade_date: String,
    /// Calendar days until then, in the exchange's time zone; 0 on the day itself, negative afterwards.
    pub days_left: i32,
    /// Whether another contract follows it by itself: it rolls, and IBKR lists a later expiry.
    #[serde(default)]
    pub follows: bool,
    /// What is recorded next; absent when it is not known yet, or nothing follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextContract>,
}

/// The contract that follows.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextContract {
    /// IBKR's identifier.
    pub con_id: i32,
    /// The exchange's own symbol, such as MNQH7.
    #[schemars(length(max = 32))]
    pub local_symbol: String,
    /// From when it is recorded, on the streamer's clock.
    pub from: Time,
    /// When the one before it is left, on the streamer's clock.
    pub until: Time,
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

/// Gaps in the recording.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub struct GapCounts {
    /// Not filled yet.
    pub open: i32,
    /// Filled from IBKR's history, which agrees with what was recorded beside them.
    pub filled: i32,
    /// Filled as far as IBKR's history goes, which filters and conflates.
    pub approximate: i32,
    /// Not to be had; the reason stands in the list.
    pub unfillable: i32,
}

/// The data volume.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageStatus {
    /// Whether the last write and sync succeeded.
    pub writable: bool,
    /// For how many seconds they have failed; 0 while they succeed.
    #[serde(default)]
    pub failing_seconds: f64,
    /// Ticks received that could not be kept, since the process started.
    pub dropped: i64,
    /// What the last write failed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// Sealing and archiving, which never hold up recording; absent while they succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing: Option<SealingStatus>,
    /// What `spec.storage.retentionDays` has deleted; absent without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionStatus>,
}

/// What retention has deleted from the volume. It looks after a start and once a day.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    /// Files that were deleted since the process started.
    pub deleted_files: i64,
    /// Their bytes.
    pub deleted_bytes: i64,
    /// Recordings that are old enough and stay, since they are not sealed, or not archived, yet.
    pub held_files: i64,
}

/// What sealing and archiving could not do at their last attempt. They try again every five minutes.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SealingStatus {
    /// Sealed files that the archive does not have yet.
    pub unarchived: i32,
    /// Why.
    #[schemars(length(max = 512))]
    pub message: String,
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
