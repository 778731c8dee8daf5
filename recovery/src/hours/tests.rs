use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use super::{HoursError, Problem, SessionState, TradingHours, named_sessions};

fn utc(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn hours(text: &str, zone: &str) -> TradingHours {
    TradingHours::parse(text, zone).unwrap_or_else(|error| panic!("{text} in {zone}: {error}"))
}

fn open(since: &str, until: &str) -> SessionState {
    SessionState::Open { since: utc(since), until: utc(until) }
}

fn closed(until: &str) -> SessionState {
    SessionState::Closed { until: Some(utc(until)) }
}

const CLOSED_FOR_GOOD: SessionState = SessionState::Closed { until: None };

/// The sessions of the hours, as pairs of instants.
fn sessions(hours: &TradingHours) -> Vec<(String, String)> {
    hours.sessions.iter().map(|session| (session.since.to_string(), session.until.to_string())).collect()
}

#[track_caller]
fn assert_sessions(text: &str, zone: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(since, until)| (since.to_string(), until.to_string())).collect();
    assert_eq!(sessions(&hours(text, zone)), expected, "{text} in {zone}");
}

#[track_caller]
fn assert_wrong(text: &str, wrong: &str, what: Problem) {
    let error = TradingHours::parse(text, "US/Eastern").expect_err(text);
    assert_eq!(error, HoursError::Part { part: wrong.into(), problem: what }, "{text}");
}

// Markets

#[test]
fn nyse_regular_hours() {
    let nyse =
        hours("20261120:0930-20261120:1600;20261121:CLOSED;20261122:CLOSED;20261123:0930-20261123:1600", "US/Eastern");
    assert_eq!(nyse.at(utc("2026-11-20T14:29:59.999Z")), closed("2026-11-20T14:30:00Z"));
    assert_eq!(nyse.at(utc("2026-11-20T14:30:00Z")), open("2026-11-20T14:30:00Z", "2026-11-20T21:00:00Z"));
    assert_eq!(nyse.at(utc("2026-11-20T20:59:59.999Z")), open("2026-11-20T14:30:00Z", "2026-11-20T21:00:00Z"));
    assert_eq!(nyse.at(utc("2026-11-20T21:00:00Z")), closed("2026-11-23T14:30:00Z"));
    assert_eq!(nyse.at(utc("2026-11-22T12:00:00Z")), closed("2026-11-23T14:30:00Z"));
    assert_eq!(nyse.at(utc("2026-11-23T21:00:00Z")), CLOSED_FOR_GOOD);
}

#[test]
fn cme_daily_break_and_sunday_open_and_holiday_early_close() {
    // Thanksgiving week: opens on Sunday at 17:00, pauses daily from 16:00 to 17:00, stops at noon on Thursday.
    let cme = hours(
        "20261121:CLOSED;20261122:1700-20261123:1600;20261123:1700-20261124:1600;20261124:1700-20261125:1600;\
         20261125:1700-20261126:1200;20261126:1700-20261127:1215;20261128:CLOSED",
        "US/Central",
    );
    assert_eq!(cme.at(utc("2026-11-21T18:00:00Z")), closed("2026-11-22T23:00:00Z"));
    assert_eq!(cme.at(utc("2026-11-22T23:00:00Z")), open("2026-11-22T23:00:00Z", "2026-11-23T22:00:00Z"));
    assert_eq!(cme.at(utc("2026-11-23T22:30:00Z")), closed("2026-11-23T23:00:00Z"));
    assert_eq!(cme.at(utc("2026-11-26T17:59:59Z")), open("2026-11-25T23:00:00Z", "2026-11-26T18:00:00Z"));
    assert_eq!(cme.at(utc("2026-11-26T18:00:00Z")), closed("2026-11-26T23:00:00Z"));
    assert_eq!(cme.at(utc("2026-11-28T18:00:00Z")), CLOSED_FOR_GOOD);
    assert_eq!(cme.known_until(), Some(utc("2026-11-29T06:00:00Z")));
}

