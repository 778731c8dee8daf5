use super::*;
use crate::faults::Alteration;
use crate::market::tick::Quote;
use crate::market::{DayFigures, MarketConfig};
use crate::wire::answer::Answer;

const SIM1: i32 = 900_001;
const HALTED: i32 = 900_010;
const MNQ: i32 = 711_280_073;
const APPLE: i32 = 265_598;

/// Tuesday 2026-11-24 15:00:00 UTC: an hour of busy trading in New York.
const NOON_US: i64 = 1_795_532_400_000_000;

/// Close of MNQ on that day, 16:00 US/Central.
const CLOSE_US: i64 = NOON_US + 7 * 3_600_000_000;

fn market() -> Market {
    Market::new(MarketConfig { today: jiff::civil::date(2026, 11, 24), ..Default::default() })
}

fn line(con_id: i32, kind: Kind, generic: &str, now_us: i64) -> Line {
    Line::new(con_id, kind, GenericTicks::read(generic).unwrap(), false, now_us)
}

/// What a step says: tick type and value of each tick, as text.
fn says(line: &mut Line, market: &Market, now_us: i64) -> Vec<(i32, String)> {
    line.step(7, market, Interference::default(), now_us).answers.iter().filter_map(tick).collect()
}

fn tick(answer: &Answer) -> Option<(i32, String)> {
    Some(match answer {
        Answer::TickPrice(tick) => (tick.tick_type?, tick.price?.to_string()),
        Answer::TickSize(tick) => (tick.tick_type?, tick.size.clone()?),
        Answer::TickString(tick) => (tick.tick_type?, tick.value.clone()?),
        Answer::TickGeneric(tick) => (tick.tick_type?, tick.value?.to_string()),
        _ => return None,
    })
}

fn types(ticks: &[(i32, String)]) -> Vec<i32> {
    ticks.iter().map(|tick| tick.0).collect()
}

fn quote_before(market: &Market, con_id: i32, at_us: i64) -> Quote {
    let stream = Stream { con_id, tick: TickType::BidAsk };
    let second = at_us.div_euclid(1_000_000);
    let mut ticks = (second - 60..=second).flat_map(|second| market.ticks_of_second(stream, second));
    let last = ticks.by_ref().filter(|tick| tick.at_us() <= at_us).last();
    match last.unwrap().body {
        Body::Quote(quote) => quote,
        other => panic!("{other:?}"),
    }
}

#[test]
fn first_everything_then_what_changes_with_the_prices_of_the_ticks() {
    let market = market();
    let mut line = line(SIM1, Kind::Live, "", NOON_US);
    let first = line.step(7, &market, Interference::default(), NOON_US).answers;
    let Answer::MarketDataType(kind) = &first[0] else { panic!("{first:?}") };
    assert_eq!((kind.req_id, kind.market_data_type), (Some(7), Some(1)));
    let Answer::TickReqParams(parameters) = &first[1] else { panic!("{first:?}") };
    assert_eq!(parameters.min_tick.as_deref(), Some("0.01"));
    let ticks: Vec<_> = first.iter().filter_map(tick).collect();
    assert_eq!(types(&ticks), [1, 2, 45, 4, 8, 6, 7, 14, 9, 49]);
    let (mut bid, mut ask) = (ticks[0].1.clone(), ticks[1].1.clone());
    let mut updates = 0;
    for step in 1..=40 {
        let now_us = NOON_US + step * STEP_US;
        assert_eq!(line.next_us(), now_us);
        let ticks = says(&mut line, &market, now_us);
        updates += usize::from(!ticks.is_empty());
        for (tick_type, value) in ticks {
            match tick_type {
                1 => bid = value,
                2 => ask = value,
                9 | 14 | 49 => panic!("{tick_type} did not change"),
                _ => {}
            }
        }
        let quote = quote_before(&market, SIM1, now_us);
        assert_eq!((&bid, &ask), (&quote.bid.to_string(), &quote.ask.to_string()));
    }
    assert!(updates > 20, "{updates}");
}

