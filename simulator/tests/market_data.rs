//! A client that this project did not write: market data lines and five-second bars.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::time::Duration;

use futures::StreamExt;
use ib_gateway_sim::clock::ClockSetting;
use ib_gateway_sim::judge::JournalTick;
use ib_gateway_sim::market::tick::TickType as Kind;
use ib_gateway_sim::{Config, Simulator};
use ibapi::contracts::tick_types::TickType;
use ibapi::prelude::*;
use support::*;

/// Tuesday 2026-11-24 15:00:00 UTC, as microseconds.
const NOON_US: i64 = 1_795_532_400_000_000;

/// Saturday of that week.
const SATURDAY_US: i64 = NOON_US + 4 * 86_400_000_000;

const AAPL: i32 = 265_598;

/// A simulator whose clock begins there, and stands still or goes on.
async fn gateway_at(at_us: i64, speed: f64) -> Gateway {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::local(dir.path());
    config.clock = ClockSetting { at_us: Some(at_us), speed };
    config.market.today = jiff::civil::date(2026, 11, 24);
    config.market.always_open = false;
    Gateway { sim: Simulator::start(config).await.unwrap(), dir }
}

async fn line(client: &Client, contract: &Contract, generic: &[&str]) -> Subscription<TickTypes> {
    client.market_data(contract).generic_ticks(generic).subscribe().await.unwrap()
}

async fn next(line: &mut Subscription<TickTypes>) -> Result<SubscriptionItem<TickTypes>, Error> {
    within("market data", line.next()).await.unwrap()
}

/// Ticks until one of a type has come.
async fn until(line: &mut Subscription<TickTypes>, wanted: TickType) -> Vec<TickTypes> {
    let mut found = Vec::new();
    loop {
        if let SubscriptionItem::Data(tick) = next(line).await.unwrap() {
            let done = type_of(&tick) == wanted;
            found.push(tick);
            if done {
                return found;
            }
        }
    }
}

fn type_of(tick: &TickTypes) -> TickType {
    match tick {
        TickTypes::Price(tick) => tick.tick_type,
        TickTypes::PriceSize(tick) => tick.price_tick_type,
        TickTypes::Size(tick) => tick.tick_type,
        TickTypes::String(tick) => tick.tick_type,
        TickTypes::Generic(tick) => tick.tick_type,
        _ => TickType::Unknown,
    }
}