#[test]
fn hong_kong_lunch_and_night_session() {
    let hkfe = hours(
        "20181214:0915-20181214:1200,20181214:1300-20181214:1630,20181214:1715-20181215:0100;20181215:CLOSED",
        "Hongkong",
    );
    assert_eq!(hkfe.at(utc("2018-12-14T04:00:00Z")), closed("2018-12-14T05:00:00Z"));
    assert_eq!(hkfe.at(utc("2018-12-14T05:00:00Z")), open("2018-12-14T05:00:00Z", "2018-12-14T08:30:00Z"));
    assert_eq!(hkfe.at(utc("2018-12-14T16:30:00Z")), open("2018-12-14T09:15:00Z", "2018-12-14T17:00:00Z"));
}

#[test]
fn tokyo_lunch_in_the_older_form() {
    assert_sessions(
        "20261124:0900-1130,1230-1530;20261125:0900-1130,1230-1530",
        "Japan",
        &[
            ("2026-11-24T00:00:00Z", "2026-11-24T02:30:00Z"),
            ("2026-11-24T03:30:00Z", "2026-11-24T06:30:00Z"),
            ("2026-11-25T00:00:00Z", "2026-11-25T02:30:00Z"),
            ("2026-11-25T03:30:00Z", "2026-11-25T06:30:00Z"),
        ],
    );
}

#[test]
fn crypto_around_the_clock_is_one_session_across_a_clock_change() {
    for end in ["2359", "2400"] {
        let text = format!("20261031:0000-20261031:{end};20261101:0000-20261101:{end};20261102:0000-20261102:{end}");
        let until = if end == "2359" { "2026-11-03T04:59:00Z" } else { "2026-11-03T05:00:00Z" };
        assert_sessions(&text, "US/Eastern", &[("2026-10-31T04:00:00Z", until)]);
    }
}

#[test]
fn around_the_clock_in_the_older_form() {
    for range in ["0000-0000", "0000-2400", "2400-2400"] {
        let days = if range == "2400-2400" { [23, 24] } else { [24, 25] };
        let text = days.map(|day| format!("202611{day}:{range}")).join(";");
        assert_sessions(&text, "UTC", &[("2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z")]);
    }
}

// The forms of the text

#[test]
fn an_end_not_after_the_start_is_on_the_next_day_in_the_older_form() {
    assert_sessions("20261124:1700-1600", "US/Central", &[("2026-11-24T23:00:00Z", "2026-11-25T22:00:00Z")]);
    assert_sessions("20261124:1700-1700", "US/Central", &[("2026-11-24T23:00:00Z", "2026-11-25T23:00:00Z")]);
    assert_sessions("20261124:0830-1500", "US/Central", &[("2026-11-24T14:30:00Z", "2026-11-24T21:00:00Z")]);
}

#[test]
fn a_range_without_a_date_belongs_to_the_first_date_of_its_day() {
    assert_sessions(
        "20090507:1830-20090508:0200,0700-1800",
        "UTC",
        &[("2009-05-07T07:00:00Z", "2009-05-07T18:00:00Z"), ("2009-05-07T18:30:00Z", "2009-05-08T02:00:00Z")],
    );
}

#[test]
fn spaces_empty_days_and_the_case_of_closed_do_not_matter() {
    assert_eq!(
        hours(" ;20261124 : 0930 - 20261124 : 1200 , 1300 - 1600 ;; 20261125:closed ; ", " US/Eastern "),
        hours("20261124:0930-20261124:1200,20261124:1300-20261124:1600;20261125:CLOSED", "US/Eastern"),
    );
}

#[test]
fn order_and_duplicates_do_not_matter() {
    assert_eq!(
        hours("20261125:0930-1600;20261124:0930-1600;20261124:0930-20261124:1600,0930-1600", "US/Eastern"),
        hours("20261124:0930-1600;20261125:0930-1600", "US/Eastern"),
    );
}

