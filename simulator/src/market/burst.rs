//! Bursts: seconds in which a stream has many more ticks than usual, all of them due at the end of the second.
//!
//! Like every tick they are a pure function of time, once it is known when there was a burst: the request log keeps that.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::tick::{Body, Tick, TickType};
use super::{Market, Stream};

/// Index of a burst's first tick. Those of a usual second are below.
pub const FIRST_INDEX: u32 = 1 << 16;

/// Most ticks of one burst: with [`FIRST_INDEX`] they stay below the 2^21 indices of the journal.
pub const MAX_TICKS: u32 = 2_000_000;

/// When in its second a burst is due, microseconds: after every usual tick.
const OFFSET_US: u32 = 999_999;

/// How far back a stream must have ticked to be a model for a burst, seconds.
const MODEL_S: i64 = 600;

/// How often the sizes of a burst vary before a pair of them comes again: two primes, for one side and the other.
const SIZES: (u32, u32) = (97, 89);

/// One burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// IBKR's contract id.
    pub con_id: i32,
    /// Kind of ticks.
    pub tick: TickType,
    /// Second of its ticks, since the epoch.
    pub second: i64,
    /// How many, 1 to [`MAX_TICKS`].
    pub ticks: u32,
}

/// Why there can be no burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BurstError {
    /// Too many ticks, or none.
    #[error("ticks must be 1 to {MAX_TICKS}, not {0}")]
    Ticks(u32),
    /// There is no tick that it could be made of.
    #[error("contract {} has had no {} tick in the last {MODEL_S} seconds: a burst repeats recent ticks", .0.con_id, .0.tick.name())]
    Silent(Stream),
}

/// All bursts of a market: how many ticks, by stream and second.
#[derive(Debug, Default)]
pub(super) struct Bursts(RwLock<BTreeMap<(Stream, i64), u32>>);

impl Market {
    /// Adds a burst to the second of `now_us` (microseconds since the epoch), or to the next one that has none.
    ///
    /// # Errors
    /// See [`BurstError`].
    pub fn add_burst(&self, stream: Stream, now_us: i64, ticks: u32) -> Result<Burst, BurstError> {
        if !(1..=MAX_TICKS).contains(&ticks) {
            return Err(BurstError::Ticks(ticks));
        }
        // What is due in this very microsecond may have been sent.
        let from = (now_us + 1).div_euclid(1_000_000);
        let mut bursts = self.bursts.0.write().unwrap_or_else(PoisonError::into_inner);
        let second = (from..).find(|second| !bursts.contains_key(&(stream, *second))).unwrap_or(from);
        if self.models(stream, second).is_empty() {
            return Err(BurstError::Silent(stream));
        }
        bursts.insert((stream, second), ticks);
        Ok(Burst { con_id: stream.con_id, tick: stream.tick, second, ticks })
    }

    /// Adds a burst of an earlier process.
    pub fn restore_burst(&self, burst: Burst) {
        let stream = Stream { con_id: burst.con_id, tick: burst.tick };
        let mut bursts = self.bursts.0.write().unwrap_or_else(PoisonError::into_inner);
        bursts.insert((stream, burst.second), burst.ticks);
    }

    /// The burst of a stream in a second.
    #[must_use]
    pub fn burst(&self, stream: Stream, second: i64) -> Option<BurstTicks> {
        let ticks = *self.bursts.0.read().unwrap_or_else(PoisonError::into_inner).get(&(stream, second))?;
        Some(BurstTicks { models: self.models(stream, second), second, ticks })
    }

    /// The seconds of a range in which a stream has a burst, ascending.
    pub(super) fn burst_seconds(&self, stream: Stream, seconds: Range<i64>) -> Vec<i64> {
        let bursts = self.bursts.0.read().unwrap_or_else(PoisonError::into_inner);
        bursts.range((stream, seconds.start)..(stream, seconds.end)).map(|((_, second), _)| *second).collect()
    }

    /// The usual ticks of the last second, up to this one, that has any.
    fn models(&self, stream: Stream, second: i64) -> Vec<Tick> {
        let usual = (0..MODEL_S).map(|back| self.usual_ticks(stream, second - back));
        usual.into_iter().find(|ticks| !ticks.is_empty()).unwrap_or_default()
    }
}

