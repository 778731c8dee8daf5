//! Which ticks of the history belong into a gap.
//!
//! History has whole seconds, no sequence and no receive time, so a second is a multiset. In the seconds of the gap,
//! its two edges included, whatever history has more often than the files is added: live ticks stay as they are, and
//! nothing is doubled. No other second is touched. Seconds beside the gap that were recorded without a fault show how
//! far history can be trusted for this contract and kind: IBKR filters and conflates it.

use std::{collections::HashMap, ops::RangeInclusive};

use marketstream_proto::{Source, TickMessage, layout::MICROS_PER_SECOND};

/// What history adds to a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merge {
    /// Ticks to store, in the order of history.
    pub add: Vec<TickMessage>,
    /// Share of ticks that files and history have in common, in the known-good seconds: 1 is exact. `None` when there
    /// is no tick in them on either side.
    pub agreement: Option<f64>,
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

/// Merges `history` into the seconds of `gap`. `stored` is all that the files have of the gap and of the `margin`
/// seconds around it, in which history must be asked for, too.
#[must_use]
pub fn merge(gap: &RangeInclusive<i64>, margin: i64, stored: &[TickMessage], history: &[TickMessage]) -> Merge {
    let mut known = count(stored, |second| gap.contains(&second));
    let mut add = Vec::new();
    for tick in history.iter().filter(|tick| gap.contains(&second(tick))) {
        match known.get_mut(&Key::of(tick)).filter(|left| **left > 0) {
            Some(left) => *left -= 1,
            None => add.push(TickMessage { source: Source::Backfill.into(), ..tick.clone() }),
        }
    }
    Merge { add, agreement: agreement(gap, margin, stored, history) }
}

fn agreement(gap: &RangeInclusive<i64>, margin: i64, stored: &[TickMessage], history: &[TickMessage]) -> Option<f64> {
    // Recording may have begun or ended within the margin: only what lies between recorded ticks counts.
    let seconds = || stored.iter().map(second);
    let from =
        seconds().filter(|at| *at >= gap.start() - margin && at < gap.start()).min().map_or(*gap.start(), |at| at + 1);
    let to = seconds().filter(|at| *at <= gap.end() + margin && at > gap.end()).max().map_or(*gap.end(), |at| at - 1);
    let good = |second: i64| (from..=to).contains(&second) && !gap.contains(&second);
    let (ours, theirs) = (count(stored, good), count(history, good));
    let common: usize = ours.iter().map(|(key, ours)| (*ours).min(theirs.get(key).copied().unwrap_or(0))).sum();
    let all = ours.values().sum::<usize>() + theirs.values().sum::<usize>() - common;
    (all > 0).then(|| common as f64 / all as f64)
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
        let merged = merge(&(10..=13), 10, &stored, &history);
        assert_eq!(prices(&merged.add), [(10, 2.0), (10, 3.0), (11, 4.0), (13, 6.0)]);
        assert!(merged.add.iter().all(|tick| tick.source() == Source::Backfill));
        assert_eq!(merged.agreement, Some(1.0));
    }

    #[test]
    fn filling_again_adds_nothing() {
        let history = [tick(10, 1.0), tick(11, 2.0), tick(11, 2.0)];
        let first = merge(&(10..=12), 10, &[], &history);
        assert_eq!(first.add.len(), 3);
        assert_eq!(merge(&(10..=12), 10, &first.add, &history).add, []);
    }

    #[test]
    fn agreement_is_the_common_share_of_the_known_good_seconds() {
        let stored = [tick(7, 1.0), tick(8, 1.0), tick(8, 2.0), tick(9, 3.0), tick(30, 9.0)];
        let history = [tick(5, 1.0), tick(7, 9.0), tick(8, 1.0), tick(9, 3.0), tick(9, 4.0), tick(30, 5.0)];
        // 8/1 and 9/3 are common; 8/2 is ours alone, 9/4 theirs alone; second 30 is out of the margin, and recording
        // began in the course of second 7.
        assert_eq!(merge(&(10..=12), 10, &stored, &history).agreement, Some(0.5));
        assert_eq!(merge(&(10..=12), 1, &[], &[]).agreement, None);
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
            let merged = merge(&gap, 3, &stored, &history);
            let both: Vec<TickMessage> = stored.iter().chain(&merged.add).cloned().collect();
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
