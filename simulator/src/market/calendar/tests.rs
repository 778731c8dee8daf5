use jiff::ToSpan;
use jiff::civil::date;

use super::*;

/// All weekdays of a year on which a calendar says something.
fn days(calendar: Calendar, year: i16, wanted: impl Fn(Day) -> bool) -> Vec<String> {
    date(year, 1, 1)
        .series(1.day())
        .take_while(|day| day.year() == year)
        .filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && wanted(calendar.day(*day)))
        .map(|day| day.strftime("%m%d").to_string())
        .collect()
}

fn closed(calendar: Calendar, year: i16) -> Vec<String> {
    days(calendar, year, |day| day == Day::Closed)
}

fn shortened(calendar: Calendar, year: i16) -> Vec<String> {
    days(calendar, year, |day| matches!(day, Day::Shortened { .. }))
}

#[test]
fn us_holidays_are_those_that_the_exchanges_published() {
    let stocks = |year| closed(Calendar::UsStocks, year);
    assert_eq!(stocks(2023), ["0102", "0116", "0220", "0407", "0529", "0619", "0704", "0904", "1123", "1225"]);
    assert_eq!(stocks(2024), ["0101", "0115", "0219", "0329", "0527", "0619", "0704", "0902", "1128", "1225"]);
    assert_eq!(stocks(2026), ["0101", "0119", "0216", "0403", "0525", "0619", "0703", "0907", "1126", "1225"]);
    assert_eq!(stocks(2027), ["0101", "0118", "0215", "0326", "0531", "0618", "0705", "0906", "1125", "1224"]);
    // New Year on a Saturday is not kept at all.
    assert_eq!(stocks(2028)[0], "0117");
    assert!(!stocks(2027).contains(&"1231".to_owned()));
}

#[test]
fn us_early_closes_move_out_of_the_way_of_holidays() {
    let early = |year| shortened(Calendar::UsStocks, year);
    assert_eq!(early(2023), ["0703", "1124"]);
    assert_eq!(early(2024), ["0703", "1129", "1224"]);
    assert_eq!(early(2025), ["0703", "1128", "1224"]);
    assert_eq!(early(2026), ["1127", "1224"]);
    assert_eq!(early(2027), ["1126"]);
}

#[test]
fn index_futures_trade_until_noon_on_most_holidays() {
    assert_eq!(closed(Calendar::CmeIndex, 2026), ["0101", "0403", "1225"]);
    let noon = days(Calendar::CmeIndex, 2026, |day| day == CME_HOLIDAY);
    assert_eq!(noon, ["0119", "0216", "0525", "0619", "0703", "0907", "1126"]);
    assert_eq!(days(Calendar::CmeIndex, 2026, |day| day == CME_EARLY_CLOSE), ["1127", "1224"]);
    assert_eq!(closed(Calendar::CmeIndex, 2027), ["0101", "0326", "1224"]);
}

#[test]
fn hong_kong_follows_sun_moon_and_easter() {
    assert_eq!(
        closed(Calendar::HongKong, 2025),
        [
            "0101", "0129", "0130", "0131", "0404", "0418", "0421", "0501", "0505", "0701", "1001", "1007", "1029",
            "1225", "1226"
        ]
    );
    // Ching Ming on Easter Sunday moves past Easter Monday.
    assert_eq!(
        closed(Calendar::HongKong, 2026),
        [
            "0101", "0217", "0218", "0219", "0403", "0406", "0407", "0501", "0525", "0619", "0701", "1001", "1019",
            "1225"
        ]
    );
    assert_eq!(shortened(Calendar::HongKong, 2026), ["0216", "1224", "1231"]);
    // The second day of Lunar New Year is a Sunday: the fourth is off.
    assert!(closed(Calendar::HongKong, 2027).contains(&"0209".to_owned()));
}

#[test]
fn tokyo_rests_with_substitutes_and_the_days_between() {
    assert_eq!(
        closed(Calendar::Japan, 2026),
        [
            "0101", "0102", "0112", "0211", "0223", "0320", "0429", "0504", "0505", "0506", "0720", "0811", "0921",
            "0922", "0923", "1012", "1103", "1123", "1231"
        ]
    );
    assert_eq!(
        closed(Calendar::Japan, 2025),
        [
            "0101", "0102", "0103", "0113", "0211", "0224", "0320", "0429", "0505", "0506", "0721", "0811", "0915",
            "0923", "1013", "1103", "1124", "1231"
        ]
    );
}

#[test]
fn easter_is_right_over_a_century() {
    // The earliest and the latest date in that time, and some known ones.
    for (year, month, day) in
        [(2000, 4, 23), (2008, 3, 23), (2011, 4, 24), (2026, 4, 5), (2027, 3, 28), (2038, 4, 25), (2049, 4, 18)]
    {
        assert_eq!(rules::after_easter(date(year, month, day)), 0, "{year}");
        assert_eq!(date(year, month, day).weekday(), Weekday::Sunday);
    }
}
