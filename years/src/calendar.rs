//! When markets trade, by their own rules: sessions, daily and lunch breaks, holidays, early closes.
//!
//! These rules are written apart from `recovery::hours`, which reads IBKR's texts; a test compares the two.

use jiff::{
    ToSpan,
    civil::{Date, Time, Weekday, date, time},
    tz::TimeZone,
};

use crate::clock::Ms;

/// A market with hours of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// CME futures: Sunday 17:00 to Friday 16:00 in Chicago, with a break of an hour each day at 16:00.
    Cme,
    /// US stocks, regular session.
    UsStock,
    /// Hong Kong stocks: two sessions around a lunch break, no daylight-saving time.
    HongKong,
    /// Tokyo stocks: two sessions around a lunch break, no daylight-saving time.
    Tokyo,
    /// Day and night.
    Always,
}

/// A session: its first moment, and the first one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Opens.
    pub open: Ms,
    /// Is closed again.
    pub close: Ms,
}

/// A session in the wall-clock time of its market.
pub(crate) type Local = (Date, Time, Date, Time);

impl Market {
    /// IANA name of its time zone.
    #[must_use]
    pub fn zone(self) -> &'static str {
        match self {
            Self::Cme => "America/Chicago",
            Self::UsStock => "America/New_York",
            Self::HongKong => "Asia/Hong_Kong",
            Self::Tokyo => "Asia/Tokyo",
            Self::Always => "UTC",
        }
    }

    /// Its sessions that start in a year, or a few days before or after it, in order.
    ///
    /// # Panics
    /// Without a time zone database, which comes along.
    #[must_use]
    pub fn sessions(self, year: i16) -> Vec<Session> {
        let zone = TimeZone::get(self.zone()).expect("the time zone database comes along");
        let at = |day: Date, time: Time| {
            let zoned = day.to_datetime(time).to_zoned(zone.clone()).expect("a year within the calendar");
            zoned.timestamp().as_millisecond()
        };
        let days = (date(year, 1, 1) - 4.days()).series(1.day()).take_while(|day| *day <= date(year + 1, 1, 4));
        let local = days.flat_map(|day| self.day(day));
        let mut sessions: Vec<Session> = Vec::new();
        for (from, opens, to, closes) in local {
            let session = Session { open: at(from, opens), close: at(to, closes) };
            match sessions.last_mut().filter(|last| last.close >= session.open) {
                Some(last) => last.close = session.close,
                None => sessions.push(session),
            }
        }
        sessions
    }

    /// The sessions that start on a day.
    pub(crate) fn day(self, day: Date) -> Vec<Local> {
        let weekday = day.weekday();
        let weekend = matches!(weekday, Weekday::Saturday | Weekday::Sunday);
        let next = day.tomorrow().expect("a year within the calendar");
        let halves = |morning: (Time, Time), afternoon: (Time, Time)| {
            vec![(day, morning.0, day, morning.1), (day, afternoon.0, day, afternoon.1)]
        };
        match self {
            Self::Always => vec![(day, Time::midnight(), next, Time::midnight())],
            Self::Cme if matches!(weekday, Weekday::Friday | Weekday::Saturday) || cme_closed(next) => vec![],
            Self::Cme if cme_early(next) => vec![(day, time(17, 0, 0, 0), next, time(12, 0, 0, 0))],
            Self::Cme => vec![(day, time(17, 0, 0, 0), next, time(16, 0, 0, 0))],
            Self::UsStock if weekend || us_holiday(day) => vec![],
            Self::UsStock if us_early(day) => vec![(day, time(9, 30, 0, 0), day, time(13, 0, 0, 0))],
            Self::UsStock => vec![(day, time(9, 30, 0, 0), day, time(16, 0, 0, 0))],
            Self::HongKong if weekend || hong_kong_holiday(day) => vec![],
            Self::HongKong => halves((time(9, 30, 0, 0), time(12, 0, 0, 0)), (time(13, 0, 0, 0), time(16, 0, 0, 0))),
            Self::Tokyo if weekend || tokyo_holiday(day) => vec![],
            Self::Tokyo => halves((time(9, 0, 0, 0), time(11, 30, 0, 0)), (time(12, 30, 0, 0), time(15, 30, 0, 0))),
        }
    }
}

fn nth(day: Date, weekday: Weekday, nth: i8) -> bool {
    day.nth_weekday_of_month(nth, weekday).is_ok_and(|found| found == day)
}

/// On a Saturday it is kept on the Friday before, on a Sunday on the Monday after.
fn observed(day: Date, month: i8, of_month: i8) -> bool {
    let holiday = date(day.year(), month, of_month);
    let kept = match holiday.weekday() {
        Weekday::Saturday => holiday - 1.day(),
        Weekday::Sunday => holiday + 1.day(),
        _ => holiday,
    };
    kept == day
}

fn good_friday(day: Date) -> bool {
    day == easter(day.year()) - 2.days()
}

/// Easter Sunday, by the anonymous Gregorian algorithm.
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let n = h + l - 7 * ((a + 11 * h + 22 * l) / 451) + 114;
    date(year, (n / 31) as i8, (n % 31 + 1) as i8)
}

/// Days on which both stocks and futures rest.
fn us_rest(day: Date) -> bool {
    observed(day, 12, 25) || good_friday(day) || (observed(day, 1, 1) && day.month() == 1)
}

