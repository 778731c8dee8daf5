use std::sync::Arc;

use super::*;
use crate::market::catalog::{BTC_USD_CON_ID, FIRST_TEST_CON_ID, HALT_CON_ID, HALTED_CON_ID, THIN_CON_ID};
use crate::market::recording::Recording;
use crate::market::tape::units;
use crate::market::tick::{Body, TickType};
use crate::market::{MarketConfig, Stream};

const MNQ: i32 = 711_280_073;
const TENCENT: i32 = 900_700;
const EURO: i32 = 12_087_792;

/// 2026-10-29 12:00 in Chicago, a Thursday, 19 hours into the session of MNQ.
const NOON: i64 = 1_793_293_200;
/// Start of that session.
const MNQ_OPEN: i64 = NOON - 19 * 3_600;
/// 2026-11-24 09:30 in Hong Kong.
const HK_OPEN: i64 = 1_795_483_800;

fn market() -> Market {
    let today = jiff::civil::date(2026, 10, 29);
    Market::new(MarketConfig { today, ..Default::default() })
}

fn trades(market: &Market, con_id: i32, from: i64, to: i64) -> Vec<LastTrade> {
    let stream = Stream { con_id, tick: TickType::Last };
    let ticks = (from..to).flat_map(|second| market.ticks_of_second(stream, second));
    let trade = |tick: crate::market::tick::Tick| match &tick.body {
        Body::Trade(trade) => Some(LastTrade { at_us: tick.at_us(), trade: trade.clone() }),
        _ => None,
    };
    ticks.filter_map(trade).collect()
}

/// The day's figures, by adding each trade.
fn by_hand(trades: &[LastTrade]) -> (Option<f64>, Option<f64>, Option<f64>, f64) {
    let prices = || trades.iter().map(|last| last.trade.price);
    let volume: u128 = trades.iter().map(|last| units(last.trade.size)).sum();
    (prices().next(), prices().reduce(f64::max), prices().reduce(f64::min), volume as f64 / UNITS)
}

fn figures(top: &TopOfBook) -> (Option<f64>, Option<f64>, Option<f64>, f64) {
    (top.day.open, top.day.high, top.day.low, top.day.volume)
}

#[test]
fn figures_are_those_of_every_trade_since_the_day_began() {
    for (con_id, start, moments) in [
        (MNQ, MNQ_OPEN, vec![1, 2, 60, 3_601, 9_000]),
        (TENCENT, HK_OPEN, vec![1, 9_000, 9_001, 12_600, 12_601, 14_000, 23_400, 23_401, 30_000]),
    ] {
        let market = market();
        let every = trades(&market, con_id, start, start + 30_000);
        for after in moments {
            let at_us = (start + after) * 1_000_000 - 250_000;
            let top = market.top_of_book(con_id, at_us).unwrap();
            let so_far = &every[..every.partition_point(|last| last.at_us <= at_us)];
            assert_eq!(figures(&top), by_hand(so_far), "{con_id} after {after} s");
            match so_far.last() {
                Some(last) => assert_eq!(top.last.as_ref(), Some(last), "{con_id} after {after} s"),
                None => assert_eq!(top.last.map(|last| last.trade.price), top.day.previous_close),
            }
            assert_eq!(top.day.start_s, start);
            // The average price is near the true one: ten steps of 0.25 or 0.2.
            let turnover: f64 = so_far.iter().map(|last| last.trade.price * last.trade.size).sum();
            let error = (top.day.turnover - turnover).abs();
            assert!(error <= 2.5 * top.day.volume, "{con_id} after {after} s: {error}");
        }
    }
}

#[test]
fn the_book_is_that_of_the_last_ticks() {
    let market = market();
    for con_id in [MNQ, FIRST_TEST_CON_ID, EURO, BTC_USD_CON_ID] {
        let quotes = Stream { con_id, tick: TickType::BidAsk };
        let ticks: Vec<_> = (NOON - 3..NOON + 20).flat_map(|second| market.ticks_of_second(quotes, second)).collect();
        for pair in ticks.windows(2).skip_while(|pair| pair[0].second < NOON) {
            for at_us in [pair[0].at_us(), pair[1].at_us() - 1] {
                let top = market.top_of_book(con_id, at_us).unwrap();
                assert_eq!(Body::Quote(top.quote), pair[0].body, "{con_id} at {at_us}");
                assert!(top.trading && !top.halted);
            }
        }
    }
}

#[test]
fn turnover_never_falls_and_rises_with_the_volume() {
    let market = market();
    let day = |tenth: i64| market.top_of_book(MNQ, NOON * 1_000_000 + tenth * 100_000).unwrap().day;
    for pair in (0..300).map(day).collect::<Vec<_>>().windows(2) {
        assert!(pair[1].turnover >= pair[0].turnover, "{pair:?}");
        assert_eq!(pair[1].turnover > pair[0].turnover, pair[1].volume > pair[0].volume, "{pair:?}");
    }
}

