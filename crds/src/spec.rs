//! What the user asks for.

use k8s_openapi::api::core::v1::{Affinity, EnvVar, LocalObjectReference, ResourceRequirements, Toleration};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{Duration, MarketStreamStatus, schema};

/// One IBKR login session: its gateway, the contracts to record, and how to recover when data stop.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[kube(
    group = "marketstream.io",
    version = "v1alpha1",
    kind = "MarketStream",
    plural = "marketstreams",
    singular = "marketstream",
    shortname = "mstream",
    category = "marketstream",
    namespaced,
    status = "MarketStreamStatus",
    derive = "PartialEq",
    doc = "Keeps the collection of Interactive Brokers market data alive and complete: one login session with its gateway, its streamer and its data.",
    annotation("helm.sh/resource-policy", "keep"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.health"),
    printcolumn(name = "Level", type_ = "integer", json_path = ".status.level"),
    printcolumn(name = "Cause", type_ = "string", json_path = ".status.cause"),
    printcolumn(name = "Streams", type_ = "string", json_path = ".status.streamer.summary"),
    printcolumn(name = "Last Tick", type_ = "date", json_path = ".status.streamer.lastTickTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Socket", type_ = "string", priority = 1, json_path = ".status.streamer.socket.state"),
    printcolumn(name = "Data", type_ = "string", priority = 1, json_path = r#".status.conditions[?(@.type=="DataFlowing")].reason"#),
    printcolumn(name = "Client", type_ = "integer", priority = 1, json_path = ".status.clientId"),
    printcolumn(name = "Next Action", type_ = "string", priority = 1, json_path = ".status.incidents[0].nextAction"),
    validation = Rule::new("self.metadata.name.size() <= 52")
        .message("metadata.name: use at most 52 characters, since the pod's revision label adds 11")
)]
#[serde(rename_all = "camelCase")]
pub struct MarketStreamSpec {
    /// What to record. Changes are applied live, without a restart of the pod.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.filter(c, has(c.conId)).all(a, self.exists_one(b, has(b.conId) && b.conId == a.conId))")
            .message("spec.contracts: two entries have the same conId; list all tick types in one entry"),
        validation = Rule::new("self.map(c, size(c.ticks)).sum() <= 100")
            .message("spec.contracts: at most 100 streams (a contract and a tick type) in one MarketStream; split it in two logins"),
    )]
    pub contracts: Vec<Contract>,
    /// The IB Gateway that the data come from.
    pub gateway: Gateway,
    /// The account's market-data limits. Default: those of an account without boosters.
    #[serde(default)]
    pub limits: Limits,
    /// When silence is a fault, and what to do about it.
    #[serde(default)]
    pub recovery: Recovery,
    /// Times in which outages are expected, such as an internet provider's. IBKR's own nightly resets are built in.
    /// Accepted and kept, not acted on before v0.2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub maintenance_windows: Vec<MaintenanceWindow>,
    /// How lost ticks are fetched again. Accepted and kept, not acted on before v0.2.
    #[serde(default)]
    pub backfill: Backfill,
    /// Where ticks are stored.
    #[serde(default)]
    pub storage: Storage,
    /// When a change of the pod's template may replace the running pod.
    #[serde(default)]
    pub update: Update,
    /// Whether a node drain may take the pod while the market is open. Default: WhenMarketClosed.
    #[serde(default)]
    pub disruption: Disruption,
    /// Scheduling and resources of the pod.
    #[serde(default)]
    pub pod: PodSettings,
    /// Stops everything and keeps the volumes. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// One instrument: by `conId`, or by the fields that IBKR resolves to exactly one contract.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.conId) || has(self.symbol)").message("give conId, or symbol and secType"))]
#[x_kube(validation = Rule::new("!has(self.symbol) || has(self.secType)")
    .message("symbol needs secType, such as FUT, STK or CRYPTO"))]
