//! Trading hours: whether a contract trades at a moment, and IBKR's text for the days ahead.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan, Zoned};

use super::calendar::{Calendar, Day};

/// Days that the text covers, today included.
const DAYS_AHEAD: i32 = 6;

/// Longest time without a trading day that is looked back over, days. Lunar New Year with its weekends is 9 at most.
const LONGEST_REST: i32 = 15;

/// The usual sessions of an exchange, and its calendar.
#[derive(Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Time zone in IBKR's spelling.
    pub zone: &'static str,
    /// Days on which the sessions are held.
    pub calendar: Calendar,
    /// All hours in which ticks may come, ascending.
    pub trading: &'static [Session],
    /// The liquid part of them, ascending.
    pub liquid: &'static [Session],
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
    fn on(self, day: Date) -> (DateTime, DateTime) {
        let first = if self.open > self.close { day.saturating_sub(1.day()) } else { day };
        (first.to_datetime(self.open), day.to_datetime(self.close))
    }
}

/// When a contract trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    days: Days,
    /// Local moment from which it trades no more.
    end: Option<DateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Days {
    /// Each day from midnight to midnight in that zone.
    AroundTheClock(&'static str),
    Of(&'static Schedule),
}

/// Seconds since the epoch, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First second.
    pub open_s: i64,
    /// The second after the last one.
    pub close_s: i64,
}

impl Span {
    /// Whether the second lies in it.
    #[must_use]
    pub fn contains(self, second: i64) -> bool {
        (self.open_s..self.close_s).contains(&second)
    }
}

/// The sessions of one day on which a contract trades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradingDay {
    /// In the zone of the exchange; a session that opens on the evening before belongs to it.
    pub date: Date,
    /// All sessions, ascending; never empty.
    pub trading: Vec<Span>,
    /// The liquid ones, ascending.
    pub liquid: Vec<Span>,
    /// The contract has no sessions: the day is cut out of time that goes on.
    pub around_the_clock: bool,
}

impl TradingDay {
    /// Start of the first session.
    #[must_use]
    pub fn open_s(&self) -> i64 {
        self.trading.first().map_or(0, |span| span.open_s)
    }

    /// End of the last session.
    #[must_use]
    pub fn close_s(&self) -> i64 {
        self.trading.last().map_or(0, |span| span.close_s)
    }

    /// Whether the second lies in a session.
    #[must_use]
    pub fn trades_at(&self, second: i64) -> bool {
        self.trading.iter().any(|span| span.contains(second))
    }
}

impl Hours {
    /// Each day from midnight to midnight. The zone, in IBKR's spelling, names the days.
    #[must_use]
    pub const fn around_the_clock(zone: &'static str) -> Self {
        Self { days: Days::AroundTheClock(zone), end: None }
    }

    /// By the schedule of an exchange.
    #[must_use]
    pub const fn of(schedule: &'static Schedule) -> Self {
        Self { days: Days::Of(schedule), end: None }
    }

    /// The same hours until a local moment.
    #[must_use]
    pub const fn until(self, end: DateTime) -> Self {
        Self { days: self.days, end: Some(end) }
    }

    /// The same contract, open around the clock for as long as it exists.
    #[must_use]
    pub fn always_open(self) -> Self {
        Self { days: Days::AroundTheClock(self.zone()), end: self.end }
    }

