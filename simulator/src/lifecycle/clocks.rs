//! When what happens: pure functions of time, on the clocks of the gateway and of IBKR's servers.

use jiff::civil::{Date, Time, Weekday, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// When the week's logins end: Sunday, New York.
const WEEK_ENDS: Time = time(1, 0, 0, 0);

/// Zone of that moment.
const NEW_YORK: &str = "America/New_York";

/// Shortest and longest nightly reset, seconds: users see one to three minutes.
const RESET_S: std::ops::RangeInclusive<i64> = 60..=180;

/// How long the reset of the weekend lasts, seconds.
const WEEKEND_RESET_S: i64 = 2 * 3_600;

/// Whose servers are reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// 00:15 to 01:45 in New York.
    NorthAmerica,
    /// 06:25 to 07:45 in Zurich.
    Europe,
    /// 04:45 to 06:05 and 20:15 to 21:15 in Hong Kong.
    AsiaPacific,
}

impl Region {
    fn zone(self) -> &'static str {
        match self {
            Self::NorthAmerica => NEW_YORK,
            Self::Europe => "Europe/Zurich",
            Self::AsiaPacific => "Asia/Hong_Kong",
        }
    }

    /// Begins of the windows of each day, and their lengths in minutes. Each is shorter by the longest reset.
    fn windows(self) -> &'static [(Time, i64)] {
        const NORTH_AMERICA: &[(Time, i64)] = &[(time(0, 15, 0, 0), 87)];
        const EUROPE: &[(Time, i64)] = &[(time(6, 25, 0, 0), 77)];
        const ASIA_PACIFIC: &[(Time, i64)] = &[(time(4, 45, 0, 0), 77), (time(20, 15, 0, 0), 57)];
        match self {
            Self::NorthAmerica => NORTH_AMERICA,
            Self::Europe => EUROPE,
            Self::AsiaPacific => ASIA_PACIFIC,
        }
    }
}

fn at(us: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_microsecond(us).unwrap_or_default().to_zoned(zone.clone())
}

fn us(date: Date, time: Time, zone: &TimeZone) -> Option<i64> {
    Some(date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp().as_microsecond())
}

/// The first of the moments at a time of day, on a day that fits, after `after_us` (microseconds since the epoch).
fn next(after_us: i64, time: Time, zone: &TimeZone, fits: impl Fn(Date) -> bool) -> Option<i64> {
    // From the day before: near midnight a skipped hour may push a moment over it.
    let mut date = at(after_us, zone).date().yesterday().ok()?;
    for _ in 0..10 {
        if let Some(moment) = us(date, time, zone).filter(|moment| fits(date) && *moment > after_us) {
            return Some(moment);
        }
        date = date.tomorrow().ok()?;
    }
    None
}

/// When a time of day comes next.
#[must_use]
pub fn next_daily(after_us: i64, time: Time, zone: &TimeZone) -> Option<i64> {
    next(after_us, time, zone, |_| true)
}

/// When a time of day on a Sunday comes next.
#[must_use]
pub fn next_sunday(after_us: i64, time: Time, zone: &TimeZone) -> Option<i64> {
    next(after_us, time, zone, |date| date.weekday() == Weekday::Sunday)
}

/// When the token of a login is void: at the end of its week.
#[must_use]
pub fn token_ends(login_us: i64) -> i64 {
    let zone = TimeZone::get(NEW_YORK).unwrap_or(TimeZone::UTC);
    next_sunday(login_us, WEEK_ENDS, &zone).unwrap_or(i64::MAX)
}

/// When a reset begins next, and how long it lasts, microseconds. It lies somewhere in its window, on the same minute in
/// each run. The weekend's begins on Friday at 23:00 in New York, for all regions.
#[must_use]
pub fn next_reset(after_us: i64, region: Region) -> Option<(i64, i64)> {
    let zone = TimeZone::get(region.zone()).ok()?;
    let nightly = region.windows().iter().filter_map(|(from, minutes)| {
        // A window may have begun, and its reset be still to come.
        let mut opens = next(after_us - minutes * 60_000_000, *from, &zone, |day| day.weekday() != Weekday::Saturday)?;
        loop {
            let chance = opens.div_euclid(60_000_000).unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            let begin = opens + (chance % minutes.unsigned_abs()) as i64 * 60_000_000;
            let length = RESET_S.start() + (chance % 121) as i64;
            if begin > after_us {
                return Some((begin, length * 1_000_000));
            }
            opens = next(opens, *from, &zone, |day| day.weekday() != Weekday::Saturday)?;
        }
    });
    let new_york = TimeZone::get(NEW_YORK).ok()?;
    let weekend = next(after_us, time(23, 0, 0, 0), &new_york, |date| date.weekday() == Weekday::Friday)
        .map(|begin| (begin, WEEKEND_RESET_S * 1_000_000));
    nightly.chain(weekend).min()
}

