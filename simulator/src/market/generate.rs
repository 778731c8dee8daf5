//! Generated ticks: a pure function of seed, contract, tick type and second.

use super::catalog::Contract;
use super::noise::{below, curve, hash};
use super::tick::{Body, Quote, TickType, Trade};
use super::{MarketConfig, noise};

const US: u64 = 1_000_000;

/// Most ticks of one kind in one second: an index is 16 bits wide.
const MAX_PER_SECOND: u64 = 60_000;

/// Periods of the curves that add up to the price, seconds, and their share of the swing, per mille.
const CURVES: [(i64, i64); 5] = [(21_600, 550), (2_820, 250), (420, 130), (47, 50), (1, 20)];

// What a hash is for: keeps the streams of numbers apart.
const SALT_PRICE: u64 = 1;
const SALT_QUOTES: u64 = 2;
const SALT_TRADES: u64 = 3;

/// Ticks of one second: microseconds into it, and what they say. In the order of time, times distinct.
pub(super) fn bodies(contract: &Contract, kind: TickType, second: i64, config: &MarketConfig) -> Vec<(u32, Body)> {
    let source = Source { contract, second, config };
    match kind {
        TickType::BidAsk => source.quotes().into_iter().map(|(at, quote)| (at, Body::Quote(quote))).collect(),
        TickType::MidPoint => middles(source.quotes().into_iter(), None),
        TickType::AllLast => source.trades().into_iter().map(|(at, trade)| (at, Body::Trade(trade))).collect(),
        TickType::Last => {
            let reported = source.trades().into_iter().filter(|(_, trade)| !trade.unreported);
            reported.map(|(at, trade)| (at, Body::Trade(trade))).collect()
        }
    }
}

/// Middles of quotes wherever they change. Without a `previous` middle the first one counts as a change.
pub(super) fn middles(quotes: impl Iterator<Item = (u32, Quote)>, previous: Option<f64>) -> Vec<(u32, Body)> {
    let mut last = previous;
    let change = |(at, quote): (u32, Quote)| {
        let middle = f64::midpoint(quote.bid, quote.ask);
        (last.replace(middle) != Some(middle)).then_some((at, Body::Mid(middle)))
    };
    quotes.filter_map(change).collect()
}

struct Source<'a> {
    contract: &'a Contract,
    second: i64,
    config: &'a MarketConfig,
}

impl Source<'_> {
    fn quotes(&self) -> Vec<(u32, Quote)> {
        let times = self.times(SALT_QUOTES, self.contract.quotes_per_second);
        times.into_iter().map(|at| (at, self.quote(at))).collect()
    }

    /// The quote that the path gives at a moment of this second.
    fn quote(&self, at: u32) -> Quote {
        let key = |what| self.key(SALT_QUOTES, &[u64::from(at), what]);
        let bid = self.steps(at);
        let ask = bid + 1 + i64::from(key(1) % 4 == 0);
        let size = |what| (1 + key(what) % 40) as f64 * self.contract.lot;
        Quote {
            bid: self.price(bid),
            ask: self.price(ask),
            bid_size: round(size(2)),
            ask_size: round(size(3)),
            bid_past_low: false,
            ask_past_high: false,
        }
    }

    /// Trades print at the bid or the offer that was in force.
    fn trades(&self) -> Vec<(u32, Trade)> {
        let quotes = self.quotes();
        let times = self.times(SALT_TRADES, self.contract.trades_per_second);
        let trade = |(number, at): (usize, u32)| {
            let key = |what| self.key(SALT_TRADES, &[u64::from(at), what]);
            let in_force = quotes.iter().rev().find(|(quoted, _)| *quoted <= at);
            let quote = in_force.map_or_else(|| self.quote(0), |(_, quote)| quote.clone());
            // The first of a second is always reported, so that Last is never silent where AllLast is not.
            let unreported = number > 0 && key(3) % 100 < self.contract.unreported_percent;
            let exchange_number = key(4) as usize;
            let trade = Trade {
                price: if key(1) % 2 == 0 { quote.bid } else { quote.ask },
                size: round((1 + key(2) % 10) as f64 * self.contract.lot),
                exchange: self.venue(exchange_number),
                conditions: if unreported { "I" } else { "" },
                past_limit: false,
                unreported,
            };
            (at, trade)
        };
        times.into_iter().enumerate().map(trade).collect()
    }

    /// Distinct moments in this second, ascending: one in each of `n` equal slots.
    fn times(&self, salt: u64, rate: f64) -> Vec<u32> {
        let n = self.count(salt, rate * self.config.rate);
        let moment = |slot: u64| {
            let (from, to) = (slot * US / n, (slot + 1) * US / n);
            u32::try_from(from + self.key(salt, &[slot, 9]) % (to - from).max(1)).unwrap_or(0)
        };
        (0..n).map(moment).collect()
    }

    /// How many ticks: between half and one and a half times the rate, `rate` on average.
    fn count(&self, salt: u64, rate: f64) -> u64 {
        let random = self.key(salt, &[8]) % US;
        // Micro-ticks, so that the remainder decides by chance whether one more comes.
        let wanted = (rate * (0.5 + random as f64 / US as f64) * US as f64) as u64;
        let more = u64::from(self.key(salt, &[7]) % US < wanted % US);
        let floor = u64::from(self.contract.never_silent);
        (wanted / US + more).clamp(floor, MAX_PER_SECOND)
    }

    /// The bid at a moment of this second, in price steps.
    fn steps(&self, at: u32) -> i64 {
        let at_us = self.second * 1_000_000 + i64::from(at);
        let key = hash(&[self.config.seed, u64::from(self.contract.con_id.cast_unsigned()), SALT_PRICE]);
        let share = |(number, (period_s, per_mille)): (usize, (i64, i64))| {
            curve(noise::mix(key ^ number as u64), at_us, period_s * 1_000_000) * per_mille / 1_000
        };
        let path: i64 = CURVES.into_iter().enumerate().map(share).sum();
        let base = i64::from(self.contract.base_price) * i64::from(self.contract.steps_per_unit);
        base + path * self.contract.swing_steps / 1_000_000
    }

    fn price(&self, steps: i64) -> f64 {
        steps as f64 / f64::from(self.contract.steps_per_unit)
    }

    fn venue(&self, number: usize) -> &'static str {
        // The first of a stock's exchanges is the router, where nothing trades.
        let venues = match self.contract.valid_exchanges {
            [_, venues @ ..] if self.contract.sec_type == "STK" && !venues.is_empty() => venues,
            _ => &[self.contract.exchange],
        };
        venues[number % venues.len()]
    }

    fn key(&self, salt: u64, more: &[u64]) -> u64 {
        let con_id = u64::from(self.contract.con_id.cast_unsigned());
        let start = hash(&[self.config.seed, con_id, salt, self.second.cast_unsigned()]);
        below(&[&[start], more].concat(), u64::MAX)
    }
}

/// Sizes to eight decimals, so that 3 x 0.001 is 0.003.
fn round(size: f64) -> f64 {
    (size * 1e8).round() / 1e8
}
