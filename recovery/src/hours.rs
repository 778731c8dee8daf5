//! Trading hours of a contract, from the texts of its contract details (`tradingHours`, `liquidHours`, `timeZoneId`).
//!
//! # The text
//!
//! Days are joined by `;`, the ranges of a day by `,` (lunch breaks). A range is `YYYYMMDD:HHMM-YYYYMMDD:HHMM` or, as
//! older servers write it, `YYYYMMDD:HHMM-HHMM`; its end is then on the next day unless it is after the start. A day
//! without trading is `YYYYMMDD:CLOSED`. A range without a date belongs to the first date of its day. `2400` is the
//! midnight at the end of a day. Spaces around every element and empty days (a trailing `;`) are ignored.
//!
//! Order does not matter, and days may repeat: the result is the union of all ranges. Ranges that overlap, touch or
//! are at most a minute apart are one session, because around-the-clock contracts are written `0000-2359` day by day.
//! `CLOSED` adds no range and takes none away.
//!
//! # What the text covers
//!
//! From the start of its first day to the end of its last one, or to the end of its last range if that is later. Days
//! count by the date on which a range starts: after `20261124:1700-20261125:1600` nothing is known about the evening of
//! the 25th. Days in between that are not mentioned are closed.
//!
//! # Daylight-saving time
//!
//! A wall-clock time stands for the first instant at which the zone's clock shows it or a later time. So a time that
//! the clock skips in spring is the instant of the change, a time that it shows twice in autumn is the first of the
//! two, and later wall-clock times are never earlier instants. A range that lies inside the skipped hour is dropped.

mod zone;

pub use zone::resolve as zone;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Disambiguation, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// The longest text that is read, in bytes. A month of days with three ranges each has less than a quarter of it.
const MAX_LENGTH: usize = 16 * 1024;

/// The longest excerpt of the input in an error, in characters; errors end in the status of a resource.
const MAX_EXCERPT: usize = 64;

/// Sessions this close to each other are one.
const MERGE_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// When a contract trades.
#[derive(Clone, Debug, PartialEq)]
pub struct TradingHours {
    /// Ascending, more than [`MERGE_WITHIN`] apart, all of them inside `covered`.
    sessions: Vec<Session>,
    /// What the text covers; `None` if everything is covered, by one session.
    covered: Option<Session>,
}

/// A stretch of time, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Session {
    since: Timestamp,
    until: Timestamp,
}

/// Whether a contract trades at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// A session is open.
    Open {
        /// When it opened: its first instant.
        since: Timestamp,
        /// When it closes: the first instant that is not in the session.
        until: Timestamp,
    },
    /// No session is open.
    Closed {
        /// When the next session that the text knows opens.
        until: Option<Timestamp>,
    },
    /// The text does not cover the instant.
    Unknown,
}

/// One range of a text, and the trading day that IBKR counts it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedSession {
    /// The trading day: the date, in the exchange's time zone, of the session's last instant. So a night session
    /// belongs to the day that follows, as `refDate` of IBKR's historical schedules has it.
    pub date: Date,
    /// First instant.
    pub since: Timestamp,
    /// First instant behind it.
    pub until: Timestamp,
}

/// The ranges of a text as they stand there, unmerged and in order of time.
///
/// # Errors
/// As [`TradingHours::parse`].
pub fn named_sessions(text: &str, time_zone_id: &str) -> Result<Vec<NamedSession>, HoursError> {
    let mut reader = Reader::read(text, time_zone_id)?;
    reader.sessions.sort_unstable();
    reader.sessions.dedup();
    let named = |Session { since, until }| {
        let last = until - SignedDuration::from_nanos(1);
        NamedSession { date: reader.zone.to_datetime(last).date(), since, until }
    };
    Ok(reader.sessions.into_iter().map(named).collect())
}