#[test]
fn ranges_that_overlap_touch_or_are_a_minute_apart_are_one_session() {
    let one = [("2026-11-24T07:00:00Z", "2026-11-24T23:30:00Z")];
    for text in ["0700-1830,1830-2330", "0700-1831,1700-2330", "0700-1829,1830-2330", "0700-2330,0800-0900"] {
        assert_sessions(&format!("20261124:{text}"), "UTC", &one);
    }
    assert_eq!(hours("20261124:0700-1828,1830-2330", "UTC").sessions.len(), 2);
}

#[test]
fn closed_takes_no_session_away() {
    assert_eq!(hours("20261124:CLOSED;20261124:0930-1600", "US/Eastern"), hours("20261124:0930-1600", "US/Eastern"));
    let spills_over = hours("20261124:1700-20261125:0200;20261125:CLOSED", "UTC");
    assert_eq!(spills_over.at(utc("2026-11-25T01:00:00Z")), open("2026-11-24T17:00:00Z", "2026-11-25T02:00:00Z"));
}

// What is covered

#[test]
fn unknown_before_the_first_and_after_the_last_day() {
    let nyse = hours("20261124:0930-1600;20261125:CLOSED", "US/Eastern");
    assert_eq!(nyse.at(utc("2026-11-24T04:59:59.999Z")), SessionState::Unknown);
    assert_eq!(nyse.at(utc("2026-11-24T05:00:00Z")), closed("2026-11-24T14:30:00Z"));
    assert_eq!(nyse.at(utc("2026-11-26T04:59:59.999Z")), CLOSED_FOR_GOOD);
    assert_eq!(nyse.at(utc("2026-11-26T05:00:00Z")), SessionState::Unknown);
    assert_eq!(nyse.known_until(), Some(utc("2026-11-26T05:00:00Z")));
}

#[test]
fn the_evening_after_a_last_overnight_session_is_unknown() {
    let cme = hours("20261124:1700-20261125:1600", "US/Central");
    assert_eq!(cme.at(utc("2026-11-25T21:59:59Z")), open("2026-11-24T23:00:00Z", "2026-11-25T22:00:00Z"));
    assert_eq!(cme.at(utc("2026-11-25T22:00:00Z")), SessionState::Unknown);
    assert_eq!(cme.known_until(), Some(utc("2026-11-25T22:00:00Z")));
}

#[test]
fn days_in_between_that_are_not_mentioned_are_closed() {
    let nyse = hours("20261120:0930-1600;20261123:0930-1600", "US/Eastern");
    assert_eq!(nyse.at(utc("2026-11-21T18:00:00Z")), closed("2026-11-23T14:30:00Z"));
}

#[test]
fn a_text_of_closed_days_is_known_and_closed() {
    assert_eq!(hours("20261226:CLOSED", "MET").at(utc("2026-12-26T12:00:00Z")), CLOSED_FOR_GOOD);
}

#[test]
fn always_is_open_at_every_instant_and_never_expires() {
    let always = TradingHours::always();
    for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        assert_eq!(always.at(now), SessionState::Open { since: Timestamp::MIN, until: Timestamp::MAX });
    }
    assert_eq!(always.known_until(), None);
}

// Daylight-saving time

#[test]
fn the_opening_shifts_with_the_american_clock() {
    assert_sessions(
        "20260306:0930-1600;20260309:0930-1600;20261030:0930-1600;20261102:0930-1600",
        "US/Eastern",
        &[
            ("2026-03-06T14:30:00Z", "2026-03-06T21:00:00Z"),
            ("2026-03-09T13:30:00Z", "2026-03-09T20:00:00Z"),
            ("2026-10-30T13:30:00Z", "2026-10-30T20:00:00Z"),
            ("2026-11-02T14:30:00Z", "2026-11-02T21:00:00Z"),
        ],
    );
}

