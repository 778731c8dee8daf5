//! How far back the history goes.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::days::day_from;
use crate::market::catalog::Contract;
use crate::market::hours::{Hours, zone};

/// First day of what does not expire. Chosen for this program: each contract of the original has its own.
const FIRST_DAY: Date = date(2020, 1, 2);

/// Years before its last trade that the history of a contract with an end begins.
const YEARS_BEFORE_END: i32 = 2;

/// First second of a contract's history, since the epoch; `None` when it never traded.
#[must_use]
pub fn begin_s(contract: &Contract, hours: Hours) -> Option<i64> {
    let expiry = Date::strptime("%Y%m%d", &contract.last_trade_date).ok();
    let first = expiry.map_or(FIRST_DAY, |end| end.saturating_sub(YEARS_BEFORE_END.years()));
    let midnight = first.to_zoned(zone(hours.zone())?).ok()?;
    Some(day_from(hours, midnight.timestamp().as_second())?.open_s())
}
