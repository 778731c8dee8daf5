//! When a contract ends.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use marketstream_recovery::hours::zone;
use serde::{Deserialize, Serialize};

/// The last trade date of a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Expiry {
    last_day: Date,
    zone: TimeZone,
    /// The midnight that ends the last day. Trading may stop earlier; the trading hours say when.
    ends: Timestamp,
}

/// As it is kept on the volume.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    last_day: Date,
    zone: String,
}

impl From<Expiry> for Stored {
    fn from(expiry: Expiry) -> Self {
        let zone = expiry.zone.iana_name().unwrap_or("UTC").to_owned();
        Self { last_day: expiry.last_day, zone }
    }
}

impl TryFrom<Stored> for Expiry {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        Self::read(&stored.last_day.strftime("%Y%m%d").to_string(), &stored.zone)
            .ok_or_else(|| format!("no time zone {:?}, or no date", stored.zone))
    }
}

impl Expiry {
    /// Reads a last trade date, `YYYYMMDD`, of an exchange in this time zone (`timeZoneId`). What follows the date, as
    /// in `20261218 08:30 US/Central`, is left aside.
    #[must_use]
    pub fn read(last_trade_date: &str, time_zone_id: &str) -> Option<Self> {
        let last_day = Date::strptime("%Y%m%d", last_trade_date.get(..8)?).ok()?;
        let zone = zone(time_zone_id)?;
        let ends = zone.to_timestamp(last_day.checked_add(1.day()).ok()?.into()).ok()?;
        Some(Self { last_day, zone, ends })
    }

    /// The last trade date.
    #[must_use]
    pub fn last_day(&self) -> Date {
        self.last_day
    }

    /// The first moment after the last trade date.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// Whether the last trade date has passed.
    #[must_use]
    pub fn passed(&self, now: Timestamp) -> bool {
        self.ends <= now
    }

    /// The date at the exchange.
    #[must_use]
    pub fn today(&self, now: Timestamp) -> Date {
        self.zone.to_datetime(now).date()
    }

    /// Calendar days until the last trade date: 0 on the day itself, negative afterwards.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i32 {
        self.today(now).until(self.last_day).map_or(0, |span| span.get_days())
    }

    /// The midnight that begins the day so many days before the last trade date.
    #[must_use]
    pub fn days_before(&self, days: i32) -> Timestamp {
        let day = self.last_day.saturating_sub(i64::from(days).days());
        self.zone.to_timestamp(day.into()).unwrap_or(self.ends)
    }

    /// The next midnight at the exchange.
    #[must_use]
    pub fn next_midnight(&self, now: Timestamp) -> Timestamp {
        let day = self.today(now).saturating_add(1.day());
        self.zone.to_timestamp(day.into()).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_counted_at_the_exchange() {
        let expiry = Expiry::read("20261218 08:30 US/Central", "US/Central").unwrap();
        assert_eq!(expiry.days_before(7), at("2026-12-11T06:00:00Z"));
        assert_eq!(expiry.ends(), at("2026-12-19T06:00:00Z"));
        // 23:59 in Chicago, and the minute after.
        for (now, days) in [("2026-12-11T05:59:00Z", 8), ("2026-12-11T06:00:00Z", 7), ("2026-12-19T05:59:59Z", 0)] {
            assert_eq!((expiry.days_left(at(now)), expiry.passed(at(now))), (days, false), "{now}");
        }
        assert_eq!((expiry.days_left(expiry.ends()), expiry.passed(expiry.ends())), (-1, true));
        assert_eq!(expiry.next_midnight(at("2026-12-11T05:59:00Z")), at("2026-12-11T06:00:00Z"));
    }

    #[test]
    fn a_month_or_an_unknown_zone_is_no_last_trade_date() {
        for (date, zone) in [("202612", "US/Central"), ("20261218", "Mars"), ("", "UTC"), ("2026121é", "UTC")] {
            assert_eq!(Expiry::read(date, zone), None, "{date} {zone}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let expiry = Expiry::read("20270319", "US/Central").unwrap();
        let text = serde_json::to_string(&expiry).unwrap();
        assert_eq!(serde_json::from_str::<Expiry>(&text).unwrap(), expiry, "{text}");
    }
}
