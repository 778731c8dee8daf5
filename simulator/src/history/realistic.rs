//! What the realistic mode does to each tick: pure functions of seed, tick and time of asking.
//!
//! The original's history is known to be late, filtered, conflated and not quite settled. By how much is not public: all
//! rates here are ours.

use serde::Serialize;

use super::archive::Archive;
use super::question::{Anchor, Question};
use crate::market::Stream;
use crate::market::noise::below;
use crate::market::tick::{Body, Quote, Tick, TickType, Trade};

/// The history ends this far before the present, seconds.
const LATE_S: (i64, i64) = (5, 300);

/// The distance changes this often, seconds. Not shorter than the longest distance: so no end lies before an earlier one.
const LATE_BLOCK_S: i64 = 300;

/// An answer about a second changes once, this long after it, seconds.
const SETTLED_AFTER_S: (i64, i64) = (120, 600);

/// Quotes in one such slot become the last of them, microseconds.
const SLOT_US: u32 = 250_000;

/// How much earlier an answer may begin, seconds.
const EARLY_S: (i64, i64) = (1, 60);

// Rates, per mille.
const FILTERED: u64 = 20;
const NOT_YET: u64 = 30;
const TAKEN_BACK: u64 = 5;
const SHIFTED: u64 = 15;
const EARLY: u64 = 50;

// What a hash is for.
const SALT_LATE: u64 = 101;
const SALT_SETTLED: u64 = 102;
const SALT_EARLY: u64 = 103;
const SALT_TICK: u64 = 104;

/// What the history makes of a live tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is there as it was.
    Kept,
    /// It is there, under the second before (-1) or after (1).
    Shifted(i64),
    /// Left out: its price was not between bid and offer.
    AwayFromQuote,
    /// Left out: smaller than a lot.
    OddLot,
    /// Left out, without a reason that a client could know.
    Filtered,
    /// Merged into a quote that followed soon.
    Conflated,
    /// Not there yet: it comes when the second settles.
    Unsettled,
    /// Taken away when the second settled.
    TakenBack,
}

/// The first second that is not there yet.
pub(super) fn horizon_s(seed: u64, con_id: i32, now_s: i64) -> i64 {
    let late_in = |block: i64| between(LATE_S, &[seed, SALT_LATE, id(con_id), block.cast_unsigned()]);
    let block = now_s.div_euclid(LATE_BLOCK_S);
    let begin = block * LATE_BLOCK_S;
    (now_s - late_in(block)).max(begin - late_in(block - 1))
}

/// How many seconds before the start an answer begins: mostly 0.
pub(super) fn early_s(archive: &Archive<'_>, question: &Question, asked_us: i64) -> i64 {
    let Anchor::Start(start) = question.anchor else { return 0 };
    let asked_s = asked_us.div_euclid(1_000_000);
    let key = [archive.seed, SALT_EARLY, id(question.con_id), start.cast_unsigned(), asked_s.cast_unsigned()];
    let early = archive.config.on(archive.config.early_start) && below(&key, 1_000) < EARLY;
    if early { between(EARLY_S, &[&key[..], &[1]].concat()) } else { 0 }
}

/// The ticks that carry a second, those of its neighbours included.
pub(super) fn held(archive: &Archive<'_>, stream: Stream, second: i64, asked_us: i64) -> Vec<Tick> {
    let mut held = Vec::new();
    for from in second - 1..=second + 1 {
        for (mut tick, fate) in fates(archive, stream, from, asked_us) {
            let carries = match fate {
                Fate::Kept => from,
                Fate::Shifted(by) => from + by,
                _ => continue,
            };
            if carries == second {
                tick.second = second;
                held.push(tick);
            }
        }
    }
    held
}

/// What becomes of each live tick of a second.
pub(super) fn fates(archive: &Archive<'_>, stream: Stream, second: i64, asked_us: i64) -> Vec<(Tick, Fate)> {
    let ticks = archive.market.ticks_of_second(stream, second);
    if ticks.is_empty() {
        return Vec::new();
    }
    let fate = Second::new(archive, stream, second, asked_us, &ticks);
    let fates: Vec<Fate> = ticks.iter().enumerate().map(|(at, tick)| fate.of(at, tick)).collect();
    ticks.into_iter().zip(fates).collect()
}

