use std::collections::BTreeSet;

use jiff::civil::date;
use marketstream_recovery::hours::{SessionState, TradingHours};

use super::*;
use crate::market::catalog::{Catalog, Contract};
use crate::market::schedules::{CME_INDEX, FOREX, HONG_KONG, TOKYO, US_STOCKS};

const FUTURES: Hours = Hours::of(&CME_INDEX);

fn at(text: &str) -> i64 {
    text.parse::<Zoned>().unwrap().timestamp().as_second()
}

#[track_caller]
fn assert_open(hours: Hours, moments: &[(&str, bool)]) {
    for (moment, open) in moments {
        let moment = format!("{moment}[{}]", hours.zone());
        assert_eq!(hours.trading_at(at(&moment)), *open, "{moment}");
    }
}

#[test]
fn futures_rest_an_hour_a_day_and_over_the_weekend() {
    assert_open(
        FUTURES,
        &[
            ("2026-10-29T15:59:59", true),
            ("2026-10-29T16:00:00", false),
            ("2026-10-29T16:59:59", false),
            ("2026-10-29T17:00:00", true),
            ("2026-10-30T16:00:00", false),
            ("2026-10-30T17:00:00", false),
            ("2026-10-31T12:00:00", false),
            ("2026-11-01T16:59:59", false),
            ("2026-11-01T17:00:00", true),
            // The clock went back on 2026-11-01: the hour follows the zone.
            ("2026-11-02T15:59:59", true),
        ],
    );
}

#[test]
fn days_around_the_clock_follow_the_change_of_the_clock() {
    let hours = Hours::around_the_clock("US/Eastern");
    for (day, length_h) in [("2026-03-07", 24), ("2026-03-08", 23), ("2026-03-09", 24), ("2026-11-01", 25)] {
        let day = hours.day_at(at(&format!("{day}T12:00:00[US/Eastern]"))).unwrap();
        assert_eq!(day.close_s() - day.open_s(), length_h * 3_600, "{}", day.date);
    }
    // In spring the session that opens after the change is an hour earlier in UTC.
    assert!(!FUTURES.trading_at(at("2026-03-08T21:59:59[UTC]")));
    assert!(FUTURES.trading_at(at("2026-03-08T22:00:00[UTC]")));
    assert!(FUTURES.trading_at(at("2026-03-06T21:59:59[UTC]")));
    assert!(!FUTURES.trading_at(at("2026-03-06T22:00:00[UTC]")));
}

#[test]
fn futures_stop_at_noon_on_thanksgiving_and_rest_on_christmas() {
    assert_open(
        FUTURES,
        &[
            ("2026-11-26T11:59:59", true),
            ("2026-11-26T12:00:00", false),
            ("2026-11-26T17:00:00", true),
            ("2026-11-27T12:14:59", true),
            ("2026-11-27T12:15:00", false),
            ("2026-12-24T12:15:00", false),
            ("2026-12-24T17:00:00", false),
            ("2026-12-25T12:00:00", false),
            ("2026-12-27T17:00:00", true),
        ],
    );
}

#[test]
fn stocks_have_a_day_before_and_after_the_liquid_one() {
    let hours = Hours::of(&US_STOCKS);
    assert_open(
        hours,
        &[
            ("2026-11-24T03:59:59", false),
            ("2026-11-24T04:00:00", true),
            ("2026-11-24T19:59:59", true),
            ("2026-11-24T20:00:00", false),
            ("2026-11-26T12:00:00", false),
            ("2026-11-27T16:59:59", true),
            ("2026-11-27T17:00:00", false),
        ],
    );
    let day = hours.day_at(at("2026-11-27T10:00:00[US/Eastern]")).unwrap();
    assert_eq!(day.liquid[0].close_s, at("2026-11-27T13:00:00[US/Eastern]"));
}

#[test]
fn asia_has_lunch() {
    assert_open(
        Hours::of(&HONG_KONG),
        &[
            ("2026-11-24T11:59:59", true),
            ("2026-11-24T12:00:00", false),
            ("2026-11-24T13:00:00", true),
            ("2026-12-24T11:59:59", true),
            ("2026-12-24T13:00:00", false),
        ],
    );
    assert_open(
        Hours::of(&TOKYO),
        &[("2026-11-24T11:30:00", false), ("2026-11-24T12:30:00", true), ("2026-11-24T15:29:59", true)],
    );
    assert_open(
        Hours::of(&FOREX),
        &[("2026-11-24T16:59:59", true), ("2026-11-24T17:00:00", false), ("2026-11-24T17:15:00", true)],
    );
}

#[test]
fn an_expiring_contract_stops_for_good() {
    let hours = FUTURES.until(date(2026, 12, 18).at(8, 30, 0, 0));
    assert_open(
        hours,
        &[("2026-12-18T08:29:59", true), ("2026-12-18T08:30:00", false), ("2026-12-20T18:00:00", false)],
    );
    assert_open(hours.always_open(), &[("2026-12-17T16:30:00", true), ("2026-12-18T08:30:00", false)]);
    let (trading, _) = hours.text(at("2026-12-17T12:00:00[US/Central]"));
    assert_eq!(
        trading,
        "20261216:1700-20261217:1600;20261217:1700-20261218:0830;20261219:CLOSED;20261220:CLOSED;20261221:CLOSED;\
         20261222:CLOSED"
    );
    assert_eq!(hours.text(at("2026-12-18T08:30:00[US/Central]")), (String::new(), String::new()));
}