#[test]
fn midnight_starts_a_day_around_the_clock_without_a_break() {
    // 2026-10-29 00:00 in New York.
    let midnight = NOON - 13 * 3_600;
    let market = market();
    let before = market.top_of_book(FIRST_TEST_CON_ID, midnight * 1_000_000 - 1).unwrap();
    let after = market.top_of_book(FIRST_TEST_CON_ID, midnight * 1_000_000).unwrap();
    let last = trades(&market, FIRST_TEST_CON_ID, midnight - 5, midnight).pop().unwrap();
    assert_eq!(after.quote, before.quote);
    assert_eq!(after.last, Some(last.clone()));
    assert_eq!((after.day.previous_close, after.day.open, after.day.volume), (Some(last.trade.price), None, 0.0));
    assert_eq!(after.day.start_s, midnight);
    assert!(before.day.volume > 0.0);
}

#[test]
fn answers_do_not_depend_on_what_was_asked_before() {
    let asked = market();
    for after in [7_200, 7_201, 3_600, 7_202, 7_197, 90_000, 7_200] {
        let at_us = (MNQ_OPEN + after) * 1_000_000 + 123_456;
        assert_eq!(asked.top_of_book(MNQ, at_us), market().top_of_book(MNQ, at_us), "after {after} s");
    }
}

#[test]
fn a_closed_contract_shows_its_last_moment() {
    let market = market();
    // 16:30, in the daily break.
    let close = NOON + 4 * 3_600;
    let in_break = market.top_of_book(MNQ, (close + 1_800) * 1_000_000).unwrap();
    let before = market.top_of_book(MNQ, close * 1_000_000 - 1).unwrap();
    assert_eq!(TopOfBook { trading: true, ..in_break.clone() }, before);
    assert!(!in_break.trading);
    let reopened = market.top_of_book(MNQ, (close + 3_600) * 1_000_000).unwrap();
    assert_eq!(reopened.day.previous_close, before.last.map(|last| last.trade.price));
    assert_eq!(reopened.day.volume, 0.0);
}

#[test]
fn a_halt_freezes_the_book_and_the_figures() {
    let market = market();
    // NOON is a full hour.
    let before = market.top_of_book(HALT_CON_ID, (NOON + 600) * 1_000_000 - 1).unwrap();
    let halted = market.top_of_book(HALT_CON_ID, (NOON + 1_200) * 1_000_000 - 1).unwrap();
    assert_eq!(halted, TopOfBook { halted: true, ..before.clone() });
    assert!(!before.halted && trades(&market, HALT_CON_ID, NOON + 600, NOON + 1_200).is_empty());
    assert!(!trades(&market, HALT_CON_ID, NOON + 1_200, NOON + 1_201).is_empty());

    let always = [NOON, NOON + 86_400].map(|second| market.top_of_book(HALTED_CON_ID, second * 1_000_000).unwrap());
    assert_eq!(always[0].quote, always[1].quote);
    assert!(always[0].halted && always[0].last.is_none());
}

#[test]
fn a_thin_contract_keeps_its_last_trade() {
    let market = market();
    let day_start = NOON - 13 * 3_600;
    let every = trades(&market, THIN_CON_ID, day_start, NOON);
    let top = market.top_of_book(THIN_CON_ID, NOON * 1_000_000 - 1).unwrap();
    assert_eq!(top.last.as_ref(), every.last());
    assert_eq!(figures(&top), by_hand(&every));
}

#[test]
fn a_recording_has_a_book_too() {
    let quote = Quote { bid: 5.0, ask: 6.0, bid_size: 1.0, ask_size: 2.0, bid_past_low: false, ask_past_high: false };
    let trade = |price| Trade { price, size: 0.1, exchange: "", conditions: "", past_limit: false, unreported: false };
    let recording = Recording {
        length_s: 3,
        quotes: vec![(1_250_000, quote.clone())],
        trades: vec![(500_000, trade(5.5)), (1_500_000, trade(5.25))],
    };
    let recordings = HashMap::from([(BTC_USD_CON_ID, Arc::new(recording))]);
    let market = Market::new(MarketConfig { recordings, ..Default::default() });
    // Ten loops after a midnight in New York that is divisible by 3.
    let midnight = NOON - 13 * 3_600;
    assert_eq!(midnight % 3, 0);
    let top = market.top_of_book(BTC_USD_CON_ID, (midnight + 30) * 1_000_000 + 600_000).unwrap();
    assert_eq!(figures(&top), (Some(5.5), Some(5.5), Some(5.25), 2.1));
    assert_eq!((top.quote, top.last.unwrap().trade.price, top.day.previous_close), (quote, 5.5, Some(5.25)));
}

#[test]
fn what_is_unknown_or_long_expired_has_none() {
    let market = market();
    assert_eq!(market.top_of_book(1, NOON * 1_000_000), None);
    let expired = market.catalog().contracts().iter().find(|contract| contract.expired_at(NOON - 30 * 86_400)).unwrap();
    assert_eq!(market.top_of_book(expired.con_id, NOON * 1_000_000), None);
}
