//! The ticks that the history holds, and how a question is answered from them.

use super::begin::begin_s;
use super::config::HistoryConfig;
use super::days::{day_from, day_until, sessions, within};
use super::question::{Anchor, Question, What};
use super::{Mode, realistic};
use crate::market::hours::{Hours, TradingDay};
use crate::market::tick::{Body, Tick, TickType};
use crate::market::{Market, Stream};

/// Trading days that are looked through for the first tick of an answer: the one that is on, and the next.
const DAYS_LOOKED_THROUGH: usize = 2;

/// How far back the quote before a second is looked for, seconds.
const QUOTE_REACH_S: i64 = 60;

/// The history of a market.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    /// The live ticks.
    pub market: &'a Market,
    /// How true the history is to them.
    pub config: HistoryConfig,
    /// Changes what the realistic mode does to each tick.
    pub seed: u64,
}

impl Archive<'_> {
    /// The first second that is not there yet when somebody asks at `asked_us` (microseconds since the epoch).
    #[must_use]
    pub fn horizon_s(&self, con_id: i32, asked_us: i64) -> i64 {
        let now_s = asked_us.div_euclid(1_000_000);
        match self.config.mode {
            Mode::Ideal => now_s - i64::from(self.config.lag_s),
            Mode::Realistic if self.config.late => realistic::horizon_s(self.seed, con_id, now_s),
            Mode::Realistic => now_s,
        }
    }

    /// The ticks that carry a second, as somebody who asks at `asked_us` gets them.
    #[must_use]
    pub fn ticks_of_second(&self, stream: Stream, second: i64, asked_us: i64) -> Vec<Tick> {
        match self.config.mode {
            Mode::Ideal => self.market.ticks_of_second(stream, second),
            Mode::Realistic => realistic::held(self, stream, second, asked_us),
        }
    }

    /// The answer to a question: whole seconds of one trading day, ascending. From a start it is the first day that
    /// has a tick, among the day that is on then and the one after.
    #[must_use]
    pub fn answer(&self, question: &Question, asked_us: i64) -> Vec<Tick> {
        let Some(contract) = self.market.catalog().by_id(question.con_id) else { return Vec::new() };
        let hours = self.market.hours(contract);
        let Some(begin_s) = begin_s(contract, hours) else { return Vec::new() };
        let there = begin_s..self.horizon_s(question.con_id, asked_us);
        let query = Query { archive: self, question, asked_us, there };
        match question.anchor {
            Anchor::Start(start) => {
                let early_s = realistic::early_s(self, question, asked_us);
                query.forward(hours, start - early_s)
            }
            Anchor::End(end) => query.back(hours, end),
        }
    }
}

/// A question that is being answered.
struct Query<'a> {
    archive: &'a Archive<'a>,
    question: &'a Question,
    asked_us: i64,
    /// The seconds that the history covers.
    there: std::ops::Range<i64>,
}

impl Query<'_> {
    fn forward(&self, hours: Hours, start: i64) -> Vec<Tick> {
        let start = start.max(self.there.start);
        let mut day = day_from(hours, start);
        for _ in 0..DAYS_LOOKED_THROUGH {
            let Some(today) = day.filter(|day| day.open_s() < self.there.end) else { break };
            let mut found = Vec::new();
            'day: for session in sessions(&today, self.question.use_rth) {
                for second in within(*session, start, self.there.end) {
                    found.extend(self.ticks(&today, second));
                    if found.len() >= self.question.count {
                        break 'day;
                    }
                }
            }
            if !found.is_empty() {
                return found;
            }
            day = day_from(hours, today.close_s());
        }
        Vec::new()
    }

    fn back(&self, hours: Hours, end: i64) -> Vec<Tick> {
        let end = end.min(self.there.end);
        let Some(day) = day_until(hours, end) else { return Vec::new() };
        let mut found = Vec::new();
        let mut count = 0;
        'day: for session in sessions(&day, self.question.use_rth).iter().rev() {
            for second in within(*session, self.there.start, end).rev() {
                let ticks = self.ticks(&day, second);
                count += ticks.len();
                found.push(ticks);
                if count >= self.question.count {
                    break 'day;
                }
            }
        }
        found.into_iter().rev().flatten().collect()
    }

    fn ticks(&self, day: &TradingDay, second: i64) -> Vec<Tick> {
        let stream = self.question.what.stream(self.question.con_id);
        let ticks = self.archive.ticks_of_second(stream, second, self.asked_us);
        if self.question.what != What::BidAsk || !self.question.ignore_size || ticks.is_empty() {
            return ticks;
        }
        let mut prices = self.prices_before(day, second);
        let moves = |tick: &Tick| prices.replace(prices_of(tick)) != Some(prices_of(tick));
        ticks.into_iter().filter(moves).collect()
    }

    /// Bid and offer in force when a second begins.
    fn prices_before(&self, day: &TradingDay, second: i64) -> Option<(f64, f64)> {
        let stream = Stream { con_id: self.question.con_id, tick: TickType::BidAsk };
        let earliest = (second - QUOTE_REACH_S).max(day.open_s()).max(self.there.start);
        let last = |second| self.archive.ticks_of_second(stream, second, self.asked_us).pop();
        (earliest..second).rev().find_map(last).map(|tick| prices_of(&tick))
    }
}

fn prices_of(tick: &Tick) -> (f64, f64) {
    match &tick.body {
        Body::Quote(quote) => (quote.bid, quote.ask),
        Body::Trade(trade) => (trade.price, trade.price),
        Body::Mid(price) => (*price, *price),
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
