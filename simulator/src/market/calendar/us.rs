//! Holidays of the US stock exchanges (NYSE rule 7.2), as they have been since 2022.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::rules::{after_easter, is, is_last, is_nth};

/// A day on which US stocks do not trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holiday {
    /// January 1; on the Monday after when a Sunday, not at all when a Saturday.
    NewYear,
    /// Third Monday of January.
    MartinLutherKing,
    /// Third Monday of February.
    Presidents,
    /// Two days before Easter.
    GoodFriday,
    /// Last Monday of May.
    Memorial,
    /// June 19, or the weekday next to it.
    Juneteenth,
    /// July 4, or the weekday next to it.
    Independence,
    /// First Monday of September.
    Labor,
    /// Fourth Thursday of November.
    Thanksgiving,
    /// December 25, or the weekday next to it.
    Christmas,
}

/// The holiday that is kept on a day. Weekends are not asked for.
#[must_use]
pub fn holiday(date: Date) -> Option<Holiday> {
    let rules = [
        (is(date, 1, 1) || is_monday_after(date, 1, 1), Holiday::NewYear),
        (is_nth(date, 1, 3, Weekday::Monday), Holiday::MartinLutherKing),
        (is_nth(date, 2, 3, Weekday::Monday), Holiday::Presidents),
        (after_easter(date) == -2, Holiday::GoodFriday),
        (is_last(date, 5, Weekday::Monday), Holiday::Memorial),
        (is_kept(date, 6, 19), Holiday::Juneteenth),
        (is_kept(date, 7, 4), Holiday::Independence),
        (is_nth(date, 9, 1, Weekday::Monday), Holiday::Labor),
        (is_nth(date, 11, 4, Weekday::Thursday), Holiday::Thanksgiving),
        (is_kept(date, 12, 25), Holiday::Christmas),
    ];
    rules.into_iter().find_map(|(kept, holiday)| kept.then_some(holiday))
}

/// Whether stocks close early: the day before Independence Day, the one after Thanksgiving, and Christmas Eve.
#[must_use]
pub fn is_early_close(date: Date) -> bool {
    let eve = is(date, 7, 3) || is(date, 12, 24) || is_nth(date.saturating_sub(1.day()), 11, 4, Weekday::Thursday);
    eve && holiday(date).is_none()
}

/// A holiday of a fixed date: a Saturday's is kept on the Friday before, a Sunday's on the Monday after.
fn is_kept(date: Date, month: i8, day: i8) -> bool {
    let friday_before = date.weekday() == Weekday::Friday && is(date.saturating_add(1.day()), month, day);
    is(date, month, day) || friday_before || is_monday_after(date, month, day)
}

fn is_monday_after(date: Date, month: i8, day: i8) -> bool {
    date.weekday() == Weekday::Monday && is(date.saturating_sub(1.day()), month, day)
}
