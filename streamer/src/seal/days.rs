//! Which trading day a second belongs to. Pure.
//!
//! IBKR names the trading day of each session; what comes between two days belongs to the nearer one, so that a late
//! print stays with the day that it is of, and the quotes before an opening with the day that opens. Where no session
//! is known, the date in the exchange's time zone counts.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// The longest pause between two trading days that is shared out between them: a holiday beside a weekend. When no
/// session is known for longer, days may be missing in between.
pub const LONGEST_PAUSE: i64 = 5 * 86_400;

/// A trading day with its sessions, from the first opening to the last close; seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Its date.
    pub date: Date,
    /// First second.
    pub open: i64,
    /// First second behind it.
    pub close: i64,
}

/// A trading day and the seconds that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its date.
    pub date: Date,
    /// First second, since 1970.
    pub from: i64,
    /// First second behind it.
    pub to: i64,
}

/// The day of a second. `known` are the days whose sessions are known, in order; `fixed` the days that were used
/// before, in order: their bounds stay, whatever is learned later, so that no second ever changes its file.
#[must_use]
pub fn day_of(second: i64, known: &[Sessions], zone: &TimeZone, fixed: &[Day]) -> Day {
    if let Some(day) = fixed.iter().find(|day| (day.from..day.to).contains(&second)) {
        return *day;
    }
    let day = known
        .iter()
        .enumerate()
        .map(|(at, _)| bounds(known, at, zone))
        .find(|day| (day.from..day.to).contains(&second))
        .unwrap_or_else(|| calendar_day(second, known, zone));
    // Beside the days that stay as they are.
    let before = fixed.iter().rev().find(|fixed| fixed.to <= second);
    let after = fixed.iter().find(|fixed| fixed.from > second);
    let from = before.map_or(day.from, |before| day.from.max(before.to));
    let to = after.map_or(day.to, |after| day.to.min(after.from));
    let joins = |neighbour: Option<&Day>| neighbour.is_some_and(|neighbour| neighbour.date == day.date);
    match (before, after) {
        (Some(before), _) if joins(Some(before)) => Day { from: before.from, to, ..day },
        (_, Some(after)) if joins(Some(after)) => Day { from, to: after.to, ..day },
        // Another day lies between this second and the rest of its date, which was another time zone's then.
        (Some(before), _) if fixed.iter().any(|fixed| fixed.date == day.date) => Day { to, ..*before },
        (None, Some(after)) if fixed.iter().any(|fixed| fixed.date == day.date) => Day { from, ..*after },
        _ => Day { from, to, ..day },
    }
}

fn bounds(known: &[Sessions], at: usize, zone: &TimeZone) -> Day {
    let day = known[at];
    let midnights = midnights(day.date, zone);
    let before = at.checked_sub(1).map(|before| known[before].close);
    let after = known.get(at + 1).map(|after| after.open);
    let shared = |close: i64, open: i64| (open - close <= LONGEST_PAUSE).then_some(close + (open - close) / 2);
    let from = before.and_then(|close| shared(close, day.open)).unwrap_or(day.open.min(midnights.0));
    let to = after.and_then(|open| shared(day.close, open)).unwrap_or(day.close.max(midnights.1));
    Day { date: day.date, from, to }
}

/// The part of a date around a second that no known day has.
fn calendar_day(second: i64, known: &[Sessions], zone: &TimeZone) -> Day {
    let date = Timestamp::from_second(second).map_or(Date::ZERO, |at| zone.to_datetime(at).date());
    let (mut from, mut to) = midnights(date, zone);
    for at in 0..known.len() {
        let other = bounds(known, at, zone);
        if other.to <= second {
            from = from.max(other.to);
        } else {
            to = to.min(other.from);
        }
    }
    Day { date, from, to }
}

