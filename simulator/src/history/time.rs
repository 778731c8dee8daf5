//! Dates and times as requests and answers write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::market::hours::zone;

/// Text of error 10314: what clients are told about a time that cannot be read.
pub const BAD_TIME: &str = "The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss \
                            xx/xxxx, for example 20031126 15:59:00 US/Eastern, or yyyymmdd-hh:mm:ss in UTC.";

/// Reads `YYYYMMDD HH:MM:SS ZONE`, the same without zone (then `default` is meant), or `YYYYMMDD-HH:MM:SS` in UTC:
/// seconds since the epoch. `None` when it is none of these.
#[must_use]
pub fn parse(text: &str, default: &TimeZone) -> Option<i64> {
    let text = text.trim();
    if let Ok(utc) = DateTime::strptime("%Y%m%d-%H:%M:%S", text) {
        return seconds(&TimeZone::UTC, utc);
    }
    let mut words = text.splitn(3, ' ');
    let (date, time) = (words.next()?, words.next()?);
    let at = DateTime::strptime("%Y%m%d %H:%M:%S", format!("{date} {time}")).ok()?;
    match words.next().map(str::trim) {
        None | Some("") => seconds(default, at),
        Some(name) => seconds(&zone(name)?, at),
    }
}

fn seconds(zone: &TimeZone, at: DateTime) -> Option<i64> {
    zone.to_timestamp(at).ok().map(Timestamp::as_second)
}

/// A moment in a zone, by a format of `strftime`. Empty outside of the calendar.
#[must_use]
pub fn text(second: i64, zone_name: &str, format: &str) -> String {
    let zone = zone(zone_name).unwrap_or(TimeZone::UTC);
    Timestamp::from_second(second).map(|at| at.to_zoned(zone).strftime(format).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 15:00:00 UTC.
    const AT: i64 = 1_795_532_400;

    #[test]
    fn reads_the_forms_of_the_original() {
        let eastern = zone("US/Eastern").unwrap();
        for text in [
            "20261124 15:00:00 UTC",
            "20261124-15:00:00",
            "20261124 10:00:00",
            "20261124 10:00:00 US/Eastern",
            "20261124 09:00:00 US/Central",
        ] {
            assert_eq!(parse(text, &eastern), Some(AT), "{text}");
        }
    }

    #[test]
    fn refuses_others() {
        for text in
            ["", "now", "2026-11-24 15:00:00", "20261324 15:00:00 UTC", "20261124 15:00:00 Mars/North", "20261124"]
        {
            assert_eq!(parse(text, &TimeZone::UTC), None, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let written = text(AT, "US/Central", "%Y%m%d %H:%M:%S US/Central");
        assert_eq!(written, "20261124 09:00:00 US/Central");
        assert_eq!(parse(&written, &TimeZone::UTC), Some(AT));
    }
}