pub struct Contract {
    /// A short name of your own (a DNS label): it stands in metrics, events and status.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// IBKR's contract identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub con_id: Option<i32>,
    /// Underlying symbol, such as MNQ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub symbol: Option<String>,
    /// Security type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sec_type: Option<SecType>,
    /// Exchange, such as CME, SMART or PAXOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub exchange: Option<String>,
    /// Currency, such as USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 8))]
    pub currency: Option<String>,
    /// Last trade date (YYYYMMDD) or contract month (YYYYMM) of a future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{6}([0-9]{2})?$"), length(max = 8))]
    pub last_trade_date: Option<String>,
    /// The exchange's own symbol, such as MNQZ6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub local_symbol: Option<String>,
    /// Trading class, where a symbol has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub trading_class: Option<String>,
    /// Contract multiplier, where a symbol has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub multiplier: Option<String>,
    /// Tick types to record.
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ticks: Vec<TickType>,
    /// In which of the contract's hours silence counts. Default: Auto.
    #[serde(default)]
    pub hours: Hours,
    /// Overrides `recovery.staleAfter` for a thin contract; the ladder shifts with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Duration>,
    /// Who gets the scarce tick-by-tick lines first: higher wins. Default: 0.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
}

/// A tick-by-tick stream of the TWS API.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum TickType {
    /// Trades that count for the last price.
    Last,
    /// All trades, combos and block trades included.
    AllLast,
    /// Best bid and offer.
    BidAsk,
    /// Midpoint of the best bid and offer.
    MidPoint,
}

impl TickType {
    /// IBKR's spelling, which is also the resource's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Last => "Last",
            Self::AllLast => "AllLast",
            Self::BidAsk => "BidAsk",
            Self::MidPoint => "MidPoint",
        }
    }
}

/// IBKR's security types that can stream ticks.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[allow(missing_docs, reason = "IBKR's own codes explain themselves to those who use them")]
pub enum SecType {
    STK,
    FUT,
    CONTFUT,
    CASH,
    CRYPTO,
    IND,
    CFD,
    CMDTY,
    BOND,
    FUND,
    OPT,
    FOP,
}

impl SecType {
    /// IBKR's code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::STK => "STK",
            Self::FUT => "FUT",
            Self::CONTFUT => "CONTFUT",
            Self::CASH => "CASH",
            Self::CRYPTO => "CRYPTO",
            Self::IND => "IND",
            Self::CFD => "CFD",
            Self::CMDTY => "CMDTY",
            Self::BOND => "BOND",
            Self::FUND => "FUND",
            Self::OPT => "OPT",
            Self::FOP => "FOP",
        }
    }
}

/// In which hours the silence of a stream counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Hours {
    /// Trading hours for FUT, CASH and CRYPTO, liquid hours for all others.
    #[default]
    Auto,
    /// All hours in which the contract trades.
    Trading,
    /// The regular session only.
    Liquid,
    /// Day and night, weekends included.
    Always,
}

/// Where the data come from: exactly one of `sidecar` and `external`.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.sidecar) != has(self.external)")
    .message("spec.gateway: give exactly one of sidecar and external"))]
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
    /// When a person confirms the weekly login. Accepted and kept, not acted on before v0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly_login: Option<WeeklyLogin>,
    /// Who wins when the same user logs in elsewhere: Yield leaves the session to the other. Default: Yield.
    #[serde(default)]
    pub competing_session: CompetingSession,
    /// Logins without success before the gateway stays down until a person asks again; too many lock the user out.
    /// Default: 2 for Live, 5 for Paper. Accepted and kept, not acted on before v0.2.
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

/// Limits of the IBKR account (per user name, over all its sessions).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Tick-by-tick subscriptions: 5 % of the market-data lines. Default: 5.
    #[serde(default = "Limits::default_tick_by_tick")]
    #[schemars(range(min = 1, max = 100))]
    pub tick_by_tick: i32,
    /// Market-data lines. Default: 100.
    #[serde(default = "Limits::default_lines")]
    #[schemars(range(min = 1, max = 10000))]
    pub lines: i32,
    /// What becomes of streams beyond `tickByTick`. Default: Refuse. MarketData is accepted and kept, and acts as
    /// Refuse before v0.2.
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
    /// The stream is recorded from ordinary market data, under a record type of its own.
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
    /// The weakest step that may help first: Reconnect, then RollPod after a Reconnect that did not help.
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

