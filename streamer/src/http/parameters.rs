//! Parameters of the readers' endpoints, with ib-stream's names and bounds. Pure: text in, values or one clear error out.

use std::{ops::RangeInclusive, time::Duration};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use marketstream_proto::TickKind;

use super::problem::Problem;
use crate::{cli::tick_kind, live::Cursor};

/// Ticks after which a live stream may be asked to end.
pub const LIMIT: RangeInclusive<u64> = 1..=10_000;
/// Seconds after which a live stream may be asked to end.
pub const TIMEOUT_S: RangeInclusive<u64> = 5..=3_600;
/// Longest range of one query: what is longer is asked for in parts.
const MAX_RANGE: Duration = Duration::from_secs(31 * 24 * 3_600);
/// Range of a query that names none.
const DEFAULT_RANGE: Duration = Duration::from_secs(3_600);
/// Most ticks that one query can be asked to return at most.
const MAX_QUERY_LIMIT: u64 = 1_000_000_000;
/// A time that lies before the year 1970 or behind 9999 is a slip.
const TIMES_US: RangeInclusive<i64> = 0..=253_402_300_799_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;

const TIME_FORM: &str = "a time such as 2026-11-24T12:00:00Z, or seconds since 1970";
const RANGE_FORM: &str = "a number and s, m, h or d, such as 90s, 30m, 1h or 2d, at most 31d";
const TICKS_FORM: &str = "last, all_last, bid_ask, mid_point, quote_l1 or rtvolume, joined by commas";

/// Pairs of name and value, as they stand in the address.
pub type Pairs = [(String, String)];

/// What a live reader asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Kinds of ticks; `None`: all that the manifest has of the contract.
    pub kinds: Option<Vec<TickKind>>,
    /// Ends after so many ticks.
    pub limit: Option<u64>,
    /// Ends after this time.
    pub timeout: Option<Duration>,
    /// Reads on from here.
    pub after: Option<Cursor>,
    /// What is stored of this time comes first.
    pub buffer: Option<Duration>,
}

/// Reads the parameters of a live stream. `last_event_id` is the header that a client sends when it comes back; `buffered`
/// says whether what is stored comes first.
///
/// # Errors
/// Names the parameter and says what to write.
pub fn live(pairs: &Pairs, last_event_id: Option<&str>, buffered: bool) -> Result<Live, Problem> {
    let mut live = Live { buffer: buffered.then_some(DEFAULT_RANGE), ..Live::default() };
    for (name, value) in pairs {
        match name.as_str() {
            "buffer_duration" if buffered => live.buffer = Some(span(name, value)?),
            "tick_types" => live.kinds = Some(kinds(value)?),
            "limit" => live.limit = Some(number(name, value, &LIMIT)?),
            "timeout" => live.timeout = Some(Duration::from_secs(number(name, value, &TIMEOUT_S)?)),
            "after" => live.after = Some(cursor(name, value)?),
            _ if buffered => return Err(unknown(name, "tick_types, buffer_duration, limit, timeout and after")),
            _ => return Err(unknown(name, "tick_types, limit, timeout and after")),
        }
    }
    if let Some(id) = last_event_id.filter(|id| !id.is_empty()) {
        live.after = Some(cursor("Last-Event-ID", id)?);
    }
    Ok(live)
}

/// Form of a query's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    #[default]
    Json,
    /// Records as they are stored, each behind its length.
    Protobuf,
}

/// What a range query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Kinds of ticks.
    pub kinds: Vec<TickKind>,
    /// From this IBKR time on, in microseconds since 1970.
    pub start_us: i64,
    /// Before this IBKR time, in microseconds since 1970.
    pub end_us: i64,
    /// Form of the answer.
    pub format: Format,
    /// Fields as they are stored, instead of with long names (JSON only).
    pub raw: bool,
    /// At most so many ticks.
    pub limit: Option<u64>,
}