/// What was or would have been sent live until then.
async fn journal(gateway: &Gateway, tick: Kind, from: i64, to: i64) -> Vec<JournalTick> {
    let path = format!("/journal?from={from}&to={to}&con_id={SIM1}&tick={}", tick.name());
    let (status, text) = gateway.http("GET", &path, "").await;
    assert_eq!(status, 200, "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_line_begins_with_the_prices_of_the_ticks() {
    let gateway = gateway_at(NOON_US + 777_000, 0.0).await;
    let client = gateway.client(1).await;
    let ticks = until(&mut line(&client, &sim_contract(SIM1), &[]).await, TickType::Halted).await;
    assert!(matches!(ticks[0], TickTypes::MarketDataType(MarketDataType::Realtime)));
    assert!(matches!(&ticks[1], TickTypes::RequestParameters(parameters) if parameters.min_tick == 0.01));
    let quote = Quote::from_ticks(&ticks);
    let noon_s = NOON_US / 1_000_000;
    let live = journal(&gateway, Kind::BidAsk, noon_s - 10, noon_s + 1).await.pop().unwrap().fields;
    assert_eq!(
        (quote.bid, quote.ask, quote.bid_size, quote.ask_size),
        (live.bid, live.ask, live.bid_size, live.ask_size)
    );
    let live = journal(&gateway, Kind::Last, noon_s - 10, noon_s + 1).await.pop().unwrap().fields;
    assert_eq!((quote.last, quote.last_size), (live.price, live.size));
    let (low, high) = (quote.low.unwrap(), quote.high.unwrap());
    assert!((low..=high).contains(&quote.last.unwrap()) && (low..=high).contains(&quote.open.unwrap()));
    assert!(quote.volume.unwrap() > 100.0 && quote.close.is_some());
}

#[tokio::test]
async fn updates_follow_the_ticks_at_most_four_times_a_second() {
    let gateway = gateway_at(NOON_US, 1.0).await;
    let client = gateway.client(1).await;
    let mut line = line(&client, &sim_contract(SIM1), &[]).await;
    let mut bids = Vec::new();
    while bids.len() < 8 {
        if let TickTypes::PriceSize(tick) = until(&mut line, TickType::Bid).await.pop().unwrap() {
            bids.push((tick.price, tick.size));
        }
    }
    let (from, to) = (NOON_US / 1_000_000 - 60, NOON_US / 1_000_000 + 3_600);
    let live = journal(&gateway, Kind::BidAsk, from, to).await;
    // Each is a live quote, and they come in the order of those.
    let mut at = 0;
    for (price, size) in &bids {
        let later =
            live[at..].iter().position(|tick| tick.fields.bid == Some(*price) && tick.fields.bid_size == Some(*size));
        at += later.unwrap_or_else(|| panic!("{price} {size} was no quote after {at}"));
    }
    let span_us = live[at].at_us - NOON_US;
    assert!(span_us >= 7 * 250_000 - 250_000, "{} bids in {span_us} us", bids.len());
}

#[tokio::test]
async fn rt_volume_tells_each_trade_with_its_time() {
    let gateway = gateway_at(NOON_US, 1.0).await;
    let client = gateway.client(1).await;
    let mut line = line(&client, &sim_contract(SIM1), &["233"]).await;
    let mut told: Vec<Vec<f64>> = Vec::new();
    while told.len() < 10 {
        let TickTypes::String(tick) = until(&mut line, TickType::RtVolume).await.pop().unwrap() else { panic!() };
        let (numbers, single) = tick.value.rsplit_once(';').unwrap();
        assert_eq!(single, "true");
        told.push(numbers.split(';').map(|number| number.parse().unwrap()).collect());
    }
    let (from, to) = (NOON_US / 1_000_000 - 60, NOON_US / 1_000_000 + 3_600);
    let live = journal(&gateway, Kind::AllLast, from, to).await;
    let first = live.iter().position(|tick| (tick.at_us / 1_000) as f64 == told[0][2]).unwrap();
    for (told, live) in told.iter().zip(&live[first..]) {
        let (price, size) = (live.fields.price.unwrap(), live.fields.size.unwrap());
        assert_eq!(told[..3], [price, size, (live.at_us / 1_000) as f64]);
    }
    // The day's volume rises by the reported sizes.
    for (pair, live) in told.windows(2).zip(&live[first + 1..]) {
        let reported = if live.fields.unreported == Some(true) { 0.0 } else { live.fields.size.unwrap() };
        assert!((pair[1][3] - pair[0][3] - reported).abs() < 1e-6, "{pair:?}");
    }
}

#[tokio::test]
async fn a_snapshot_ends_and_takes_no_generic_ticks() {
    let gateway = gateway_at(NOON_US, 0.0).await;
    let client = gateway.client(1).await;
    let apple = Contract::stock("AAPL").build();
    let ticks = client.market_data(&apple).snapshot_once(PATIENCE).await.unwrap();
    assert!(Quote::from_ticks(&ticks).bid.is_some());
    let mut refused = client.market_data(&apple).generic_ticks(&["233"]).snapshot().subscribe().await.unwrap();
    assert_eq!(error_of(next(&mut refused).await), 321);
    let mut refused = line(&client, &apple, &["999"]).await;
    assert_eq!(error_of(next(&mut refused).await), 321);
    let unknown = Contract { contract_id: 12, ..apple };
    assert_eq!(error_of(next(&mut line(&client, &unknown, &[]).await).await), 200);
}

fn error_of(item: Result<SubscriptionItem<TickTypes>, Error>) -> i32 {
    match item {
        Err(Error::Notice(notice)) => notice.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_closed_contract_says_its_close_and_frozen_data_more() {
    let gateway = gateway_at(SATURDAY_US, 0.0).await;
    let client = gateway.client(1).await;
    let apple = Contract { contract_id: AAPL, ..Contract::stock("AAPL").build() };
    let mut closed = line(&client, &apple, &[]).await;
    let types: Vec<_> = until(&mut closed, TickType::Close).await.iter().map(type_of).collect();
    assert_eq!(types, [TickType::Unknown, TickType::Unknown, TickType::Close]);
    client.switch_market_data_type(MarketDataType::Frozen).await.unwrap();
    let ticks = until(&mut line(&client, &apple, &[]).await, TickType::Close).await;
    let quote = Quote::from_ticks(&ticks);
    assert_eq!(quote.market_data_type, Some(MarketDataType::Frozen));
    assert!(quote.bid.is_some() && quote.last.is_some());
}

#[tokio::test]
async fn without_live_data_there_are_delayed_ones_for_who_asked_for_them() {
    let gateway = gateway_at(NOON_US, 0.0).await;
    let client = gateway.client(1).await;
    let contract = sim_contract(SIM1);
    let fault = gateway.fault(r#"{"kind":"delayed","scope":{"all":true}}"#).await;
    assert_eq!(error_of(next(&mut line(&client, &contract, &[]).await).await), 354);
    client.switch_market_data_type(MarketDataType::Delayed).await.unwrap();
    let mut delayed = line(&client, &contract, &["233"]).await;
    match next(&mut delayed).await.unwrap() {
        SubscriptionItem::Notice(notice) => assert_eq!(notice.code, 10167),
        other => panic!("{other:?}"),
    }
    let ticks = until(&mut delayed, TickType::DelayedClose).await;
    let quote = Quote::from_ticks(&ticks);
    assert_eq!(quote.market_data_type, Some(MarketDataType::Delayed));
    assert!(!ticks.iter().any(|tick| matches!(type_of(tick), TickType::Bid | TickType::Last | TickType::RtVolume)));
    let then_s = NOON_US / 1_000_000 - 900;
    let live = journal(&gateway, Kind::BidAsk, then_s - 10, then_s).await.pop().unwrap().fields;
    assert_eq!((quote.bid, quote.ask), (live.bid, live.ask));
    // With live data nobody gets delayed ones.
    gateway.end(fault).await;
    let reject = format!(r#"{{"kind":"reject","scope":{{"con_id":{SIM1}}},"code":10089,"text":"not for the API"}}"#);
    let fault = gateway.fault(&reject).await;
    match next(&mut line(&client, &contract, &[]).await).await.unwrap() {
        // The crate takes this code for advice: nothing follows it.
        SubscriptionItem::Notice(notice) => assert_eq!((notice.code, &*notice.message), (10089, "not for the API")),
        other => panic!("{other:?}"),
    }
    gateway.end(fault).await;
    let ticks = until(&mut line(&client, &contract, &[]).await, TickType::Close).await;
    assert_eq!(Quote::from_ticks(&ticks).market_data_type, Some(MarketDataType::Realtime));
}

#[tokio::test]
async fn faults_silence_a_line_and_a_competing_session_ends_it() {
    let gateway = gateway_at(NOON_US, 1.0).await;
    let client = gateway.client(1).await;
    let mut line = line(&client, &sim_contract(SIM1), &[]).await;
    until(&mut line, TickType::Bid).await;
    let silence = gateway.fault(r#"{"kind":"silence","scope":{"all":true},"cure":"Never"}"#).await;
    let on_its_way = tokio::time::Instant::now() + Duration::from_millis(300);
    while tokio::time::timeout_at(on_its_way, line.next()).await.is_ok() {}
    assert!(tokio::time::timeout(SILENCE, line.next()).await.is_err());
    gateway.end(silence).await;
    until(&mut line, TickType::Volume).await;
    let feed = gateway.json("GET", "/sessions", "").await[0]["feeds"][0].clone();
    assert_eq!((&feed["con_id"], &feed["what"], &feed["ended"]), (&SIM1.into(), &"line".into(), &false.into()));
    gateway.fault(r#"{"kind":"competing"}"#).await;
    let code = loop {
        match next(&mut line).await {
            Ok(_) => {}
            error => break error_of(error),
        }
    };
    assert_eq!(code, 10197);
}

#[tokio::test]
async fn a_line_that_was_lost_comes_back_with_a_new_request() {
    let gateway = gateway_at(NOON_US, 1.0).await;
    let client = gateway.client(1).await;
    let mut lost = line(&client, &sim_contract(SIM1), &[]).await;
    until(&mut lost, TickType::Bid).await;
    gateway.fault(r#"{"kind":"lose_subscriptions","scope":{"con_id":900001}}"#).await;
    let mut new = line(&client, &sim_contract(SIM1), &[]).await;
    for _ in 0..3 {
        until(&mut new, TickType::Volume).await;
    }
    // What was on its way is all that there is.
    let on_its_way = async { while lost.next().await.is_some() {} };
    assert!(tokio::time::timeout(Duration::from_millis(500), on_its_way).await.is_err());
    assert!(tokio::time::timeout(SILENCE, lost.next()).await.is_err());
    let feeds = gateway.json("GET", "/sessions", "").await[0]["feeds"].clone();
    assert_eq!((&feeds[0]["ended"], &feeds[1]["ended"]), (&true.into(), &false.into()));
}

#[tokio::test]
async fn five_second_bars_follow_each_other() {
    // Ten times as fast: a bar each half second.
    let gateway = gateway_at(NOON_US, 10.0).await;
    let client = gateway.client(1).await;
    let contract = sim_contract(SIM1);
    let request = client.realtime_bars(&contract).what_to_show(RealtimeWhatToShow::Trades);
    let mut bars = request.trading_hours(TradingHours::Extended).subscribe().await.unwrap();
    let mut last = None;
    for _ in 0..4 {
        let SubscriptionItem::Data(bar) = within("a bar", bars.next()).await.unwrap().unwrap() else { panic!() };
        let start = bar.date.unix_timestamp();
        assert!(start % 5 == 0 && last.is_none_or(|last| start == last + 5), "{last:?} {start}");
        let trades = journal(&gateway, Kind::Last, start, start + 5).await;
        assert_eq!((bar.count as usize, Some(bar.open)), (trades.len(), trades[0].fields.price));
        last = Some(start);
    }
    bars.cancel().await;
}
