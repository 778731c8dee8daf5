//! Holidays of the Tokyo Stock Exchange: the national ones as the law has them since 2022, and the turn of the year.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::rules::{is, is_nth, is_off_with_substitutes};

/// Whether the exchange rests on a weekday.
pub(super) fn is_holiday(date: Date) -> bool {
    let turn_of_the_year = is(date, 12, 31) || (date.month() == 1 && date.day() <= 3);
    // A day between two holidays is one, too: in some Septembers.
    let between = is_national(date.saturating_sub(1.day())) && is_national(date.saturating_add(1.day()));
    turn_of_the_year || between || is_off_with_substitutes(date, |day| u32::from(is_national(day)))
}

fn is_national(date: Date) -> bool {
    const FIXED: [(i8, i8); 9] = [(1, 1), (2, 11), (2, 23), (4, 29), (5, 3), (5, 4), (5, 5), (8, 11), (11, 3)];
    FIXED.contains(&(date.month(), date.day()))
        || is(date, 11, 23)
        || is_nth(date, 1, 2, Weekday::Monday)
        || is_nth(date, 7, 3, Weekday::Monday)
        || is_nth(date, 9, 3, Weekday::Monday)
        || is_nth(date, 10, 2, Weekday::Monday)
        || is(date, 3, equinox(date, 208_431))
        || is(date, 9, equinox(date, 232_488))
}

/// Day of the month on which the sun passes the equinox, Japan's time: the usual approximation, good from 1980 to 2099.
/// `at_1980` is the moment in 1980, ten-thousandths of a day.
fn equinox(date: Date, at_1980: i64) -> i8 {
    let years = i64::from(date.year()) - 1_980;
    let day = (at_1980 * 100 + 242_194 * years).div_euclid(1_000_000) - years.div_euclid(4);
    i8::try_from(day).unwrap_or(0)
}