#[test]
fn each_trade_is_told_once() {
    let market = market();
    let mut line = line(SIM1, Kind::Live, "233,375", NOON_US);
    let mut told = [Vec::new(), Vec::new()];
    for step in 0..=40 {
        for (tick_type, text) in says(&mut line, &market, NOON_US + step * STEP_US) {
            match tick_type {
                48 => told[0].push(text),
                77 => told[1].push(text),
                _ => {}
            }
        }
    }
    for (told, tick) in told.into_iter().zip([TickType::AllLast, TickType::Last]) {
        let stream = Stream { con_id: SIM1, tick };
        let second = NOON_US / 1_000_000;
        let ticks = (second..=second + 10).flat_map(|second| market.ticks_of_second(stream, second));
        let due = ticks.filter(|tick| tick.at_us() > NOON_US && tick.at_us() <= NOON_US + 40 * STEP_US);
        assert_eq!(told, due.map(|tick| rt_volume(&market, SIM1, &tick, &tick).unwrap()).collect::<Vec<_>>());
    }
}

#[test]
fn a_stock_has_letters_and_shortable_shares() {
    let market = market();
    let first = says(&mut line(APPLE, Kind::Live, "236", NOON_US), &market, NOON_US);
    let value = |wanted: i32| first.iter().find(|tick| tick.0 == wanted).map(|tick| tick.1.as_str());
    assert_eq!((value(32), value(33), value(46)), (Some("Q"), Some("Q"), Some("3")));
    assert!(value(84).is_some_and(|letter| "PZVQN".contains(letter)));
    assert!(value(89).is_some());
}

#[test]
fn a_snapshot_ends_itself() {
    let market = market();
    let mut line = Line::new(SIM1, Kind::Live, GenericTicks::default(), true, NOON_US);
    let step = line.step(7, &market, Interference::default(), NOON_US);
    assert!(step.done);
    assert!(matches!(step.answers.last(), Some(Answer::TickSnapshotEnd(end)) if end.req_id == Some(7)));
}

#[test]
fn a_closed_market_says_the_close_and_opens_again() {
    let market = market();
    let mut live = line(MNQ, Kind::Live, "", CLOSE_US - 1);
    assert!(types(&says(&mut live, &market, CLOSE_US - 1)).contains(&1));
    let gone = says(&mut live, &market, CLOSE_US + 1);
    assert_eq!(gone, [(1, "-1".to_owned()), (2, "-1".to_owned())]);
    assert_eq!(says(&mut live, &market, CLOSE_US + 1_800_000_000), []);
    let mut late = line(MNQ, Kind::Live, "", CLOSE_US + 1);
    assert_eq!(types(&says(&mut late, &market, CLOSE_US + 1)), [9]);
    for line in [&mut live, &mut late] {
        let opened = types(&says(line, &market, CLOSE_US + 3_601_000_000));
        assert!(opened.starts_with(&[1, 2]) && opened.contains(&14), "{opened:?}");
    }
    let frozen = types(&says(&mut line(MNQ, Kind::Frozen, "", CLOSE_US + 1), &market, CLOSE_US + 1));
    assert!(frozen.starts_with(&[1, 2, 45, 4]), "{frozen:?}");
}

#[test]
fn a_halt_is_told() {
    // From minute 10 to minute 20 of each hour.
    let market = market();
    let minute = |minute: i64| NOON_US + minute * 60_000_000;
    let mut line = line(HALTED, Kind::Live, "", minute(9));
    assert_eq!(says(&mut line, &market, minute(9)).last().unwrap(), &(49, "0".to_owned()));
    assert_eq!(says(&mut line, &market, minute(10)).last().unwrap(), &(49, "1".to_owned()));
    assert_eq!(says(&mut line, &market, minute(15)), []);
    assert_eq!(says(&mut line, &market, minute(20)).last().unwrap(), &(49, "0".to_owned()));
}

#[test]
fn delayed_data_have_numbers_of_their_own_and_are_old() {
    let market = market();
    let kind = Kind::Delayed { by_s: 900, frozen: false };
    let first = says(&mut line(SIM1, kind, "233", NOON_US), &market, NOON_US);
    assert_eq!(types(&first), [66, 67, 88, 68, 74, 72, 73, 76, 75, 90]);
    let quote = quote_before(&market, SIM1, NOON_US - 900_000_000);
    assert_eq!((&first[0].1, &first[1].1), (&quote.bid.to_string(), &quote.ask.to_string()));
}

