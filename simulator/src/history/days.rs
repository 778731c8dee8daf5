//! Trading days, forward and back.

use crate::market::hours::{Hours, Span, TradingDay};

/// Longest look for a trading day, seconds. Lunar New Year with its weekends is 9 days.
const LONGEST_REST_S: i64 = 15 * 86_400;

/// Two openings are never closer than this, seconds: the shortest day has 23 hours.
const STEP_S: i64 = 12 * 3_600;

/// The trading day that is on at that second or, when none is, the next one.
pub(super) fn day_from(hours: Hours, second: i64) -> Option<TradingDay> {
    let steps = 0..=LONGEST_REST_S / STEP_S;
    steps.filter_map(|step| hours.latest_day(second + step * STEP_S)).find(|day| day.close_s() > second)
}

/// The trading day that is on right before that second or, when none is, the last one.
pub(super) fn day_until(hours: Hours, second: i64) -> Option<TradingDay> {
    hours.latest_day(second - 1)
}

/// The sessions of a day: the liquid ones or all.
pub(super) fn sessions(day: &TradingDay, use_rth: bool) -> &[Span] {
    if use_rth { &day.liquid } else { &day.trading }
}

/// The part of a session within `from..to`; empty when there is none.
pub(super) fn within(session: Span, from: i64, to: i64) -> std::ops::Range<i64> {
    session.open_s.max(from)..session.close_s.min(to)
}
