//! Whatever speaks by the clock for one request.

use super::depth::Depth;
use super::line::Line;
use super::live_bars::{KeptUp, RealTimeBars};
use crate::faults::Alteration;
use crate::market::Market;
use crate::market::tick::Tick;
use crate::wire::answer::Answer;

/// A subscription that speaks by the clock.
#[derive(Debug, Clone, PartialEq)]
pub enum Feed {
    /// A market data line.
    Line(Line),
    /// An order book.
    Depth(Depth),
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

/// What faults do to a feed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Interference {
    /// To bids and offers.
    pub quotes: Effect,
    /// To trades and what is made of them.
    pub trades: Effect,
}

/// What faults do to one part of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Effect {
    /// Nothing is said, and what would have been is lost.
    pub withheld: bool,
    /// Prices and sizes on the wire are others. Bars are not concerned.
    pub altered: Option<Alteration>,
}

impl Effect {
    /// What is withheld.
    pub const SILENCE: Self = Self { withheld: true, altered: None };

    /// A tick as the client is to see it.
    pub(super) fn shown(self, tick: &Tick) -> Tick {
        self.altered.map_or_else(|| tick.clone(), |altered| altered.apply(tick))
    }
}

impl Feed {
    /// IBKR's contract id.
    #[must_use]
    pub fn con_id(&self) -> i32 {
        match self {
            Self::Line(line) => line.con_id,
            Self::Depth(depth) => depth.con_id,
            Self::RealTimeBars(bars) => bars.con_id,
            Self::KeptUp(bars) => bars.question.con_id,
        }
    }

    /// In words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Line(_) => "line",
            Self::Depth(_) => "order book",
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
            Self::Depth(depth) => depth.next_us(),
            Self::RealTimeBars(bars) => bars.next_us(),
            Self::KeptUp(bars) => bars.next_us(),
        }
    }

    /// What it says at `now_us` (microseconds since the epoch) as the request `req_id`. What faults withhold now is lost.
    #[must_use]
    pub fn step(&mut self, req_id: i32, market: &Market, faults: Interference, now_us: i64) -> Step {
        match self {
            Self::Line(line) => line.step(req_id, market, faults, now_us),
            Self::Depth(depth) => depth.step(req_id, market, faults, now_us),
            Self::RealTimeBars(bars) => bars.step(req_id, market, faults, now_us),
            Self::KeptUp(bars) => bars.step(req_id, market, faults, now_us),
        }
    }
}