#[test]
fn what_is_withheld_is_lost_and_the_latest_comes_afterwards() {
    let market = market();
    let mut line = line(SIM1, Kind::Live, "233", NOON_US);
    let none = Interference { quotes: Effect::SILENCE, trades: Effect::SILENCE };
    assert_eq!(line.step(7, &market, none, NOON_US).answers, []);
    assert!(!says(&mut line, &market, NOON_US + STEP_US).is_empty());
    for step in 2..=20 {
        assert_eq!(line.step(7, &market, none, NOON_US + step * STEP_US).answers, []);
    }
    let after = says(&mut line, &market, NOON_US + 21 * STEP_US);
    assert!(after.iter().any(|tick| tick.0 == 8), "{after:?}");
    let at_ms = |text: &str| text.split(';').nth(2).unwrap().parse::<i64>().unwrap();
    let trades: Vec<_> = after.iter().filter(|tick| tick.0 == 48).map(|tick| at_ms(&tick.1)).collect();
    assert!(trades.iter().all(|at| *at > (NOON_US + 20 * STEP_US) / 1_000 - 1), "{trades:?}");
}

#[test]
fn a_new_day_begins_with_its_own_figures() {
    let figures = |market: &Market, at_us| -> DayFigures { market.top_of_book(SIM1, at_us).unwrap().day };
    let market = market();
    let day = market.hours(market.catalog().by_id(SIM1).unwrap()).latest_day(NOON_US / 1_000_000).unwrap();
    let midnight = day.close_s() * 1_000_000;
    let mut line = line(SIM1, Kind::Live, "", midnight - 1);
    says(&mut line, &market, midnight - 1);
    let now = figures(&market, midnight + 5_000_000);
    let after = says(&mut line, &market, midnight + 5_000_000);
    let value = |wanted: i32| after.iter().find(|tick| tick.0 == wanted).map(|tick| tick.1.parse::<f64>().unwrap());
    assert_eq!((value(8), value(14), value(9)), (Some(now.volume), now.open, now.previous_close));
}

#[test]
fn wrong_prices_are_wrong_on_lines_too() {
    let market = market();
    let offset = Effect { altered: Some(Alteration { offset: 0.5, ..Alteration::default() }), ..Effect::default() };
    let mut wrong = line(SIM1, Kind::Live, "233", NOON_US);
    let mut right = wrong.clone();
    let faults = Interference { quotes: offset, trades: Effect::default() };
    let wrong_ticks: Vec<_> = wrong.step(7, &market, faults, NOON_US).answers.iter().filter_map(tick).collect();
    let right_ticks = says(&mut right, &market, NOON_US);
    let price = |ticks: &[(i32, String)], at: usize| ticks[at].1.parse::<f64>().unwrap();
    for at in 0..2 {
        assert_eq!(price(&wrong_ticks, at), price(&right_ticks, at) + 0.5);
    }
    assert_eq!(wrong_ticks[2..], right_ticks[2..]);
    // In the next second there are trades.
    let faults = Interference { quotes: Effect::default(), trades: offset };
    let later = NOON_US + 1_000_000;
    let wrong_ticks: Vec<_> = wrong.step(7, &market, faults, later).answers.iter().filter_map(tick).collect();
    let first = |ticks: &[(i32, String)]| ticks.iter().find(|tick| tick.0 == 48).unwrap().1.clone();
    let (wrong_text, right_text) = (first(&wrong_ticks), first(&says(&mut right, &market, later)));
    let split = |text: &str| text.split_once(';').map(|(price, rest)| (price.parse::<f64>().unwrap(), rest.to_owned()));
    let ((wrong_price, wrong_rest), (right_price, right_rest)) =
        (split(&wrong_text).unwrap(), split(&right_text).unwrap());
    assert_eq!((wrong_price, wrong_rest), (right_price + 0.5, right_rest));
}