fn us_monday_or_thursday(day: Date) -> bool {
    match day.month() {
        1 | 2 => nth(day, Weekday::Monday, 3),
        5 => nth(day, Weekday::Monday, -1),
        9 => nth(day, Weekday::Monday, 1),
        11 => nth(day, Weekday::Thursday, 4),
        _ => observed(day, 6, 19) || observed(day, 7, 4),
    }
}

fn us_holiday(day: Date) -> bool {
    us_rest(day) || us_monday_or_thursday(day)
}

fn us_early(day: Date) -> bool {
    let after_thanksgiving = day.month() == 11 && nth(day - 1.day(), Weekday::Thursday, 4);
    after_thanksgiving || (day.month() == 12 && day.day() == 24) || (day.month() == 7 && day.day() == 3)
}

fn cme_closed(day: Date) -> bool {
    us_rest(day)
}

fn cme_early(day: Date) -> bool {
    us_monday_or_thursday(day) || us_early(day)
}

/// First days of the lunar year and the days after them, and holidays with a fixed date.
fn hong_kong_holiday(day: Date) -> bool {
    let lunar_new_year = match day.year() {
        2025 => date(2025, 1, 29),
        2026 => date(2026, 2, 17),
        _ => date(2027, 2, 6),
    };
    let fixed = [(1, 1), (5, 1), (7, 1), (10, 1), (12, 25), (12, 26)];
    (lunar_new_year..=lunar_new_year + 2.days()).contains(&day)
        || good_friday(day)
        || fixed.contains(&(day.month(), day.day()))
}

fn tokyo_holiday(day: Date) -> bool {
    let fixed = [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 11),
        (2, 23),
        (4, 29),
        (5, 3),
        (5, 4),
        (5, 5),
        (8, 11),
        (11, 3),
        (11, 23),
        (12, 31),
    ];
    let mondays = match day.month() {
        1 | 10 => nth(day, Weekday::Monday, 2),
        7 | 9 => nth(day, Weekday::Monday, 3),
        _ => false,
    };
    mondays || fixed.contains(&(day.month(), day.day()))
}

#[cfg(test)]
mod tests {
    use marketstream_recovery::hours::{SessionState, TradingHours};

    use super::*;
    use crate::clock::stamp;

    /// The year as IBKR would write it.
    fn text(market: Market, year: i16) -> String {
        let days = date(year, 1, 1).series(1.day()).take(365);
        let ibkr = |day: Date, time: Time| format!("{}:{}", day.strftime("%Y%m%d"), time.strftime("%H%M"));
        let days = days.map(|day| {
            let ranges: Vec<String> = market
                .day(day)
                .into_iter()
                .map(|(from, opens, to, closes)| format!("{}-{}", ibkr(from, opens), ibkr(to, closes)))
                .collect();
            if ranges.is_empty() { format!("{}:CLOSED", day.strftime("%Y%m%d")) } else { ranges.join(",") }
        });
        days.collect::<Vec<_>>().join(";")
    }

    #[test]
    fn recovery_reads_the_same_hours_from_the_texts_of_ibkr() {
        for market in [Market::Cme, Market::UsStock, Market::HongKong, Market::Tokyo] {
            for year in 2025..=2027 {
                let whole = text(market, year);
                // The reader takes texts of a month or so.
                let days: Vec<&str> = whole.split(';').collect();
                for month in days.chunks(30) {
                    let hours = TradingHours::parse(&month.join(";"), market.zone()).unwrap();
                    let until = hours.known_until().unwrap().as_millisecond();
                    let mut compared = 0;
                    for session in market.sessions(year) {
                        let open = |ms| matches!(hours.at(stamp(ms)), SessionState::Open { .. });
                        let known = |ms| !matches!(hours.at(stamp(ms)), SessionState::Unknown);
                        if !known(session.open) || session.close > until {
                            continue;
                        }
                        compared += 1;
                        let edges = [session.open - 1, session.open, session.close - 1];
                        assert_eq!(edges.map(open), [false, true, true], "{market:?} {}", stamp(session.open));
                        assert!(!open(session.close), "{market:?} {}", stamp(session.close));
                    }
                    assert!(compared >= 2 || month.len() < 8, "{market:?} {year}: {compared}");
                }
            }
        }
    }

    #[test]
    fn holidays_and_clock_changes_are_in_the_year() {
        let cme = Market::Cme.sessions(2026);
        let open_at = |text: &str| {
            let at: jiff::Timestamp = text.parse().unwrap();
            cme.iter().any(|session| (session.open..session.close).contains(&at.as_millisecond()))
        };
        // Chicago is six hours behind UTC in winter, five in summer; the clock changes on 8 March 2026.
        assert!(!open_at("2026-03-06T22:30:00Z") && !open_at("2026-03-09T21:30:00Z"));
        assert!(open_at("2026-03-09T22:00:00Z"));
        // Thanksgiving: an early close at noon, and the evening session.
        assert!(!open_at("2026-11-26T19:00:00Z") && open_at("2026-11-26T23:30:00Z"));
        assert!(!open_at("2026-12-25T15:00:00Z"));
        assert_eq!(easter(2026), date(2026, 4, 5));
    }
}
