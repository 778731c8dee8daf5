//! Whatever speaks by the clock for one request.

use super::line::Line;
use super::live_bars::{KeptUp, RealTimeBars};
use crate::market::Market;
use crate::wire::answer::Answer;

/// A subscription that speaks by the clock.
#[derive(Debug, Clone, PartialEq)]
pub enum Feed {
    /// A market data line.
    Line(Line),
    /// Bars of five seconds.
    RealTimeBars(RealTimeBars),
    /// Bars of the past that are kept up to date.
    KeptUp(KeptUp),
}

/// What a step brings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// To the client.
    pub answers: Vec<Answer>,
    /// Nothing more will come.
    pub done: bool,
}

/// What a fault keeps from a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Withheld {
    /// Bids and offers.
    pub quotes: bool,
    /// Trades and what is made of them.
    pub trades: bool,
}

impl Feed {
    /// IBKR's contract id.
    #[must_use]
    pub fn con_id(&self) -> i32 {
        match self {
            Self::Line(line) => line.con_id,
            Self::RealTimeBars(bars) => bars.con_id,
            Self::KeptUp(bars) => bars.question.con_id,
        }
    }

    /// In words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Line(_) => "line",
            Self::RealTimeBars(_) => "five-second bars",
            Self::KeptUp(_) => "bars kept up to date",
        }
    }

    /// Whether it came with bars of the past.
    #[must_use]
    pub fn is_kept_up(&self) -> bool {
        matches!(self, Self::KeptUp(_))
    }

    /// When it is to speak, microseconds since the epoch.
    #[must_use]
    pub fn next_us(&self) -> i64 {
        match self {
            Self::Line(line) => line.next_us(),
            Self::RealTimeBars(bars) => bars.next_us(),
            Self::KeptUp(bars) => bars.next_us(),
        }
    }

    /// What it says at `now_us` (microseconds since the epoch) as the request `req_id`. What is withheld now is lost.
    #[must_use]
    pub fn step(&mut self, req_id: i32, market: &Market, withheld: Withheld, now_us: i64) -> Step {
        match self {
            Self::Line(line) => line.step(req_id, market, withheld, now_us),
            Self::RealTimeBars(bars) => bars.step(req_id, market, withheld, now_us),
            Self::KeptUp(bars) => bars.step(req_id, market, withheld, now_us),
        }
    }
}
