//! Which ticks of the history belong into a gap.
//!
//! History has whole seconds, no sequence and no receive time, so a second is a multiset. In the seconds of the gap,
//! its two edges included, whatever history has more often than the files is added: live ticks stay as they are, and
//! nothing is doubled. No other second is touched. Seconds beside the gap that were recorded without a fault show how
//! far history can be trusted for this contract and kind: IBKR filters and conflates it.

use std::{
    collections::HashMap,
    ops::{AddAssign, RangeInclusive},
};

use marketstream_proto::{Source, TickMessage, layout::MICROS_PER_SECOND};
use serde::{Deserialize, Serialize};

/// Ticks of files and of history, side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Both have them.
    pub common: u64,
    /// One of the two has them, or both.
    pub all: u64,
}

impl Compared {
    /// The share that both have: 1 is exact. `None` when there is none at all.
    #[must_use]
    pub fn agreement(self) -> Option<f64> {
        (self.all > 0).then(|| self.common as f64 / self.all as f64)
    }
}

impl AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.common += other.common;
        self.all += other.all;
    }
}

/// Everything of a tick but when it was received and counted.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    second: i64,
    numbers: [u64; 7],
    texts: [String; 2],
    flags: [bool; 4],
}

impl Key {
    fn of(tick: &TickMessage) -> Self {
        // Absent and zero are the same on IBKR's wire; `+ 0.0` makes one zero of two.
        let number = |value: Option<f64>| (value.unwrap_or(0.0) + 0.0).to_bits();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            second: second(tick),
            numbers: [tick.p, tick.s, tick.bp, tick.bs, tick.ap, tick.r#as, tick.mp].map(number),
            texts: [text(&tick.exchange), text(&tick.conditions)],
            flags: [tick.past_limit(), tick.upt(), tick.bpl(), tick.aph()],
        }
    }
}

/// IBKR's second of a tick, since 1970.
#[must_use]
pub fn second(tick: &TickMessage) -> i64 {
    tick.ts.div_euclid(MICROS_PER_SECOND)
}

fn count(ticks: &[TickMessage], wanted: impl Fn(i64) -> bool) -> HashMap<Key, usize> {
    let mut counts = HashMap::new();
    for tick in ticks.iter().filter(|tick| wanted(second(tick))) {
        *counts.entry(Key::of(tick)).or_insert(0) += 1;
    }
    counts
}

/// The ticks of `history` that are to be stored in the seconds of `gap`, in their order. `stored` is all that the files
/// have of these seconds.
#[must_use]
pub fn missing(gap: &RangeInclusive<i64>, stored: &[TickMessage], history: &[TickMessage]) -> Vec<TickMessage> {
    let mut known = count(stored, |second| gap.contains(&second));
    let mut add = Vec::new();
    for tick in history.iter().filter(|tick| gap.contains(&second(tick))) {
        match known.get_mut(&Key::of(tick)).filter(|left| **left > 0) {
            Some(left) => *left -= 1,
            None => add.push(TickMessage { source: Source::Backfill.into(), ..tick.clone() }),
        }
    }
    add
}

/// The seconds beside `gap`, at most `margin` on each side, between the first and the last that was recorded there:
/// recording may have begun or ended within the margin. `live` is what was recorded around the gap.
#[must_use]
pub fn between(gap: &RangeInclusive<i64>, margin: i64, live: &[TickMessage]) -> RangeInclusive<i64> {
    let seconds = || live.iter().map(second);
    let from =
        seconds().filter(|at| *at >= gap.start() - margin && at < gap.start()).min().map_or(*gap.start(), |at| at + 1);
    let to = seconds().filter(|at| *at <= gap.end() + margin && at > gap.end()).max().map_or(*gap.end(), |at| at - 1);
    from..=to
}