/// A second of a stream, and what decides on its ticks.
struct Second<'a> {
    archive: &'a Archive<'a>,
    stream: Stream,
    second: i64,
    settled: bool,
    ticks: &'a [Tick],
    /// Of trades: the quotes of this second and the last one before it.
    quotes: Vec<Tick>,
    /// Smallest size that is no odd lot.
    lot: f64,
}

impl<'a> Second<'a> {
    fn new(archive: &'a Archive<'_>, stream: Stream, second: i64, asked_us: i64, ticks: &'a [Tick]) -> Self {
        let settled_after =
            between(SETTLED_AFTER_S, &[archive.seed, SALT_SETTLED, id(stream.con_id), second.cast_unsigned()]);
        let quotes = if stream.tick == TickType::Last && archive.config.filter {
            let of = |second| archive.market.ticks_of_second(Stream { tick: TickType::BidAsk, ..stream }, second);
            of(second - 1).pop().into_iter().chain(of(second)).collect()
        } else {
            Vec::new()
        };
        let lot = archive.market.catalog().by_id(stream.con_id).map_or(0.0, |contract| contract.lot);
        Self { archive, stream, second, settled: asked_us >= (second + settled_after) * 1_000_000, ticks, quotes, lot }
    }

    fn of(&self, at: usize, tick: &Tick) -> Fate {
        let config = &self.archive.config;
        let chance = |what: u64, per_mille: u64| self.key(tick, what) % 1_000 < per_mille;
        if config.on(config.filter)
            && let Body::Trade(trade) = &tick.body
        {
            if self.away_from_quote(tick, trade) {
                return Fate::AwayFromQuote;
            }
            if trade.size < self.lot {
                return Fate::OddLot;
            }
            if chance(1, FILTERED) {
                return Fate::Filtered;
            }
        }
        let merges = matches!(self.stream.tick, TickType::BidAsk | TickType::MidPoint);
        let slot = |tick: &Tick| tick.offset_us / SLOT_US;
        let next = self.ticks.get(at + 1);
        if config.on(config.conflate) && merges && next.is_some_and(|next| slot(next) == slot(tick)) {
            return Fate::Conflated;
        }
        if config.on(config.settle) && !self.settled && chance(2, NOT_YET) {
            return Fate::Unsettled;
        }
        if config.on(config.settle) && self.settled && chance(3, TAKEN_BACK) {
            return Fate::TakenBack;
        }
        if config.on(config.shift) && chance(4, SHIFTED) {
            let by = if self.key(tick, 5).is_multiple_of(2) { 1 } else { -1 };
            if self.trades_at(self.second + by) {
                return Fate::Shifted(by);
            }
        }
        Fate::Kept
    }

    fn away_from_quote(&self, tick: &Tick, trade: &Trade) -> bool {
        let in_force = self.quotes.iter().rev().find(|quote| quote.at_us() <= tick.at_us());
        let outside = |quote: &Quote| trade.price < quote.bid || trade.price > quote.ask;
        in_force.is_some_and(|tick| matches!(&tick.body, Body::Quote(quote) if outside(quote)))
    }

    fn trades_at(&self, second: i64) -> bool {
        let market = self.archive.market;
        let contract = market.catalog().by_id(self.stream.con_id);
        contract.is_some_and(|contract| market.hours(contract).trading_at(second))
    }

    fn key(&self, tick: &Tick, what: u64) -> u64 {
        let stream = [id(self.stream.con_id), u64::from(self.stream.tick.wire().cast_unsigned())];
        let tick = [self.second.cast_unsigned(), u64::from(tick.index), what];
        below(&[&[self.archive.seed, SALT_TICK][..], &stream, &tick].concat(), u64::MAX)
    }
}

/// A number between two others, both included.
fn between((low, high): (i64, i64), keys: &[u64]) -> i64 {
    low + below(keys, (high - low + 1).cast_unsigned()).cast_signed()
}

fn id(con_id: i32) -> u64 {
    u64::from(con_id.cast_unsigned())
}