#[test]
fn the_opening_shifts_with_the_european_clock() {
    for zone in ["MET", "Europe/Berlin", "MET (Middle Europe Time)"] {
        assert_sessions(
            "20260327:0900-1730;20260330:0900-1730;20261023:0900-1730;20261026:0900-1730",
            zone,
            &[
                ("2026-03-27T08:00:00Z", "2026-03-27T16:30:00Z"),
                ("2026-03-30T07:00:00Z", "2026-03-30T15:30:00Z"),
                ("2026-10-23T07:00:00Z", "2026-10-23T15:30:00Z"),
                ("2026-10-26T08:00:00Z", "2026-10-26T16:30:00Z"),
            ],
        );
    }
}

#[test]
fn a_session_that_contains_a_clock_change_is_an_hour_shorter_or_longer() {
    // 23 wall-clock hours each.
    assert_sessions("20260307:1700-20260308:1600", "US/Central", &[("2026-03-07T23:00:00Z", "2026-03-08T21:00:00Z")]);
    assert_sessions("20261031:1700-20261101:1600", "US/Central", &[("2026-10-31T22:00:00Z", "2026-11-01T22:00:00Z")]);
    assert_sessions("20260328:2200-20260329:2100", "MET", &[("2026-03-28T21:00:00Z", "2026-03-29T19:00:00Z")]);
    assert_sessions("20261024:2200-20261025:2100", "MET", &[("2026-10-24T20:00:00Z", "2026-10-25T20:00:00Z")]);
}

#[test]
fn a_skipped_time_is_the_instant_of_the_change() {
    // The clock goes from 02:00 to 03:00.
    assert_sessions("20260308:0230-0800", "US/Eastern", &[("2026-03-08T07:00:00Z", "2026-03-08T12:00:00Z")]);
    assert_sessions("20260308:0100-0230", "US/Eastern", &[("2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z")]);
    assert_sessions("20260308:0230-0310", "US/Eastern", &[("2026-03-08T07:00:00Z", "2026-03-08T07:10:00Z")]);
    assert_sessions("20260329:0230-0800", "MET", &[("2026-03-29T01:00:00Z", "2026-03-29T06:00:00Z")]);
}

#[test]
fn a_range_inside_the_skipped_hour_is_dropped() {
    let skipped = hours("20260308:0210-0250", "US/Eastern");
    assert_eq!(skipped.sessions, []);
    assert_eq!(skipped.at(utc("2026-03-08T07:00:00Z")), CLOSED_FOR_GOOD);
}

#[test]
fn a_repeated_time_is_the_first_of_the_two() {
    // The clock shows 01:00 to 02:00 twice.
    assert_sessions("20261101:0130-0800", "US/Eastern", &[("2026-11-01T05:30:00Z", "2026-11-01T13:00:00Z")]);
    assert_sessions("20261101:0030-0130", "US/Eastern", &[("2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z")]);
    assert_sessions("20261101:0100-0200", "US/Eastern", &[("2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z")]);
    assert_sessions("20261025:0230-0800", "MET", &[("2026-10-25T00:30:00Z", "2026-10-25T07:00:00Z")]);
}

// Trading days

#[test]
fn a_session_belongs_to_the_day_on_which_it_ends() {
    let text = "20261122:1700-20261123:1600;20261121:CLOSED;20261123:1700-20261124:1600;20261124:1700-2400";
    let named = named_sessions(text, "US/Central").expect("hours");
    let dates: Vec<_> = named.iter().map(|session| session.date.to_string()).collect();
    assert_eq!(dates, ["2026-11-23", "2026-11-24", "2026-11-24"]);
    assert_eq!(named[0].since, utc("2026-11-22T23:00:00Z"));
    assert_eq!(named[2].until, utc("2026-11-25T06:00:00Z"));
}

