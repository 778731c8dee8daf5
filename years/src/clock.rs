//! Virtual time: milliseconds since 1970 in UTC, as plain numbers, since a year has millions of steps.

use jiff::Timestamp;

/// A moment, or a span, in milliseconds.
pub type Ms = i64;

/// Milliseconds of a second.
pub const SECOND: Ms = 1000;
/// Milliseconds of a minute.
pub const MINUTE: Ms = 60 * SECOND;
/// Milliseconds of an hour.
pub const HOUR: Ms = 60 * MINUTE;
/// Milliseconds of a day.
pub const DAY: Ms = 24 * HOUR;

/// The moment as others know it.
///
/// # Panics
/// Beyond the year 9999, which no simulated year reaches.
#[must_use]
pub fn stamp(ms: Ms) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("a simulated year is within the calendar")
}

/// The other way round.
#[must_use]
pub fn ms(stamp: Timestamp) -> Ms {
    stamp.as_millisecond()
}

/// Seconds of a span.
#[must_use]
pub fn seconds(span: Ms) -> f64 {
    span as f64 / SECOND as f64
}

/// The earlier one of two moments that may never come.
#[must_use]
pub fn sooner(a: Option<Ms>, b: Option<Ms>) -> Option<Ms> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
