//! The limits of a login, with the original's codes. Decides only: whoever asks carries out.

mod config;
pub mod pacing;
mod rate;

use std::collections::BTreeMap;

pub use config::{AboveRate, LimitsConfig, TICK_BY_TICK_PAUSE_S, TickByTickError};
use pacing::{Pacing, Question};
use rate::Rate;
pub use rate::Verdict;

use crate::faults::Refusal;

const MOST_TICK_BY_TICK: &str = "Max number of tick-by-tick requests has been reached";
const PACING: &str = "Historical data request pacing violation";

/// What a request takes up for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A market data line.
    MarketData,
    /// A tick-by-tick subscription of a contract, by IBKR's id.
    TickByTick(i32),
    /// An order book.
    Depth,
    /// A question to the history that is not answered yet.
    History,
}

/// How many lines are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Market data lines.
    pub market_data: usize,
    /// Tick-by-tick subscriptions.
    pub tick_by_tick: usize,
    /// Order books.
    pub depth: usize,
}

impl std::ops::AddAssign for Held {
    fn add_assign(&mut self, more: Self) {
        self.market_data += more.market_data;
        self.tick_by_tick += more.tick_by_tick;
        self.depth += more.depth;
    }
}

/// What asks the history, for the code of its refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Bars or ticks of the past.
    History,
    /// Bars as they form.
    RealTimeBars,
}

/// A client that is gone and still holds what it had.
#[derive(Debug)]
struct Lingering {
    client_id: i32,
    until_us: i64,
    held: Held,
}

/// What was asked for so far, as far as a limit depends on it.
#[derive(Debug)]
pub struct Limits {
    config: LimitsConfig,
    /// By connection.
    rates: BTreeMap<u32, Rate>,
    lingering: Vec<Lingering>,
    /// When ticks of a contract were last asked for.
    asked_us: BTreeMap<i32, i64>,
    pacing: Pacing,
}

impl Limits {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn new(config: LimitsConfig) -> Self {
        Self {
            config,
            rates: BTreeMap::new(),
            lingering: Vec::new(),
            asked_us: BTreeMap::new(),
            pacing: Pacing::default(),
        }
    }

    /// A message of a client comes.
    pub fn message(&mut self, connection: u32, now_us: i64) -> Verdict {
        self.rates.entry(connection).or_default().message(&self.config, now_us)
    }

    /// A client is to come in beside `others`.
    ///
    /// # Errors
    /// Why it may not.
    pub fn client(&mut self, client_id: i32, others: usize, now_us: i64) -> Result<(), ClientRefusal> {
        self.expire(now_us);
        if self.lingering.iter().any(|gone| gone.client_id == client_id) {
            return Err(ClientRefusal::IdInUse);
        }
        if over(self.config.clients, others + self.lingering.len()) {
            return Err(ClientRefusal::TooMany(self.config.clients));
        }
        Ok(())
    }

    /// A request for a line comes while `held` are taken by all clients, and `asking` questions of this client are not
    /// answered.
    ///
    /// # Errors
    /// When none is left, with the error for the client.
    pub fn line(&mut self, line: Line, mut held: Held, asking: usize, now_us: i64) -> Result<(), Refusal> {
        self.expire(now_us);
        for gone in &self.lingering {
            held += gone.held;
        }
        let config = &self.config;
        let refused = match line {
            Line::MarketData => {
                over(config.lines, held.market_data).then(|| (101, "Max number of tickers has been reached".to_owned()))
            }
            Line::TickByTick(con_id) => {
                let pause_us = i64::from(config.tick_by_tick_pause_s) * 1_000_000;
                let soon = self.asked_us.get(&con_id).is_some_and(|at| (0..pause_us).contains(&(now_us - at)));
                (soon || over(config.tick_by_tick, held.tick_by_tick)).then(|| tick_by_tick(config.tick_by_tick_error))
            }
            Line::Depth => over(config.depth, held.depth)
                .then(|| (309, format!("Max number ({}) of market depth requests has been reached", config.depth))),
            Line::History => over(config.concurrent_history, asking)
                .then(|| (162, history("Too many simultaneous historical data requests"))),
        };
        if let Some((code, text)) = refused {
            return Err(Refusal { code, text });
        }
        if let Line::TickByTick(con_id) = line {
            self.asked_us.insert(con_id, now_us);
        }
        Ok(())
    }

    /// A connection is gone, with the client that it may have had. What that held stays taken for a while:
    /// [`LimitsConfig::linger_s`].
    pub fn gone(&mut self, connection: u32, client_id: Option<i32>, held: Held, now_us: i64) {
        self.rates.remove(&connection);
        if let Some(client_id) = client_id.filter(|_| self.config.linger_s > 0) {
            let until_us = now_us + i64::from(self.config.linger_s) * 1_000_000;
            self.lingering.push(Lingering { client_id, until_us, held });
        }
    }

    /// A question to the history is to be asked.
    ///
    /// # Errors
    /// When it comes too soon, with the error for the client.
    pub fn pace(&mut self, asks: Asks, question: Question, now_us: i64) -> Result<(), Refusal> {
        if !self.config.history_pacing || self.pacing.admits(question, now_us) {
            return Ok(());
        }
        Err(match asks {
            Asks::History => Refusal { code: 162, text: history(PACING) },
            Asks::RealTimeBars => Refusal { code: 420, text: format!("Invalid Real-time Query:{PACING}") },
        })
    }

    fn expire(&mut self, now_us: i64) {
        self.lingering.retain(|gone| now_us < gone.until_us);
    }
}

/// Why a client may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientRefusal {
    /// Its id is held by one that is gone: error 326.
    IdInUse,
    /// There are as many as there may be. The connection is closed without a word: clients report that as 507.
    TooMany(u32),
}

/// Whether one more would be too many. A limit of 0 is off.
fn over(limit: u32, taken: usize) -> bool {
    limit > 0 && taken >= limit as usize
}

fn history(text: &str) -> String {
    format!("Historical Market Data Service error message:{text}")
}

fn tick_by_tick(error: TickByTickError) -> (i32, String) {
    match error {
        TickByTickError::Code10190 => (10190, format!("{MOST_TICK_BY_TICK}.")),
        TickByTickError::Code322 => (322, format!("Error processing request.-'bN' : cause - {MOST_TICK_BY_TICK}.")),
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