#[test]
fn a_market_around_the_clock_has_one_session_a_day() {
    let named = named_sessions("20261124:0000-2359;20261125:0000-2359,20261125:0000-2359", "UTC").expect("hours");
    assert_eq!(named.iter().map(|session| session.date.to_string()).collect::<Vec<_>>(), ["2026-11-24", "2026-11-25"]);
    assert_eq!(named_sessions(" ; ", "UTC"), Err(HoursError::Empty));
}

// Zones

#[test]
fn every_documented_zone_name_means_the_place_of_its_exchanges() {
    // Noon at the end of June and December tells the place and its daylight-saving time.
    let cases = [
        ("US/Eastern", 16, 17),
        ("US/Eastern (Eastern Standard Time)", 16, 17),
        ("America/New_York", 16, 17),
        ("EST", 16, 17),
        ("EST (Eastern Standard Time)", 16, 17),
        ("EST5EDT", 16, 17),
        ("US/Central", 17, 18),
        ("CST", 17, 18),
        ("CST (Central Standard Time)", 17, 18),
        ("CST6CDT", 17, 18),
        ("MST", 18, 19),
        ("US/Pacific", 19, 20),
        ("PST", 19, 20),
        ("GB-Eire", 11, 12),
        ("GMT", 11, 12),
        ("GMT (Greenwich Mean Time)", 11, 12),
        ("BST (British Summer Time)", 11, 12),
        ("MET", 10, 11),
        ("met (Middle Europe Time)", 10, 11),
        ("Europe/Helsinki", 9, 10),
        ("Europe/Riga", 9, 10),
        ("Israel", 9, 10),
        ("Africa/Johannesburg", 10, 10),
        ("Europe/Moscow", 9, 9),
        ("IST", 6, 6), // 06:30
        ("Asia/Calcutta", 6, 6),
        ("Hongkong", 4, 4),
        ("SGT", 4, 4),
        ("JST", 3, 3),
        ("JST (Japan Standard Time)", 3, 3),
        ("Japan", 3, 3),
        ("Korea", 3, 3),
        ("Australia/NSW", 2, 1),
        ("AEST (Australian Eastern Standard Time (New South Wales))", 2, 1),
        ("UTC", 12, 12),
    ];
    for (zone, june, december) in cases {
        let minutes = if zone == "IST" || zone == "Asia/Calcutta" { 30 } else { 0 };
        let hours = hours("20260630:1200-1300;20261231:1200-1300", zone);
        let opens: Vec<_> = hours.sessions.iter().map(|session| session.since.to_string()).collect();
        let expected =
            [format!("2026-06-30T{june:02}:{minutes:02}:00Z"), format!("2026-12-31T{december:02}:{minutes:02}:00Z")];
        assert_eq!(opens, expected, "{zone}");
    }
}

#[test]
fn every_alias_leads_to_a_zone_of_the_database() {
    for (alias, _) in super::zone::ALIASES {
        assert!(super::zone::resolve(alias).is_some(), "{alias}");
    }
}

#[test]
fn the_bundled_database_is_there() {
    assert!(!jiff::tz::TimeZoneDatabase::bundled().is_definitively_empty());
}

#[test]
fn an_unknown_zone_is_named_and_never_utc() {
    for zone in ["", "  ", "Mars/Olympus", "Mars (Olympus Time)", "Etc/Unknown", "(GMT)", "US/Eastern (", "../UTC"] {
        let error = TradingHours::parse("20261124:0930-1600", zone).expect_err(zone);
        assert_eq!(error, HoursError::UnknownZone { zone: zone.into() });
        assert!(error.to_string().contains(&format!("{zone:?}")), "{error}");
    }
}

// Errors

#[test]
fn a_text_without_days_is_empty() {
    for text in ["", "  ", ";", " ; ;"] {
        assert_eq!(TradingHours::parse(text, "US/Eastern"), Err(HoursError::Empty), "{text:?}");
    }
}

