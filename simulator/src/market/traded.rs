//! What was traded in a part of a trading day, added up without making each trade: for bars of a day and more.

use std::ops::Range;

use super::catalog::Contract;
use super::hours::TradingDay;
use super::tape::{Tally, UNITS};
use super::tick::{Body, TickType};
use super::{Market, Stream};

/// Figures of reported trades, those of bursts included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traded {
    /// Price of the first.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Price of the last.
    pub close: f64,
    /// Sizes together.
    pub volume: f64,
    /// Prices times sizes, added up as for [`DayFigures::turnover`](super::DayFigures::turnover).
    pub turnover: f64,
    /// How many.
    pub trades: u64,
}

impl Market {
    /// What a contract traded in some seconds of a trading day that is `day`, as far as it was live by `now_us`
    /// (microseconds since the epoch); `None` without a trade. A day of a busy contract costs some ten milliseconds.
    #[must_use]
    pub fn traded(&self, contract: &Contract, day: &TradingDay, seconds: Range<i64>, now_us: i64) -> Option<Traded> {
        let tape = self.tape(contract, day);
        let mut tally = Tally::default();
        let (now_s, until_us) = (now_us.div_euclid(1_000_000), now_us.rem_euclid(1_000_000));
        let whole = seconds.end.min(now_s).max(seconds.start);
        let stream = Stream { con_id: contract.con_id, tick: TickType::Last };
        let mut from = seconds.start;
        for second in self.burst_seconds(stream, seconds.start..whole) {
            tape.add_up(&mut tally, from, second + 1);
            self.add_burst_to(&mut tally, stream, second);
            from = second + 1;
        }
        tape.add_up(&mut tally, from, whole);
        // A burst comes with the end of its second.
        if seconds.contains(&now_s) {
            tape.add_second(&mut tally, now_s, u32::try_from(until_us).unwrap_or(0));
        }
        Some(Traded {
            open: tally.open?,
            high: tally.high,
            low: tally.low,
            close: tally.last?.trade.price,
            volume: tally.volume as f64 / UNITS,
            turnover: tally.turnover as f64 / UNITS / UNITS,
            trades: tally.trades,
        })
    }

    fn add_burst_to(&self, tally: &mut Tally, stream: Stream, second: i64) {
        let Some(burst) = self.burst(stream, second) else { return };
        for tick in burst.from(0) {
            if let Body::Trade(trade) = tick.body {
                let price = trade.price;
                tally.add(second, tick.offset_us, trade, price);
            }
        }
    }
}
