//! What the tests share: a simulator with a client of the `ibapi` crate, and plain HTTP to the admin port.
#![allow(dead_code, clippy::unwrap_used, reason = "tests only, and each test file uses its part")]

pub mod raw;

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use ib_gateway_sim::judge::{Fields, JournalTick, RecordedTick};
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::{Config, Simulator};
use ibapi::prelude::*;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long a stream must be silent to count as silent: each stream of a test contract ticks in every second.
pub const SILENCE: Duration = Duration::from_millis(2_500);

pub const SIM1: i32 = 900_001;
pub const SIM2: i32 = 900_002;

pub struct Gateway {
    pub sim: Simulator,
    pub dir: TempDir,
}

impl Gateway {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sim = Simulator::start(Config::local(dir.path())).await.unwrap();
        Self { sim, dir }
    }

    /// Another process on the same state.
    pub async fn restart(self) -> Self {
        let Self { sim, dir } = self;
        sim.shutdown().await;
        let sim = Simulator::start(Config::local(dir.path())).await.unwrap();
        Self { sim, dir }
    }

    pub async fn client(&self, id: i32) -> Client {
        within("a connection", async {
            loop {
                // The port opens a moment after the start, and after the end of a fault.
                match self.try_client(id).await {
                    Ok(client) => return client,
                    Err(ibapi::Error::Io(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await
    }

    pub async fn try_client(&self, id: i32) -> Result<Client, ibapi::Error> {
        let address = self.sim.api_addr().to_string();
        Client::builder().address(address).client_id(id).max_reconnect_attempts(0).connect().await
    }

    pub async fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        http(self.sim.admin_addr(), method, path, body).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, text) = self.http(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn fault(&self, fault: &str) -> u64 {
        self.json("POST", "/faults", fault).await["id"].as_u64().unwrap()
    }

    pub async fn end(&self, fault: u64) {
        self.json("DELETE", &format!("/faults/{fault}"), "").await;
    }

    pub async fn journal(&self, from: i64, to: i64) -> Vec<JournalTick> {
        let (status, text) = self.http("GET", &format!("/journal?from={from}&to={to}"), "").await;
        assert_eq!(status, 200, "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub async fn requests(&self) -> Vec<Value> {
        let (_, text) = self.http("GET", "/requests", "").await;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// One HTTP request: status and body.
pub async fn http(addr: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an HTTP answer", stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

pub fn sim_contract(con_id: i32) -> Contract {
    Contract {
        contract_id: con_id,
        security_type: SecurityType::Crypto,
        exchange: "PAXOS".into(),
        currency: "USD".into(),
        ..Default::default()
    }
}

/// A subscription of any tick type, read as the judge wants it.
pub enum Ticks {
    Trades(Subscription<ibapi::market_data::realtime::Trade>, TickType),
    Quotes(Subscription<ibapi::market_data::realtime::BidAsk>),
    Mids(Subscription<ibapi::market_data::realtime::MidPoint>),
}

impl Ticks {
    pub async fn subscribe(client: &Client, con_id: i32, tick: TickType) -> Self {
        let contract = sim_contract(con_id);
        let request = client.tick_by_tick(&contract, 0);
        match tick {
            TickType::Last => Self::Trades(request.last().await.unwrap(), tick),
            TickType::AllLast => Self::Trades(request.all_last().await.unwrap(), tick),
            TickType::BidAsk => Self::Quotes(request.bid_ask(IgnoreSize::No).await.unwrap()),
            TickType::MidPoint => Self::Mids(request.mid_point().await.unwrap()),
        }
    }

    /// The next tick. An error is one of the gateway, with its code, or of the connection.
    pub async fn next(&mut self, con_id: i32) -> Result<RecordedTick, ibapi::Error> {
        fn item<T>(item: Option<Result<SubscriptionItem<T>, ibapi::Error>>) -> Result<T, ibapi::Error> {
            match item.unwrap_or(Err(ibapi::Error::Shutdown))? {
                SubscriptionItem::Data(data) => Ok(data),
                SubscriptionItem::Notice(notice) => panic!("{notice:?}"),
            }
        }
        Ok(match self {
            Self::Trades(stream, tick) => {
                let trade = item(stream.next().await)?;
                RecordedTick {
                    con_id,
                    tick: *tick,
                    time_s: trade.time.unix_timestamp(),
                    fields: Fields {
                        price: Some(trade.price),
                        size: Some(trade.size),
                        exchange: Some(trade.exchange),
                        conditions: Some(trade.special_conditions),
                        past_limit: Some(trade.trade_attribute.past_limit),
                        unreported: Some(trade.trade_attribute.unreported),
                        ..Fields::default()
                    },
                }
            }
            Self::Quotes(stream) => {
                let quote = item(stream.next().await)?;
                RecordedTick {
                    con_id,
                    tick: TickType::BidAsk,
                    time_s: quote.time.unix_timestamp(),
                    fields: Fields {
                        bid: Some(quote.bid_price),
                        ask: Some(quote.ask_price),
                        bid_size: Some(quote.bid_size),
                        ask_size: Some(quote.ask_size),
                        bid_past_low: Some(quote.bid_ask_attribute.bid_past_low),
                        ask_past_high: Some(quote.bid_ask_attribute.ask_past_high),
                        ..Fields::default()
                    },
                }
            }
            Self::Mids(stream) => {
                let mid = item(stream.next().await)?;
                RecordedTick {
                    con_id,
                    tick: TickType::MidPoint,
                    time_s: mid.time.unix_timestamp(),
                    fields: Fields { mid: Some(mid.mid_point), ..Fields::default() },
                }
            }
        })
    }

    /// Waits for a tick.
    pub async fn flows(&mut self, con_id: i32) -> RecordedTick {
        within("a tick", self.next(con_id)).await.unwrap()
    }

    /// Takes what was on its way, then waits long enough to be sure that nothing more comes.
    pub async fn is_silent(&mut self, con_id: i32) -> bool {
        let on_its_way = tokio::time::Instant::now() + Duration::from_millis(200);
        while tokio::time::timeout_at(on_its_way, self.next(con_id)).await.is_ok() {}
        tokio::time::timeout(SILENCE, self.next(con_id)).await.is_err()
    }

    /// Waits for the error that ends the stream, and returns its code and text.
    pub async fn error(&mut self, con_id: i32) -> (i32, String) {
        let error = within("an error", async {
            loop {
                if let Err(error) = self.next(con_id).await {
                    return error;
                }
            }
        })
        .await;
        match error {
            ibapi::Error::Notice(notice) => (notice.code, notice.message),
            other => panic!("{other}"),
        }
    }
}

pub fn now_s() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed()
}
