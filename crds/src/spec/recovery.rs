//! When silence is a fault and what is done about it; the account's limits; how lost ticks come back.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contract::TickType;
use crate::Duration;

/// A day of the week.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[allow(missing_docs, reason = "days need no explanation")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Limits of the IBKR account (per user name, over all its sessions).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Tick-by-tick subscriptions: 5 % of the market-data lines. Default: 5.
    #[serde(default = "Limits::default_tick_by_tick")]
    #[schemars(range(min = 1, max = 100))]
    pub tick_by_tick: i32,
    /// Market-data lines. Each contract takes one: it tells a quiet market from a stream that has died, and is what
    /// overflowing streams are recorded from. Default: 100.
    #[serde(default = "Limits::default_lines")]
    #[schemars(range(min = 1, max = 10000))]
    pub lines: i32,
    /// What becomes of streams beyond `tickByTick`, the least important ones by `priority`. Default: Refuse.
    #[serde(default)]
    pub overflow: Overflow,
    /// Least time between two tick-by-tick requests of one instrument and type (an IBKR rule). Default: 15s.
    #[serde(default = "Limits::default_spacing")]
    pub same_instrument_spacing: Duration,
}

impl Limits {
    fn default_tick_by_tick() -> i32 {
        5
    }

    fn default_lines() -> i32 {
        100
    }

    fn default_spacing() -> Duration {
        Duration::from_secs(15)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tick_by_tick: Self::default_tick_by_tick(),
            lines: Self::default_lines(),
            overflow: Overflow::default(),
            same_instrument_spacing: Self::default_spacing(),
        }
    }
}

/// What becomes of streams for which no tick-by-tick line is left.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Overflow {
    /// The stream is Rejected, and says so.
    #[default]
    Refuse,
    /// The stream is recorded from ordinary market data, which samples, under a record type of its own: quote_l1 for
    /// BidAsk and MidPoint, rtvolume for Last and AllLast.
    MarketData,
}

/// The ladder: when which step is taken while data that should flow do not.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.staleAfter) <= duration(self.warnAfter)")
    .message("spec.recovery: staleAfter must not be longer than warnAfter"))]
#[x_kube(validation = Rule::new("duration(self.warnAfter) < duration(self.restartStreamsAfter)")
    .message("spec.recovery: warnAfter must be shorter than restartStreamsAfter"))]
#[x_kube(validation = Rule::new("duration(self.restartStreamsAfter) < duration(self.resetConnectionAfter)")
    .message("spec.recovery: restartStreamsAfter must be shorter than resetConnectionAfter"))]
#[x_kube(validation = Rule::new("duration(self.resetConnectionAfter) < duration(self.criticalAfter)")
    .message("spec.recovery: resetConnectionAfter must be shorter than criticalAfter"))]
#[x_kube(validation = Rule::new("duration(self.monitorInterval) >= duration('1s')")
    .message("spec.recovery.monitorInterval: at least 1s"))]
pub struct Recovery {
    /// A stream is stale after this silence in its own open session. Default: 60s.
    #[serde(default = "Recovery::default_stale_after")]
    pub stale_after: Duration,
    /// A stream that was subscribed and never ticked is stale after this time. Default: 2m.
    #[serde(default = "Recovery::default_zombie_timeout")]
    pub zombie_timeout: Duration,
    /// Level 1: a warning. Default: 1m.
    #[serde(default = "Recovery::default_warn_after")]
    pub warn_after: Duration,
    /// Level 2: the silent streams are subscribed again. Default: 3m.
    #[serde(default = "Recovery::default_restart_streams_after")]
    pub restart_streams_after: Duration,
    /// Level 3: the connection is reset, with the next client ID. Default: 5m.
    #[serde(default = "Recovery::default_reset_connection_after")]
    pub reset_connection_after: Duration,
    /// Level 4: a person is called. Default: 10m.
    #[serde(default = "Recovery::default_critical_after")]
    pub critical_after: Duration,
    /// How level 3 resets. Default: RollPod for a Paper sidecar, Stepwise for a Live one, Reconnect for an external
    /// gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
    /// Heartbeat of the streamer's status; transitions are written at once. Default: 15s.
    #[serde(default = "Recovery::default_monitor_interval")]
    pub monitor_interval: Duration,
    /// Silence does not count for this long after a session opens. Default: 2m.
    #[serde(default = "Recovery::default_open_grace")]
    pub open_grace: Duration,
}

impl Recovery {
    fn default_stale_after() -> Duration {
        Duration::from_secs(60)
    }

    fn default_zombie_timeout() -> Duration {
        Duration::from_secs(120)
    }

    fn default_warn_after() -> Duration {
        Duration::from_secs(60)
    }

    fn default_restart_streams_after() -> Duration {
        Duration::from_secs(180)
    }

    fn default_reset_connection_after() -> Duration {
        Duration::from_secs(300)
    }

    fn default_critical_after() -> Duration {
        Duration::from_secs(600)
    }

    fn default_monitor_interval() -> Duration {
        Duration::from_secs(15)
    }

    fn default_open_grace() -> Duration {
        Duration::from_secs(120)
    }
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            stale_after: Self::default_stale_after(),
            zombie_timeout: Self::default_zombie_timeout(),
            warn_after: Self::default_warn_after(),
            restart_streams_after: Self::default_restart_streams_after(),
            reset_connection_after: Self::default_reset_connection_after(),
            critical_after: Self::default_critical_after(),
            reset: None,
            monitor_interval: Self::default_monitor_interval(),
            open_grace: Self::default_open_grace(),
        }
    }
}

/// How strong a reset of the connection is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Reset {
    /// Replace the pod, gateway included.
    RollPod,
    /// The weakest step that may help first: Reconnect, RestartGateway, RollPod, each after the one before did not help.
    Stepwise,
    /// A new API session; the gateway is not touched.
    Reconnect,
}

/// A recurring time in which outages are expected.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// Days on which the window starts. Default: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub days: Vec<Day>,
    /// Start, "HH:MM" in `timeZone`.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), length(max = 5))]
    pub start: String,
    /// Length of the window.
    pub duration: Duration,
    /// IANA time zone, such as America/New_York.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// How lost ticks are fetched from IBKR's history.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Backfill {
    /// Whether gaps are filled. Default: true.
    #[serde(default = "Backfill::default_enabled")]
    pub enabled: bool,
    /// Gaps older than this are marked unfillable. Default: 24h.
    #[serde(default = "Backfill::default_max_age")]
    pub max_age: Duration,
    /// Tick types that are fetched again. Default: Last and BidAsk.
    #[serde(default = "Backfill::default_ticks")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ticks: Vec<TickType>,
    /// Historical requests in ten minutes (IBKR allows 60 for one login). Default: 50.
    #[serde(default = "Backfill::default_requests")]
    #[schemars(range(min = 1, max = 60))]
    #[serde(rename = "requestsPer10Minutes")]
    pub requests_per_10_minutes: i32,
}

impl Backfill {
    fn default_enabled() -> bool {
        true
    }

    fn default_max_age() -> Duration {
        Duration::from_secs(24 * 3600)
    }

    fn default_ticks() -> Vec<TickType> {
        vec![TickType::Last, TickType::BidAsk]
    }

    fn default_requests() -> i32 {
        50
    }
}

impl Default for Backfill {
    fn default() -> Self {
        Self {
            enabled: Self::default_enabled(),
            max_age: Self::default_max_age(),
            ticks: Self::default_ticks(),
            requests_per_10_minutes: Self::default_requests(),
        }
    }
}
