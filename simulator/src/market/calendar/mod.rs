//! Which days an exchange trades, by rule, for any year: weekends, holidays and early closes.
//!
//! Exchanges publish calendars, not rules; these rules give what they have published for 2023 to 2027. What no rule
//! gives (a day of mourning, a typhoon) is left out. Guesses are marked as such where they are made.

mod hong_kong;
mod japan;
mod rules;
pub mod us;

use jiff::civil::{Date, Time, Weekday, time};

/// The calendar of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calendar {
    /// US stock exchanges.
    UsStocks,
    /// Equity index futures of the CME: of the US holidays three are closed, on the others it trades until noon.
    CmeIndex,
    /// Stock Exchange of Hong Kong.
    HongKong,
    /// Tokyo Stock Exchange.
    Japan,
    /// Currencies at IDEALPRO. That it rests on Christmas and New Year only is a guess.
    Forex,
}

/// What a calendar says of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// No trading.
    Closed,
    /// The usual sessions.
    Regular,
    /// Nothing after these local times, the times not included.
    Shortened {
        /// For all sessions.
        trading: Time,
        /// For the liquid ones.
        liquid: Time,
    },
}

impl Day {
    const fn until(hour: i8, minute: i8) -> Self {
        let end = time(hour, minute, 0, 0);
        Self::Shortened { trading: end, liquid: end }
    }
}

/// US stocks close at 13:00 on such days; that after hours end at 17:00 is what NYSE Arca and Nasdaq publish.
const US_EARLY_CLOSE: Day = Day::Shortened { trading: time(17, 0, 0, 0), liquid: time(13, 0, 0, 0) };

/// Index futures on a holiday on which they trade: a halt at noon, Chicago time, until the evening.
const CME_HOLIDAY: Day = Day::until(12, 0);

/// Index futures when US stocks close early: 15 minutes after them.
const CME_EARLY_CLOSE: Day = Day::until(12, 15);

/// Hong Kong has no afternoon session on the eves of Christmas, New Year and Lunar New Year.
const HONG_KONG_HALF_DAY: Day = Day::until(12, 0);

impl Calendar {
    /// What that day is at the exchange. A session that opens on the evening before belongs to the day of its close.
    #[must_use]
    pub fn day(self, date: Date) -> Day {
        if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
            return Day::Closed;
        }
        match self {
            Self::UsStocks if us::holiday(date).is_some() => Day::Closed,
            Self::UsStocks if us::is_early_close(date) => US_EARLY_CLOSE,
            Self::CmeIndex => match us::holiday(date) {
                Some(us::Holiday::NewYear | us::Holiday::GoodFriday | us::Holiday::Christmas) => Day::Closed,
                Some(_) => CME_HOLIDAY,
                None if us::is_early_close(date) => CME_EARLY_CLOSE,
                None => Day::Regular,
            },
            Self::HongKong if hong_kong::is_holiday(date) => Day::Closed,
            Self::HongKong if hong_kong::is_half_day(date) => HONG_KONG_HALF_DAY,
            Self::Japan if japan::is_holiday(date) => Day::Closed,
            Self::Forex if matches!((date.month(), date.day()), (1, 1) | (12, 25)) => Day::Closed,
            Self::UsStocks | Self::HongKong | Self::Japan | Self::Forex => Day::Regular,
        }
    }
}

#[cfg(test)]
mod tests;