/// Why texts are not trading hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// The text names no day. Expired contracts come with such texts.
    #[error("trading hours are empty")]
    Empty,
    /// The text is absurdly long.
    #[error("trading hours have {length} bytes, more than {MAX_LENGTH}")]
    TooLong {
        /// Bytes of the text.
        length: usize,
    },
    /// Neither the time zone database nor Interactive Brokers' own names have this time zone.
    #[error("unknown time zone {zone:?}")]
    UnknownZone {
        /// The time zone ID as given, shortened if long.
        zone: String,
    },
    /// A part of the text is wrong.
    #[error("trading hours {part:?}: {problem}")]
    Part {
        /// The element of the text, shortened if long.
        part: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with a part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is neither a range nor `CLOSED`.
    #[error("neither a range nor CLOSED")]
    Form,
    /// A day starts without a date.
    #[error("no date")]
    NoDate,
    /// It is no date.
    #[error("not a date YYYYMMDD")]
    Date,
    /// It is no time of the day.
    #[error("not a time HHMM from 0000 to 2400")]
    Time,
    /// A range with two dates ends before it has started.
    #[error("ends before it starts")]
    Order,
    /// The instant is too far away to be represented.
    #[error("out of range")]
    Range,
}

impl TradingHours {
    /// Reads hours such as `20261124:0930-20261124:1600;20261125:CLOSED`, with the forms and rules of the
    /// [module](self).
    pub fn parse(text: &str, time_zone_id: &str) -> Result<Self, HoursError> {
        let reader = Reader::read(text, time_zone_id)?;
        Ok(Self { sessions: merge(reader.sessions), covered: reader.covered })
    }

    /// Hours of a contract that trades at all times.
    pub fn always() -> Self {
        Self { sessions: vec![Session { since: Timestamp::MIN, until: Timestamp::MAX }], covered: None }
    }

    /// Whether the contract trades at `now`; `Unknown` before the first and after the last day that the text covers.
    pub fn at(&self, now: Timestamp) -> SessionState {
        if self.covered.is_some_and(|covered| now < covered.since || now >= covered.until) {
            return SessionState::Unknown;
        }
        // Without a text the only session has no end, not even at the last instant that can be represented.
        let unending = self.covered.is_none();
        let next = self.sessions.partition_point(|session| session.until <= now && !unending);
        match self.sessions.get(next) {
            Some(&Session { since, until }) if since <= now => SessionState::Open { since, until },
            later => SessionState::Closed { until: later.map(|session| session.since) },
        }
    }

    /// The first instant after everything that the text covers. `None` for [`always`](Self::always).
    pub fn known_until(&self) -> Option<Timestamp> {
        self.covered.map(|covered| covered.until)
    }
}

/// Collects what the days of a text say.
struct Reader {
    zone: TimeZone,
    sessions: Vec<Session>,
    covered: Option<Session>,
}

impl Reader {
    /// Reads a whole text; what it covers is known then.
    fn read(text: &str, time_zone_id: &str) -> Result<Self, HoursError> {
        if text.len() > MAX_LENGTH {
            return Err(HoursError::TooLong { length: text.len() });
        }
        let zone =
            zone::resolve(time_zone_id).ok_or_else(|| HoursError::UnknownZone { zone: excerpt(time_zone_id) })?;

        let mut reader = Self { zone, sessions: Vec::new(), covered: None };
        for day in text.split(';').map(str::trim).filter(|day| !day.is_empty()) {
            reader.day(day)?;
        }
        if reader.covered.is_none() {
            return Err(HoursError::Empty);
        }
        Ok(reader)
    }

    fn day(&mut self, day: &str) -> Result<(), HoursError> {
        let mut first_date = None;
        for part in day.split(',').map(str::trim) {
            let fail = |problem| HoursError::Part { part: excerpt(part), problem };
            let date = self.part(part, first_date).map_err(fail)?;
            first_date.get_or_insert(date);
        }
        Ok(())
    }