#[test]
fn an_error_names_the_wrong_part_and_what_is_wrong() {
    let good = "20261124:0930-20261124:1600";
    assert_wrong(&format!("{good};20261125"), "20261125", Problem::Form);
    assert_wrong(&format!("{good};20261125:OPEN"), "20261125:OPEN", Problem::Form);
    assert_wrong(&format!("{good},"), "", Problem::Form);
    assert_wrong(&format!("{good};0930-1600"), "0930-1600", Problem::NoDate);
    assert_wrong(&format!("{good};CLOSED"), "CLOSED", Problem::NoDate);
    assert_wrong("20260229:CLOSED", "20260229:CLOSED", Problem::Date);
    assert_wrong("2026112:0930-1600", "2026112:0930-1600", Problem::Date);
    assert_wrong("+2026112:0930-1600", "+2026112:0930-1600", Problem::Date);
    assert_wrong(&format!("{good},1300-20261324:1600"), "1300-20261324:1600", Problem::Date);
    for range in ["930-1600", "0930-2401", "2500-2600", "0960-1600", "09:30-16:00", "0930-", "0930-1600-1700"] {
        assert_wrong(&format!("20261124:{range}"), &format!("20261124:{range}"), Problem::Time);
    }
    let backwards = "20261124:1700-20261124:1600";
    assert_wrong(backwards, backwards, Problem::Order);
    assert_wrong("20261124:1700-20261124:1700", "20261124:1700-20261124:1700", Problem::Order);
    assert_wrong("99991231:CLOSED", "99991231:CLOSED", Problem::Range);
    let error = TradingHours::parse(&format!("{good};{backwards}"), "US/Eastern").expect_err(backwards);
    assert_eq!(error.to_string(), format!("trading hours {backwards:?}: ends before it starts"));
}

#[test]
fn an_absurdly_long_text_is_rejected() {
    let text = "20261124:CLOSED;".repeat(1024);
    assert_eq!(TradingHours::parse(&text, "US/Eastern").map(|hours| hours.sessions.len()), Ok(0));
    assert_eq!(
        TradingHours::parse(&format!("{text};"), "US/Eastern"),
        Err(HoursError::TooLong { length: 16 * 1024 + 1 })
    );
}

#[test]
fn an_error_is_short_even_if_the_input_is_not() {
    for error in [
        TradingHours::parse(&"ü".repeat(8000), "US/Eastern").expect_err("letters"),
        TradingHours::parse("20261124:CLOSED", &"ü".repeat(8000)).expect_err("letters"),
    ] {
        assert!(error.to_string().chars().count() < 150, "{error}");
    }
}

// Properties

/// Texts of days from late October to mid November, or March, in every form: sessions, breaks, nights and holidays.
fn texts() -> impl Strategy<Value = String> {
    let time =
        || (0..24u32, prop::sample::select(vec![0u32, 1, 15, 30, 59])).prop_map(|(h, m)| format!("{h:02}{m:02}"));
    let older = (time(), time()).prop_map(|(start, end)| format!("{start}-{end}"));
    let part = prop_oneof![
        4 => older.prop_map(|range| vec![range]),
        2 => prop::collection::vec((time(), time()).prop_map(|(start, end)| format!("{start}-{end}")), 2..4),
        1 => Just(vec!["0000-2359".to_string()]),
        1 => Just(vec!["0000-2400".to_string()]),
        1 => Just(vec!["CLOSED".to_string()]),
    ];
    let month = prop::sample::select(vec!["202603", "202610", "202611"]);
    let day = (month, 1..31u32, part).prop_map(|(month, day, parts)| {
        let date = format!("{month}{:02}", if month == "202611" { day.min(30) } else { day });
        format!("{date}:{}", parts.join(","))
    });
    prop::collection::vec(day, 1..12).prop_map(|days| days.join(";"))
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["US/Eastern", "US/Central", "MET", "GB-Eire", "Hongkong", "JST", "Australia/NSW", "UTC"])
}

