//! One order book.

use super::feed::{Interference, Step};
use super::line::{STEP_US, alter};
use crate::market::{DepthBook, DepthRow, Market};
use crate::wire::answer::Answer;
use crate::wire::pb;

/// The client is to forget what it knows of the book: what comes next is all of it.
const RESET: (i32, &str) =
    (317, "Market depth data has been RESET. Please empty deep book contents before applying any new entries.");

// Operations on a row.
const INSERT: i32 = 0;
const UPDATE: i32 = 1;
const DELETE: i32 = 2;

// Sides of the book.
const ASK: i32 = 0;
const BID: i32 = 1;

/// One order book.
#[derive(Debug, Clone, PartialEq)]
pub struct Depth {
    /// IBKR's contract id.
    pub con_id: i32,
    /// At most so many rows a side.
    rows: usize,
    /// Rows name their exchanges.
    smart: bool,
    /// When it is to speak again, microseconds since the epoch.
    next_us: i64,
    /// What the client knows.
    known: DepthBook,
    /// Data were withheld: the client is to begin anew.
    lost: bool,
}

impl Depth {
    /// A book of at most `rows` rows a side that was asked for at `now_us` (microseconds since the epoch).
    #[must_use]
    pub fn new(con_id: i32, rows: usize, smart: bool, now_us: i64) -> Self {
        Self { con_id, rows, smart, next_us: now_us, known: DepthBook::default(), lost: false }
    }

    pub(super) fn next_us(&self) -> i64 {
        self.next_us
    }

    pub(super) fn step(&mut self, req_id: i32, market: &Market, faults: Interference, now_us: i64) -> Step {
        self.next_us = now_us + STEP_US;
        if faults.quotes.withheld {
            self.lost = true;
            return Step::default();
        }
        let Some(mut top) = market.top_of_book(self.con_id, now_us) else { return Step::default() };
        alter(&mut top, faults);
        let mut answers = Vec::new();
        if std::mem::take(&mut self.lost) && self.known != DepthBook::default() {
            let (code, text) = RESET;
            answers.push(Answer::error(req_id, code, text, now_us / 1_000));
            self.known = DepthBook::default();
        }
        let book = market.depth(self.con_id, &top, self.rows, now_us);
        let changes = [(BID, changes(&self.known.bids, &book.bids)), (ASK, changes(&self.known.asks, &book.asks))];
        for (side, changes) in changes {
            answers.extend(changes.into_iter().map(|change| self.answer(req_id, side, change)));
        }
        self.known = book;
        Step { answers, done: false }
    }

    fn answer(&self, req_id: i32, side: i32, (position, operation, row): Change<'_>) -> Answer {
        let (price, size) = if operation == DELETE { (0.0, 0.0) } else { (row.price, row.size) };
        let row = pb::MarketDepthData {
            position: Some(position),
            operation: Some(operation),
            side: Some(side),
            price: Some(price),
            size: Some(size.to_string()),
            market_maker: self.smart.then(|| row.exchange.to_owned()),
            is_smart_depth: self.smart.then_some(true),
        };
        let message = pb::MarketDepth { req_id: Some(req_id), market_depth_data: Some(row) };
        if self.smart { Answer::MarketDepthL2(message) } else { Answer::MarketDepth(message) }
    }
}

/// Position, operation, and the row that is concerned.
type Change<'a> = (i32, i32, &'a DepthRow);

/// What turns one side into another. Rows are deleted from the end, so that no other one moves.
fn changes<'a>(old: &'a [DepthRow], new: &'a [DepthRow]) -> Vec<Change<'a>> {
    let kept = old.iter().zip(new).zip(0..).filter(|((old, new), _)| old != new);
    let kept = kept.map(|((_, row), position)| (position, UPDATE, row));
    let more = (0..).zip(new).skip(old.len()).map(|(position, row)| (position, INSERT, row));
    let gone = old.iter().enumerate().skip(new.len()).rev().map(|(position, row)| (position as i32, DELETE, row));
    kept.chain(more).chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::MarketConfig;
    use crate::market_data::Effect;

    /// A moment, microseconds since the epoch.
    const AT: i64 = 1_800_000_000_000_000;

    #[test]
    fn a_side_is_changed_row_by_row() {
        let row = |price| DepthRow { price, size: 1.0, exchange: "ARCA" };
        let (old, new) = ([row(3.0), row(2.0), row(1.0), row(0.5)], [row(3.0), row(2.5)]);
        let operations = |changes: Vec<Change<'_>>| -> Vec<_> {
            changes.into_iter().map(|(position, operation, _)| (position, operation)).collect()
        };
        assert_eq!(operations(changes(&old, &new)), [(1, UPDATE), (3, DELETE), (2, DELETE)]);
        assert_eq!(operations(changes(&new, &old)), [(1, UPDATE), (2, INSERT), (3, INSERT)]);
    }

    #[test]
    fn what_was_withheld_is_followed_by_a_reset_and_the_whole_book() {
        let market = Market::new(MarketConfig { always_open: true, ..MarketConfig::default() });
        let mut depth = Depth::new(900_001, 5, false, AT);
        let whole = depth.step(1, &market, Interference::default(), AT).answers;
        assert!(whole.len() >= 8, "{whole:?}");
        let silence = Interference { quotes: Effect::SILENCE, ..Interference::default() };
        assert!(depth.step(1, &market, silence, AT).answers.is_empty());
        let again = depth.step(1, &market, Interference::default(), AT).answers;
        assert_eq!(again[0], Answer::error(1, RESET.0, RESET.1, AT / 1_000));
        assert_eq!(again[1..], whole);
        assert!(depth.step(1, &market, Interference::default(), AT).answers.is_empty());
    }

    #[test]
    fn rows_get_worse_from_the_top_on() {
        let market = Market::new(MarketConfig { always_open: true, ..MarketConfig::default() });
        for at_us in (AT..).step_by(1_000_000).take(20) {
            let top = market.top_of_book(900_001, at_us).unwrap();
            let book = market.depth(900_001, &top, 20, at_us);
            assert_eq!((book.bids[0].price, book.asks[0].price), (top.quote.bid, top.quote.ask));
            assert!(book.bids.is_sorted_by(|above, below| above.price > below.price), "{book:?}");
            assert!(book.asks.is_sorted_by(|above, below| above.price < below.price), "{book:?}");
        }
    }
}
