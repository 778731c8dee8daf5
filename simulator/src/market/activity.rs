//! How busy a contract is at a moment, as a share of the rates in the catalogue. Integers only, a pure function of time.

use super::hours::{Span, TradingDay};

/// The full rates, in the unit of this module.
pub(super) const FULL: u64 = 1_000;

/// Outside of the liquid hours. All figures here are ours: shaped like real days, measured on none.
const QUIET: u64 = 150;

/// Right before the liquid hours, and how long the way up to it takes, seconds.
const BEFORE_OPEN: (u64, u64) = (350, 3_600);

/// In the middle of the liquid hours.
const MIDDAY: u64 = 700;

/// On top of it at the open of the liquid hours, and how long that takes to wear off, seconds.
const OPENING: (u64, u64) = (1_500, 1_800);

/// On top of it at their close, and how long before it begins, seconds.
const CLOSING: (u64, u64) = (1_000, 900);

/// Share by the days until a future's last trade: the last week, in which the next quarter is the busiest already, the
/// front quarter, the next one, and all later ones.
const BY_EXPIRY: [(i64, u64); 3] = [(6, 300), (98, FULL), (189, 250)];
const LATER_EXPIRIES: u64 = 50;

/// Per mille of the catalogue's rates at a second of a day. Around the clock it is always 1,000.
pub(super) fn per_mille(day: &TradingDay, end_s: Option<i64>, second: i64) -> u64 {
    if day.around_the_clock {
        return FULL;
    }
    let of_expiry = end_s.map_or(FULL, |end| {
        let days_left = (end - second) / 86_400;
        BY_EXPIRY.into_iter().find(|(days, _)| days_left < *days).map_or(LATER_EXPIRIES, |(_, share)| share)
    });
    of_session(day, second) * of_expiry / FULL
}

fn of_session(day: &TradingDay, second: i64) -> u64 {
    // A break at lunch is neither a close nor an open.
    let (Some(first), Some(last)) = (day.liquid.first(), day.liquid.last()) else { return QUIET };
    let liquid = Span { open_s: first.open_s, close_s: last.close_s };
    if liquid.contains(second) {
        return MIDDAY + fading(OPENING, second - liquid.open_s) + fading(CLOSING, liquid.close_s - second);
    }
    let (at_open, ramp_s) = BEFORE_OPEN;
    let until_open = liquid.open_s - second;
    QUIET + if until_open > 0 { fading((at_open - QUIET, ramp_s), until_open) } else { 0 }
}

/// Falls in a straight line from the full height at a distance of 0 to 0 at `reach_s`.
fn fading((height, reach_s): (u64, u64), distance_s: i64) -> u64 {
    height * reach_s.saturating_sub(distance_s.unsigned_abs()) / reach_s
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// A day from 0 to 100,000 s with liquid hours from 20,000 to 30,000 and, after lunch, from 32,000 to 50,000.
    fn day() -> TradingDay {
        let span = |open_s, close_s| Span { open_s, close_s };
        TradingDay {
            date: date(2026, 11, 24),
            trading: vec![span(0, 100_000)],
            liquid: vec![span(20_000, 30_000), span(32_000, 50_000)],
            around_the_clock: false,
        }
    }

    #[test]
    fn the_day_is_busy_at_the_open_and_the_close() {
        let at = |second| per_mille(&day(), None, second);
        assert_eq!([at(0), at(16_400), at(18_200), at(19_999)], [150, 150, 250, 349]);
        assert_eq!([at(20_000), at(20_900), at(21_800), at(29_999), at(32_000)], [2_200, 1_450, 700, 700, 700]);
        assert_eq!([at(49_100), at(49_550), at(50_000), at(99_999)], [700, 1_200, 150, 150]);
    }

    #[test]
    fn the_front_future_is_the_busiest() {
        let at = |days: i64| per_mille(&day(), Some(25_000 + days * 86_400), 25_000);
        assert_eq!([at(6), at(97), at(98), at(188), at(189)], [700, 700, 175, 175, 35]);
    }

    #[test]
    fn in_its_last_week_a_future_trades_less_than_the_next_one() {
        let at = |days: i64| per_mille(&day(), Some(25_000 + days * 86_400), 25_000);
        assert_eq!([at(0), at(5), at(91), at(96)], [210, 210, 700, 700]);
    }

    #[test]
    fn around_the_clock_nothing_changes() {
        let day = TradingDay { around_the_clock: true, ..day() };
        assert_eq!([0, 20_000, 99_999].map(|second| per_mille(&day, Some(1 << 40), second)), [FULL; 3]);
    }
}
