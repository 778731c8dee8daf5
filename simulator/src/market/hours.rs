//! Trading hours: whether a contract trades at a moment, and IBKR's text for the days ahead.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan, Zoned};

/// Days that the text covers, today included.
const DAYS_AHEAD: i32 = 6;

/// When a contract trades, by the day of the week. Holidays are not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hours {
    /// Around the clock, each day. The zone names the days.
    Always {
        /// In IBKR's spelling.
        zone: &'static str,
    },
    /// Monday to Friday; each session may begin on the evening before.
    Weekdays {
        /// In IBKR's spelling.
        zone: &'static str,
        /// All hours in which ticks may come.
        trading: Session,
        /// The liquid part of them.
        liquid: Session,
    },
}

/// From a local time to a local time, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// On the trading day, or on the day before when later than `close`.
    pub open: Time,
    /// On the trading day.
    pub close: Time,
}

impl Session {
    fn on(self, day: Date) -> (jiff::civil::DateTime, jiff::civil::DateTime) {
        let first = if self.open > self.close { day - 1.day() } else { day };
        (first.to_datetime(self.open), day.to_datetime(self.close))
    }
}

impl Hours {
    /// The same contract, open around the clock.
    #[must_use]
    pub fn always_open(self) -> Self {
        Self::Always { zone: self.zone() }
    }

    /// Time zone in IBKR's spelling, for example `US/Central`.
    #[must_use]
    pub fn zone(self) -> &'static str {
        match self {
            Self::Always { zone } | Self::Weekdays { zone, .. } => zone,
        }
    }

    /// Whether ticks may come in the second that begins `second` seconds after the epoch.
    #[must_use]
    pub fn trading_at(self, second: i64) -> bool {
        match self {
            Self::Always { .. } => true,
            Self::Weekdays { trading, .. } => {
                let Some(now) = self.local(second) else { return false };
                let moment = now.datetime();
                [now.date(), now.date() + 1.day()].into_iter().any(|day| {
                    let (open, close) = trading.on(day);
                    is_trading_day(day) && open <= moment && moment < close
                })
            }
        }
    }

    /// `tradingHours` and `liquidHours` as IBKR writes them, from today on.
    #[must_use]
    pub fn text(self, now_second: i64) -> (String, String) {
        match self {
            Self::Always { .. } => {
                let all_day = |day: Date| format!("{0}:0000-{0}:2359", day.strftime("%Y%m%d"));
                let text = self.days(now_second).map(all_day).collect::<Vec<_>>().join(";");
                (text.clone(), text)
            }
            Self::Weekdays { trading, liquid, .. } => {
                (self.sessions(now_second, trading), self.sessions(now_second, liquid))
            }
        }
    }

    fn sessions(self, now_second: i64, session: Session) -> String {
        let line = |day: Date| {
            if is_trading_day(day) {
                let (open, close) = session.on(day);
                return Some(format!("{}-{}", open.strftime("%Y%m%d:%H%M"), close.strftime("%Y%m%d:%H%M")));
            }
            // A Sunday on which Monday's session opens has no entry of its own.
            let opens_that_evening = session.open > session.close && is_trading_day(day + 1.day());
            (!opens_that_evening).then(|| format!("{}:CLOSED", day.strftime("%Y%m%d")))
        };
        self.days(now_second).filter_map(line).collect::<Vec<_>>().join(";")
    }

    fn days(self, now_second: i64) -> impl Iterator<Item = Date> {
        let today = self.local(now_second).map(|now| now.date());
        today.into_iter().flat_map(|today| (0..DAYS_AHEAD).map(move |ahead| today + ahead.days()))
    }

    fn local(self, second: i64) -> Option<Zoned> {
        // The zones are constants of the catalogue, and its tests resolve each; a second out of jiff's range is no time.
        let zone = zone(self.zone())?;
        Some(Timestamp::from_second(second).ok()?.to_zoned(zone))
    }
}

/// A time zone by name: from the system, or from the copy in this program.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name)).ok()
}

fn is_trading_day(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;

    const FUTURES: Hours = Hours::Weekdays {
        zone: "US/Central",
        trading: Session { open: time(17, 0, 0, 0), close: time(16, 0, 0, 0) },
        liquid: Session { open: time(8, 30, 0, 0), close: time(16, 0, 0, 0) },
    };

    fn at(text: &str) -> i64 {
        text.parse::<Zoned>().unwrap().timestamp().as_second()
    }

    #[test]
    fn futures_rest_an_hour_a_day_and_over_the_weekend() {
        for (moment, open) in [
            ("2026-10-29T15:59:59[US/Central]", true),
            ("2026-10-29T16:00:00[US/Central]", false),
            ("2026-10-29T16:59:59[US/Central]", false),
            ("2026-10-29T17:00:00[US/Central]", true),
            ("2026-10-30T16:00:00[US/Central]", false),
            ("2026-10-30T17:00:00[US/Central]", false),
            ("2026-10-31T12:00:00[US/Central]", false),
            ("2026-11-01T16:59:59[US/Central]", false),
            ("2026-11-01T17:00:00[US/Central]", true),
            // The clock went back on 2026-11-01: the hour follows the zone.
            ("2026-11-02T15:59:59[US/Central]", true),
        ] {
            assert_eq!(FUTURES.trading_at(at(moment)), open, "{moment}");
        }
    }

    #[test]
    fn text_is_in_ibkrs_format() {
        let (trading, liquid) = FUTURES.text(at("2026-10-29T12:00:00[US/Central]"));
        assert_eq!(
            trading,
            "20261028:1700-20261029:1600;20261029:1700-20261030:1600;20261031:CLOSED;\
             20261101:1700-20261102:1600;20261102:1700-20261103:1600"
        );
        assert_eq!(
            liquid,
            "20261029:0830-20261029:1600;20261030:0830-20261030:1600;20261031:CLOSED;20261101:CLOSED;\
             20261102:0830-20261102:1600;20261103:0830-20261103:1600"
        );
        let (crypto, _) = FUTURES.always_open().text(at("2026-10-31T12:00:00[US/Central]"));
        assert!(crypto.starts_with("20261031:0000-20261031:2359;20261101:0000-20261101:2359;"), "{crypto}");
    }
}