/// Compares what was recorded with the history, in the `good` seconds.
#[must_use]
pub fn compare(live: &[TickMessage], history: &[TickMessage], good: impl Fn(i64) -> bool) -> Compared {
    let (ours, theirs) = (count(live, &good), count(history, &good));
    let common: usize = ours.iter().map(|(key, ours)| (*ours).min(theirs.get(key).copied().unwrap_or(0))).sum();
    let all = ours.values().sum::<usize>() + theirs.values().sum::<usize>() - common;
    Compared { common: common as u64, all: all as u64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tick(second: i64, price: f64) -> TickMessage {
        TickMessage {
            ts: second * 1_000_000,
            p: Some(price),
            s: Some(1.0),
            tt: "last".into(),
            ..TickMessage::default()
        }
    }

    fn prices(ticks: &[TickMessage]) -> Vec<(i64, f64)> {
        ticks.iter().map(|tick| (second(tick), tick.p.unwrap_or_default())).collect()
    }

    #[test]
    fn inner_seconds_take_history_and_edges_the_union() {
        // Live until the first tick of second 10, and from the last tick of second 13 on.
        let stored = [tick(8, 0.5), tick(9, 1.0), tick(10, 2.0), tick(13, 7.0), tick(14, 8.0), tick(15, 8.5)];
        let history = [
            tick(9, 1.0),
            tick(10, 2.0),
            tick(10, 2.0),
            tick(10, 3.0),
            tick(11, 4.0),
            tick(13, 6.0),
            tick(13, 7.0),
            tick(14, 8.0),
        ];
        let add = missing(&(10..=13), &stored, &history);
        assert_eq!(prices(&add), [(10, 2.0), (10, 3.0), (11, 4.0), (13, 6.0)]);
        assert!(add.iter().all(|tick| tick.source() == Source::Backfill));
    }

    #[test]
    fn filling_again_adds_nothing() {
        let history = [tick(10, 1.0), tick(11, 2.0), tick(11, 2.0)];
        let first = missing(&(10..=12), &[], &history);
        assert_eq!(first.len(), 3);
        assert_eq!(missing(&(10..=12), &first, &history), []);
    }

    #[test]
    fn agreement_is_the_common_share_of_the_known_good_seconds() {
        let stored = [tick(7, 1.0), tick(8, 1.0), tick(8, 2.0), tick(9, 3.0), tick(30, 9.0)];
        let history = [tick(5, 1.0), tick(7, 9.0), tick(8, 1.0), tick(9, 3.0), tick(9, 4.0), tick(30, 5.0)];
        // Recording began in the course of second 7, and second 30 is out of the margin.
        let good = between(&(10..=12), 10, &stored);
        assert_eq!(good, 8..=12);
        // 8/1 and 9/3 are common; 8/2 is ours alone, 9/4 theirs alone.
        let mut compared = compare(&stored, &history, |second| second < 10 && good.contains(&second));
        assert_eq!((compared, compared.agreement()), (Compared { common: 2, all: 4 }, Some(0.5)));
        compared += Compared { common: 4, all: 4 };
        assert_eq!(compared.agreement(), Some(0.75));
        assert_eq!(between(&(10..=12), 1, &[]), 10..=12);
        assert_eq!(compare(&[], &[], |_| true).agreement(), None);
    }

    fn ticks() -> impl Strategy<Value = Vec<TickMessage>> {
        prop::collection::vec((0_i64..20, 0_u8..4).prop_map(|(at, price)| tick(at, price.into())), 0..60)
    }

    proptest! {
        /// Stored and added together are, in each second of the gap, the larger of both counts of each tick; elsewhere
        /// nothing is added.
        #[test]
        fn nothing_is_doubled_and_nothing_is_left_out(stored in ticks(), history in ticks(), from in 0_i64..20, length in 0_i64..10) {
            let gap = from..=(from + length);
            let add = missing(&gap, &stored, &history);
            let both: Vec<TickMessage> = stored.iter().chain(&add).cloned().collect();
            for at in 0..20 {
                for price in 0..4 {
                    let count = |ticks: &[TickMessage]| {
                        ticks.iter().filter(|tick| second(tick) == at && tick.p == Some(f64::from(price))).count()
                    };
                    let wanted = if gap.contains(&at) { count(&stored).max(count(&history)) } else { count(&stored) };
                    prop_assert_eq!(count(&both), wanted);
                }
            }
        }
    }
}
