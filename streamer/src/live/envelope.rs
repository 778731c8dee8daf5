//! Messages of live readers in version 2 of ib-stream's envelope: `{type, stream_id, timestamp, data, metadata}`.

use jiff::{Timestamp, tz::TimeZone};
use marketstream_proto::{TickKind, TickMessage, layout::MICROS_PER_SECOND};
use serde::Serialize;
use serde_json::Value;

/// A message.
#[derive(Debug, Serialize)]
struct Envelope<'a, D> {
    r#type: &'a str,
    stream_id: &'a str,
    timestamp: String,
    data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

/// What stands beside a tick.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Metadata<'a> {
    /// From here a reader can read on.
    pub id: &'a str,
    /// Whether it comes before the live ticks; told only to those who asked for what is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub historical: Option<bool>,
    /// `backfill`, of a tick that was fetched later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tick.
    Tick,
    /// What the reader should know.
    Info,
    /// Why the stream ends, when that is a fault.
    Error,
    /// Why the stream ends.
    Complete,
}

impl Kind {
    /// Its name in the envelope, and of the server-sent event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Info => "info",
            Self::Error => "error",
            Self::Complete => "complete",
        }
    }
}

/// A message about a stream, dated `now`.
#[must_use]
pub fn message(kind: Kind, stream_id: &str, now: Timestamp, data: Value) -> String {
    text(&Envelope { r#type: kind.as_str(), stream_id, timestamp: iso(now), data, metadata: None })
}

/// A tick, dated by its receipt.
#[must_use]
pub fn tick(kind: TickKind, stream_id: &str, metadata: Metadata<'_>, tick: &TickMessage) -> String {
    text(&Envelope {
        r#type: Kind::Tick.as_str(),
        stream_id,
        timestamp: iso_micros(tick.st),
        data: Tick::of(kind, tick),
        metadata: Some(metadata),
    })
}

fn text(message: &impl Serialize) -> String {
    // Strings, numbers and maps with text keys: nothing here can fail to become JSON.
    serde_json::to_string(message).unwrap_or_default()
}

/// A time as ib-stream writes it.
#[must_use]
pub fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A time in microseconds since 1970; one that no calendar has becomes 1970.
#[must_use]
pub fn iso_micros(micros: i64) -> String {
    iso(Timestamp::from_microsecond(micros).unwrap_or_default())
}

/// IBKR's second without a zone. ib-stream has the server's local time there; here it is always UTC.
fn plain(second: i64) -> String {
    let time = Timestamp::from_second(second).unwrap_or_default().to_zoned(TimeZone::UTC);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The fields of a tick, with ib-stream's names and spellings.
#[derive(Debug, Default, Serialize)]
struct Tick<'a> {
    contract_id: i32,
    tick_type: &'a str,
    r#type: &'a str,
    timestamp: String,
    unix_time: i64,
    #[serde(flatten)]
    values: Values<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Values<'a> {
    Trade { price: f64, size: f64, exchange: &'a str, conditions: &'a str, past_limit: bool, unreported: bool },
    Quote { bid_price: f64, ask_price: f64, bid_size: f64, ask_size: f64, bid_past_low: bool, ask_past_high: bool },
    Midpoint { midpoint: f64 },
}

impl Default for Values<'_> {
    fn default() -> Self {
        Self::Midpoint { midpoint: 0.0 }
    }
}

impl<'a> Tick<'a> {
    fn of(kind: TickKind, tick: &'a TickMessage) -> Self {
        let (tick_type, name, values) = match kind {
            // ib-stream writes IBKR's spelling of these two here.
            TickKind::Last => ("Last", "time_sales", Values::trade(tick)),
            TickKind::AllLast => ("AllLast", "time_sales", Values::trade(tick)),
            TickKind::RtVolume => (kind.as_str(), "time_sales", Values::trade(tick)),
            TickKind::BidAsk | TickKind::QuoteL1 => (kind.as_str(), "bid_ask", Values::quote(tick)),
            TickKind::MidPoint => {
                (kind.as_str(), "midpoint", Values::Midpoint { midpoint: tick.mp.unwrap_or_default() })
            }
        };
        let unix_time = tick.ts.div_euclid(MICROS_PER_SECOND);
        Self { contract_id: tick.cid, tick_type, r#type: name, timestamp: plain(unix_time), unix_time, values }
    }
}

impl<'a> Values<'a> {
    fn trade(tick: &'a TickMessage) -> Self {
        Self::Trade {
            price: tick.p.unwrap_or_default(),
            size: tick.s.unwrap_or_default(),
            exchange: tick.exchange.as_deref().unwrap_or_default(),
            conditions: tick.conditions.as_deref().unwrap_or_default(),
            past_limit: tick.past_limit(),
            unreported: tick.upt(),
        }
    }

    fn quote(tick: &TickMessage) -> Self {
        Self::Quote {
            bid_price: tick.bp.unwrap_or_default(),
            ask_price: tick.ap.unwrap_or_default(),
            bid_size: tick.bs.unwrap_or_default(),
            ask_size: tick.r#as.unwrap_or_default(),
            bid_past_low: tick.bpl(),
            ask_past_high: tick.aph(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ib-stream was seen to write them, but for the identifier and the time zone.
    #[test]
    fn ticks_are_written_as_ib_stream_writes_them() {
        let base = TickMessage {
            ts: 1_753_358_437_000_000,
            st: 1_753_358_437_857_000,
            cid: 711_280_073,
            ..TickMessage::default()
        };
        let quote =
            TickMessage { bp: Some(23_384.75), ap: Some(23_385.0), bs: Some(6.0), r#as: Some(1.0), ..base.clone() };
        let metadata = |id| Metadata { id, historical: None, source: None };
        assert_eq!(
            tick(TickKind::BidAsk, "711280073_bid_ask_1_0001", metadata("bid_ask:3600:1"), &quote),
            r#"{"type":"tick","stream_id":"711280073_bid_ask_1_0001","timestamp":"2025-07-24T12:00:37.857000Z","data":{"contract_id":711280073,"tick_type":"bid_ask","type":"bid_ask","timestamp":"2025-07-24 12:00:37","unix_time":1753358437,"bid_price":23384.75,"ask_price":23385.0,"bid_size":6.0,"ask_size":1.0,"bid_past_low":false,"ask_past_high":false},"metadata":{"id":"bid_ask:3600:1"}}"#
        );
        let trade = TickMessage { p: Some(1.5), s: Some(2.0), exchange: Some("CME".into()), ..base.clone() };
        let text = tick(TickKind::Last, "s", metadata("i"), &trade);
        assert!(text.contains(r#""tick_type":"Last","type":"time_sales","timestamp":"2025-07-24 12:00:37","unix_time":1753358437,"price":1.5,"size":2.0,"exchange":"CME","conditions":"","past_limit":false,"unreported":false}"#), "{text}");
        let mid = TickMessage { mp: Some(1.25), ..base };
        let text = tick(
            TickKind::MidPoint,
            "s",
            Metadata { historical: Some(true), source: Some("backfill"), ..metadata("i") },
            &mid,
        );
        assert!(
            text.contains(r#""tick_type":"mid_point","type":"midpoint","timestamp":"2025-07-24 12:00:37","unix_time":1753358437,"midpoint":1.25}"#),
            "{text}"
        );
        assert!(text.ends_with(r#""metadata":{"id":"i","historical":true,"source":"backfill"}}"#), "{text}");
    }
}
