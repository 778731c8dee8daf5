//! The journal as others read it: every tick that was or would have been sent, and to whom it went.

use serde::{Deserialize, Serialize};

use super::altered::{AlteredTicks, AsSent};
use super::sent::{SentTicks, SentTo};
use crate::judge::Fields;
use crate::market::tick::{Body, Tick, TickType};
use crate::market::{Market, Stream};

/// One line of `GET /journal`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalTick {
    /// IBKR's contract id.
    pub con_id: i32,
    /// Tick type.
    pub tick: TickType,
    /// Second of the tick, since the epoch: the time on the wire.
    pub second: i64,
    /// Position in that second.
    pub index: u32,
    /// When it was due, microseconds since the epoch.
    pub at_us: i64,
    /// What it says.
    #[serde(flatten)]
    pub fields: Fields,
    /// To whom it was sent; empty when to nobody.
    pub sent: Vec<SentTo>,
    /// How it went to those of them for whom a fault had altered it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altered: Vec<AsSent>,
}

/// What is known of the ticks that went out. Each is taken out where it is used.
#[derive(Debug, Default)]
pub struct Evidence {
    /// To whom.
    pub sent: SentTicks,
    /// As what, where a fault had altered them.
    pub altered: AlteredTicks,
}

/// The ticks of the seconds in `from..to` that were due by `now_us`, stream by stream in the order of time.
#[must_use]
pub fn ticks(
    market: &Market,
    streams: impl IntoIterator<Item = Stream>,
    (from, to): (i64, i64),
    now_us: i64,
    evidence: &mut Evidence,
) -> Vec<JournalTick> {
    let mut found = Vec::new();
    let to = to.min(now_us.div_euclid(1_000_000) + 1);
    for stream in streams {
        for second in from..to {
            let due = market.ticks_of_second(stream, second).into_iter().filter(|tick| tick.at_us() <= now_us);
            found.extend(due.map(|tick| {
                let key = (stream, second, tick.index);
                let sent = evidence.sent.remove(&key).unwrap_or_default();
                let altered = evidence.altered.remove(&key).unwrap_or_default();
                line(stream, &tick, sent, altered)
            }));
        }
    }
    found
}

fn line(stream: Stream, tick: &Tick, sent: Vec<SentTo>, altered: Vec<AsSent>) -> JournalTick {
    JournalTick {
        con_id: stream.con_id,
        tick: stream.tick,
        second: tick.second,
        index: tick.index,
        at_us: tick.at_us(),
        fields: Fields::from(&tick.body),
        sent,
        altered,
    }
}

impl From<&Body> for Fields {
    fn from(body: &Body) -> Self {
        match body {
            Body::Trade(trade) => Self {
                price: Some(trade.price),
                size: Some(trade.size),
                exchange: Some(trade.exchange.to_owned()),
                conditions: Some(trade.conditions.to_owned()),
                past_limit: Some(trade.past_limit),
                unreported: Some(trade.unreported),
                ..Self::default()
            },
            Body::Quote(quote) => Self {
                bid: Some(quote.bid),
                ask: Some(quote.ask),
                bid_size: Some(quote.bid_size),
                ask_size: Some(quote.ask_size),
                bid_past_low: Some(quote.bid_past_low),
                ask_past_high: Some(quote.ask_past_high),
                ..Self::default()
            },
            Body::Mid(price) => Self { mid: Some(*price), ..Self::default() },
        }
    }
}
