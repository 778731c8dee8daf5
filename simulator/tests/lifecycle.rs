//! Logins, restarts, the link to IBKR, farms and other sessions, as a client that this project did not write sees them.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use ib_gateway_sim::clock::ClockSetting;
use ib_gateway_sim::lifecycle::{LifeConfig, Mode, SecondFactor};
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::{Config, Simulator};
use ibapi::prelude::*;
use serde_json::{Value, json};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MNQ: i32 = 711_280_073;

/// One second short of a whole minute: IBC's RESTART waits for that.
const AT: i64 = 1_800_000_059_000_000;

async fn gateway_with(change: impl FnOnce(&mut Config)) -> Gateway {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::local(dir.path());
    change(&mut config);
    Gateway { sim: Simulator::start(config).await.unwrap(), dir }
}

fn live(config: &mut Config) {
    config.life = LifeConfig {
        mode: Mode::Live,
        restart_s: 1,
        command_port: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..LifeConfig::default()
    };
}

/// A client with its notices, the farms' first ones read.
async fn client(gateway: &Gateway) -> (Client, NoticeStream, Vec<i32>) {
    // The port opens a moment after the login.
    drop(gateway.client(99).await);
    let builder = Client::builder().address(gateway.sim.api_addr().to_string()).client_id(1).max_reconnect_attempts(0);
    let (client, mut notices) = within("a connection", builder.connect_with_notice_stream()).await.unwrap();
    within("the time", client.server_time()).await.unwrap();
    let mut first = Vec::new();
    while let Ok(Some(notice)) = tokio::time::timeout(Duration::from_millis(200), notices.next()).await {
        first.push(notice.code);
    }
    (client, notices, first)
}

async fn notice(notices: &mut NoticeStream) -> (i32, String) {
    let notice = within("a notice", notices.next()).await.unwrap();
    (notice.code, notice.message)
}

async fn post(gateway: &Gateway, path: &str, body: Value) {
    gateway.json("POST", path, &body.to_string()).await;
}

async fn phase(gateway: &Gateway) -> String {
    gateway.json("GET", "/life", "").await["login"]["phase"].as_str().unwrap().to_owned()
}

