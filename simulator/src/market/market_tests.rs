use std::collections::HashSet;

use super::catalog::{BTC_USD_CON_ID, FIRST_TEST_CON_ID, THIN_CON_ID};
use super::tick::{Body, Quote};
use super::*;

/// A Thursday noon in Chicago.
const OPEN: i64 = 1_793_293_200;
/// The Saturday that follows.
const CLOSED: i64 = OPEN + 2 * 86_400;

fn market(config: MarketConfig) -> Market {
    Market::new(config)
}

fn ticks(market: &Market, con_id: i32, tick: TickType, second: i64) -> Vec<Tick> {
    market.ticks_of_second(Stream { con_id, tick }, second)
}

#[test]
fn the_same_second_gives_the_same_ticks_and_another_seed_others() {
    let (one, same) = (market(MarketConfig::default()), market(MarketConfig::default()));
    let other = market(MarketConfig { seed: 2, ..Default::default() });
    for tick in TickType::ALL {
        let expected = ticks(&one, 711_280_073, tick, OPEN);
        assert_eq!(expected, ticks(&same, 711_280_073, tick, OPEN));
        assert_ne!(expected, ticks(&other, 711_280_073, tick, OPEN));
    }
}

#[test]
fn every_open_second_has_ticks_of_each_type_in_order_and_on_the_grid() {
    let market = market(MarketConfig::default());
    for con_id in [711_280_073, 265_598, FIRST_TEST_CON_ID] {
        for second in OPEN..OPEN + 120 {
            for kind in TickType::ALL {
                let ticks = ticks(&market, con_id, kind, second);
                assert!(!ticks.is_empty(), "{con_id} {kind:?} {second}");
                assert!(ticks.windows(2).all(|pair| pair[0].offset_us < pair[1].offset_us));
                assert!(ticks.iter().all(|tick| tick.offset_us < 1_000_000 && tick.second == second));
                for tick in &ticks {
                    if let Body::Quote(quote) = &tick.body {
                        assert!(quote.bid < quote.ask && quote.bid > 0.0);
                        let steps = quote.bid * 100.0;
                        assert!((steps - steps.round()).abs() < 1e-6);
                    }
                }
            }
        }
    }
}

#[test]
fn types_agree_with_each_other() {
    let market = market(MarketConfig::default());
    for second in OPEN..OPEN + 60 {
        let all: Vec<_> = ticks(&market, 265_598, TickType::AllLast, second).into_iter().map(|t| t.body).collect();
        let last: Vec<_> = ticks(&market, 265_598, TickType::Last, second).into_iter().map(|t| t.body).collect();
        let reported: Vec<_> =
            all.into_iter().filter(|body| matches!(body, Body::Trade(trade) if !trade.unreported)).collect();
        assert_eq!(last, reported);
        let quotes = ticks(&market, 265_598, TickType::BidAsk, second);
        let middles: HashSet<u64> = quotes
            .iter()
            .filter_map(|tick| match &tick.body {
                Body::Quote(quote) => Some(f64::midpoint(quote.bid, quote.ask).to_bits()),
                _ => None,
            })
            .collect();
        for tick in ticks(&market, 265_598, TickType::MidPoint, second) {
            assert!(matches!(tick.body, Body::Mid(price) if middles.contains(&price.to_bits())));
        }
    }
}

#[test]
fn rates_follow_the_catalogue_and_the_factor() {
    let count = |rate| {
        let market = market(MarketConfig { rate, ..Default::default() });
        (OPEN..OPEN + 600).map(|s| ticks(&market, 711_280_073, TickType::BidAsk, s).len()).sum::<usize>()
    };
    assert!((6_500..7_900).contains(&count(1.0)), "{}", count(1.0));
    assert!((65_000..79_000).contains(&count(10.0)), "{}", count(10.0));
}

#[test]
fn closed_contracts_are_silent_unless_always_open() {
    let market_by_hours = market(MarketConfig::default());
    assert!(ticks(&market_by_hours, 711_280_073, TickType::Last, CLOSED).is_empty());
    assert!(!ticks(&market_by_hours, FIRST_TEST_CON_ID, TickType::Last, CLOSED).is_empty());
    let always = market(MarketConfig { always_open: true, ..Default::default() });
    assert!(!ticks(&always, 711_280_073, TickType::Last, CLOSED).is_empty());
}

#[test]
fn the_thin_contract_is_often_silent() {
    let market = market(MarketConfig::default());
    let busy = (OPEN..OPEN + 1_000).filter(|s| !ticks(&market, THIN_CON_ID, TickType::Last, *s).is_empty()).count();
    assert!((1..50).contains(&busy), "{busy}");
}

#[test]
fn a_recording_replaces_the_generated_ticks_of_its_contract() {
    let quote = Quote { bid: 5.0, ask: 6.0, bid_size: 1.0, ask_size: 2.0, bid_past_low: false, ask_past_high: false };
    let recording = Recording { length_s: 2, quotes: vec![(1_250, quote.clone())], trades: Vec::new() };
    let recordings = HashMap::from([(BTC_USD_CON_ID, Arc::new(recording))]);
    let market = market(MarketConfig { recordings, ..Default::default() });
    let odd = OPEN / 2 * 2 + 1;
    let expected = Tick { second: odd, offset_us: 250_000, index: 0, body: Body::Quote(quote) };
    assert_eq!(ticks(&market, BTC_USD_CON_ID, TickType::BidAsk, odd), [expected]);
    assert!(ticks(&market, BTC_USD_CON_ID, TickType::BidAsk, odd + 1).is_empty());
    assert!(!ticks(&market, FIRST_TEST_CON_ID, TickType::BidAsk, odd + 1).is_empty());
}
