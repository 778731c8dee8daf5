//! A client that this project did not write: session, contracts, ticks, cancel.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::time::Duration;

use futures::StreamExt;
use ib_gateway_sim::judge::compare;
use ib_gateway_sim::market::tick::TickType;
use ibapi::prelude::*;
use support::*;

async fn details(client: &Client, contract: &Contract) -> Vec<ibapi::contracts::ContractDetails> {
    within("contract details", client.contract_details(contract)).await.unwrap()
}

#[tokio::test]
async fn a_session_begins_and_tells_the_time() {
    let gateway = Gateway::start().await;
    let address = gateway.client(7).await;
    drop(address);
    let builder = Client::builder().address(gateway.sim.api_addr().to_string()).client_id(8).max_reconnect_attempts(0);
    let (client, mut notices) = within("a connection", builder.connect_with_notice_stream()).await.unwrap();
    assert_eq!(client.server_version(), 226);
    assert_eq!(client.handshake_managed_accounts(), ["DU1234567"]);
    let mut codes = Vec::new();
    while codes.len() < 4 {
        codes.push(within("a notice", notices.next()).await.unwrap().code);
    }
    assert_eq!(codes, [2104, 2104, 2106, 2158]);
    let before = now_s();
    let seconds = within("the time", client.server_time()).await.unwrap().unix_timestamp();
    let millis = within("the time", client.server_time_millis()).await.unwrap().unix_timestamp();
    assert!((before..=now_s()).contains(&seconds) && (before..=now_s()).contains(&millis));
    assert_eq!(within("accounts", client.managed_accounts()).await.unwrap(), ["DU1234567"]);
    client.disconnect().await;
    within("the end of the session", async {
        while gateway.json("GET", "/sessions", "").await != serde_json::json!([]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_id_is_used_once_at_a_time() {
    let gateway = Gateway::start().await;
    let first = gateway.client(7).await;
    let taken = within("a refusal", gateway.try_client(7)).await;
    assert!(matches!(taken, Err(ibapi::Error::ClientIdInUse { client_id: 7 })), "{:?}", taken.err());
    first.disconnect().await;
    within("the id to be free", async {
        while gateway.try_client(7).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let fault = gateway.fault(r#"{"kind":"client_id_in_use","client_id":9}"#).await;
    let taken = within("a refusal", gateway.try_client(9)).await;
    assert!(matches!(taken, Err(ibapi::Error::ClientIdInUse { client_id: 9 })), "{:?}", taken.err());
    gateway.end(fault).await;
    gateway.client(9).await;
}

#[tokio::test]
async fn contracts_are_found_by_id_and_by_description() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let by_id = Contract { contract_id: 711_280_073, exchange: "CME".into(), ..Default::default() };
    let mnq = details(&client, &by_id).await;
    assert_eq!(mnq.len(), 1);
    assert_eq!(mnq[0].contract.symbol.to_string(), "MNQ");
    assert_eq!(mnq[0].time_zone_id, "US/Central");
    assert_eq!(mnq[0].min_tick, 0.25);
    assert_eq!(mnq[0].trading_hours.len(), 6);
    assert!(mnq[0].trading_hours.iter().all(|day| day.contains(":0000-") && day.ends_with(":2359")));
    // What the client got back is what it may subscribe with.
    let mut ticks = client.tick_by_tick(&mnq[0].contract, 0).last().await.unwrap();
    within("a tick", ticks.next()).await.unwrap().unwrap();
    let apple = details(&client, &Contract::stock("AAPL").build()).await;
    assert_eq!(apple[0].contract.contract_id, 265_598);
    let bitcoin = Contract {
        symbol: "BTC".into(),
        security_type: SecurityType::Crypto,
        exchange: "PAXOS".into(),
        currency: "USD".into(),
        ..Default::default()
    };
    assert_eq!(details(&client, &bitcoin).await[0].contract.contract_id, 900_100);
    for unknown in [Contract::stock("NOPE").build(), Contract { contract_id: 12, ..Default::default() }] {
        match within("an error", client.contract_details(&unknown)).await {
            Err(ibapi::Error::Notice(notice)) => assert_eq!(notice.code, 200),
            other => panic!("{other:?}"),
        }
        let mut ticks = client.tick_by_tick(&unknown, 0).last().await.unwrap();
        match within("an error", ticks.next()).await {
            Some(Err(ibapi::Error::Notice(notice))) => assert_eq!(notice.code, 200),
            other => panic!("{other:?}"),
        }
    }
    let requests = gateway.requests().await;
    let found: Vec<_> = requests.iter().filter(|line| line["event"] == "contract_details").collect();
    assert_eq!(found.len(), 5);
    assert_eq!(found[0]["found"], 1);
}

#[tokio::test]
async fn every_tick_type_flows_and_equals_the_journal() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut streams = Vec::new();
    for tick in TickType::ALL {
        streams.push(Ticks::subscribe(&client, SIM1, tick).await);
    }
    let mut recorded = Vec::new();
    let mut window = (i64::MAX, i64::MAX);
    for stream in &mut streams {
        // Three whole seconds, after the first second of the last stream.
        let first = stream.flows(SIM1).await;
        window.0 = if window.0 == i64::MAX { now_s() + 1 } else { window.0 };
        window.1 = window.0 + 3;
        recorded.push(first);
    }
    for stream in &mut streams {
        loop {
            let tick = stream.flows(SIM1).await;
            if tick.time_s >= window.1 {
                break;
            }
            recorded.push(tick);
        }
    }
    let journal = gateway.journal(window.0, window.1).await;
    let verdict = compare(&journal, &recorded, window);
    assert!(verdict.complete() && verdict.lossless(), "{verdict:#?}");
    assert_eq!(verdict.streams.len(), 4);
    assert!(verdict.streams.iter().all(|stream| stream.counts.generated >= 3));
    assert_eq!(verdict.total.sent, verdict.total.generated);
    // Each went out soon after it was due, and never before.
    for tick in &journal {
        let late_us = tick.sent[0].at_us - tick.at_us;
        assert!((0..1_000_000).contains(&late_us), "{late_us}");
        assert_eq!(tick.sent[0].client_id, 1);
    }
}

#[tokio::test]
async fn cancel_stops_the_ticks() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut stream = Ticks::subscribe(&client, SIM1, TickType::BidAsk).await;
    stream.flows(SIM1).await;
    drop(stream);
    within("the cancel", async {
        while gateway.json("GET", "/sessions", "").await[0]["subscriptions"] != serde_json::json!([]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let before = gateway.json("GET", "/status", "").await["ticks_sent"].clone();
    tokio::time::sleep(SILENCE).await;
    let after = gateway.json("GET", "/status", "").await["ticks_sent"].clone();
    assert_eq!(before, after);
    let events: Vec<_> =
        gateway.requests().await.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["start", "login_attempt", "logged_in", "accept", "connect", "subscribe", "cancel"]);
}

#[tokio::test]
async fn other_requests_get_an_error_with_their_id() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    let mut profit = client.pnl(&"DU1".into(), None).await.unwrap();
    match within("an error", profit.next()).await {
        Some(Err(ibapi::Error::Notice(notice))) => assert_eq!(notice.code, 321),
        other => panic!("{other:?}"),
    }
    let error = client.tick_by_tick(&Contract { exchange: "".into(), ..sim_contract(SIM1) }, 0).last().await;
    match within("an error", error.unwrap().next()).await {
        Some(Err(ibapi::Error::Notice(notice))) => assert!(notice.message.ends_with("Please enter exchange")),
        other => panic!("{other:?}"),
    }
}
