//! The weekly slot in which a person confirms a login.

use std::str::FromStr;

use jiff::{
    Timestamp, ToSpan,
    civil::{Time, Weekday},
    tz::TimeZone,
};

/// A day of the week and a time of day, in the gateway's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeeklyLogin {
    day: Weekday,
    start: Time,
}

impl FromStr for WeeklyLogin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no slot; write one such as \"Sunday 02:00\"");
        let (day, start) = text.split_once(' ').ok_or_else(wrong)?;
        let days = [
            ("Monday", Weekday::Monday),
            ("Tuesday", Weekday::Tuesday),
            ("Wednesday", Weekday::Wednesday),
            ("Thursday", Weekday::Thursday),
            ("Friday", Weekday::Friday),
            ("Saturday", Weekday::Saturday),
            ("Sunday", Weekday::Sunday),
        ];
        let day = days.into_iter().find(|(name, _)| *name == day).ok_or_else(wrong)?.1;
        let start = Time::strptime("%H:%M", start).map_err(|_| wrong())?;
        Ok(Self { day, start })
    }
}

impl WeeklyLogin {
    /// Whether the slot began after `since` and not after `now`. A time that the clock change skips is moved forward.
    #[must_use]
    pub fn began(&self, since: Timestamp, now: Timestamp, zone: &TimeZone) -> bool {
        let today = now.to_zoned(zone.clone()).date();
        // The last one lies at most a week back.
        (0..=7_i64).any(|back| {
            let Ok(day) = today.checked_sub(back.days()) else { return false };
            let start = day.to_datetime(self.start).to_zoned(zone.clone()).map(|start| start.timestamp());
            day.weekday() == self.day && start.is_ok_and(|start| start > since && start <= now)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests only")]

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn begins_once_a_week_in_the_gateways_zone() {
        let slot: WeeklyLogin = "Sunday 02:00".parse().unwrap();
        let zone = TimeZone::get("America/New_York").unwrap();
        let began = |since, now| slot.began(at(since), at(now), &zone);
        // 2026-11-22 is a Sunday; 02:00 in New York is 07:00 in UTC.
        assert!(!began("2026-11-20T00:00:00Z", "2026-11-22T06:59:59Z"));
        assert!(began("2026-11-20T00:00:00Z", "2026-11-22T07:00:00Z"));
        assert!(began("2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z"));
        assert!(!began("2026-11-22T07:00:00Z", "2026-11-27T00:00:00Z"), "held since then");
        // The clock of 2026-03-08 skips 02:00: the slot is at 03:00, which is 07:00 in UTC.
        assert!(!began("2026-03-07T00:00:00Z", "2026-03-08T06:59:59Z"));
        assert!(began("2026-03-07T00:00:00Z", "2026-03-08T07:00:00Z"));
    }

    #[test]
    fn refuses_what_is_no_slot() {
        for text in ["", "Sunday", "Sun 02:00", "Sunday 2", "Sunday 25:00"] {
            assert!(text.parse::<WeeklyLogin>().unwrap_err().contains("write one such as"), "{text}");
        }
    }
}