/// The ticks of one burst, made one by one: a million of them take no room.
#[derive(Debug)]
pub struct BurstTicks {
    models: Vec<Tick>,
    second: i64,
    ticks: u32,
}

impl BurstTicks {
    /// When they are due, microseconds since the epoch.
    #[must_use]
    pub fn at_us(&self) -> i64 {
        self.second * 1_000_000 + i64::from(OFFSET_US)
    }

    /// Those with at least that index, in order.
    pub fn from(&self, index: u32) -> impl Iterator<Item = Tick> + '_ {
        let first = index.saturating_sub(FIRST_INDEX);
        let model = self.models.iter().cycle().skip(first as usize % self.models.len().max(1));
        (first..self.ticks).zip(model).map(|(number, model)| self.tick(number, model))
    }

    /// The model's prices at sizes that vary, so that a lost tick cannot hide behind its neighbour.
    fn tick(&self, number: u32, model: &Tick) -> Tick {
        let (one, other) = (1 + number % SIZES.0, 1 + number % SIZES.1);
        let mut body = model.body.clone();
        match &mut body {
            Body::Trade(trade) => trade.size = times(trade.size, one),
            Body::Quote(quote) => {
                quote.bid_size = times(quote.bid_size, one);
                quote.ask_size = times(quote.ask_size, other);
            }
            Body::Mid(_) => {}
        }
        Tick { second: self.second, offset_us: OFFSET_US, index: FIRST_INDEX + number, body }
    }
}

/// A multiple of a size, to eight decimals as all sizes.
fn times(size: f64, factor: u32) -> f64 {
    (size * f64::from(factor) * 1e8).round() / 1e8
}

#[cfg(test)]
mod tests {
    use super::super::MarketConfig;
    use super::super::catalog::{FIRST_TEST_CON_ID, THIN_CON_ID};
    use super::*;

    const NOW: i64 = 1_793_293_200_500_000;

    fn stream(tick: TickType) -> Stream {
        Stream { con_id: FIRST_TEST_CON_ID, tick }
    }

    #[test]
    fn is_the_same_in_another_process_and_wherever_it_goes_on() {
        let (one, other) = (Market::new(MarketConfig::default()), Market::new(MarketConfig::default()));
        for tick in TickType::ALL {
            let burst = one.add_burst(stream(tick), NOW, 1_000).unwrap();
            other.restore_burst(burst);
            let all = one.ticks_of_second(stream(tick), burst.second);
            assert_eq!(all, other.ticks_of_second(stream(tick), burst.second));
            assert!(all.windows(2).all(|pair| (pair[0].at_us(), pair[0].index) < (pair[1].at_us(), pair[1].index)));
            let usual = all.len() - 1_000;
            assert_eq!(all[..usual], one.usual_ticks(stream(tick), burst.second));
            let ticks = one.burst(stream(tick), burst.second).unwrap();
            for from in [0, 1, 999] {
                let rest: Vec<Tick> = ticks.from(FIRST_INDEX + from).collect();
                assert_eq!(rest, all[usual + from as usize..]);
            }
            assert_eq!(ticks.from(FIRST_INDEX + 1_000).count(), 0);
        }
    }

    #[test]
    fn a_second_has_one_burst_and_a_past_one_none() {
        let market = Market::new(MarketConfig::default());
        let second = |now_us| market.add_burst(stream(TickType::BidAsk), now_us, 1).map(|burst| burst.second);
        let now_s = NOW / 1_000_000;
        assert_eq!(second(NOW), Ok(now_s));
        assert_eq!(second(NOW), Ok(now_s + 1));
        assert_eq!(second(now_s * 1_000_000 + 2_999_999), Ok(now_s + 3));
    }

    #[test]
    fn refuses_what_cannot_be() {
        let market = Market::new(MarketConfig::default());
        for ticks in [0, MAX_TICKS + 1] {
            assert_eq!(market.add_burst(stream(TickType::Last), NOW, ticks), Err(BurstError::Ticks(ticks)));
        }
        let unknown = Stream { con_id: 5, tick: TickType::Last };
        assert_eq!(market.add_burst(unknown, NOW, 1), Err(BurstError::Silent(unknown)));
        let thin = Stream { con_id: THIN_CON_ID, tick: TickType::BidAsk };
        assert!(market.add_burst(thin, NOW, 1).is_ok(), "it ticked some seconds before");
    }
}