    /// Reads a range or `CLOSED`, and returns its date; `day` is the date it has if it names none.
    fn part(&mut self, part: &str, day: Option<Date>) -> Result<Date, Problem> {
        let Some((start, end)) = part.split_once('-') else {
            let (date, closed) = dated(part)?;
            if !closed.eq_ignore_ascii_case("CLOSED") {
                return Err(Problem::Form);
            }
            let date = date.or(day).ok_or(Problem::NoDate)?;
            self.cover(date)?;
            return Ok(date);
        };
        let (date, start) = dated(start)?;
        let date = date.or(day).ok_or(Problem::NoDate)?;
        let start = wall_clock(date, start)?;
        let end = match dated(end)? {
            (Some(date), end) => wall_clock(date, end)?,
            (None, end) => match wall_clock(date, end)? {
                end if end > start => end,
                end => end.checked_add(1.day()).map_err(|_| Problem::Range)?,
            },
        };
        if end <= start {
            return Err(Problem::Order);
        }
        self.cover(date)?;
        let session = Session { since: self.instant(start)?, until: self.instant(end)? };
        if session.since < session.until {
            self.sessions.push(session);
            self.extend(session);
        }
        Ok(date)
    }

    /// Marks a whole day as covered.
    fn cover(&mut self, date: Date) -> Result<(), Problem> {
        let next = date.tomorrow().map_err(|_| Problem::Range)?;
        let day = Session { since: self.instant(date.at(0, 0, 0, 0))?, until: self.instant(next.at(0, 0, 0, 0))? };
        self.extend(day);
        Ok(())
    }

    fn extend(&mut self, by: Session) {
        let covered = self.covered.get_or_insert(by);
        covered.since = covered.since.min(by.since);
        covered.until = covered.until.max(by.until);
    }

    /// The first instant at which the zone's clock shows this time or a later one.
    fn instant(&self, wall_clock: DateTime) -> Result<Timestamp, Problem> {
        let ambiguous = self.zone.to_ambiguous_timestamp(wall_clock);
        if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
            // With the offset after the change, the skipped time is an instant before the change, which comes next.
            let before = ambiguous.disambiguate(Disambiguation::Earlier).map_err(|_| Problem::Range)?;
            return self.zone.following(before).next().map(|change| change.timestamp()).ok_or(Problem::Range);
        }
        ambiguous.disambiguate(Disambiguation::Earlier).map_err(|_| Problem::Range)
    }
}

/// Splits `date:rest`; without a date, all of it is the rest.
fn dated(text: &str) -> Result<(Option<Date>, &str), Problem> {
    let Some((date, rest)) = text.split_once(':') else {
        return Ok((None, text.trim()));
    };
    let date = digits(date.trim(), 8).ok_or(Problem::Date)?;
    // At most 9999, 99 and 99.
    let date = Date::new((date / 10_000) as i16, (date / 100 % 100) as i8, (date % 100) as i8);
    Ok((Some(date.map_err(|_| Problem::Date)?), rest.trim()))
}

/// The wall-clock time `HHMM` of a date.
fn wall_clock(date: Date, time: &str) -> Result<DateTime, Problem> {
    match digits(time, 4).ok_or(Problem::Time)? {
        2400 => Ok(date.tomorrow().map_err(|_| Problem::Range)?.to_datetime(Time::midnight())),
        time => {
            // At most 99 and 99.
            let time = Time::new((time / 100) as i8, (time % 100) as i8, 0, 0).map_err(|_| Problem::Time)?;
            Ok(date.to_datetime(time))
        }
    }
}

/// The value of exactly `count` (at most nine) decimal digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Makes one session of those that overlap, touch or almost touch.
fn merge(mut sessions: Vec<Session>) -> Vec<Session> {
    sessions.sort_unstable();
    sessions.dedup_by(|later, earlier| {
        let joined = later.since.duration_since(earlier.until) <= MERGE_WITHIN;
        if joined {
            earlier.until = earlier.until.max(later.until);
        }
        joined
    });
    sessions
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(MAX_EXCERPT).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests;