async fn phase_comes(gateway: &Gateway, expected: &str) {
    within(expected, async {
        while phase(gateway).await != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn ibc(gateway: &Gateway, command: &str) -> String {
    let mut stream = TcpStream::connect(gateway.sim.command_addr().unwrap()).await.unwrap();
    stream.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; 256];
    let length = within("an answer", stream.read(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

async fn events(gateway: &Gateway) -> Vec<String> {
    let name = |line: &Value| line["event"].as_str().unwrap().to_owned();
    gateway.requests().await.iter().filter(|line| line["connection"].is_null()).map(name).collect()
}

#[tokio::test]
async fn a_live_login_waits_for_a_person() {
    let gateway = gateway_with(live).await;
    phase_comes(&gateway, "second_factor").await;
    assert!(gateway.try_client(1).await.is_err());
    post(&gateway, "/login/confirm", json!({})).await;
    gateway.client(1).await;
    let (status, text) = gateway.http("POST", "/login/confirm", "").await;
    assert!(status == 409 && text.contains("no second factor"), "{text}");
    assert_eq!(events(&gateway).await, ["start", "login_attempt", "second_factor", "second_factor", "logged_in"]);
}

#[tokio::test]
async fn nobody_confirms_and_the_process_ends_with_ibcs_code() {
    let gateway = gateway_with(|config| {
        live(config);
        config.clock = ClockSetting { at_us: Some(AT), speed: 1_000.0 };
    })
    .await;
    assert_eq!(within("the end", gateway.sim.ended()).await, 87);
    let log = gateway.requests().await;
    assert_eq!(log.iter().filter(|line| line["event"] == "login_attempt").count(), 1);
    assert!(log.iter().any(|line| line["state"] == "timed_out"));
}

#[tokio::test]
async fn a_pause_spares_the_next_start_its_second_factor_and_a_stop_does_not() {
    for (command, resumed) in [("PAUSE", true), ("STOP", false)] {
        let gateway = gateway_with(live).await;
        phase_comes(&gateway, "second_factor").await;
        post(&gateway, "/login/confirm", json!({})).await;
        assert_eq!(ibc(&gateway, command).await, format!("OK {command}\n"));
        assert_eq!(within("the end", gateway.sim.ended()).await, 0);
        let Gateway { sim, dir } = gateway;
        sim.shutdown().await;
        assert_eq!(dir.path().join("live/autorestart").exists(), resumed);
        let mut config = Config::local(dir.path());
        live(&mut config);
        let gateway = Gateway { sim: Simulator::start(config).await.unwrap(), dir };
        phase_comes(&gateway, if resumed { "up" } else { "second_factor" }).await;
        // It is good for one start.
        assert!(!gateway.dir.path().join("live/autorestart").exists());
        let last = gateway.requests().await.into_iter().rfind(|line| line["event"] == "login_attempt").unwrap();
        assert_eq!(last["token"], resumed);
    }
}

#[tokio::test]
async fn ibcs_restart_closes_the_port_and_keeps_the_login() {
    let gateway = gateway_with(|config| {
        live(config);
        config.life.second_factor = SecondFactor::Auto;
        config.clock = ClockSetting { at_us: Some(AT), speed: 1.0 };
    })
    .await;
    let first = gateway.client(1).await;
    let mut ticks = Ticks::subscribe(&first, SIM1, TickType::Last).await;
    ticks.flows(SIM1).await;
    assert_eq!(ibc(&gateway, "RESTART").await, "OK RESTART\n");
    phase_comes(&gateway, "restarting").await;
    within("the end of the session", async { while ticks.next(SIM1).await.is_ok() {} }).await;
    assert!(gateway.try_client(2).await.is_err());
    phase_comes(&gateway, "up").await;
    gateway.client(2).await;
    let asked = events(&gateway).await.iter().filter(|event| *event == "second_factor").count();
    assert_eq!(asked, 2, "initiated and confirmed, once");
}

#[tokio::test]
async fn the_link_breaks_and_three_ways_back() {
    for (data, code, flows) in [("kept", 1102, true), ("lost", 1101, false), ("lying", 1102, false)] {
        let gateway = Gateway::start().await;
        let (client, mut notices, first) = client(&gateway).await;
        assert_eq!(first, [2104, 2104, 2106, 2158, 2108, 2108, 2108, 2107]);
        let mut ticks = Ticks::subscribe(&client, SIM1, TickType::BidAsk).await;
        ticks.flows(SIM1).await;
        post(&gateway, "/upstream", json!({"up": false})).await;
        assert_eq!(notice(&mut notices).await.0, 1100);
        assert!(ticks.is_silent(SIM1).await);
        drop(gateway.client(2).await);
        post(&gateway, "/upstream", json!({"up": true, "data": data, "farms": data != "lost"})).await;
        let (said, text) = notice(&mut notices).await;
        assert_eq!(said, code);
        assert_eq!(text.contains("All data farms are connected: usfuture; usfarm; ushmds; secdefnj."), data != "lost");
        if flows {
            ticks.flows(SIM1).await;
        } else {
            assert!(ticks.is_silent(SIM1).await, "{data}");
            let mut again = Ticks::subscribe(&client, SIM1, TickType::BidAsk).await;
            again.flows(SIM1).await;
        }
    }
}

#[tokio::test]
async fn one_farm_of_several_breaks() {
    let gateway = Gateway::start().await;
    let (client, mut notices, _) = client(&gateway).await;
    let future = Contract {
        contract_id: MNQ,
        security_type: SecurityType::Future,
        exchange: "CME".into(),
        currency: "USD".into(),
        ..Default::default()
    };
    let mut quotes = client.tick_by_tick(&future, 0).last().await.unwrap();
    let mut sim = Ticks::subscribe(&client, SIM1, TickType::Last).await;
    within("a tick", quotes.next()).await.unwrap().unwrap();
    post(&gateway, "/farms/usfuture", json!({"link": "down"})).await;
    assert_eq!(notice(&mut notices).await, (2103, "Market data farm connection is broken:usfuture".to_owned()));
    while tokio::time::timeout(Duration::from_millis(500), quotes.next()).await.is_ok() {}
    sim.flows(SIM1).await;
    post(&gateway, "/farms/usfuture", json!({"link": "up"})).await;
    assert_eq!(notice(&mut notices).await.0, 2104);
    assert!(tokio::time::timeout(SILENCE, quotes.next()).await.is_err());
    let mut again = client.tick_by_tick(&future, 0).last().await.unwrap();
    within("a tick", again.next()).await.unwrap().unwrap();
    // Contract details need theirs, the history its own.
    post(&gateway, "/farms/secdefnj", json!({"link": "down"})).await;
    assert_eq!(notice(&mut notices).await.0, 2157);
    match within("an error", client.contract_details(&future)).await {
        Err(ibapi::Error::Notice(notice)) => assert_eq!(notice.code, 200),
        other => panic!("{other:?}"),
    }
    let (status, text) = gateway.http("POST", "/farms/moonfarm", r#"{"link":"up"}"#).await;
    assert!(status == 400 && text.contains("usfuture"), "{text}");
    let (status, text) = gateway.http("POST", "/farms/usfarm", r#"{"link":"sideways"}"#).await;
    assert!(status == 400 && text.contains("sideways"), "{text}");
}

#[tokio::test]
async fn a_market_that_nobody_wanted_is_connected_on_demand() {
    let gateway = Gateway::start().await;
    let (client, mut notices, _) = client(&gateway).await;
    let tencent = Contract {
        contract_id: 900_700,
        security_type: SecurityType::Stock,
        exchange: "SEHK".into(),
        currency: "HKD".into(),
        ..Default::default()
    };
    let _ticks = client.tick_by_tick(&tencent, 0).last().await.unwrap();
    assert_eq!(notice(&mut notices).await, (2119, "Market data farm is connecting:hfarm".to_owned()));
    assert_eq!(notice(&mut notices).await, (2104, "Market data farm connection is OK:hfarm".to_owned()));
}

#[tokio::test]
async fn another_session_has_the_data_in_three_ways() {
    for (answers, ends, refused) in [("codes", true, true), ("accepted", true, false), ("silence", false, false)] {
        let gateway = Gateway::start().await;
        let client = gateway.client(1).await;
        let mut ticks = Ticks::subscribe(&client, SIM1, TickType::Last).await;
        ticks.flows(SIM1).await;
        post(&gateway, "/competing", json!({"answers": answers})).await;
        if ends {
            assert_eq!(ticks.error(SIM1).await.0, 10197);
        } else {
            assert!(ticks.is_silent(SIM1).await);
        }
        let mut new = Ticks::subscribe(&client, SIM2, TickType::Last).await;
        if refused {
            let (code, text) = new.error(SIM2).await;
            assert!(code == 10189 && text.contains("different IP address"), "{code} {text}");
            let contract = sim_contract(SIM1);
            let request = client.historical_data(&contract, HistoricalBarSize::Min).duration(60.seconds());
            match within("bars", request.what_to_show(HistoricalWhatToShow::MidPoint).fetch()).await {
                Err(ibapi::Error::Notice(notice)) => {
                    assert!(notice.code == 162 && notice.message.contains("different IP address"));
                }
                other => panic!("{other:?}"),
            }
        } else {
            assert!(new.is_silent(SIM2).await);
        }
        gateway.json("DELETE", "/competing", "").await;
        let mut again = Ticks::subscribe(&client, SIM1, TickType::Last).await;
        again.flows(SIM1).await;
        assert_eq!(gateway.http("DELETE", "/competing", "").await.0, 404);
    }
}

#[tokio::test]
async fn a_login_that_another_takes_ends_as_the_setting_says() {
    let gateway = gateway_with(|config| {
        config.life.existing_session = ib_gateway_sim::lifecycle::ExistingSession::Secondary;
    })
    .await;
    gateway.client(1).await;
    post(&gateway, "/competing", json!({"takes_login": true})).await;
    assert_eq!(within("the end", gateway.sim.ended()).await, 0);
    // The other is still there at the next start, and this one still yields.
    let Gateway { sim, dir } = gateway;
    sim.shutdown().await;
    let mut config = Config::local(dir.path());
    config.life.existing_session = ib_gateway_sim::lifecycle::ExistingSession::Secondary;
    let gateway = Gateway { sim: Simulator::start(config).await.unwrap(), dir };
    assert_eq!(within("the end", gateway.sim.ended()).await, 0);
    gateway.restart().await.client(1).await;
}

#[tokio::test]
async fn reconnectdata_cures_a_1102_that_lies() {
    let gateway = gateway_with(live).await;
    phase_comes(&gateway, "second_factor").await;
    post(&gateway, "/login/confirm", json!({})).await;
    let (client, mut notices, _) = client(&gateway).await;
    let mut ticks = Ticks::subscribe(&client, SIM1, TickType::Last).await;
    ticks.flows(SIM1).await;
    post(&gateway, "/upstream", json!({"up": false})).await;
    post(&gateway, "/upstream", json!({"up": true, "data": "lying"})).await;
    assert_eq!((notice(&mut notices).await.0, notice(&mut notices).await.0), (1100, 1102));
    assert!(ticks.is_silent(SIM1).await);
    assert_eq!(ibc(&gateway, "RECONNECTDATA").await, "OK RECONNECTDATA\n");
    ticks.flows(SIM1).await;
    assert_eq!(ibc(&gateway, "RECONNECTACCOUNT").await, "OK RECONNECTACCOUNT\n");
    ticks.flows(SIM1).await;
    assert!(ibc(&gateway, "DANCE").await.starts_with("ERROR"));
}