    /// Time zone in IBKR's spelling, for example `US/Central`.
    #[must_use]
    pub fn zone(self) -> &'static str {
        match self.days {
            Days::AroundTheClock(zone) => zone,
            Days::Of(schedule) => schedule.zone,
        }
    }

    /// The second from which the contract trades no more.
    #[must_use]
    pub fn end_s(self) -> Option<i64> {
        instant(&self.time_zone()?, self.end?)
    }

    /// Whether ticks may come in the second that begins `second` seconds after the epoch.
    #[must_use]
    pub fn trading_at(self, second: i64) -> bool {
        self.day_at(second).is_some()
    }

    /// The trading day that has a session in that second.
    #[must_use]
    pub fn day_at(self, second: i64) -> Option<TradingDay> {
        self.latest_day(second).filter(|day| day.trades_at(second))
    }

    /// The trading day that is on in that second, or the one before when none is.
    #[must_use]
    pub fn latest_day(self, second: i64) -> Option<TradingDay> {
        let zone = self.time_zone()?;
        // Tomorrow's session may have opened this evening.
        let tomorrow = local(&zone, second)?.date().saturating_add(1.day());
        self.days_back(&zone, tomorrow).find(|day| day.open_s() <= second)
    }

    /// The last trading day before that date.
    #[must_use]
    pub fn day_before(self, date: Date) -> Option<TradingDay> {
        self.days_back(&self.time_zone()?, date.saturating_sub(1.day())).next()
    }

    fn days_back(self, zone: &TimeZone, from: Date) -> impl Iterator<Item = TradingDay> {
        (0..LONGEST_REST).filter_map(move |back| self.day(zone, from.saturating_sub(back.days())))
    }

    fn day(self, zone: &TimeZone, date: Date) -> Option<TradingDay> {
        let (trading, liquid) = self.sessions(date);
        let spans = |sessions: Vec<(DateTime, DateTime)>| -> Vec<Span> {
            let span = |(open, close)| Some(Span { open_s: instant(zone, open)?, close_s: instant(zone, close)? });
            sessions.into_iter().filter_map(span).collect()
        };
        let (trading, liquid) = (spans(trading), spans(liquid));
        let around_the_clock = matches!(self.days, Days::AroundTheClock(_));
        (!trading.is_empty()).then_some(TradingDay { date, trading, liquid, around_the_clock })
    }

    /// All sessions of a day, and the liquid ones, in local time.
    fn sessions(self, date: Date) -> (Sessions, Sessions) {
        let midnight = Time::midnight();
        let cut = |sessions: Sessions, ends: [Option<DateTime>; 2]| -> Sessions {
            let end = ends.into_iter().flatten().min();
            let cut = |(open, close): (DateTime, DateTime)| (open, end.map_or(close, |end| close.min(end)));
            sessions.into_iter().map(cut).filter(|(open, close)| open < close).collect()
        };
        let Days::Of(schedule) = self.days else {
            let whole = vec![(date.to_datetime(midnight), date.saturating_add(1.day()).to_datetime(midnight))];
            let whole = cut(whole, [self.end, None]);
            return (whole.clone(), whole);
        };
        let (trading_end, liquid_end) = match schedule.calendar.day(date) {
            Day::Closed => return (Vec::new(), Vec::new()),
            Day::Regular => (None, None),
            Day::Shortened { trading, liquid } => (Some(date.to_datetime(trading)), Some(date.to_datetime(liquid))),
        };
        let of = |sessions: &[Session]| sessions.iter().map(|session| session.on(date)).collect();
        (cut(of(schedule.trading), [self.end, trading_end]), cut(of(schedule.liquid), [self.end, liquid_end]))
    }

    /// `tradingHours` and `liquidHours` as IBKR writes them, from today on. Empty when the contract trades no more.
    #[must_use]
    pub fn text(self, now_second: i64) -> (String, String) {
        if self.end_s().is_some_and(|end| end <= now_second) {
            return (String::new(), String::new());
        }
        let Some(today) = self.time_zone().and_then(|zone| local(&zone, now_second)).map(|now| now.date()) else {
            return (String::new(), String::new());
        };
        let days: Vec<_> = (0..=DAYS_AHEAD)
            .map(|ahead| today.saturating_add(ahead.days()))
            .map(|date| (date, self.sessions(date)))
            .collect();
        let text = |of: fn(&(Sessions, Sessions)) -> &Sessions| {
            let line = |pair: &[(Date, (Sessions, Sessions))]| self.line(pair[0].0, of(&pair[0].1), of(&pair[1].1));
            days.windows(2).filter_map(line).collect::<Vec<_>>().join(";")
        };
        (text(|sessions| &sessions.0), text(|sessions| &sessions.1))
    }

    /// What the text says of a day.
    fn line(self, date: Date, sessions: &Sessions, tomorrow: &Sessions) -> Option<String> {
        if sessions.is_empty() {
            // A Sunday on which Monday's session opens has no entry of its own.
            let opens_that_evening = tomorrow.first().is_some_and(|(open, _)| open.date() == date);
            return (!opens_that_evening).then(|| format!("{}:CLOSED", date.strftime("%Y%m%d")));
        }
        let range = |(open, close): &(DateTime, DateTime)| {
            // IBKR has no 24:00: the last minute of a day around the clock is missing in its text.
            let close = if close.date() > date { close.saturating_sub(1.minute()) } else { *close };
            format!("{}-{}", open.strftime("%Y%m%d:%H%M"), close.strftime("%Y%m%d:%H%M"))
        };
        Some(sessions.iter().map(range).collect::<Vec<_>>().join(","))
    }

    fn time_zone(self) -> Option<TimeZone> {
        // The zones are constants of the catalogue, and its tests resolve each.
        zone(self.zone())
    }
}

/// Local times of opening and closing, ascending.
type Sessions = Vec<(DateTime, DateTime)>;

fn local(zone: &TimeZone, second: i64) -> Option<Zoned> {
    Some(Timestamp::from_second(second).ok()?.to_zoned(zone.clone()))
}

/// Second at which a zone's clock shows a time: the first of two, or the moment of the change when it is skipped.
fn instant(zone: &TimeZone, at: DateTime) -> Option<i64> {
    zone.to_timestamp(at).ok().map(Timestamp::as_second)
}

/// A time zone by name, from the copy in this program: the answer does not depend on the machine.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

#[cfg(test)]
#[path = "hours_tests.rs"]
mod tests;
