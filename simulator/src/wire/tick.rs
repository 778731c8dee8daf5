//! Ticks as frames. This is the hot path: it appends to a buffer and allocates nothing of its own.

use std::io::Write;

use super::handshake::Dialect;
use super::ids::PROTOBUF_OFFSET;
use super::{frame, pb};
use crate::market::tick::{Body, Quote, Tick, TickType, Trade};

/// Number of the message that carries a tick.
const TICK_BY_TICK: i32 = 99;

/// Appends the frame of a tick for the subscription `req_id`, with its length. The tick's time goes out as whole
/// seconds, as in the original. In protobuf it is byte for byte what `prost` writes for a `TickByTickData`.
pub fn append(out: &mut Vec<u8>, dialect: Dialect, req_id: i32, kind: TickType, tick: &Tick) {
    let start = frame::begin(out);
    match dialect {
        Dialect::Protobuf(_) => protobuf(out, req_id, kind, tick),
        Dialect::Text(_) => text(out, req_id, kind, tick),
    }
    frame::end(out, start);
}

/// A trade as a message.
#[must_use]
pub fn trade(second: i64, trade: &Trade) -> pb::TradeTick {
    pb::TradeTick {
        time: Some(second),
        attributes: Some(pb::TradeAttributes {
            past_limit: flag(trade.past_limit),
            unreported: flag(trade.unreported),
        }),
        price: Some(trade.price),
        size: Some(trade.size.to_string()),
        exchange: Some(trade.exchange.to_owned()),
        special_conditions: Some(trade.conditions.to_owned()),
    }
}

/// A quote as a message.
#[must_use]
pub fn quote(second: i64, quote: &Quote) -> pb::QuoteTick {
    pb::QuoteTick {
        time: Some(second),
        attributes: Some(pb::QuoteAttributes {
            bid_past_low: flag(quote.bid_past_low),
            ask_past_high: flag(quote.ask_past_high),
        }),
        price_bid: Some(quote.bid),
        price_ask: Some(quote.ask),
        size_bid: Some(quote.bid_size.to_string()),
        size_ask: Some(quote.ask_size.to_string()),
    }
}

/// A mid-point as a message. The original always says size 0.
#[must_use]
pub fn mid(second: i64, price: f64) -> pb::MidTick {
    pb::MidTick { time: Some(second), price: Some(price), size: Some("0".to_owned()) }
}

/// The original leaves out attributes that are not set.
fn flag(set: bool) -> Option<bool> {
    set.then_some(true)
}

fn protobuf(out: &mut Vec<u8>, req_id: i32, kind: TickType, tick: &Tick) {
    out.extend_from_slice(&(TICK_BY_TICK + PROTOBUF_OFFSET).to_be_bytes());
    put_integer(out, 1, i64::from(req_id));
    put_integer(out, 2, i64::from(kind.wire()));
    match &tick.body {
        Body::Trade(trade) => put_nested(out, 3, |out| {
            put_integer(out, 1, tick.second);
            put_flags(out, 2, [trade.past_limit, trade.unreported]);
            put_double(out, 3, trade.price);
            put_nested(out, 4, |out| decimal(out, trade.size));
            put_nested(out, 5, |out| out.extend_from_slice(trade.exchange.as_bytes()));
            put_nested(out, 6, |out| out.extend_from_slice(trade.conditions.as_bytes()));
        }),
        Body::Quote(quote) => put_nested(out, 4, |out| {
            put_integer(out, 1, tick.second);
            put_flags(out, 2, [quote.bid_past_low, quote.ask_past_high]);
            put_double(out, 3, quote.bid);
            put_double(out, 4, quote.ask);
            put_nested(out, 5, |out| decimal(out, quote.bid_size));
            put_nested(out, 6, |out| decimal(out, quote.ask_size));
        }),
        Body::Mid(price) => put_nested(out, 5, |out| {
            put_integer(out, 1, tick.second);
            put_double(out, 2, *price);
            put_nested(out, 3, |out| out.push(b'0'));
        }),
    }
}

/// Wire types of protobuf.
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;

fn put_key(out: &mut Vec<u8>, field: u8, wire_type: u8) {
    // Fields up to 15 take one byte.
    out.push(field << 3 | wire_type);
}

fn put_integer(out: &mut Vec<u8>, field: u8, value: i64) {
    put_key(out, field, VARINT);
    put_varint(out, value.cast_unsigned());
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_double(out: &mut Vec<u8>, field: u8, value: f64) {
    put_key(out, field, FIXED_64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A submessage of two flags.
fn put_flags(out: &mut Vec<u8>, field: u8, flags: [bool; 2]) {
    put_nested(out, field, |out| {
        for (number, set) in (1..).zip(flags) {
            if set {
                put_integer(out, number, 1);
            }
        }
    });
}

/// A field with a length: text or a submessage.
fn put_nested(out: &mut Vec<u8>, field: u8, content: impl FnOnce(&mut Vec<u8>)) {
    put_key(out, field, LENGTH_DELIMITED);
    let at = out.len();
    out.push(0);
    content(out);
    match out.len() - at - 1 {
        short @ 0..0x80 => out[at] = short as u8,
        long => {
            let mut length = Vec::new();
            put_varint(&mut length, long as u64);
            out.splice(at..=at, length);
        }
    }
}

fn text(out: &mut Vec<u8>, req_id: i32, kind: TickType, tick: &Tick) {
    let field = |out: &mut Vec<u8>, value: f64| {
        decimal(out, value);
        out.push(0);
    };
    // Writing to a vector cannot fail.
    let _ = write!(out, "{TICK_BY_TICK}\0{req_id}\0{}\0{}\0", kind.wire(), tick.second);
    match &tick.body {
        Body::Trade(trade) => {
            field(out, trade.price);
            field(out, trade.size);
            let mask = u8::from(trade.past_limit) | u8::from(trade.unreported) << 1;
            let _ = write!(out, "{mask}\0{}\0{}\0", trade.exchange, trade.conditions);
        }
        Body::Quote(quote) => {
            for value in [quote.bid, quote.ask, quote.bid_size, quote.ask_size] {
                field(out, value);
            }
            let mask = u8::from(quote.bid_past_low) | u8::from(quote.ask_past_high) << 1;
            let _ = write!(out, "{mask}\0");
        }
        Body::Mid(price) => field(out, *price),
    }
}

/// Units in a whole of the short way of [`decimal`]: eight digits after the point, as fine as any size or price here.
const UNITS: f64 = 1e8;

/// Appends the shortest decimal text that reads back as the same number, without an exponent: what Rust prints.
pub(super) fn decimal(out: &mut Vec<u8>, value: f64) {
    let units = (value * UNITS).round();
    // Of at most 15 digits no two decimals are the same number, so this one is the shortest that there is.
    if value.is_sign_positive() && units < 1e15 && (units / UNITS).to_bits() == value.to_bits() {
        let units = units as u64;
        let (whole, mut fraction) = (units / UNITS as u64, units % UNITS as u64);
        let _ = write!(out, "{whole}");
        if fraction > 0 {
            let mut width = 8;
            while fraction % 10 == 0 {
                fraction /= 10;
                width -= 1;
            }
            let _ = write!(out, ".{fraction:0width$}");
        }
        return;
    }
    let _ = write!(out, "{value}");
}

#[cfg(test)]
#[path = "tick_tests.rs"]
mod tests;
