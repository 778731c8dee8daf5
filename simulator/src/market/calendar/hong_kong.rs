//! Holidays of the Stock Exchange of Hong Kong: the general holidays of the territory. Lunar dates come from a library.

use icu_calendar::cal::ChineseTraditional;
use icu_calendar::types::LeapStatus;
use jiff::ToSpan;
use jiff::civil::Date;

use super::rules::{after_easter, is, is_off_with_substitutes};

/// Lunar month and day: three days of New Year, Buddha's birthday, Tuen Ng, the day after Mid-Autumn, Chung Yeung.
const LUNAR: [(u8, u8); 7] = [(1, 1), (1, 2), (1, 3), (4, 8), (5, 5), (8, 16), (9, 9)];

/// New Year, Labour Day, Establishment Day, National Day, Christmas and the day after it.
const FIXED: [(i8, i8); 6] = [(1, 1), (5, 1), (7, 1), (10, 1), (12, 25), (12, 26)];

/// Whether the exchange rests on a weekday.
pub(super) fn is_holiday(date: Date) -> bool {
    is_off_with_substitutes(date, holidays)
}

/// Whether there is no afternoon session, unless it is a holiday.
pub(super) fn is_half_day(date: Date) -> bool {
    is(date, 12, 24) || is(date, 12, 31) || lunar(date.saturating_add(1.day())) == Some((1, 1))
}

/// How many general holidays fall on a day.
fn holidays(date: Date) -> u32 {
    let kept = [
        FIXED.contains(&(date.month(), date.day())),
        // Good Friday and Easter Monday; the Saturday in between has no session anyway.
        matches!(after_easter(date), -2 | 1),
        is(date, 4, ching_ming(date)),
        lunar(date).is_some_and(|day| LUNAR.contains(&day)),
    ];
    kept.into_iter().map(u32::from).sum()
}

/// Lunar month and day; none in a leap month, which repeats no holiday.
fn lunar(date: Date) -> Option<(u8, u8)> {
    let (month, day) = (u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?);
    let gregorian = icu_calendar::Date::try_new_iso(i32::from(date.year()), month, day).ok()?;
    let lunar = gregorian.to_calendar(ChineseTraditional::new());
    let month = lunar.month();
    (month.leap_status() == LeapStatus::Normal).then_some((month.number(), lunar.day_of_month().0))
}

/// Day of April on which the solar term Ching Ming begins: the usual approximation, good from 2000 to 2099.
fn ching_ming(date: Date) -> i8 {
    let years = i64::from(date.year()) - 2_000;
    let day = (48_100 + 2_422 * years).div_euclid(10_000) - years.div_euclid(4);
    i8::try_from(day).unwrap_or(0)
}
