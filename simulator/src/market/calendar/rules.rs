//! Rules from which holidays are made.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

/// Longest row of holidays that a substitute may have to follow, days: Japan's Golden Week and a Sunday are less.
const LONGEST_ROW: i32 = 8;

/// Whether it is that day of the year.
pub(super) fn is(date: Date, month: i8, day: i8) -> bool {
    date.month() == month && date.day() == day
}

/// Whether it is the `n`th of that weekday in that month, `n` from 1.
pub(super) fn is_nth(date: Date, month: i8, n: i8, weekday: Weekday) -> bool {
    date.month() == month && date.weekday() == weekday && (date.day() - 1) / 7 + 1 == n
}

/// Whether it is the last of that weekday in that month.
pub(super) fn is_last(date: Date, month: i8, weekday: Weekday) -> bool {
    date.month() == month && date.weekday() == weekday && date.day() + 7 > date.days_in_month()
}

/// Days after Easter Sunday of the same year: Good Friday is -2. The Gregorian computus in its anonymous form.
pub(super) fn after_easter(date: Date) -> i32 {
    let year = i32::from(date.year());
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let epact = (19 * golden + century - century / 4 - (century - (century + 8) / 25 + 1) / 3 + 15) % 30;
    let to_sunday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let correction = (golden + 11 * epact + 22 * to_sunday) / 451;
    // Days from the first of March.
    let easter = epact + to_sunday - 7 * correction + 21;
    let march_first = Date::new(date.year(), 3, 1).map_or(0, |first| i32::from(first.day_of_year()));
    i32::from(date.day_of_year()) - march_first - easter
}

/// Whether a day is off, where a holiday on a Sunday, or on the day of another one, moves to the next day that is
/// neither a Sunday nor a holiday. `holidays` tells how many fall on a day.
pub(super) fn is_off_with_substitutes(date: Date, holidays: impl Fn(Date) -> u32) -> bool {
    let mut owed = 0;
    let mut off = false;
    for before in (0..=LONGEST_ROW).rev() {
        let day = date.saturating_sub(before.days());
        let count = holidays(day);
        let sunday = day.weekday() == Weekday::Sunday;
        if count > 0 {
            owed += count - u32::from(!sunday);
        }
        let substitute = count == 0 && !sunday && owed > 0;
        owed -= u32::from(substitute);
        off = count > 0 || substitute;
    }
    off
}
