//! The limits of a login, met by a client that this project did not write.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use futures::StreamExt;
use ib_gateway_sim::clock::ClockSetting;
use ib_gateway_sim::limits::{AboveRate, LimitsConfig, TickByTickError};
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::{Config, Simulator};
use ibapi::prelude::*;
use support::*;

/// A moment of the tests' clock, microseconds since the epoch.
const AT: i64 = 1_800_000_000_000_000;

async fn gateway(limits: LimitsConfig) -> Gateway {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        limits,
        // Stands still: a limit depends on nothing but the requests.
        clock: ClockSetting { at_us: Some(AT), speed: 0.0 },
        ..Config::local(dir.path())
    };
    Gateway { sim: Simulator::start(config).await.unwrap(), dir }
}

/// The codes of the errors in the request log.
async fn codes(gateway: &Gateway) -> Vec<i64> {
    let errors = gateway.requests().await.into_iter().filter(|line| line["event"] == "error");
    errors.map(|line| line["code"].as_i64().unwrap()).collect()
}

async fn codes_come(gateway: &Gateway, expected: &[i64]) {
    within("the errors", async {
        while codes(gateway).await != expected {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_third_message_above_the_rate_ends_the_session() {
    let gateway = gateway(LimitsConfig { messages_per_s: 5, ..LimitsConfig::OFF }).await;
    let client = gateway.client(1).await;
    // The start of the session is the first message.
    for _ in 0..4 {
        within("the time", client.server_time()).await.unwrap();
    }
    let (first, second, third) = tokio::join!(client.server_time(), client.server_time(), client.server_time());
    assert!(first.is_err() && second.is_err() && third.is_err());
    codes_come(&gateway, &[100, 100, 100]).await;
    let log = gateway.requests().await;
    let texts: Vec<_> = log.iter().filter(|line| line["event"] == "error").map(|line| line["text"].clone()).collect();
    assert_eq!(texts[2], "Max rate of messages per second has been exceeded:max=5 rec=8 (3)");
    assert!(log.last().unwrap()["reason"].as_str().unwrap().contains("third time"));
}

#[tokio::test]
async fn a_queue_makes_messages_wait_for_the_clock() {
    let gateway = gateway(LimitsConfig { messages_per_s: 2, above_rate: AboveRate::Queue, ..LimitsConfig::OFF }).await;
    let client = gateway.client(1).await;
    within("the time", client.server_time()).await.unwrap();
    let mut waiting = Box::pin(client.server_time());
    // The clock stands still: this one is never due.
    assert!(tokio::time::timeout(SILENCE, &mut waiting).await.is_err());
    assert!(codes(&gateway).await.is_empty());
}

#[tokio::test]
async fn tick_by_tick_has_few_lines() {
    for (error, code) in [(TickByTickError::Code10190, 10190), (TickByTickError::Code322, 322)] {
        let gateway = gateway(LimitsConfig { tick_by_tick_error: error, ..LimitsConfig::IBKR }).await;
        let client = gateway.client(1).await;
        let mut streams = Vec::new();
        for con_id in SIM1..SIM1 + 5 {
            streams.push(Ticks::subscribe(&client, con_id, TickType::Last).await);
        }
        let other = gateway.client(2).await;
        let refused = Ticks::subscribe(&other, SIM1, TickType::Last).await.error(SIM1).await;
        assert!(refused.0 == code && refused.1.contains("Max number of tick-by-tick"), "{refused:?}");
        // A line that is given back is free at once.
        drop(streams.pop());
        within("the cancel", async {
            while !gateway.requests().await.iter().any(|line| line["event"] == "cancel") {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        streams.push(Ticks::subscribe(&other, SIM2, TickType::Last).await);
        within("the time", other.server_time()).await.unwrap();
        assert_eq!(codes(&gateway).await[0], i64::from(code));
    }
}

#[tokio::test]
async fn an_instrument_is_asked_for_once_in_15_seconds() {
    let gateway = gateway(LimitsConfig { tick_by_tick_pause_s: 15, ..LimitsConfig::OFF }).await;
    let client = gateway.client(1).await;
    let _first = Ticks::subscribe(&client, SIM1, TickType::Last).await;
    let _other = Ticks::subscribe(&client, SIM2, TickType::Last).await;
    assert_eq!(Ticks::subscribe(&client, SIM1, TickType::BidAsk).await.error(SIM1).await.0, 10190);
    assert_eq!(codes(&gateway).await[0], 10190);
}

#[tokio::test]
async fn market_data_has_so_many_lines() {
    let gateway = gateway(LimitsConfig { lines: 1, ..LimitsConfig::OFF }).await;
    let client = gateway.client(1).await;
    let _first = client.market_data(&sim_contract(SIM1)).subscribe().await.unwrap();
    let mut second = client.market_data(&sim_contract(SIM2)).subscribe().await.unwrap();
    match within("an error", second.next()).await {
        Some(Err(ibapi::Error::Notice(notice))) => assert_eq!(notice.code, 101),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_client_too_many_is_closed_without_a_word() {
    let gateway = gateway(LimitsConfig { clients: 1, ..LimitsConfig::OFF }).await;
    let first = gateway.client(1).await;
    let refused = within("a refusal", gateway.try_client(2)).await;
    assert!(refused.is_err() && !matches!(refused, Err(ibapi::Error::ClientIdInUse { .. })), "{:?}", refused.err());
    assert!(codes(&gateway).await.is_empty());
    first.disconnect().await;
    within("the place to be free", async {
        while gateway.try_client(2).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_gone_holds_its_id_for_a_while() {
    let gateway = gateway(LimitsConfig { linger_s: 30, ..LimitsConfig::OFF }).await;
    gateway.client(7).await.disconnect().await;
    within("the end of the session", async {
        while gateway.json("GET", "/sessions", "").await != serde_json::json!([]) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let taken = within("a refusal", gateway.try_client(7)).await;
    assert!(matches!(taken, Err(ibapi::Error::ClientIdInUse { client_id: 7 })), "{:?}", taken.err());
    gateway.client(8).await;
}

#[tokio::test]
async fn history_is_paced_and_bars_have_a_code_of_their_own() {
    let gateway = gateway(LimitsConfig::IBKR).await;
    let client = gateway.client(1).await;
    let contract = sim_contract(SIM1);
    for expected in [0, 162] {
        let request = client.historical_data(&contract, HistoricalBarSize::Sec5).duration(60.seconds());
        match within("bars", request.what_to_show(HistoricalWhatToShow::MidPoint).fetch()).await {
            Ok(_) => assert_eq!(expected, 0),
            Err(ibapi::Error::Notice(notice)) => {
                assert_eq!(notice.code, expected);
                assert!(notice.message.contains("pacing violation"), "{}", notice.message);
            }
            Err(error) => panic!("{error}"),
        }
    }
    let bars = || client.realtime_bars(&contract).what_to_show(RealtimeWhatToShow::MidPoint);
    let _first = bars().subscribe().await.unwrap();
    let mut second = bars().subscribe().await.unwrap();
    match within("an error", second.next()).await {
        Some(Err(ibapi::Error::Notice(notice))) => assert_eq!(notice.code, 420),
        other => panic!("{other:?}"),
    }
}
