//! Bars while they are made: five seconds each, or of a request for bars of the past that is kept up to date.

use super::feed::{Interference, Step};
use crate::history::bar_message;
use crate::history::bars::{self, Bar, BarsQuestion, Show};
use crate::market::Market;
use crate::wire::answer::Answer;
use crate::wire::pb;

/// Length of a live bar, seconds. Also how often a bar of the past is kept up to date.
const LENGTH_S: i64 = 5;

/// After a pause this many bars are told at most.
const CATCH_UP_BARS: i64 = 12;

/// Count of trades in a bar that is not of trades.
const NO_COUNT: i32 = -1;

/// Bars of five seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct RealTimeBars {
    /// IBKR's contract id.
    pub con_id: i32,
    show: Show,
    use_rth: bool,
    /// First second of the next bar, since the epoch.
    next_s: i64,
    /// Price of the last bar: a bar without a tick is told with it.
    last_close: Option<f64>,
}

impl RealTimeBars {
    /// Bars that were asked for at `now_us` (microseconds since the epoch).
    #[must_use]
    pub fn new(con_id: i32, show: Show, use_rth: bool, now_us: i64) -> Self {
        let next_s = now_us.div_euclid(LENGTH_S * 1_000_000) * LENGTH_S;
        Self { con_id, show, use_rth, next_s, last_close: None }
    }

    pub(super) fn next_us(&self) -> i64 {
        (self.next_s + LENGTH_S) * 1_000_000
    }

    pub(super) fn step(&mut self, req_id: i32, market: &Market, faults: Interference, now_us: i64) -> Step {
        let end = now_us.div_euclid(LENGTH_S * 1_000_000) * LENGTH_S;
        let mut answers = Vec::new();
        self.next_s = self.next_s.max(end - CATCH_UP_BARS * LENGTH_S);
        while self.next_s < end {
            let start = self.next_s;
            self.next_s += LENGTH_S;
            if hides(self.show, faults) || !self.open_at(market, start) {
                continue;
            }
            let made = bars::bar(market, self.con_id, self.show, start..start + LENGTH_S, now_us);
            let Some(bar) = made.or_else(|| self.last_close.map(|price| Bar::of(price, start, None))) else { continue };
            self.last_close = Some(bar.close);
            let of_trades = self.show == Show::Trades;
            answers.push(Answer::RealTimeBar(pb::RealTimeBarTick {
                req_id: Some(req_id),
                time: Some(start),
                open: Some(bar.open),
                high: Some(bar.high),
                low: Some(bar.low),
                close: Some(bar.close),
                volume: Some(if of_trades { bar.volume.to_string() } else { NO_COUNT.to_string() }),
                wap: Some(if of_trades { bar.wap().to_string() } else { NO_COUNT.to_string() }),
                count: Some(if of_trades { bar.ticks } else { NO_COUNT }),
            }));
        }
        Step { answers, done: false }
    }

    fn open_at(&self, market: &Market, second: i64) -> bool {
        let contract = market.catalog().by_id(self.con_id);
        let day = contract.and_then(|contract| market.hours(contract).day_at(second));
        day.is_some_and(|day| !self.use_rth || day.liquid.iter().any(|span| span.contains(second)))
    }
}

/// Bars of the past that are kept up to date.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptUp {
    /// What was asked for.
    pub question: BarsQuestion,
    next_us: i64,
}

impl KeptUp {
    /// Bars that were told at `now_us` (microseconds since the epoch).
    #[must_use]
    pub fn new(question: BarsQuestion, now_us: i64) -> Self {
        Self { question, next_us: now_us + LENGTH_S * 1_000_000 }
    }

    pub(super) fn next_us(&self) -> i64 {
        self.next_us
    }

    pub(super) fn step(&mut self, req_id: i32, market: &Market, faults: Interference, now_us: i64) -> Step {
        self.next_us = now_us + LENGTH_S * 1_000_000;
        let Some(contract) = market.catalog().by_id(self.question.con_id) else { return Step::default() };
        if hides(self.question.show, faults) || !market.hours(contract).trading_at(now_us.div_euclid(1_000_000)) {
            return Step::default();
        }
        // The bar in progress, and the one before, which may have ended since the last step.
        let question = BarsQuestion { back: bars::Back::Seconds(LENGTH_S + 1), ..self.question };
        let zone = market.hours(contract).zone();
        let update = |bar: &Bar| {
            let bar = Some(bar_message(bar, &question, zone));
            Answer::HistoricalDataUpdate(pb::HistoricalDataUpdate { req_id: Some(req_id), bar })
        };
        let answers = bars::bars(market, contract, &question, now_us).iter().map(update).collect();
        Step { answers, done: false }
    }
}

fn hides(show: Show, faults: Interference) -> bool {
    if show == Show::Trades { faults.trades.withheld } else { faults.quotes.withheld }
}
