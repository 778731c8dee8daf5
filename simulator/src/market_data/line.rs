//! One market data line.

use super::feed::{Effect, Interference, Step};
use super::generic::{GenericTicks, RT_TRADE_VOLUME, RT_VOLUME, SHORTABLE};
use super::rt_volume;
use super::show::Teller;
use crate::market::tick::{Body, Tick, TickType};
use crate::market::{Market, Stream, TopOfBook};

/// A line is updated at most this often, microseconds: four times a second.
pub(super) const STEP_US: i64 = 250_000;

// Ticks that a generic tick list asks for.
const RT_VOLUME_TICK: i32 = 48;
const RT_TRADE_VOLUME_TICK: i32 = 77;
const SHORTABLE_TICK: i32 = 46;
const SHORTABLE_SHARES_TICK: i32 = 89;

/// More than 2.5: at least 1,000 shares can be sold short.
const EASY_TO_BORROW: f64 = 3.0;

/// Shares that can be sold short. One number is as good as any.
const SHORTABLE_SHARES: f64 = 1_000_000.0;

/// Which data a line gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it happens.
    Live,
    /// The same, and when the market is closed what was last.
    Frozen,
    /// As it was.
    Delayed {
        /// How long ago, seconds.
        by_s: u32,
        /// When the market is closed, what was last.
        frozen: bool,
    },
}

impl Kind {
    /// Number of the market data type.
    pub(super) fn number(self) -> i32 {
        match self {
            Self::Live => 1,
            Self::Frozen => 2,
            Self::Delayed { frozen: false, .. } => 3,
            Self::Delayed { frozen: true, .. } => 4,
        }
    }

    pub(super) fn frozen(self) -> bool {
        matches!(self, Self::Frozen | Self::Delayed { frozen: true, .. })
    }

    pub(super) fn delayed(self) -> bool {
        matches!(self, Self::Delayed { .. })
    }

    /// The moment that it shows, microseconds since the epoch.
    fn shows(self, now_us: i64) -> i64 {
        match self {
            Self::Live | Self::Frozen => now_us,
            Self::Delayed { by_s, .. } => now_us - i64::from(by_s) * 1_000_000,
        }
    }
}

/// One market data line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// IBKR's contract id.
    pub con_id: i32,
    /// Which data it gets.
    pub kind: Kind,
    generic: GenericTicks,
    snapshot: bool,
    /// When it is to speak again, microseconds since the epoch.
    next_us: i64,
    /// All trades until then were told, or are lost. Microseconds since the epoch.
    trades_until_us: i64,
    /// What the client knows.
    known: Option<TopOfBook>,
}

impl Line {
    /// A line that was asked for at `now_us` (microseconds since the epoch).
    #[must_use]
    pub fn new(con_id: i32, kind: Kind, generic: GenericTicks, snapshot: bool, now_us: i64) -> Self {
        Self { con_id, kind, generic, snapshot, next_us: now_us, trades_until_us: now_us, known: None }
    }

    pub(super) fn next_us(&self) -> i64 {
        self.next_us
    }

    pub(super) fn step(&mut self, req_id: i32, market: &Market, faults: Interference, now_us: i64) -> Step {
        self.next_us = now_us + STEP_US;
        let shown_us = self.kind.shows(now_us);
        let (Some(contract), Some(mut book)) = (market.catalog().by_id(self.con_id), self.book(market, shown_us))
        else {
            return Step::default();
        };
        alter(&mut book, faults);
        let mut teller = Teller::new(req_id, contract, self.kind);
        match &self.known {
            None if faults.quotes.withheld && faults.trades.withheld => return Step::default(),
            None => {
                teller.all(&book);
                if self.generic.wants(SHORTABLE) && contract.sec_type == "STK" {
                    teller.number(SHORTABLE_TICK, EASY_TO_BORROW);
                    teller.size(SHORTABLE_SHARES_TICK, SHORTABLE_SHARES);
                }
            }
            Some(known) => {
                if faults.quotes.withheld {
                    book.quote = known.quote.clone();
                }
                if faults.trades.withheld {
                    (book.last, book.day) = (known.last.clone(), known.day);
                }
                teller.changes(known, &book);
            }
        }
        if !faults.trades.withheld && !self.kind.delayed() {
            self.trades(&mut teller, market, faults.trades, now_us);
        }
        self.trades_until_us = now_us;
        self.known = Some(book);
        if self.snapshot {
            teller.snapshot_end();
        }
        Step { answers: teller.finish(), done: self.snapshot }
    }

    fn book(&self, market: &Market, at_us: i64) -> Option<TopOfBook> {
        market.top_of_book(self.con_id, at_us)
    }

    /// Each trade since the last step, with the day's volume.
    fn trades(&self, teller: &mut Teller<'_>, market: &Market, faults: Effect, now_us: i64) {
        let wanted =
            [(RT_VOLUME, RT_VOLUME_TICK, TickType::AllLast), (RT_TRADE_VOLUME, RT_TRADE_VOLUME_TICK, TickType::Last)];
        for (_, tick_type, tick) in wanted.into_iter().filter(|(generic, ..)| self.generic.wants(*generic)) {
            let stream = Stream { con_id: self.con_id, tick };
            let seconds = self.trades_until_us.div_euclid(1_000_000)..=now_us.div_euclid(1_000_000);
            let ticks = seconds.flat_map(|second| market.ticks_of_second(stream, second));
            let due = ticks.filter(|tick| tick.at_us() > self.trades_until_us && tick.at_us() <= now_us);
            for text in due.filter_map(|tick| rt_volume(market, self.con_id, &tick, &faults.shown(&tick))) {
                teller.text(tick_type, text);
            }
        }
    }
}

/// Puts in what the client is to see instead.
pub(super) fn alter(book: &mut TopOfBook, faults: Interference) {
    let shown = |effect: Effect, body| effect.shown(&Tick { second: 0, offset_us: 0, index: 0, body }).body;
    if let Body::Quote(quote) = shown(faults.quotes, Body::Quote(book.quote.clone())) {
        book.quote = quote;
    }
    if let Some(last) = &mut book.last
        && let Body::Trade(trade) = shown(faults.trades, Body::Trade(last.trade.clone()))
    {
        last.trade = trade;
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