/// The begin of the next minute: IBC's RESTART sets the daily restart to it.
#[must_use]
pub fn next_minute(now_us: i64) -> i64 {
    (now_us.div_euclid(60_000_000) + 1) * 60_000_000
}

/// A time as the settings of the gateway write it: `11:59 PM`, or `23:59`.
///
/// # Errors
/// When it is neither, with what to write.
pub fn read_time(text: &str) -> Result<Time, String> {
    let text = text.trim().to_ascii_uppercase();
    let bad = || format!("{text} is no time: write 11:59 PM or 23:59");
    let (clock, half) = match text.strip_suffix("AM").or_else(|| text.strip_suffix("PM")) {
        Some(clock) => (clock.trim(), Some(text.ends_with("PM"))),
        None => (text.as_str(), None),
    };
    let (hour, minute) = clock.split_once(':').ok_or_else(bad)?;
    let (hour, minute): (i8, i8) = (hour.parse().map_err(|_| bad())?, minute.parse().map_err(|_| bad())?);
    let hour = match half {
        Some(_) if !(1..=12).contains(&hour) => return Err(bad()),
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        None => hour,
    };
    Time::new(hour, minute, 0, 0).map_err(|_| bad())
}

/// A moment of the tests' week for other modules' tests.
#[cfg(test)]
pub(super) fn utc(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap_or_default().as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daily_time_follows_the_zone_and_its_changes() {
        let zone = TimeZone::get(NEW_YORK).unwrap();
        let restart = read_time("11:59 PM").unwrap();
        assert_eq!(next_daily(utc("2026-11-24T12:00:00Z"), restart, &zone), Some(utc("2026-11-25T04:59:00Z")));
        assert_eq!(next_daily(utc("2026-11-25T04:59:00Z"), restart, &zone), Some(utc("2026-11-26T04:59:00Z")));
        assert_eq!(next_daily(utc("2026-07-01T12:00:00Z"), restart, &zone), Some(utc("2026-07-02T03:59:00Z")));
    }

    #[test]
    fn a_token_ends_on_sunday_at_one_in_new_york() {
        assert_eq!(token_ends(utc("2026-11-24T12:00:00Z")), utc("2026-11-29T06:00:00Z"));
        assert_eq!(token_ends(utc("2026-11-29T05:59:59Z")), utc("2026-11-29T06:00:00Z"));
        assert_eq!(token_ends(utc("2026-11-29T06:00:00Z")), utc("2026-12-06T06:00:00Z"));
        assert_eq!(token_ends(utc("2026-07-08T12:00:00Z")), utc("2026-07-12T05:00:00Z"));
    }

    #[test]
    fn resets_lie_in_their_windows() {
        for region in [Region::NorthAmerica, Region::Europe, Region::AsiaPacific] {
            let zone = TimeZone::get(region.zone()).unwrap();
            let mut after = utc("2026-11-22T12:00:00Z");
            for _ in 0..60 {
                let (begin, length) = next_reset(after, region).unwrap();
                assert!(begin > after);
                let weekend = length == WEEKEND_RESET_S * 1_000_000;
                let local = at(begin, &zone).time();
                let inside = region.windows().iter().any(|(from, minutes)| {
                    let since = from.duration_until(local).as_mins();
                    (0..*minutes).contains(&since)
                });
                assert!(weekend || inside, "{region:?} {local}");
                assert!(weekend || (60_000_000..=180_000_000).contains(&length), "{length}");
                after = begin;
            }
        }
    }

    #[test]
    fn times_are_read_as_the_gateway_writes_them() {
        for (text, expected) in [("11:59 PM", (23, 59)), ("12:05 am", (0, 5)), ("12:30PM", (12, 30)), ("07:01", (7, 1))]
        {
            assert_eq!(read_time(text), Ok(time(expected.0, expected.1, 0, 0)), "{text}");
        }
        for bad in ["", "25:00", "13:00 PM", "0:10 AM", "noon", "1:99"] {
            assert!(read_time(bad).unwrap_err().contains("11:59 PM"), "{bad}");
        }
    }
}
