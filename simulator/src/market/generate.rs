//! Generated ticks: a pure function of seed, contract, tick type and second.

use super::activity;
use super::catalog::Contract;
use super::hours::TradingDay;
use super::noise::{curve, hash, mix};
use super::tick::{Body, Quote, TickType, Trade};

const US: u64 = 1_000_000;

/// Most ticks of one kind in one second: an index is 16 bits wide.
const MAX_PER_SECOND: u64 = 60_000;

/// Periods of the curves that add up to the price, seconds, and their share of the swing, per mille.
const CURVES: [(i64, i64); 5] = [(21_600, 550), (2_820, 250), (420, 130), (47, 50), (1, 20)];

/// Rounding of the curves' sum, millionths of the swing: each may be off by two.
const CURVE_ROUNDING: i64 = 10;

/// Largest spread, price steps.
const MAX_SPREAD: i64 = 2;

/// Lots of a reported trade, on top of the first, are at most this many on average over a second.
const MAX_MEAN_EXTRA_LOTS: u64 = 9;

// What a hash is for: keeps the streams of numbers apart.
const SALT_PRICE: u64 = 1;
const SALT_QUOTES: u64 = 2;
const SALT_TRADES: u64 = 3;

/// Makes the ticks of one contract on one trading day.
pub(super) struct Generator<'a> {
    pub(super) contract: &'a Contract,
    pub(super) seed: u64,
    /// Factor on all rates.
    pub(super) rate: f64,
    pub(super) day: &'a TradingDay,
}

/// How the trades of a second divide up. Known without making one, so that volumes are cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Division {
    trades: u64,
    unreported: u64,
    /// Lots of all reported trades beyond one each.
    extra_lots: u64,
}

/// What is known of the trades of a second without making one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    pub(super) second: i64,
    /// No trade is below.
    pub(super) low: f64,
    /// No trade is above.
    pub(super) high: f64,
    /// Their average, but for what the price moves within the second.
    pub(super) middle: f64,
}

impl Division {
    fn reported(self) -> u64 {
        self.trades - self.unreported
    }

    fn lots(self) -> u64 {
        self.reported() + self.extra_lots
    }
}

