//! A stored tick as JSON, with the stored names or with ib-stream's long ones.

use marketstream_proto::{Source, TickMessage};
use serde::Serialize;

use crate::live::envelope::iso_micros;

/// A tick with the names of the stored fields.
#[derive(Serialize)]
pub struct Raw<'a> {
    ts: i64,
    st: i64,
    cid: i32,
    tt: &'a str,
    rid: i32,
    #[serde(flatten)]
    values: RawValues,
    #[serde(flatten)]
    extra: Extra<'a>,
}

#[derive(Serialize)]
struct RawValues {
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ap: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#as: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bpl: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aph: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upt: Option<bool>,
}

/// What MarketStream stores beside ib-stream's fields.
#[derive(Serialize)]
struct Extra<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    past_limit: Option<bool>,
    sequence: u64,
    source: &'static str,
}

impl<'a> Extra<'a> {
    fn of(tick: &'a TickMessage) -> Self {
        Self {
            exchange: tick.exchange.as_deref(),
            conditions: tick.conditions.as_deref(),
            past_limit: tick.past_limit,
            sequence: tick.sequence,
            source: if tick.source() == Source::Backfill { "backfill" } else { "live" },
        }
    }
}

impl<'a> Raw<'a> {
    /// Of this tick.
    pub fn of(tick: &'a TickMessage) -> Self {
        let values = RawValues {
            p: tick.p,
            s: tick.s,
            bp: tick.bp,
            bs: tick.bs,
            ap: tick.ap,
            r#as: tick.r#as,
            mp: tick.mp,
            bpl: tick.bpl,
            aph: tick.aph,
            upt: tick.upt,
        };
        Self { ts: tick.ts, st: tick.st, cid: tick.cid, tt: &tick.tt, rid: tick.rid, values, extra: Extra::of(tick) }
    }
}

/// A tick with long names.
#[derive(Serialize)]
pub struct Expanded<'a> {
    ib_timestamp: i64,
    ib_timestamp_iso: String,
    system_timestamp: i64,
    system_timestamp_iso: String,
    contract_id: i32,
    tick_type: &'a str,
    request_id: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_size: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_size: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mid_point: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_past_low: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_past_high: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreported: Option<bool>,
    #[serde(flatten)]
    extra: Extra<'a>,
}

impl<'a> Expanded<'a> {
    /// Of this tick.
    pub fn of(tick: &'a TickMessage) -> Self {
        Self {
            ib_timestamp: tick.ts,
            ib_timestamp_iso: iso_micros(tick.ts),
            system_timestamp: tick.st,
            system_timestamp_iso: iso_micros(tick.st),
            contract_id: tick.cid,
            tick_type: &tick.tt,
            request_id: tick.rid,
            bid_price: tick.bp,
            bid_size: tick.bs,
            ask_price: tick.ap,
            ask_size: tick.r#as,
            price: tick.p,
            size: tick.s,
            mid_point: tick.mp,
            bid_past_low: tick.bpl,
            ask_past_high: tick.aph,
            unreported: tick.upt,
            extra: Extra::of(tick),
        }
    }
}