/// Reads the parameters of a range query; `now` is the end of a range without an end.
///
/// # Errors
/// Names the parameter and says what to write.
pub fn range(pairs: &Pairs, now: Timestamp) -> Result<Range, Problem> {
    let (mut start, mut end, mut length) = (None, None, None);
    let mut range =
        Range { kinds: vec![TickKind::BidAsk], start_us: 0, end_us: 0, format: Format::Json, raw: false, limit: None };
    for (name, value) in pairs {
        match name.as_str() {
            "tick_types" => range.kinds = kinds(value)?,
            "start_time" => start = Some(time(name, value)?),
            "end_time" => end = Some(time(name, value)?),
            "buffer_duration" => length = Some(span(name, value)?),
            "limit" => range.limit = Some(number(name, value, &(1..=MAX_QUERY_LIMIT))?),
            "raw" => range.raw = flag(name, value)?,
            "format" => {
                range.format = match value.as_str() {
                    "json" => Format::Json,
                    "protobuf" => Format::Protobuf,
                    _ => return Err(Problem::parameter(name, value, "json or protobuf")),
                }
            }
            _ => {
                let known = "tick_types, format, start_time, end_time, buffer_duration, limit and raw";
                return Err(unknown(name, known));
            }
        }
    }
    let micros = |length: Option<Duration>| length.unwrap_or(DEFAULT_RANGE).as_micros() as i64;
    (range.start_us, range.end_us) = match (start, end, length) {
        (Some(_), Some(_), Some(_)) => {
            return Err(Problem::request("start_time, end_time and buffer_duration: write two of them at most".into()));
        }
        (Some(start), Some(end), None) => (start, end),
        (Some(start), None, Some(_)) => (start, start + micros(length)),
        (Some(start), None, None) => (start, now.as_microsecond()),
        (None, Some(end), _) => (end - micros(length), end),
        (None, None, _) => (now.as_microsecond() - micros(length), now.as_microsecond()),
    };
    if range.start_us >= range.end_us {
        return Err(Problem::request("start_time must be before end_time, which is now if it is left out".into()));
    }
    if range.end_us - range.start_us > MAX_RANGE.as_micros() as i64 {
        return Err(Problem::request("the range is longer than 31 days: ask for it in parts".into()));
    }
    Ok(range)
}

/// Reads a list of kinds; each once, in the order of the list.
///
/// # Errors
/// Says what to write.
pub fn kinds(text: &str) -> Result<Vec<TickKind>, Problem> {
    let mut kinds = Vec::new();
    for part in text.split(',') {
        let kind = tick_kind(part.trim()).map_err(|_| Problem::parameter("tick_types", text, TICKS_FORM))?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

fn unknown(name: &str, known: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::request(format!("{shown} is no parameter of this endpoint, which has {known}"))
}

fn number(name: &str, value: &str, bounds: &RangeInclusive<u64>) -> Result<u64, Problem> {
    let number = value.parse().ok().filter(|number| bounds.contains(number));
    let form = || format!("a number from {} to {}", bounds.start(), bounds.end());
    number.ok_or_else(|| Problem::parameter(name, value, &form()))
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    value.parse().map_err(|_| Problem::parameter(name, value, "true or false"))
}

fn cursor(name: &str, value: &str) -> Result<Cursor, Problem> {
    value.parse().map_err(|_| Problem::parameter(name, value, "the id of an event of this stream, unchanged"))
}

/// A time with a zone, one without (then UTC), or seconds; in microseconds since 1970.
fn time(name: &str, value: &str) -> Result<i64, Problem> {
    // A plus sign in an address is a space, unless it is escaped.
    let zoned = value.replace(' ', "+");
    let micros = if let Ok(time) = zoned.parse::<Timestamp>() {
        Some(time.as_microsecond())
    } else if let Ok(seconds) = value.parse::<i64>() {
        seconds.checked_mul(MICROS_PER_SECOND)
    } else {
        let time = value.parse::<DateTime>().ok().and_then(|time| time.to_zoned(TimeZone::UTC).ok());
        time.map(|time| time.timestamp().as_microsecond())
    };
    micros.filter(|micros| TIMES_US.contains(micros)).ok_or_else(|| Problem::parameter(name, value, TIME_FORM))
}

fn span(name: &str, value: &str) -> Result<Duration, Problem> {
    let read = || {
        let unit = match value.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let count: u64 = value[..value.len() - 1].parse().ok()?;
        let span = Duration::from_secs(count.checked_mul(unit)?);
        (!span.is_zero() && span <= MAX_RANGE).then_some(span)
    };
    read().ok_or_else(|| Problem::parameter(name, value, RANGE_FORM))
}

#[cfg(test)]
#[path = "parameters_tests.rs"]
mod tests;