/// Where a date begins and ends.
fn midnights(date: Date, zone: &TimeZone) -> (i64, i64) {
    let start = |date: Date| date.to_zoned(zone.clone()).map_or(0, |at| at.timestamp().as_second());
    (start(date), date.tomorrow().map_or(i64::MAX, start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn chicago() -> TimeZone {
        marketstream_recovery::hours::zone("US/Central").unwrap()
    }

    /// A future's days: from five in the afternoon to four in the next.
    fn days(dates: &[&str]) -> Vec<Sessions> {
        let day = |date: &&str| {
            let date: Date = date.parse().unwrap();
            let close = date.at(16, 0, 0, 0).to_zoned(chicago()).unwrap().timestamp().as_second();
            Sessions { date, open: close - 23 * 3600, close }
        };
        dates.iter().map(day).collect()
    }

    fn date_at(second: &str, known: &[Sessions]) -> String {
        day_of(at(second), known, &chicago(), &[]).date.to_string()
    }

    #[test]
    fn a_night_session_belongs_to_the_day_that_follows() {
        let known = days(&["2026-11-23", "2026-11-24"]);
        assert_eq!(date_at("2026-11-23T23:00:00Z", &known), "2026-11-24");
        assert_eq!(date_at("2026-11-24T05:59:59Z", &known), "2026-11-24");
        assert_eq!(date_at("2026-11-23T21:59:59Z", &known), "2026-11-23");
    }

    #[test]
    fn a_pause_is_shared_between_its_days() {
        let known = days(&["2026-11-20", "2026-11-23"]);
        // The close was at 22:00, the opening comes after a weekend; the middle is on Saturday.
        assert_eq!(date_at("2026-11-20T22:00:01Z", &known), "2026-11-20");
        assert_eq!(date_at("2026-11-22T22:45:00Z", &known), "2026-11-23");
        // After two weeks without hours, neither.
        let known = days(&["2026-11-02", "2026-11-23"]);
        assert_eq!(date_at("2026-11-12T12:00:00Z", &known), "2026-11-12");
        assert_eq!(date_at("2026-11-22T22:45:00Z", &known), "2026-11-22");
    }

    #[test]
    fn without_hours_the_date_of_the_place_counts() {
        assert_eq!(date_at("2026-11-24T05:59:59Z", &[]), "2026-11-23");
        assert_eq!(date_at("2026-11-24T06:00:00Z", &[]), "2026-11-24");
    }

    #[test]
    fn a_day_that_was_used_keeps_its_bounds() {
        let zone = chicago();
        let first = day_of(at("2026-11-24T05:00:00Z"), &[], &zone, &[]);
        // Now the hours are learned: the evening of the 23rd would belong to the 24th, but its file is written.
        let known = days(&["2026-11-23", "2026-11-24"]);
        assert_eq!(day_of(at("2026-11-24T05:00:00Z"), &known, &zone, &[first]), first);
        let next = day_of(at("2026-11-24T07:00:00Z"), &known, &zone, &[first]);
        assert_eq!((next.date.to_string(), next.from), ("2026-11-24".to_owned(), first.to));
    }

    proptest! {
        /// In whatever order seconds come, each has one day, days do not overlap, and a date has one day.
        #[test]
        fn days_never_overlap(offsets in prop::collection::vec(0_i64..20 * 86_400, 1..40), learned in 0_usize..40) {
            let zone = chicago();
            let known = days(&["2026-11-05", "2026-11-06", "2026-11-09", "2026-11-10", "2026-11-18"]);
            let start = at("2026-11-01T00:00:00Z");
            let mut fixed: Vec<Day> = Vec::new();
            for (number, offset) in offsets.iter().enumerate() {
                let second = start + offset;
                let known = if number < learned { &known[..2] } else { &known[..] };
                let day = day_of(second, known, &zone, &fixed);
                prop_assert!((day.from..day.to).contains(&second), "{day:?} {second}");
                for old in fixed.iter().filter(|fixed| fixed.date == day.date) {
                    prop_assert!(day.from <= old.from && old.to <= day.to, "a second left its day: {old:?} {day:?}");
                }
                fixed.retain(|fixed| fixed.date != day.date);
                fixed.push(day);
                fixed.sort_by_key(|day| day.from);
                for pair in fixed.windows(2) {
                    prop_assert!(pair[0].to <= pair[1].from, "{fixed:?}");
                }
            }
        }
    }
}
