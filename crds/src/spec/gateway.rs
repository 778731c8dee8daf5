//! Where data come from: the gateway, its login, its client IDs.

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recovery::Day;
use crate::{Duration, schema};

/// Where the data come from: exactly one of `sidecar` and `external`.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.sidecar) != has(self.external)")
    .message("spec.gateway: give exactly one of sidecar and external"))]
#[x_kube(validation = Rule::new("duration(self.connectTimeout) >= duration('1s') && duration(self.probeInterval) >= duration('1s') && duration(self.reconnectDelay) >= duration('100ms')")
    .message("spec.gateway: connectTimeout and probeInterval must be at least 1s, reconnectDelay at least 100ms"))]
#[x_kube(validation = Rule::new("has(self.sidecar) == has(oldSelf.sidecar)")
    .message("spec.gateway: the kind of gateway cannot change; create another MarketStream"))]
pub struct Gateway {
    /// An IB Gateway that runs beside the streamer, in its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<Sidecar>,
    /// An IB Gateway or TWS that somebody else runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// The API client IDs that this MarketStream may use.
    #[serde(default)]
    pub client_id: ClientId,
    /// How long a connection and its handshake may take, each. Default: 10s.
    #[serde(default = "Gateway::default_connect_timeout")]
    pub connect_timeout: Duration,
    /// Pause between two attempts to reach an external gateway; a sidecar is tried every 500ms. Default: 5s.
    #[serde(default = "Gateway::default_reconnect_delay")]
    pub reconnect_delay: Duration,
    /// How often the session is probed with a request for the current time. Default: 5s.
    #[serde(default = "Gateway::default_probe_interval")]
    pub probe_interval: Duration,
}

impl Gateway {
    fn default_connect_timeout() -> Duration {
        Duration::from_secs(10)
    }

    fn default_reconnect_delay() -> Duration {
        Duration::from_secs(5)
    }

    fn default_probe_interval() -> Duration {
        Duration::from_secs(5)
    }
}

/// A gateway container of the common images' kind (environment variables of gnzsnz/ib-gateway-docker).
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.tradingMode == oldSelf.tradingMode")
    .message("spec.gateway.sidecar.tradingMode cannot change: paper and live data must not share a volume; create another MarketStream"))]
pub struct Sidecar {
    /// Container image of the gateway.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// The Secret with the IBKR user name and password. Only the kubelet reads it.
    pub credentials_secret_ref: CredentialsSecretRef,
    /// Paper or live account.
    pub trading_mode: TradingMode,
    /// IANA time zone of the gateway, in which `autoRestartTime` is read. Default: America/New_York.
    #[serde(default = "Sidecar::default_time_zone")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// Daily restart of the gateway, which needs no second factor: "hh:mm AM" or "hh:mm PM". Default: "11:59 PM".
    #[serde(default = "Sidecar::default_auto_restart_time")]
    #[schemars(regex(pattern = r"^(0[1-9]|1[0-2]):[0-5][0-9] (AM|PM)$"), length(max = 8))]
    pub auto_restart_time: String,
    /// Command that starts the gateway in its container. MarketStream's login gate runs it, and counts its logins.
    /// Default: ["/home/ibgateway/scripts/run.sh"], that of gnzsnz/ib-gateway-docker.
    #[serde(default = "Sidecar::default_command")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 1024)))]
    pub command: Vec<String>,
    /// When a person is there to confirm a login: a gateway that is kept down after failed logins tries again then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly_login: Option<WeeklyLogin>,
    /// Who wins when the same user logs in elsewhere: Yield leaves the session to the other. Default: Yield.
    #[serde(default)]
    pub competing_session: CompetingSession,
    /// Logins without success before the gateway stays down until a person asks again; too many lock the user out.
    /// Default: 2 for Live, 5 for Paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub max_login_attempts: Option<i32>,
    /// Volume of the gateway's settings, which hold the login token.
    #[serde(default)]
    pub settings: Settings,
    /// Resources of the gateway's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Further environment variables of the gateway's container; they win over those that the operator sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::env")]
    pub env: Vec<EnvVar>,
}

