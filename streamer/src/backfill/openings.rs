//! When a contract opens: IBKR's history has one session a question, so an answer without ticks goes on with the next
//! one. Contract details speak of the next days only; what they said earlier is kept with the contract. Pure.

use jiff::Timestamp;
use marketstream_recovery::hours::{SessionState, TradingHours};

use crate::seal::{days::LONGEST_PAUSE, instruments::Session};

/// What is known of a contract's sessions.
#[derive(Debug, Clone, Default)]
pub struct Openings {
    /// Opens and closes of the sessions that were ever told, in order of time, seconds since 1970.
    told: Vec<(i64, i64)>,
    hours: Option<TradingHours>,
}

impl Openings {
    /// From the sessions that were collected, and the hours of the last look-up.
    #[must_use]
    pub fn new(collected: &[Session], hours: Option<TradingHours>) -> Self {
        let trading = collected.iter().filter(|session| !session.liquid);
        let mut told: Vec<(i64, i64)> = trading.map(|session| (session.open, session.close)).collect();
        told.sort_unstable();
        Self { told, hours }
    }

    /// The next second after `from` at which the contract opens; `None` when that is not known.
    #[must_use]
    pub fn after(&self, from: i64) -> Option<i64> {
        self.told_after(from).or_else(|| self.hours_after(from))
    }

    /// Whether it is known that the contract does not open after `from` and until `end`.
    #[must_use]
    pub fn none_until(&self, from: i64, end: i64) -> bool {
        if let Some(open) = self.after(from) {
            return open > end;
        }
        let last = self.told.iter().rfind(|(open, _)| *open <= from);
        let state = self.hours.as_ref().zip(Timestamp::from_second(from).ok()).map(|(hours, from)| hours.at(from));
        let open = matches!(state, Some(SessionState::Open { until, .. }) if until.as_second() >= end);
        open || last.is_some_and(|(_, close)| *close >= end)
    }

    /// Nobody looked while the streamer was not there: a longer pause may have had sessions.
    fn told_after(&self, from: i64) -> Option<i64> {
        let next = self.told.partition_point(|(open, _)| *open <= from);
        let (_, close) = self.told.get(next.checked_sub(1)?)?;
        let (open, _) = self.told.get(next)?;
        (open - close <= LONGEST_PAUSE).then_some(*open)
    }

    fn hours_after(&self, from: i64) -> Option<i64> {
        let hours = self.hours.as_ref()?;
        let at = |second: i64| Some(hours.at(Timestamp::from_second(second).ok()?));
        let next = |state| match state {
            SessionState::Closed { until } => until.map(Timestamp::as_second),
            SessionState::Open { .. } | SessionState::Unknown => None,
        };
        match at(from)? {
            SessionState::Open { until, .. } => next(at(until.as_second())?),
            closed => next(closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;

    fn session(open: i64, close: i64, liquid: bool) -> Session {
        Session { open, close, date: jiff::civil::date(2026, 11, 24), liquid }
    }

    #[test]
    fn sessions_that_were_told_long_ago_are_still_known() {
        // Thursday, Friday, and after a weekend Monday, each with its liquid hours.
        let starts = [0, DAY, 4 * DAY];
        let of_day =
            |start: &i64| [session(*start, start + 20 * HOUR, false), session(start + HOUR, start + 2 * HOUR, true)];
        let openings = Openings::new(&starts.iter().flat_map(of_day).collect::<Vec<_>>(), None);
        assert_eq!([0, 19 * HOUR, 21 * HOUR].map(|from| openings.after(from)), [Some(DAY); 3]);
        assert_eq!(openings.after(2 * DAY), Some(4 * DAY), "over the weekend");
        assert_eq!([-1, 4 * DAY, 9 * DAY].map(|from| openings.after(from)), [None; 3]);
        let none = |from, end| openings.none_until(from, end);
        assert!(none(2 * DAY, 3 * DAY) && !none(2 * DAY, 4 * DAY) && !none(-5, -1));
        assert!(none(4 * DAY, 4 * DAY + 20 * HOUR) && !none(4 * DAY, 4 * DAY + 21 * HOUR), "what follows is not known");
    }

    #[test]
    fn a_time_in_which_nobody_looked_is_not_known() {
        let openings = Openings::new(&[session(0, HOUR, false), session(20 * DAY, 21 * DAY, false)], None);
        assert_eq!(openings.after(0), None);
        assert!(openings.none_until(0, HOUR) && !openings.none_until(0, 2 * DAY));
    }

    #[test]
    fn the_last_look_up_is_asked_for_what_was_not_told() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let hours =
            TradingHours::parse("20261124:0930-20261124:1600;20261125:CLOSED;20261126:0930-20261126:1600", "UTC");
        let openings = Openings::new(&[], Some(hours.unwrap()));
        assert_eq!(openings.after(at("2026-11-24T10:00:00Z")), Some(at("2026-11-26T09:30:00Z")));
        assert_eq!(openings.after(at("2026-11-26T10:00:00Z")), None);
        let none = |from: &str, end: &str| openings.none_until(at(from), at(end));
        assert!(none("2026-11-26T10:00:00Z", "2026-11-26T16:00:00Z"));
        assert!(!none("2026-11-26T10:00:00Z", "2026-11-27T16:00:00Z"));
        let always = Openings::new(&[], Some(TradingHours::always()));
        assert!(always.after(5).is_none() && always.none_until(5, 9_000_000_000));
        assert!(!Openings::default().none_until(5, 6));
    }
}
