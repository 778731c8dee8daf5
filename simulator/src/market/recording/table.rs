//! Tables of ticks: CSV and Parquet have the same columns, in any order, found by their names.
//!
//! | column | in CSV | in Parquet | of |
//! |---|---|---|---|
//! | `ts_event` | microseconds since the epoch, UTC | the same as INT64, or a TIMESTAMP | each row |
//! | `price`, `size` | decimal | DOUBLE | a trade |
//! | `exchange`, `conditions` | text | UTF8 | a trade, optional |
//! | `bid`, `ask`, `bid_size`, `ask_size` | decimal | DOUBLE | a quote |
//!
//! Each row is a trade or a quote; the cells of the other kind are empty, or their columns missing. Times ascend.
//! Other columns are ignored. The recording begins with the second of its first row and ends with that of its last.

use super::{Recording, SECOND_US, lasting, quote, trade};
use crate::market::tick::{Quote, Trade};

pub(super) const TS_EVENT: &str = "ts_event";
pub(super) const PRICE: &str = "price";
pub(super) const SIZE: &str = "size";
pub(super) const EXCHANGE: &str = "exchange";
pub(super) const CONDITIONS: &str = "conditions";
pub(super) const BID: &str = "bid";
pub(super) const ASK: &str = "ask";
pub(super) const BID_SIZE: &str = "bid_size";
pub(super) const ASK_SIZE: &str = "ask_size";

/// All of them, in the order in which they are written.
pub(super) const COLUMNS: [&str; 9] = [TS_EVENT, PRICE, SIZE, EXCHANGE, CONDITIONS, BID, ASK, BID_SIZE, ASK_SIZE];

/// Longest exchange or sale condition, bytes: they stay in memory.
const MAX_TEXT: usize = 64;

/// One row; what is empty is `None`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) ts_event: Option<i64>,
    pub(super) price: Option<f64>,
    pub(super) size: Option<f64>,
    pub(super) exchange: Option<String>,
    pub(super) conditions: Option<String>,
    pub(super) bid: Option<f64>,
    pub(super) ask: Option<f64>,
    pub(super) bid_size: Option<f64>,
    pub(super) ask_size: Option<f64>,
}

/// What is wrong with a row: in which column, and what.
pub(super) type Problem = (&'static str, &'static str);

enum Tick {
    Trade(Trade),
    Quote(Quote),
}

impl Row {
    fn tick(&self) -> Result<Tick, Problem> {
        let number = |value: Option<f64>, column| match value {
            None => Err((column, "empty")),
            Some(value) if value.is_finite() => Ok(value),
            Some(_) => Err((column, "not a finite number")),
        };
        let size = |value, column| match number(value, column) {
            Ok(value) if value < 0.0 => Err((column, "negative")),
            other => other,
        };
        match (self.price, self.bid.or(self.ask)) {
            (Some(_), Some(_)) => Err((PRICE, "a row is a trade or a quote, not both")),
            (None, None) => Err((PRICE, "a row needs price or bid")),
            (Some(_), None) => {
                let exchange = text(self.exchange.as_deref(), EXCHANGE)?;
                let conditions = text(self.conditions.as_deref(), CONDITIONS)?;
                Ok(Tick::Trade(trade(number(self.price, PRICE)?, size(self.size, SIZE)?, exchange, conditions)))
            }
            (None, Some(_)) => Ok(Tick::Quote(quote(
                number(self.bid, BID)?,
                number(self.ask, ASK)?,
                size(self.bid_size, BID_SIZE)?,
                size(self.ask_size, ASK_SIZE)?,
            ))),
        }
    }
}

fn text(value: Option<&str>, column: &'static str) -> Result<&'static str, Problem> {
    match value {
        Some(text) if text.len() > MAX_TEXT => Err((column, "longer than 64 bytes")),
        text => Ok(lasting(text.unwrap_or_default())),
    }
}

/// Collects rows.
#[derive(Debug, Default)]
pub(super) struct Table {
    recording: Recording,
    /// Time of the first row's second, and of the row before, microseconds since the epoch.
    times: Option<(i64, i64)>,
}

impl Table {
    pub(super) fn push(&mut self, row: &Row) -> Result<(), Problem> {
        let ts_event = row.ts_event.ok_or((TS_EVENT, "empty"))?;
        let (start, last) = self.times.unwrap_or((ts_event - ts_event.rem_euclid(SECOND_US as i64), ts_event));
        if ts_event < last {
            return Err((TS_EVENT, "not in the order of time"));
        }
        self.times = Some((start, ts_event));
        let at = ts_event.abs_diff(start);
        let length_s = u32::try_from(at / SECOND_US + 1);
        self.recording.length_s = length_s.map_err(|_| (TS_EVENT, "more than 136 years after the first row"))?;
        match row.tick()? {
            Tick::Trade(trade) => self.recording.trades.push((at, trade)),
            Tick::Quote(quote) => self.recording.quotes.push((at, quote)),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Recording {
        self.recording
    }
}

/// A recording's rows, ascending in time, which counts from 0.
pub(super) fn rows(recording: &Recording) -> Vec<Row> {
    let ts_event = |at: &u64| i64::try_from(*at).ok();
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let trades = recording.trades.iter().map(|(at, trade)| Row {
        ts_event: ts_event(at),
        price: Some(trade.price),
        size: Some(trade.size),
        exchange: named(trade.exchange),
        conditions: named(trade.conditions),
        ..Row::default()
    });
    let quotes = recording.quotes.iter().map(|(at, quote)| Row {
        ts_event: ts_event(at),
        bid: Some(quote.bid),
        ask: Some(quote.ask),
        bid_size: Some(quote.bid_size),
        ask_size: Some(quote.ask_size),
        ..Row::default()
    });
    let mut rows: Vec<_> = quotes.chain(trades).collect();
    rows.sort_by_key(|row| row.ts_event);
    rows
}