#[test]
fn text_is_in_ibkrs_format() {
    let (trading, liquid) = FUTURES.text(at("2026-10-29T12:00:00[US/Central]"));
    assert_eq!(
        trading,
        "20261028:1700-20261029:1600;20261029:1700-20261030:1600;20261031:CLOSED;\
         20261101:1700-20261102:1600;20261102:1700-20261103:1600"
    );
    assert_eq!(
        liquid,
        "20261029:0830-20261029:1600;20261030:0830-20261030:1600;20261031:CLOSED;20261101:CLOSED;\
         20261102:0830-20261102:1600;20261103:0830-20261103:1600"
    );
    let (hong_kong, _) = Hours::of(&HONG_KONG).text(at("2026-12-24T08:00:00[Hongkong]"));
    assert_eq!(
        hong_kong,
        "20261224:0930-20261224:1200;20261225:CLOSED;20261226:CLOSED;20261227:CLOSED;\
         20261228:0930-20261228:1200,20261228:1300-20261228:1600;20261229:0930-20261229:1200,20261229:1300-20261229:1600"
    );
    let (crypto, _) = FUTURES.always_open().text(at("2026-10-31T12:00:00[US/Central]"));
    assert!(crypto.starts_with("20261031:0000-20261031:2359;20261101:0000-20261101:2359;"), "{crypto}");
}

/// The moments at which the market opens or closes, or the text of a day begins or ends.
fn edges(hours: Hours, from: i64, to: i64) -> BTreeSet<i64> {
    let mut edges = BTreeSet::from([from, to]);
    let zone = zone(hours.zone()).unwrap();
    let mut date = local(&zone, from).unwrap().date() - 1.day();
    while date.at(0, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp().as_second() < to + 86_400 {
        let day = hours.day(&zone, date);
        edges.extend(day.into_iter().flat_map(|day| day.trading).flat_map(|span| [span.open_s, span.close_s]));
        date += 1.day();
    }
    edges
}

/// A reader of IBKR's texts that is not ours to bend agrees with the market around each edge that its text covers.
fn assert_readable(contract: &Contract, hours: Hours, now: i64) {
    let (trading, liquid) = hours.text(now);
    if contract.expired_at(now) {
        assert_eq!(trading, "");
        return;
    }
    TradingHours::parse(&liquid, hours.zone()).unwrap();
    let read = TradingHours::parse(&trading, hours.zone()).unwrap();
    let until = read.known_until().unwrap().as_second();
    for edge in edges(hours, now, until) {
        for second in [edge - 1, edge] {
            // The last minute of a text of days around the clock is missing in it, as in IBKR's.
            if second < now || second >= until - 60 {
                continue;
            }
            let instant = Timestamp::from_second(second).unwrap();
            let open = matches!(read.at(instant), SessionState::Open { .. });
            assert_eq!(
                open,
                hours.trading_at(second),
                "{} {} at {instant}: {trading}",
                contract.local_symbol,
                hours.zone()
            );
        }
    }
}

#[test]
fn every_text_of_two_years_says_what_the_market_does() {
    let catalog = Catalog::on(date(2026, 11, 24));
    for day in date(2026, 1, 1).series(1.day()).take_while(|day| day.year() < 2028) {
        // Contracts whose hours are alike until the end of the text are read once.
        let mut read = Vec::new();
        for contract in catalog.contracts() {
            for hours in [contract.hours, contract.hours.always_open()] {
                let zone = zone(hours.zone()).unwrap();
                let noon = day.at(12, 0, 0, 0).to_zoned(zone).unwrap().timestamp().as_second();
                let ends_soon = contract.end_s.is_some_and(|end| end < noon + 10 * 86_400);
                let until_then = Hours { end: hours.end.filter(|_| ends_soon), ..hours };
                if !read.contains(&until_then) {
                    read.push(until_then);
                    assert_readable(contract, hours, noon);
                }
            }
        }
        assert!(read.len() > 8, "{day}: {}", read.len());
    }
}

#[test]
fn a_text_that_is_asked_for_in_the_evening_knows_the_session_that_has_begun() {
    for moment in ["2026-11-24T17:30:00", "2026-11-24T23:59:59", "2026-11-22T20:00:00", "2026-11-25T00:00:00"] {
        let now = at(&format!("{moment}[US/Central]"));
        let (trading, _) = FUTURES.text(now);
        let read = TradingHours::parse(&trading, "US/Central").unwrap();
        let state = read.at(Timestamp::from_second(now).unwrap());
        assert!(matches!(state, SessionState::Open { .. }), "{moment}: {trading}");
    }
}

#[test]
fn the_last_trading_day_is_found_over_the_longest_rest() {
    let hours = Hours::of(&HONG_KONG);
    // Lunar New Year of 2026: from Monday noon to Friday morning.
    let before = hours.latest_day(at("2026-02-20T09:29:59[Hongkong]")).unwrap();
    assert_eq!(before.date, date(2026, 2, 16));
    assert_eq!(hours.day_before(date(2026, 2, 20)).unwrap(), before);
    assert_eq!(before.close_s(), at("2026-02-16T12:00:00[Hongkong]"));
}