impl Sidecar {
    fn default_time_zone() -> String {
        "America/New_York".to_owned()
    }

    fn default_command() -> Vec<String> {
        vec!["/home/ibgateway/scripts/run.sh".to_owned()]
    }

    /// Logins without success before the gateway stays down: one more than a slip of the hand where each costs a second
    /// factor and risks a lock-out.
    #[must_use]
    pub fn login_attempts(&self) -> i32 {
        let default = match self.trading_mode {
            TradingMode::Live => 2,
            TradingMode::Paper => 5,
        };
        self.max_login_attempts.unwrap_or(default)
    }

    fn default_auto_restart_time() -> String {
        "11:59 PM".to_owned()
    }
}

/// A Secret in the MarketStream's namespace, and its keys.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key of the user name. Default: username.
    #[serde(default = "CredentialsSecretRef::default_username_key")]
    #[schemars(length(min = 1, max = 253))]
    pub username_key: String,
    /// Key of the password. Default: password.
    #[serde(default = "CredentialsSecretRef::default_password_key")]
    #[schemars(length(min = 1, max = 253))]
    pub password_key: String,
}

impl CredentialsSecretRef {
    fn default_username_key() -> String {
        "username".to_owned()
    }

    fn default_password_key() -> String {
        "password".to_owned()
    }
}

/// The kind of account that the gateway logs in to.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum TradingMode {
    /// A paper-trading account: no second factor at login.
    Paper,
    /// A live account: each full login asks a person for the second factor.
    Live,
}

/// A slot in the week.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeeklyLogin {
    /// Day of the week.
    pub day: Day,
    /// Start, "HH:MM" in the gateway's time zone.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), length(max = 5))]
    pub start: String,
}

/// What the gateway does when the same user is logged in elsewhere.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum CompetingSession {
    /// Leave the session to the other, and come back when it has ended.
    #[default]
    Yield,
    /// Take the session. Only for a user name of the collector's own.
    Primary,
}

/// Volume of the gateway's settings.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
    .message("spec.gateway.sidecar.settings.storageClassName cannot change: a claim keeps its class"))]
pub struct Settings {
    /// Size of the volume; it can grow, not shrink. Default: 1Gi.
    #[serde(default = "Settings::default_size")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self)").message("spec.gateway.sidecar.settings.size: write a quantity such as 1Gi"))]
    #[x_kube(validation = Rule::new("!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0")
        .message("spec.gateway.sidecar.settings.size: a volume can only grow"))]
    pub size: String,
    /// Storage class. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

impl Settings {
    fn default_size() -> String {
        "1Gi".to_owned()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { size: Self::default_size(), storage_class_name: None }
    }
}

/// A gateway that somebody else runs.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$"))]
    pub host: String,
    /// API ports, tried in turn, the last good one first. Default: 7497, 7496, 4002, 4001.
    #[serde(default = "External::default_ports")]
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65535)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ports: Vec<u16>,
}

impl External {
    fn default_ports() -> Vec<u16> {
        vec![7497, 7496, 4002, 4001]
    }
}

/// API client IDs: `base`, and the `pool - 1` that follow it, for resets and for an ID that is still in use.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientId {
    /// First client ID. Default: 851.
    #[serde(default = "ClientId::default_base")]
    #[schemars(range(min = 1, max = 32000))]
    pub base: i32,
    /// How many client IDs, from `base` up. Default: 8.
    #[serde(default = "ClientId::default_pool")]
    #[schemars(range(min = 1, max = 32))]
    pub pool: i32,
}

impl ClientId {
    fn default_base() -> i32 {
        851
    }

    fn default_pool() -> i32 {
        8
    }

    /// The ID that follows `current` in the pool, round and round.
    #[must_use]
    pub fn next(self, current: i32) -> i32 {
        self.base + (current - self.base + 1).rem_euclid(self.pool.max(1))
    }

    /// The first ID and the one after the last.
    #[must_use]
    pub fn range(self) -> std::ops::Range<i32> {
        self.base..self.base + self.pool
    }
}

impl Default for ClientId {
    fn default() -> Self {
        Self { base: Self::default_base(), pool: Self::default_pool() }
    }
}