impl Generator<'_> {
    /// Ticks of one second: microseconds into it, and what they say. In the order of time, times distinct.
    pub(super) fn bodies(&self, kind: TickType, second: i64) -> Vec<(u32, Body)> {
        match kind {
            TickType::BidAsk => self.quotes(second).map(|(at, quote)| (at, Body::Quote(quote))).collect(),
            TickType::MidPoint => middles(self.quotes(second), None),
            TickType::AllLast => self.trades(second).into_iter().map(|(at, trade)| (at, Body::Trade(trade))).collect(),
            TickType::Last => {
                self.reported_trades(second).into_iter().map(|(at, trade)| (at, Body::Trade(trade))).collect()
            }
        }
    }

    fn open_at(&self, second: i64) -> bool {
        // Around the clock the day before goes on, as far as its ticks matter here.
        (self.day.around_the_clock || self.day.trades_at(second)) && !self.contract.halts.halted_at(second)
    }

    fn quotes(&self, second: i64) -> impl Iterator<Item = (u32, Quote)> {
        let count = self.count(SALT_QUOTES, self.contract.quotes_per_second, second);
        (0..count).map(move |slot| {
            let at = self.slot_time(SALT_QUOTES, second, count, slot);
            (at, self.quote(second, at))
        })
    }

    /// The last quote of a second at or before that microsecond of it, made without the others.
    pub(super) fn last_quote(&self, second: i64, until_us: u32) -> Option<Quote> {
        if !self.open_at(second) {
            return None;
        }
        let count = self.count(SALT_QUOTES, self.contract.quotes_per_second, second);
        let slot = self.last_slot(SALT_QUOTES, second, count, until_us)?;
        Some(self.quote(second, self.slot_time(SALT_QUOTES, second, count, slot)))
    }

    /// The quote that the path gives at a moment, whether or not a tick tells it.
    pub(super) fn quote(&self, second: i64, at: u32) -> Quote {
        let key = |what| self.key(SALT_QUOTES, second, &[u64::from(at), what]);
        let bid = self.steps(second, at);
        let ask = bid + if key(1) % 4 == 0 { MAX_SPREAD } else { 1 };
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

    /// Trades print at the bid or the offer in force: the last quote of this second or the one before, else the path's.
    fn trades(&self, second: i64) -> Vec<(u32, Trade)> {
        let division = self.division(second);
        let Division { trades: count, unreported, .. } = division;
        // The first of a second is always reported, so that Last is never silent where AllLast is not; of the others
        // every so many is not, from one that chance gives.
        let others = count.saturating_sub(1).max(1);
        let phase = self.key(SALT_TRADES, second, &[5]) % others;
        let skipped = |number: u64| (number * unreported + phase) / others;
        let mut quotes = self.quotes(second).peekable();
        let mut in_force = None;
        let mut reported = 0;
        let trade = |number: u64| {
            let at = self.slot_time(SALT_TRADES, second, count, number);
            while let Some((_, quote)) = quotes.next_if(|(quoted, _)| *quoted <= at) {
                in_force = Some(quote);
            }
            let before = || self.last_quote(second - 1, u32::MAX).unwrap_or_else(|| self.quote(second, at));
            let quote = in_force.clone().unwrap_or_else(before);
            let key = |what| self.key(SALT_TRADES, second, &[u64::from(at), what]);
            let unreported = number > 0 && skipped(number) != skipped(number - 1);
            let lots = if unreported {
                1 + key(2) % 10
            } else {
                reported += 1;
                1 + self.extra_lots(second, division, reported) - self.extra_lots(second, division, reported - 1)
            };
            let trade = Trade {
                price: if key(1) % 2 == 0 { quote.bid } else { quote.ask },
                size: round(lots as f64 * self.contract.lot),
                exchange: self.venue(key(4) as usize),
                conditions: if unreported { "I" } else { "" },
                past_limit: false,
                unreported,
            };
            (at, trade)
        };
        (0..count).map(trade).collect()
    }

    /// The trades that are reported.
    pub(super) fn reported_trades(&self, second: i64) -> Vec<(u32, Trade)> {
        self.trades(second).into_iter().filter(|(_, trade)| !trade.unreported).collect()
    }

    /// How many trades of a second are reported, and their lots together. Makes no trade.
    pub(super) fn reported_totals(&self, second: i64) -> (u64, u64) {
        let division = self.division(second);
        (division.reported(), division.lots())
    }

    /// What the path says of the trades of each second in `from..to`. Makes no trade.
    pub(super) fn outlooks(&self, from: i64, to: i64) -> Vec<Outlook> {
        // The path is straight within a second, and a trade may print at a quote of the second before.
        let path: Vec<_> = (from - 1..=to).map(|second| self.steps(second, 0)).collect();
        let rounding = self.contract.swing_steps * CURVE_ROUNDING / US.cast_signed() + 1;
        let outlook = |(second, around): (i64, &[i64])| {
            let low = around.iter().copied().min().unwrap_or(0) - rounding;
            let high = around.iter().copied().max().unwrap_or(0) + MAX_SPREAD + rounding;
            let middle = f64::midpoint(self.price(around[1]), self.price(around[2] + 1));
            Outlook { second, low: self.price(low), high: self.price(high), middle }
        };
        (from..to).zip(path.windows(3)).map(outlook).collect()
    }

    fn division(&self, second: i64) -> Division {
        let trades = self.count(SALT_TRADES, self.contract.trades_per_second, second);
        let key = |what| self.key(SALT_TRADES, second, &[what]);
        let percents = trades.saturating_sub(1) * self.contract.unreported_percent;
        let unreported = percents / 100 + u64::from(key(6) % 100 < percents % 100);
        let extra_lots = match trades - unreported {
            0 => 0,
            reported => key(4) % (MAX_MEAN_EXTRA_LOTS * reported + 1),
        };
        Division { trades, unreported, extra_lots }
    }

    /// Extra lots of a second's first `number` reported trades together.
    fn extra_lots(&self, second: i64, division: Division, number: u64) -> u64 {
        let reported = division.reported();
        if number == 0 || number >= reported {
            return if number == 0 { 0 } else { division.extra_lots };
        }
        let jitter = self.key(SALT_TRADES, second, &[number, 10]) % US;
        let share = u128::from(number * US + jitter) * u128::from(division.extra_lots);
        u64::try_from(share / u128::from(reported * US)).unwrap_or(0)
    }

    /// How many ticks: between half and one and a half times the rate, `rate` on average.
    fn count(&self, salt: u64, rate: f64, second: i64) -> u64 {
        if rate <= 0.0 {
            return 0;
        }
        let share = activity::per_mille(self.day, self.contract.end_s, second) as f64 / activity::FULL as f64;
        let rate = rate * self.rate * share;
        let random = self.key(salt, second, &[8]) % US;
        // Micro-ticks, so that the remainder decides by chance whether one more comes.
        let wanted = (rate * (0.5 + random as f64 / US as f64) * US as f64) as u64;
        let more = u64::from(self.key(salt, second, &[7]) % US < wanted % US);
        let floor = u64::from(self.contract.never_silent);
        (wanted / US + more).clamp(floor, MAX_PER_SECOND)
    }

    /// Moment of the tick in one of `count` equal slots of a second: so all are distinct, and ascend.
    fn slot_time(&self, salt: u64, second: i64, count: u64, slot: u64) -> u32 {
        let (from, to) = (slot * US / count, (slot + 1) * US / count);
        u32::try_from(from + self.key(salt, second, &[slot, 9]) % (to - from).max(1)).unwrap_or(0)
    }

    /// The last slot whose tick is at or before a microsecond of the second.
    fn last_slot(&self, salt: u64, second: i64, count: u64, until_us: u32) -> Option<u64> {
        let last = count.checked_sub(1)?;
        // The slot of that moment, or its neighbour where the division has rounded.
        let near = (u64::from(until_us) * count / US + 1).min(last);
        (near.saturating_sub(2)..=near).rev().find(|slot| self.slot_time(salt, second, count, *slot) <= until_us)
    }

    /// The bid at a moment of a second, in price steps.
    fn steps(&self, second: i64, at: u32) -> i64 {
        let at_us = second * 1_000_000 + i64::from(at);
        let key = hash(&[self.seed, self.con_id(), SALT_PRICE]);
        let share = |(number, (period_s, per_mille)): (usize, (i64, i64))| {
            curve(mix(key ^ number as u64), at_us, period_s * 1_000_000) * per_mille / 1_000
        };
        let path: i64 = CURVES.into_iter().enumerate().map(share).sum();
        self.contract.base_steps + path * self.contract.swing_steps / 1_000_000
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

    fn con_id(&self) -> u64 {
        u64::from(self.contract.con_id.cast_unsigned())
    }

    fn key(&self, salt: u64, second: i64, more: &[u64]) -> u64 {
        let start = hash(&[self.seed, self.con_id(), salt, second.cast_unsigned()]);
        more.iter().fold(mix(start), |state, key| mix(state ^ key))
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

/// Sizes to eight decimals, so that 3 x 0.001 is 0.003.
fn round(size: f64) -> f64 {
    (size * 1e8).round() / 1e8
}
