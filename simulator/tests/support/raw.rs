//! A client of bytes: for what a well-behaved client would not show.

use ib_gateway_sim::judge::{Fields, RecordedTick};
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::wire::frame::{self, FrameError};
use ib_gateway_sim::wire::pb;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Gateway, within};

/// Added to a message number in the protobuf dialect.
const OFFSET: i32 = 200;
const TICK_BY_TICK: i32 = 99 + OFFSET;

pub struct Raw {
    pub stream: BufReader<TcpStream>,
}

impl Raw {
    /// A session, up to its start.
    pub async fn connect(gateway: &Gateway, client_id: i32) -> Self {
        let stream = loop {
            match TcpStream::connect(gateway.sim.api_addr()).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        };
        let mut raw = Self { stream: BufReader::new(stream) };
        raw.write(b"API\0\0\0\0\x09v213..226").await;
        let greeting = within("a greeting", raw.frame()).await.unwrap().unwrap();
        assert!(greeting.starts_with(b"226\0"));
        raw.send(71, &pb::StartApiRequest { client_id: Some(client_id), optional_capabilities: None }).await;
        raw
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.unwrap();
    }

    pub async fn send(&mut self, number: i32, message: &impl Message) {
        let mut body = (number + OFFSET).to_be_bytes().to_vec();
        message.encode(&mut body).unwrap();
        let mut bytes = Vec::new();
        frame::write(&mut bytes, &body);
        self.write(&bytes).await;
    }

    pub async fn subscribe(&mut self, req_id: i32, con_id: i32, tick: TickType) {
        let contract = pb::Contract { con_id: Some(con_id), exchange: Some("PAXOS".to_owned()), ..Default::default() };
        let request = pb::TickByTickRequest {
            req_id: Some(req_id),
            contract: Some(contract),
            tick_type: Some(tick.name().to_owned()),
            ..Default::default()
        };
        self.send(97, &request).await;
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        frame::read(&mut self.stream, 1).await
    }

    /// The next frame that is neither a tick nor part of the begin of a session.
    pub async fn other(&mut self) -> Vec<u8> {
        const BEGIN: [i32; 2] = [9 + OFFSET, 15 + OFFSET];
        loop {
            let body = within("a frame", self.frame()).await.unwrap().unwrap();
            let id = i32::from_be_bytes(body[..4].try_into().unwrap());
            let notice =
                id == 4 + OFFSET && pb::ErrorMessage::decode(&body[4..]).is_ok_and(|error| error.id == Some(-1));
            if id != TICK_BY_TICK && !BEGIN.contains(&id) && !notice {
                return body;
            }
        }
    }

    /// The next tick of that contract. Other frames are passed over.
    pub async fn tick(&mut self, con_id: i32) -> RecordedTick {
        loop {
            let body = within("a tick", self.frame()).await.unwrap().unwrap();
            if body.starts_with(&TICK_BY_TICK.to_be_bytes()) {
                return tick(con_id, &pb::TickByTickData::decode(&body[4..]).unwrap());
            }
        }
    }

    /// All bytes that come until nothing has come for so long.
    pub async fn rest(&mut self, quiet: std::time::Duration) -> Vec<u8> {
        let mut bytes = vec![0; 65_536];
        let mut all = Vec::new();
        while let Ok(Ok(length @ 1..)) = tokio::time::timeout(quiet, self.stream.read(&mut bytes)).await {
            all.extend_from_slice(&bytes[..length]);
        }
        all
    }
}

fn tick(con_id: i32, data: &pb::TickByTickData) -> RecordedTick {
    use pb::tick_by_tick_data::Tick;
    let number = |text: &Option<String>| text.as_ref().map(|text| text.parse().unwrap());
    let (time_s, fields) = match data.tick.clone().unwrap() {
        Tick::Trade(trade) => {
            let attributes = trade.attributes.unwrap_or_default();
            let fields = Fields {
                price: trade.price,
                size: number(&trade.size),
                exchange: trade.exchange,
                conditions: trade.special_conditions,
                past_limit: attributes.past_limit,
                unreported: attributes.unreported,
                ..Fields::default()
            };
            (trade.time, fields)
        }
        Tick::Quote(quote) => {
            let attributes = quote.attributes.unwrap_or_default();
            let fields = Fields {
                bid: quote.price_bid,
                ask: quote.price_ask,
                bid_size: number(&quote.size_bid),
                ask_size: number(&quote.size_ask),
                bid_past_low: attributes.bid_past_low,
                ask_past_high: attributes.ask_past_high,
                ..Fields::default()
            };
            (quote.time, fields)
        }
        Tick::Mid(mid) => (mid.time, Fields { mid: mid.price, ..Fields::default() }),
    };
    let tick = TickType::from_wire(data.tick_type.unwrap()).unwrap();
    RecordedTick { con_id, tick, time_s: time_s.unwrap(), fields }
}
