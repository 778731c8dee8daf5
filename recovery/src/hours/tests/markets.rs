//! Hours of real markets, over clock changes and by trading days.

use super::*;

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
