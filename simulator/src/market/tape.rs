//! The ticks of a contract over a trading day, generated or recorded, and what they add up to.

use super::book::LastTrade;
use super::catalog::{Contract, Halts};
use super::generate::Generator;
use super::hours::TradingDay;
use super::recording::Recording;
use super::tick::{Quote, Trade};

/// How far back the quote in force is looked for, seconds. Longer than the halts of `SIMHALT`.
const LOOK_BACK_S: i64 = 900;

/// Sizes are added up in these, so that sums are exact and equal however they are made.
pub(super) const UNITS: f64 = 1e8;

/// Reported trades of a day, added up.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) open: Option<f64>,
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) last: Option<LastTrade>,
    /// In [`UNITS`].
    pub(super) volume: u128,
    /// In squares of them.
    pub(super) turnover: u128,
    /// How many.
    pub(super) trades: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { open: None, high: f64::NEG_INFINITY, low: f64::INFINITY, last: None, volume: 0, turnover: 0, trades: 0 }
    }
}

impl Tally {
    /// Adds a trade, for the turnover at a price of its own.
    pub(super) fn add(&mut self, second: i64, offset_us: u32, trade: Trade, turnover_price: f64) {
        self.open.get_or_insert(trade.price);
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.volume += units(trade.size);
        self.turnover += units(turnover_price) * units(trade.size);
        self.trades += 1;
        self.last = Some(LastTrade { at_us: second * 1_000_000 + i64::from(offset_us), trade });
    }
}

pub(super) fn units(value: f64) -> u128 {
    (value * UNITS).round() as u128
}

/// The ticks of a contract on a trading day, wherever they come from.
pub(super) struct Tape<'a> {
    pub(super) contract: &'a Contract,
    pub(super) day: &'a TradingDay,
    pub(super) source: Source<'a>,
}

pub(super) enum Source<'a> {
    Generated(Generator<'a>),
    Recorded(&'a Recording),
}

impl Tape<'_> {
    fn open_at(&self, second: i64) -> bool {
        self.day.trades_at(second) && !self.contract.halts.halted_at(second)
    }

    /// Reported trades of a second: microseconds into it, and what they say.
    pub(super) fn trades(&self, second: i64) -> Vec<(u32, Trade)> {
        match &self.source {
            _ if !self.open_at(second) => Vec::new(),
            Source::Generated(generator) => generator.reported_trades(second),
            Source::Recorded(recording) => recording.trades(second, self.contract).collect(),
        }
    }

    pub(super) fn last_trade(&self, second: i64) -> Option<LastTrade> {
        if matches!(&self.source, Source::Generated(generator) if generator.reported_totals(second).0 == 0) {
            return None;
        }
        let (offset_us, trade) = self.trades(second).pop()?;
        Some(LastTrade { at_us: second * 1_000_000 + i64::from(offset_us), trade })
    }

    pub(super) fn quote_in_force(&self, second: i64, until_us: u32) -> Quote {
        let generator = match &self.source {
            Source::Recorded(recording) => return recording.last_quote(second, until_us).unwrap_or_else(no_quote),
            Source::Generated(generator) => generator,
        };
        // What never trades has one price for ever.
        if self.contract.halts == Halts::Always {
            return generator.quote(0, 0);
        }
        let earlier = (second - LOOK_BACK_S..second).rev().map(|second| (second, u32::MAX));
        let quote =
            std::iter::once((second, until_us)).chain(earlier).find_map(|(s, until)| generator.last_quote(s, until));
        quote.unwrap_or_else(|| generator.quote(second, until_us))
    }

    /// Adds the trades of a second, up to and with a microsecond of it.
    pub(super) fn add_second(&self, tally: &mut Tally, second: i64, until_us: u32) {
        let middle = match &self.source {
            Source::Generated(generator) => {
                generator.outlooks(second, second + 1).first().map(|outlook| outlook.middle)
            }
            Source::Recorded(_) => None,
        };
        for (offset_us, trade) in self.trades(second) {
            if offset_us <= until_us {
                let turnover_price = middle.unwrap_or(trade.price);
                tally.add(second, offset_us, trade, turnover_price);
            }
        }
    }

    /// Adds the trades of the seconds in `from..to`.
    pub(super) fn add_up(&self, tally: &mut Tally, from: i64, to: i64) {
        match &self.source {
            Source::Generated(generator) => self.add_up_generated(generator, tally, from, to),
            Source::Recorded(_) => (from..to).for_each(|second| self.add_second(tally, second, u32::MAX)),
        }
    }

    /// The same figures as adding each trade, from the few trades that decide them: the first, the last, and those of the
    /// seconds whose price may have been the highest or the lowest.
    fn add_up_generated(&self, generator: &Generator<'_>, tally: &mut Tally, from: i64, to: i64) {
        let mut traded = Vec::new();
        for outlook in generator.outlooks(from, to) {
            let open = self.open_at(outlook.second);
            let (trades, lots) = if open { generator.reported_totals(outlook.second) } else { (0, 0) };
            if trades > 0 {
                let size = lots as f64 * self.contract.lot;
                tally.trades += trades;
                tally.volume += units(size);
                tally.turnover += units(outlook.middle) * units(size);
                traded.push(outlook);
            }
        }
        let (Some(first), Some(last)) = (traded.first(), traded.last()) else { return };
        if tally.open.is_none() {
            tally.open = self.trades(first.second).first().map(|(_, trade)| trade.price);
        }
        tally.last = self.last_trade(last.second);
        traded.sort_unstable_by(|a, b| b.high.total_cmp(&a.high));
        for outlook in &traded {
            if outlook.high <= tally.high {
                break;
            }
            tally.high = self.trades(outlook.second).iter().fold(tally.high, |high, (_, trade)| high.max(trade.price));
        }
        traded.sort_unstable_by(|a, b| a.low.total_cmp(&b.low));
        for outlook in &traded {
            if outlook.low >= tally.low {
                break;
            }
            tally.low = self.trades(outlook.second).iter().fold(tally.low, |low, (_, trade)| low.min(trade.price));
        }
    }
}

/// Of a recording without quotes, which cannot be loaded.
fn no_quote() -> Quote {
    Quote { bid: 0.0, ask: 0.0, bid_size: 0.0, ask_size: 0.0, bid_past_low: false, ask_past_high: false }
}
