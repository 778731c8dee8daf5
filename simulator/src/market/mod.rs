//! The market: contracts, their hours, and every tick as a pure function of time.

mod activity;
mod book;
pub mod burst;
pub mod calendar;
pub mod catalog;
mod depth;
mod generate;
pub mod hours;
pub mod noise;
pub mod recording;
mod schedules;
mod tape;
pub mod tick;
mod traded;

use std::collections::HashMap;
use std::sync::Arc;

use catalog::{Catalog, Contract};
use generate::Generator;
use hours::{Hours, TradingDay};
use jiff::Zoned;
use jiff::civil::Date;
use recording::Recording;
use tick::{Tick, TickType};

pub use book::{DayFigures, LastTrade, TopOfBook};
pub use depth::{DepthBook, DepthRow};
pub use traded::Traded;

/// One contract and one tick type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream {
    /// IBKR's contract id.
    pub con_id: i32,
    /// Kind of ticks.
    pub tick: TickType,
}

/// What the market depends on. Equal settings give equal ticks, in any process, at any time.
#[derive(Debug, Clone)]
pub struct MarketConfig {
    /// Changes every generated price, size and time.
    pub seed: u64,
    /// Factor on the tick rates of generated contracts; more than 0.
    pub rate: f64,
    /// Every contract trades around the clock, at the same rates day and night. Halts and expiries stay.
    pub always_open: bool,
    /// Recordings that replace the generated ticks, by contract id.
    pub recordings: HashMap<i32, Arc<Recording>>,
    /// The day on which the program starts: decides which futures exist, see [`Catalog::on`].
    pub today: Date,
}

impl Default for MarketConfig {
    fn default() -> Self {
        Self { seed: 1, rate: 1.0, always_open: false, recordings: HashMap::new(), today: Zoned::now().date() }
    }
}

/// The contracts and their ticks.
#[derive(Debug)]
pub struct Market {
    config: MarketConfig,
    catalog: Catalog,
    bursts: burst::Bursts,
    /// Saves work only: no answer depends on it.
    tallies: book::Tallies,
}

impl Market {
    /// A market of the built-in catalogue.
    #[must_use]
    pub fn new(config: MarketConfig) -> Self {
        Self {
            catalog: Catalog::on(config.today),
            bursts: burst::Bursts::default(),
            config,
            tallies: book::Tallies::default(),
        }
    }

    /// The contracts.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Hours of a contract as they are in force here.
    #[must_use]
    pub fn hours(&self, contract: &Contract) -> Hours {
        if self.config.always_open { contract.hours.always_open() } else { contract.hours }
    }

    /// Every tick of `stream` in the second that begins `second` seconds after the epoch, in the order of their times.
    #[must_use]
    pub fn ticks_of_second(&self, stream: Stream, second: i64) -> Vec<Tick> {
        self.with_burst(self.usual_ticks(stream, second), stream, second)
    }

    /// The same, for who knows the trading day that is on in that second: finding it costs most of the time.
    #[must_use]
    pub fn ticks_of_day_second(&self, stream: Stream, day: &TradingDay, second: i64) -> Vec<Tick> {
        self.with_burst(self.usual_ticks_of(stream, day, second), stream, second)
    }

    fn with_burst(&self, mut ticks: Vec<Tick>, stream: Stream, second: i64) -> Vec<Tick> {
        if let Some(burst) = self.burst(stream, second) {
            ticks.extend(burst.from(0));
        }
        ticks
    }

    /// Every tick of `stream` in the second that begins `second` seconds after the epoch, but for those of a burst.
    /// Empty for an unknown contract, and while the contract is closed, halted or expired.
    #[must_use]
    pub fn usual_ticks(&self, stream: Stream, second: i64) -> Vec<Tick> {
        let Some(contract) = self.catalog.by_id(stream.con_id) else { return Vec::new() };
        let Some(day) = self.hours(contract).day_at(second) else { return Vec::new() };
        self.usual_ticks_of(stream, &day, second)
    }

    fn usual_ticks_of(&self, stream: Stream, day: &TradingDay, second: i64) -> Vec<Tick> {
        let Some(contract) = self.catalog.by_id(stream.con_id) else { return Vec::new() };
        if contract.halts.halted_at(second) {
            return Vec::new();
        }
        let bodies = match self.config.recordings.get(&stream.con_id) {
            Some(recording) => recording.bodies(stream.tick, second, contract),
            None => self.generator(contract, day).bodies(stream.tick, second),
        };
        bodies.into_iter().zip(0..).map(|((offset_us, body), index)| Tick { second, offset_us, index, body }).collect()
    }

    fn generator<'a>(&self, contract: &'a Contract, day: &'a TradingDay) -> Generator<'a> {
        Generator { contract, seed: self.config.seed, rate: self.config.rate, day }
    }
}

#[cfg(test)]
#[path = "market_tests.rs"]
mod tests;
