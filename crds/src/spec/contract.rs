//! What is recorded: contracts and tick types.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

/// One instrument: by `conId`, or by the fields that IBKR resolves to exactly one contract.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.conId) || has(self.symbol)").message("give conId, or symbol and secType"))]
#[x_kube(validation = Rule::new("!has(self.symbol) || has(self.secType)")
    .message("symbol needs secType, such as FUT, STK or CRYPTO"))]
#[x_kube(validation = Rule::new("!has(self.secType) || self.secType != 'CONTFUT'")
    .message("a continuous future cannot be recorded: write secType FUT and roll: {rule: IBFront}"))]
#[x_kube(validation = Rule::new("!has(self.roll) || (has(self.symbol) && has(self.secType) && self.secType == 'FUT')")
    .message("roll needs symbol and secType FUT"))]
#[x_kube(validation = Rule::new("!has(self.roll) || !(has(self.conId) || has(self.lastTradeDate) || has(self.localSymbol))")
    .message("roll chooses the expiry: remove conId, lastTradeDate and localSymbol, or remove roll"))]
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
    /// Records whichever expiry of a future the rule chooses, and goes on to the next one by itself. Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<Roll>,
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

/// How the contract of a future is chosen and replaced.
#[derive(KubeSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.days) == (self.rule == 'DaysBeforeExpiry')")
    .message("roll.days belongs to the rule DaysBeforeExpiry: give it with that rule, and with no other"))]
#[x_kube(validation = Rule::new("duration(self.overlap) <= duration('24h')").message("roll.overlap is at most 24h"))]
pub struct Roll {
    /// When the next contract takes over.
    pub rule: RollRule,
    /// Calendar days before the last trade date, for DaysBeforeExpiry: the old contract is left at the midnight, in the
    /// exchange's time zone, that begins this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 180))]
    pub days: Option<i32>,
    /// For how long both contracts are recorded before the old one is left. Without spare tick-by-tick lines the next
    /// contract's part of that time is fetched from history. Default: 10m.
    #[serde(default = "Roll::default_overlap")]
    pub overlap: Duration,
}

impl Roll {
    fn default_overlap() -> Duration {
        Duration::from_secs(600)
    }
}

/// When the next contract of a future takes over.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum RollRule {
    /// When IBKR's continuous future (CONTFUT) moves on.
    IBFront,
    /// So many calendar days before the last trade date.
    DaysBeforeExpiry,
    /// When a later contract had a greater volume on the last whole trading day.
    Volume,
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
