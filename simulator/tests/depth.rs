//! Order books, met by a client that this project did not write.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use futures::StreamExt;
use ib_gateway_sim::clock::ClockSetting;
use ib_gateway_sim::limits::LimitsConfig;
use ib_gateway_sim::market::{Market, MarketConfig};
use ib_gateway_sim::wire::pb;
use ib_gateway_sim::{Config, Simulator};
use ibapi::market_data::realtime::MarketDepths;
use ibapi::prelude::*;
use ibapi::subscriptions::SubscriptionItem;
use support::raw::Raw;
use support::*;

/// A moment at which everything is open, microseconds since the epoch.
const AT: i64 = 1_800_000_000_000_000;

const ROWS: i32 = 5;

async fn gateway() -> (Gateway, Market) {
    let dir = tempfile::tempdir().unwrap();
    let market = MarketConfig { always_open: true, ..MarketConfig::default() };
    // Stands still: the book is that of one moment.
    let clock = ClockSetting { at_us: Some(AT), speed: 0.0 };
    let limits = LimitsConfig { depth: 3, ..LimitsConfig::OFF };
    let config = Config { market: market.clone(), clock, limits, ..Config::local(dir.path()) };
    (Gateway { sim: Simulator::start(config).await.unwrap(), dir }, Market::new(market))
}

/// The first data or error of a subscription.
async fn first(books: &mut Subscription<MarketDepths>) -> Result<MarketDepths, i32> {
    match within("a row", books.next()).await {
        Some(Ok(SubscriptionItem::Data(row))) => Ok(row),
        Some(Err(ibapi::Error::Notice(notice))) => Err(notice.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_rows_are_the_top_of_the_book() {
    let (gateway, market) = gateway().await;
    let client = gateway.client(1).await;
    let quote = market.top_of_book(SIM1, AT).unwrap().quote;
    for smart in [SmartDepth::No, SmartDepth::Yes] {
        let mut books = client.market_depth(&sim_contract(SIM1), ROWS).smart_depth(smart).subscribe().await.unwrap();
        for side in [(1, quote.bid, quote.bid_size), (0, quote.ask, quote.ask_size)] {
            let row = first(&mut books).await.unwrap();
            let (position, operation, got, named) = match row {
                MarketDepths::MarketDepth(row) => (row.position, row.operation, (row.side, row.price, row.size), false),
                MarketDepths::MarketDepthL2(row) => {
                    let named = row.smart_depth && !row.market_maker.is_empty();
                    (row.position, row.operation, (row.side, row.price, row.size), named)
                }
                other => panic!("{other:?}"),
            };
            assert_eq!((position, operation, got), (0, 0, side));
            assert_eq!(named, smart == SmartDepth::Yes);
            // The rest of the side.
            let top = market.top_of_book(SIM1, AT).unwrap();
            let book = market.depth(SIM1, &top, ROWS as usize, AT);
            let rows = if side.0 == 1 { book.bids } else { book.asks };
            for _ in 1..rows.len() {
                first(&mut books).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn one_book_too_many_is_refused_until_another_is_cancelled() {
    let (gateway, _) = gateway().await;
    let client = gateway.client(1).await;
    let contract = sim_contract(SIM1);
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut books = client.market_depth(&contract, ROWS).subscribe().await.unwrap();
        first(&mut books).await.unwrap();
        held.push(books);
    }
    let mut fourth = client.market_depth(&contract, ROWS).subscribe().await.unwrap();
    assert_eq!(first(&mut fourth).await.unwrap_err(), 309);
    held.pop().unwrap().cancel().await;
    within("the cancel", async {
        while !gateway.requests().await.iter().any(|line| line["event"] == "cancel_feed") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut again = client.market_depth(&contract, ROWS).subscribe().await.unwrap();
    first(&mut again).await.unwrap();
}

#[tokio::test]
async fn a_book_has_1_to_20_rows() {
    let (gateway, _) = gateway().await;
    let client = gateway.client(1).await;
    for rows in [0, 21] {
        let mut books = client.market_depth(&sim_contract(SIM1), rows).subscribe().await.unwrap();
        assert_eq!(first(&mut books).await.unwrap_err(), 321, "{rows}");
    }
}

#[tokio::test]
async fn a_cancel_of_an_unknown_book_is_an_error() {
    let (gateway, _) = gateway().await;
    let mut raw = Raw::connect(&gateway, 1).await;
    raw.send(11, &pb::AnyRequest { req_id: Some(7) }).await;
    within("the error", async {
        while !gateway.requests().await.iter().any(|line| line["code"] == 310 && line["req_id"] == 7) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
