//! The order of a recording: how few of its ticks must be moved to have it as it was sent.

use std::collections::BTreeMap;

use super::fields::Key;
use super::{JournalTick, RecordedTick};

/// By second, how many ticks of a stream's recording are out of order. What was never made has no order.
pub(super) fn out_of_order(made: &[&JournalTick], stored: &[&RecordedTick]) -> BTreeMap<i64, u64> {
    let mut places = Vec::with_capacity(made.len());
    for (place, tick) in in_order(made).into_iter().enumerate() {
        places.push((tick.second, Key::of(&tick.fields), tick.sent.is_empty(), place));
        places.extend(tick.altered.iter().map(|form| (form.time_s, Key::of(&form.fields), false, place)));
    }
    let stored = stored.iter().enumerate().map(|(at, tick)| (tick.time_s, Key::of(&tick.fields), at));
    let placed = pairs(places, stored.collect());
    let moved = to_be_moved(&placed.iter().map(|(_, _, place)| *place).collect::<Vec<_>>());
    let mut found = BTreeMap::new();
    for at in moved {
        *found.entry(placed[at].1).or_default() += 1;
    }
    found
}

/// Ticks of both sides that say the same: position in the recording, second, place. In the order of the recording.
///
/// Of several that say the same, the recording is taken to have those that were sent before those that were not; among
/// them, the first is paired with the first and so on.
fn pairs(mut made: Vec<(i64, Key, bool, usize)>, mut stored: Vec<(i64, Key, usize)>) -> Vec<(usize, i64, usize)> {
    made.sort_unstable();
    stored.sort_unstable();
    let mut made = made.as_slice();
    let mut found = Vec::with_capacity(stored.len());
    for same in stored.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
        let (second, key, _) = same[0];
        made = &made[made.partition_point(|tick| (tick.0, tick.1) < (second, key))..];
        let alike = made.partition_point(|tick| (tick.0, tick.1) == (second, key));
        let mut places: Vec<usize> = made[..alike.min(same.len())].iter().map(|tick| tick.3).collect();
        places.sort_unstable();
        found.extend(same.iter().zip(places).map(|((second, _, at), place)| (*at, *second, place)));
    }
    found.sort_unstable();
    found
}

/// Ticks in the order in which they were sent. One that never was has its place behind those that were due before it.
fn in_order<'a>(made: &[&'a JournalTick]) -> Vec<&'a JournalTick> {
    let mut ticks = made.to_vec();
    ticks.sort_by_key(|tick| (tick.at_us, tick.second, tick.index));
    let mut last_sent_us = i64::MIN;
    let mut timed: Vec<(i64, &JournalTick)> = ticks
        .into_iter()
        .map(|tick| match tick.sent.iter().map(|sent| sent.at_us).min() {
            Some(sent_us) => {
                last_sent_us = last_sent_us.max(sent_us);
                (sent_us, tick)
            }
            None => (last_sent_us.max(tick.at_us), tick),
        })
        .collect();
    // Stable: those of one write stay in the order in which they were due.
    timed.sort_by_key(|(at_us, _)| *at_us);
    timed.into_iter().map(|(_, tick)| tick).collect()
}

/// The positions of the fewest elements without which `places` ascends: all but a longest ascending subsequence.
fn to_be_moved(places: &[usize]) -> Vec<usize> {
    // `ends[n]` is the position of the smallest element that can end an ascending run of n + 1.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; places.len()];
    for (at, place) in places.iter().enumerate() {
        let length = ends.partition_point(|end| places[*end] <= *place);
        before[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut stays = vec![false; places.len()];
    for at in std::iter::successors(ends.last().copied(), |at| before[*at]) {
        stays[at] = true;
    }
    (0..places.len()).filter(|at| !stays[*at]).collect()
}

#[cfg(test)]
mod tests {
    use super::to_be_moved;

    #[test]
    fn the_fewest_are_to_be_moved() {
        for (places, moved) in [
            (&[][..], &[][..]),
            (&[0, 1, 1, 2], &[]),
            (&[0, 3, 1, 2], &[1]),
            (&[1, 2, 3, 0], &[3]),
            (&[2, 1, 0], &[0, 1]),
        ] {
            assert_eq!(to_be_moved(places), moved, "{places:?}");
        }
    }
}