fn check(hours: &TradingHours, now: Timestamp) -> Result<(), TestCaseError> {
    let nanosecond = 1.nanosecond();
    match hours.at(now) {
        SessionState::Open { since, until } => {
            prop_assert!(since <= now && now < until);
            prop_assert_eq!(hours.at(since), hours.at(now));
            prop_assert_eq!(hours.at(until - nanosecond), hours.at(now));
            prop_assert!(!matches!(hours.at(until), SessionState::Open { .. }), "not merged: {:?}", hours.at(until));
            let before = hours.at(since - nanosecond);
            prop_assert!(!matches!(before, SessionState::Open { .. }), "not merged: {:?}", before);
            prop_assert!(hours.known_until().is_some_and(|end| until <= end));
        }
        SessionState::Closed { until: Some(until) } => {
            prop_assert!(now < until);
            prop_assert_eq!(hours.at(until - nanosecond), hours.at(now));
            let opens = matches!(hours.at(until), SessionState::Open { since, .. } if since == until);
            prop_assert!(opens);
        }
        SessionState::Closed { until: None } => {
            let end = hours.known_until().expect("a text");
            prop_assert!(now < end);
            prop_assert_eq!(hours.at(end - nanosecond), hours.at(now));
        }
        SessionState::Unknown => {
            let covered = hours.covered.expect("a text");
            prop_assert!(now < covered.since || now >= covered.until);
            prop_assert_eq!(hours.known_until(), Some(covered.until));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".*", zone in ".*") {
        let _ = TradingHours::parse(&text, &zone);
        let _ = TradingHours::parse(&text, "US/Eastern");
        let _ = TradingHours::parse("20261124:CLOSED", &zone);
    }

    #[test]
    fn arbitrary_text_of_the_right_letters_never_panics(text in "[0-9]{0,8}[-:;, 0-9CLOSED]{0,60}", at in any::<i64>()) {
        if let Ok(hours) = TradingHours::parse(&text, "US/Eastern") {
            let now = Timestamp::from_nanosecond(i128::from(at)).expect("an i64 of nanoseconds is 292 years");
            hours.at(now);
        }
    }

    #[test]
    fn extreme_dates_never_panic(year in 0..10_000u32, month in 0..14u32, day in 0..33u32, zone in zones()) {
        let date = format!("{year:04}{month:02}{day:02}");
        let _ = TradingHours::parse(&format!("{date}:0000-2400,1700-1600"), zone);
        let _ = TradingHours::parse(&format!("{date}:2400-2400"), zone);
    }

    #[test]
    fn the_state_is_consistent_with_its_own_instants(text in texts(), zone in zones(), minutes in 0..(270 * 24 * 60i64)) {
        let hours = hours(&text, zone);
        let now = utc("2026-02-25T00:00:00Z") + minutes.minutes();
        check(&hours, now)?;
        for session in &hours.sessions {
            check(&hours, session.since)?;
            check(&hours, session.until)?;
        }
    }

    #[test]
    fn a_session_is_open_when_the_clock_of_its_place_says_so(day in 1..29i8, hour in 0..24i8, minute in 0..60i8, zone in zones()) {
        // Far from the clock changes, a plain comparison of wall-clock times decides.
        let hours = hours(&(1..=28).map(|day| format!("202607{day:02}:0930-1600")).collect::<Vec<_>>().join(";"), zone);
        let place = super::zone::resolve(zone).expect("a zone");
        let now = jiff::civil::date(2026, 7, day).at(hour, minute, 0, 0).to_zoned(place).expect("an instant").timestamp();
        let open = matches!(hours.at(now), SessionState::Open { .. });
        prop_assert_eq!(open, (930..1600).contains(&(i32::from(hour) * 100 + i32::from(minute))));
    }
}
