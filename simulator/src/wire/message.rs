//! Ticks as frame bodies.

use prost::Message;

use super::ids::PROTOBUF_OFFSET;
use super::pb;
pub use super::request::{Request, RequestError, decode};
use crate::market::tick::{Body, Tick, TickType};

/// Body of a message: its id, then the protobuf.
#[must_use]
pub fn encode(number: i32, message: &impl Message) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + message.encoded_len());
    body.extend_from_slice(&(number + PROTOBUF_OFFSET).to_be_bytes());
    body.extend_from_slice(&message.encode_to_vec());
    body
}

/// Number of the message that carries a tick.
const TICK_BY_TICK: i32 = 99;

/// Body of a tick for the subscription `req_id`. Its time goes out as whole seconds, as in the original.
#[must_use]
pub fn tick(req_id: i32, kind: TickType, tick: &Tick) -> Vec<u8> {
    let time = Some(tick.second);
    let data = match &tick.body {
        Body::Trade(trade) => pb::tick_by_tick_data::Tick::Trade(pb::TradeTick {
            time,
            attributes: Some(pb::TradeAttributes {
                past_limit: flag(trade.past_limit),
                unreported: flag(trade.unreported),
            }),
            price: Some(trade.price),
            size: Some(decimal(trade.size)),
            exchange: Some(trade.exchange.to_owned()),
            special_conditions: Some(trade.conditions.to_owned()),
        }),
        Body::Quote(quote) => pb::tick_by_tick_data::Tick::Quote(pb::QuoteTick {
            time,
            attributes: Some(pb::QuoteAttributes {
                bid_past_low: flag(quote.bid_past_low),
                ask_past_high: flag(quote.ask_past_high),
            }),
            price_bid: Some(quote.bid),
            price_ask: Some(quote.ask),
            size_bid: Some(decimal(quote.bid_size)),
            size_ask: Some(decimal(quote.ask_size)),
        }),
        // The original always says size 0 here.
        Body::Mid(price) => {
            pb::tick_by_tick_data::Tick::Mid(pb::MidTick { time, price: Some(*price), size: Some(decimal(0.0)) })
        }
    };
    let message = pb::TickByTickData { req_id: Some(req_id), tick_type: Some(kind.wire()), tick: Some(data) };
    encode(TICK_BY_TICK, &message)
}

/// The original leaves out attributes that are not set.
fn flag(set: bool) -> Option<bool> {
    set.then_some(true)
}

/// Decimal text of a size. Rust prints the shortest text that reads back as the same number, never an exponent.
fn decimal(size: f64) -> String {
    size.to_string()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
