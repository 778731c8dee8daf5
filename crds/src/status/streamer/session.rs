//! The API session with the gateway, and what it says of its login and of its links.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

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
