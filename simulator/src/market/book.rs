//! The top of the book and the figures of the day at any moment: a pure function of time, cheap to ask for often.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Market;
use super::catalog::Contract;
use super::hours::TradingDay;
use super::tape::{Source, Tally, Tape, UNITS};
use super::tick::{Quote, Trade};

/// Tallies are kept as of this long before the moment that is asked for, so that callers whose clocks differ a little, or
/// who ask in turn for slightly different moments, all go on from there. Seconds.
const SETTLED_S: i64 = 5;

/// What a market-data line shows of a contract at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct TopOfBook {
    /// Best bid and offer: the last BidAsk tick, looking back 15 minutes at most, else what the generated price implies.
    /// While the contract is closed, those of its last moment; while halted, those of the moment before.
    pub quote: Quote,
    /// The day's last reported trade, also when it has closed; before the first one the last trade of the day before.
    pub last: Option<LastTrade>,
    /// Whether a session is on, halted or not.
    pub trading: bool,
    /// Whether trading is halted in the session.
    pub halted: bool,
    /// Of the trading day that is on, or of the one that was on last.
    pub day: DayFigures,
}

/// A reported trade and its time.
#[derive(Debug, Clone, PartialEq)]
pub struct LastTrade {
    /// Microseconds since the epoch.
    pub at_us: i64,
    /// The trade, as the Last tick tells it.
    pub trade: Trade,
}

/// Figures of a trading day so far, of its reported trades; a day around the clock begins at its zone's midnight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayFigures {
    /// Start of the day's first session, seconds since the epoch: when it changes, a new day has begun.
    pub start_s: i64,
    /// Price of the first trade.
    pub open: Option<f64>,
    /// Highest price.
    pub high: Option<f64>,
    /// Lowest price.
    pub low: Option<f64>,
    /// Price of the last trade of the day before: what IBKR calls the close.
    pub previous_close: Option<f64>,
    /// Sizes of the trades together. Between two moments of a day it rises by the sizes of the Last ticks between them.
    pub volume: f64,
    /// Prices times sizes of the trades, added up: divided by the volume it is their average price. Generated trades count
    /// at the middle of the price's path in their second, so the average is off by less than the price moves in a second.
    pub turnover: f64,
}

impl Market {
    /// The top of a contract's book at a moment, microseconds since the epoch. `None` for an unknown contract, and when
    /// the contract has had no trading day in the two weeks before. Bursts do not count: they repeat recent ticks.
    ///
    /// Costs some microseconds, but for the first call in a trading day, which adds up the day before that moment, and
    /// calls for moments long before others: some ten milliseconds.
    #[must_use]
    pub fn top_of_book(&self, con_id: i32, at_us: i64) -> Option<TopOfBook> {
        let contract = self.catalog.by_id(con_id)?;
        let second = at_us.div_euclid(1_000_000);
        let day = self.hours(contract).latest_day(second)?;
        let trading = day.trades_at(second);
        let tape = self.tape(contract, &day);
        // Of a closed contract the last moment at which it was open.
        let at_us = if trading { at_us } else { last_close_s(&day, second) * 1_000_000 - 1 };
        let (second, until_us) = (at_us.div_euclid(1_000_000), offset(at_us));
        let (mut tally, previous) = self.tally_before(contract, &day, second);
        tape.add_second(&mut tally, second, until_us);
        Some(TopOfBook {
            quote: tape.quote_in_force(second, until_us),
            trading,
            halted: trading && contract.halts.halted_at(second),
            day: DayFigures {
                start_s: day.open_s(),
                open: tally.open,
                high: tally.open.map(|_| tally.high),
                low: tally.open.map(|_| tally.low),
                previous_close: previous.as_ref().map(|last| last.trade.price),
                volume: tally.volume as f64 / UNITS,
                turnover: tally.turnover as f64 / UNITS / UNITS,
            },
            last: tally.last.or(previous),
        })
    }

    /// The day's tally of all seconds before one, and the last trade of the day before.
    fn tally_before(&self, contract: &Contract, day: &TradingDay, second: i64) -> (Tally, Option<LastTrade>) {
        let tape = self.tape(contract, day);
        let start_s = day.open_s();
        let mut tallies = self.tallies.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = tallies.get(&contract.con_id).filter(|kept| kept.start_s == start_s);
        let previous = match kept {
            Some(kept) => kept.previous.clone(),
            None => self.last_of_day_before(contract, day),
        };
        let (mut tally, from) = match kept.filter(|kept| kept.until_s <= second) {
            Some(kept) => (kept.tally.clone(), kept.until_s),
            None => (Tally::default(), start_s),
        };
        let settled = (second - SETTLED_S).max(from);
        tape.add_up(&mut tally, from, settled);
        let kept = Kept { start_s, until_s: settled, tally: tally.clone(), previous: previous.clone() };
        tallies.insert(contract.con_id, kept);
        drop(tallies);
        tape.add_up(&mut tally, settled, second);
        (tally, previous)
    }

    fn last_of_day_before(&self, contract: &Contract, day: &TradingDay) -> Option<LastTrade> {
        let before = self.hours(contract).day_before(day.date)?;
        let tape = self.tape(contract, &before);
        (before.open_s()..before.close_s()).rev().find_map(|second| tape.last_trade(second))
    }

    pub(super) fn tape<'a>(&'a self, contract: &'a Contract, day: &'a TradingDay) -> Tape<'a> {
        let source = match self.config.recordings.get(&contract.con_id) {
            Some(recording) => Source::Recorded(recording),
            None => Source::Generated(self.generator(contract, day)),
        };
        Tape { contract, day, source }
    }
}

/// End of the last session that is over.
fn last_close_s(day: &TradingDay, second: i64) -> i64 {
    day.trading.iter().map(|span| span.close_s).take_while(|close| *close <= second).last().unwrap_or(day.close_s())
}

fn offset(at_us: i64) -> u32 {
    u32::try_from(at_us.rem_euclid(1_000_000)).unwrap_or(0)
}

/// The last tally of each contract.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<HashMap<i32, Kept>>);

#[derive(Debug)]
struct Kept {
    /// Start of the trading day.
    start_s: i64,
    /// The second after the last one that is in the tally.
    until_s: i64,
    tally: Tally,
    /// Last trade of the day before.
    previous: Option<LastTrade>,
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
