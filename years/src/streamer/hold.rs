//! While another session has the data: one stream is tried now and then.

use std::collections::BTreeMap;

use super::{Entry, Streamer, requests::SPACING};
use crate::{
    clock::{MINUTE, Ms, SECOND},
    world::World,
};

/// The wait for the other session's end.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    since: Ms,
    /// When the next stream is tried.
    pub(super) due: Ms,
    turn: u32,
    /// In which turn each stream was tried last.
    tried: BTreeMap<usize, u32>,
}

impl Streamer {
    pub(super) fn begin_hold(&mut self, code: i32, text: &'static str, now: Ms) {
        self.hold.get_or_insert(Hold { since: now, due: now + 30 * SECOND, turn: 0, tried: BTreeMap::new() });
        for entry in &mut self.entries {
            entry.wanted_at = None;
            if !entry.canary {
                (entry.refused, entry.error) = (Some(now), Some((code, text, now)));
            }
        }
    }

    /// A new session may have ended it, or what is back may tell: the stream that ticks soonest is tried at once. Returns
    /// whether there is a hold.
    pub(super) fn hasten(&mut self, due: Ms) -> bool {
        let Some(hold) = &mut self.hold else { return false };
        hold.due = due;
        hold.tried.clear();
        true
    }

    pub(super) fn send_canary(&mut self, world: &mut World, now: Ms) {
        let Some(hold) = &mut self.hold else { return };
        if hold.due > now {
            return;
        }
        hold.due = now + if now - hold.since < 15 * MINUTE { 30 * SECOND } else { MINUTE };
        let due = |entry: &Entry| {
            // One that was accepted and has not ticked may have died since.
            (entry.refused.is_some() || entry.running.is_none() || entry.canary) && entry.asked_at + SPACING <= now
        };
        let candidates = self.entries.iter().enumerate().filter(|(_, entry)| due(entry)).map(|(index, _)| index);
        let candidates: Vec<usize> = candidates.collect();
        let open = world.bells.open;
        let opened: Vec<usize> = candidates.iter().copied().filter(|index| open & (1 << index) != 0).collect();
        let choice = if opened.is_empty() { candidates } else { opened };
        // In turn, over the contracts: what ticks soonest tells soonest, and what is refused for a reason of its own tells
        // nothing.
        let streams = &world.manifest.streams;
        let order = |index: &usize| {
            let of_contract =
                hold.tried.iter().filter(|(other, _)| streams[**other].contract == streams[*index].contract);
            let last = of_contract.map(|(_, turn)| *turn).max();
            (last, hold.tried.get(index), self.entries[*index].refused_itself(), streams[*index].stale_after)
        };
        if let Some(index) = choice.into_iter().min_by_key(order) {
            hold.turn += 1;
            hold.tried.insert(index, hold.turn);
            self.request(index, world, now);
            self.entries[index].canary = self.entries[index].running.is_some();
        }
    }
}
