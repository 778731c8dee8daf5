//! Contracts that expire, and what follows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

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