/// Where and how ticks are stored.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
    .message("spec.storage.storageClassName cannot change: a claim keeps its class"))]
pub struct Storage {
    /// Size of the data volume; it can grow, not shrink. Default: 10Gi.
    #[serde(default = "Storage::default_size")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self)").message("spec.storage.size: write a quantity such as 10Gi"))]
    #[x_kube(validation = Rule::new("!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0")
        .message("spec.storage.size: a volume can only grow"))]
    pub size: String,
    /// Storage class. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// Whether the volumes go with the MarketStream. Default: Retain.
    #[serde(default)]
    pub when_deleted: WhenDeleted,
    /// How long a tick may stay in memory before it is written to its file. Default: 200ms.
    #[serde(default = "Storage::default_flush_interval")]
    pub flush_interval: Duration,
    /// How long a written tick may wait for the disk's own confirmation (fsync). Default: 1s.
    #[serde(default = "Storage::default_sync_interval")]
    pub sync_interval: Duration,
    /// Recordings older than this are deleted. Default: never. Accepted and kept, not acted on before v0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub retention_days: Option<i32>,
    /// S3-compatible archive of sealed files. Accepted and kept, not acted on before v0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
}

impl Storage {
    fn default_size() -> String {
        "10Gi".to_owned()
    }

    fn default_flush_interval() -> Duration {
        Duration::from_millis(200)
    }

    fn default_sync_interval() -> Duration {
        Duration::from_secs(1)
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: Self::default_size(),
            storage_class_name: None,
            when_deleted: WhenDeleted::default(),
            flush_interval: Self::default_flush_interval(),
            sync_interval: Self::default_sync_interval(),
            retention_days: None,
            archive: None,
        }
    }
}

/// What becomes of the volumes when the MarketStream is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum WhenDeleted {
    /// They stay, and a MarketStream of the same name takes them up again.
    #[default]
    Retain,
    /// They are deleted with it.
    Delete,
}

/// An S3-compatible bucket.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Archive {
    /// Address, such as s3://bucket/prefix.
    #[schemars(length(min = 1, max = 1024))]
    pub url: String,
    /// Secret with the access keys.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// When a change of the pod's template may replace the running pod.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// WhenMarketClosed waits until every session is closed. Default: WhenMarketClosed.
    #[serde(default)]
    pub policy: UpdatePolicy,
    /// The longest wait for a closed market. Default: 168h.
    #[serde(default = "Update::default_max_wait")]
    pub max_wait: Duration,
}

impl Update {
    fn default_max_wait() -> Duration {
        Duration::from_secs(168 * 3600)
    }
}

impl Default for Update {
    fn default() -> Self {
        Self { policy: UpdatePolicy::default(), max_wait: Self::default_max_wait() }
    }
}

/// When a pod may be replaced for a changed template.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum UpdatePolicy {
    /// While every session is closed.
    #[default]
    WhenMarketClosed,
    /// At once.
    Immediate,
}

/// Whether an eviction (a node drain) may take the pod.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Disruption {
    /// Only while every session is closed.
    #[default]
    WhenMarketClosed,
    /// At any time.
    Allow,
}

/// Scheduling and resources of the pod.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Node labels that the pod needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pod tolerates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::tolerations")]
    pub tolerations: Vec<Toleration>,
    /// Affinity rules of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::affinity")]
    pub affinity: Option<Affinity>,
    /// Priority class of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Secrets for pulling the images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::pull_secrets")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Resources of the streamer's container. Default: requests of 50m CPU and 32Mi, a limit of 256Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::resources")]
    pub streamer_resources: Option<ResourceRequirements>,
}
