use std::collections::HashSet;

use jiff::civil::date;

use super::catalog::{BTC_USD_CON_ID, FIRST_TEST_CON_ID, HALT_CON_ID, HALTED_CON_ID, THIN_CON_ID};
use super::noise::hash;
use super::tick::{Body, Quote, Trade};
use super::*;

/// A Thursday noon in Chicago.
const OPEN: i64 = 1_793_293_200;
/// The Saturday that follows.
const CLOSED: i64 = OPEN + 2 * 86_400;

fn market(config: MarketConfig) -> Market {
    Market::new(MarketConfig { today: date(2026, 10, 29), ..config })
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

/// Ticks of a kind in ten minutes.
fn ticks_in_ten_minutes(market: &Market, con_id: i32, kind: TickType, from: i64) -> usize {
    (from..from + 600).map(|second| ticks(market, con_id, kind, second).len()).sum()
}

#[test]
fn rates_follow_the_catalogue_and_the_factor() {
    for (rate, expected) in [(1.0, 6_500..7_900), (10.0, 65_000..79_000)] {
        let market = market(MarketConfig { rate, always_open: true, ..Default::default() });
        let count = ticks_in_ten_minutes(&market, 711_280_073, TickType::BidAsk, OPEN);
        assert!(expected.contains(&count), "{count}");
    }
}

#[test]
fn rates_follow_the_session() {
    let market = market(MarketConfig::default());
    // MNQ: 12 quotes a second. The night, the open at 8:30, noon, the close at 16:00, the hour of 17:00.
    let share = |from| ticks_in_ten_minutes(&market, 711_280_073, TickType::BidAsk, from) as f64 / 7_200.0;
    let hours = |hours: f64| OPEN + (hours * 3_600.0) as i64;
    for (from, expected) in [
        (hours(-10.0), 0.10..0.20),
        (hours(-3.5), 1.7..2.2),
        (hours(0.0), 0.63..0.77),
        (hours(4.0) - 600, 1.2..1.6),
        (hours(5.0), 0.10..0.20),
    ] {
        assert!(expected.contains(&share(from)), "{} of the rate at {from}", share(from));
    }
    // Around the clock nothing changes.
    for from in [hours(-10.0), hours(-3.5), hours(0.0)] {
        let count = ticks_in_ten_minutes(&market, FIRST_TEST_CON_ID, TickType::BidAsk, from);
        assert!((3_250..3_950).contains(&count), "{count}");
    }
}

#[test]
fn volume_moves_to_the_next_expiry_when_the_front_one_ends() {
    let market = market(MarketConfig::default());
    let next = market.catalog().contracts().iter().find(|contract| contract.local_symbol == "MNQH7").unwrap().con_id;
    let count = |con_id, from| ticks_in_ten_minutes(&market, con_id, TickType::BidAsk, from);
    assert!(count(711_280_073, OPEN) > 3 * count(next, OPEN));
    // 2027-01-14, noon in Chicago.
    let after = 1_799_949_600;
    assert_eq!(count(711_280_073, after), 0);
    assert!(count(next, after) > 4_000);
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
    let recording = Recording { length_s: 2, quotes: vec![(1_250_000, quote.clone())], trades: Vec::new() };
    let recordings = HashMap::from([(BTC_USD_CON_ID, Arc::new(recording))]);
    let market = market(MarketConfig { recordings, ..Default::default() });
    let odd = OPEN / 2 * 2 + 1;
    let expected = Tick { second: odd, offset_us: 250_000, index: 0, body: Body::Quote(quote) };
    assert_eq!(ticks(&market, BTC_USD_CON_ID, TickType::BidAsk, odd), [expected]);
    assert!(ticks(&market, BTC_USD_CON_ID, TickType::BidAsk, odd + 1).is_empty());
    assert!(!ticks(&market, FIRST_TEST_CON_ID, TickType::BidAsk, odd + 1).is_empty());
}

#[test]
fn ticks_come_exactly_in_the_open_seconds_of_a_contract() {
    let market = market(MarketConfig::default());
    let skipped = |contract: &&Contract| {
        let quiet = [THIN_CON_ID, HALTED_CON_ID].contains(&contract.con_id);
        // The hours of all index futures are alike.
        quiet || (contract.sec_type == "FUT" && contract.symbol != "MNQ")
    };
    for contract in market.catalog().contracts().iter().filter(|contract| !skipped(contract)) {
        // Each quarter of an hour of a week with a holiday, an early close and, before it, a change of the clock.
        for second in (OPEN..OPEN + 7 * 86_400).chain(OPEN + 26 * 86_400..OPEN + 33 * 86_400).step_by(900) {
            for second in [second - 1, second] {
                let open = contract.hours.trading_at(second) && !contract.halts.halted_at(second);
                let some = !ticks(&market, contract.con_id, TickType::BidAsk, second).is_empty();
                assert_eq!(some, open, "{} at {second}", contract.local_symbol);
            }
        }
    }
}

#[test]
fn halted_contracts_are_silent_in_their_halts() {
    let market = market(MarketConfig { always_open: true, ..Default::default() });
    let silent = |con_id, second| TickType::ALL.iter().all(|kind| ticks(&market, con_id, *kind, second).is_empty());
    // OPEN is a full hour.
    for (minute, halted) in [(0, false), (9, false), (10, true), (19, true), (20, false), (70, true)] {
        assert_eq!(silent(HALT_CON_ID, OPEN + minute * 60), halted, "{minute}");
    }
    assert!(silent(HALTED_CON_ID, OPEN));
}

#[test]
fn a_currency_has_quotes_and_no_trades() {
    let market = market(MarketConfig::default());
    let some = |kind| !ticks(&market, 12_087_792, kind, OPEN).is_empty();
    assert_eq!(TickType::ALL.map(some), [false, false, true, true]);
}

/// All that ticks say, as one number.
fn digest(ticks: &[Tick]) -> u64 {
    let trade = |t: &Trade| {
        let venue = hash(&t.exchange.bytes().chain(t.conditions.bytes()).map(u64::from).collect::<Vec<_>>());
        vec![t.price.to_bits(), t.size.to_bits(), venue, u64::from(t.unreported)]
    };
    let words = |tick: &Tick| {
        let body = match &tick.body {
            Body::Trade(t) => trade(t),
            Body::Quote(q) => [q.bid, q.ask, q.bid_size, q.ask_size].map(f64::to_bits).to_vec(),
            Body::Mid(mid) => vec![mid.to_bits()],
        };
        [&[tick.at_us().cast_unsigned()][..], &body].concat()
    };
    hash(&ticks.iter().flat_map(words).collect::<Vec<_>>())
}

/// Pinned: a change here changes what a journal of an older version means, and the ticks that end-to-end tests expect.
#[test]
fn ticks_are_the_same_bit_for_bit_on_every_machine() {
    let market = market(MarketConfig::default());
    let digest_of = |con_id| {
        let of_kind = |kind| (OPEN..OPEN + 5).flat_map(|s| ticks(&market, con_id, kind, s)).collect::<Vec<_>>();
        digest(&TickType::ALL.into_iter().flat_map(of_kind).collect::<Vec<_>>())
    };
    let digests = [711_280_073, 265_598, 12_087_792, FIRST_TEST_CON_ID, BTC_USD_CON_ID].map(digest_of);
    let expected = [
        0xB7D5_604B_08F8_1A77,
        0x3C46_D820_4AA1_C94A,
        0xDD6A_EF52_D10B_D671,
        0xFD7F_8D45_32FC_B5CE,
        0x487C_68ED_2662_1523,
    ];
    assert_eq!(digests, expected);
}
