//! The Rust crate `ibapi`, where no other test uses it: its own reconnect, reference data, the account of a start-up.
//! (Contracts, ticks, history, bars, market data, cancels and errors with it are in `session.rs`, `history.rs`,
//! `market_data.rs` and `faults.rs`.)

use futures::StreamExt;
use ib_gateway_sim::market::tick::TickType;
use ibapi::prelude::*;

use crate::support::{Gateway, SIM1, Ticks, within};

/// What the crate says when it has connected again.
const RECONNECTED: i32 = -8;

#[tokio::test]
async fn the_rust_crate_reconnects_by_itself() {
    let gateway = Gateway::start().await;
    // The port opens a moment after the start.
    gateway.client(7).await.disconnect().await;
    let address = gateway.sim.api_addr().to_string();
    let connecting = Client::builder().address(address).client_id(8).connect_with_notice_stream();
    let (client, mut notices) = within("a connection", connecting).await.unwrap();
    for _ in 0..2 {
        let mut stream = Ticks::subscribe(&client, SIM1, TickType::BidAsk).await;
        stream.flows(SIM1).await;
        gateway.json("POST", "/sockets/close?how=fin", "").await;
        let lost = within("the end of the stream", async {
            loop {
                if let Err(error) = stream.next(SIM1).await {
                    return error;
                }
            }
        });
        let lost = lost.await;
        assert!(lost.is_connection_lost(), "{lost}");
        within("a new connection", async { while notices.next().await.unwrap().code != RECONNECTED {} }).await;
    }
    let mut stream = Ticks::subscribe(&client, SIM1, TickType::AllLast).await;
    stream.flows(SIM1).await;
    assert_eq!(client.server_version(), 226);
}

#[tokio::test]
async fn the_rust_crate_reads_reference_data_and_an_empty_account() {
    let gateway = Gateway::start().await;
    let client = gateway.client(7).await;
    let rule = within("a market rule", client.market_rule(67)).await.unwrap();
    let increments: Vec<_> = rule.price_increments.iter().map(|step| (step.low_edge, step.increment)).collect();
    assert_eq!(increments, [(0.0, 0.25)]);
    let samples = within("symbols", client.matching_symbols("aap")).await.unwrap();
    assert_eq!(samples.iter().map(|sample| sample.contract.contract_id).collect::<Vec<_>>(), [265_598]);
    let letters = within("exchanges", client.smart_components("9c0001")).await.unwrap();
    assert!(letters.iter().any(|letter| letter.exchange == "NASDAQ" && letter.exchange_letter == "Q"), "{letters:?}");
    let books = within("exchanges", client.market_depth_exchanges()).await.unwrap();
    assert!(books.iter().any(|book| book.exchange_name == "CME" && book.security_type == "FUT"), "{books:?}");
    assert_eq!(within("codes", client.family_codes()).await.unwrap()[0].account_id, "DU1234567");
    within("user info", client.user_info()).await.unwrap();
    let mut orders = client.open_orders().await.unwrap();
    assert!(within("the end of the orders", orders.next()).await.is_none());
    let mut orders = client.completed_orders(false).await.unwrap();
    assert!(within("the end of the orders", orders.next()).await.is_none());
    let mut positions = client.positions().await.unwrap();
    let first = within("the end of the positions", positions.next()).await;
    assert!(matches!(first, Some(Ok(SubscriptionItem::Data(PositionUpdate::PositionEnd)))), "{first:?}");
}
