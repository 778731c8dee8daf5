//! What the text may look like, what it covers, and what is wrong with it.

use super::*;

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
