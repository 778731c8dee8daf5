//! While another session has the data: one stream is tried now and then.

use marketstream_recovery::codes::{ErrorClass, classify};

use super::{Entry, Streamer, requests::SPACING};
use crate::{
    clock::{MINUTE, Ms, SECOND},
    world::World,
};

/// The wait for the other session's end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    since: Ms,
    /// When the next stream is tried.
    pub(super) due: Ms,
    turn: usize,
}

impl Streamer {
    pub(super) fn begin_hold(&mut self, code: i32, text: &'static str, now: Ms) {
        self.hold.get_or_insert(Hold { since: now, due: now + 30 * SECOND, turn: 0 });
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
        (hold.due, hold.turn) = (due, 0);
        true
    }

    pub(super) fn send_canary(&mut self, world: &mut World, now: Ms) {
        let Some(hold) = &mut self.hold else { return };
        if hold.due > now {
            return;
        }
        hold.due = now + if now - hold.since < 15 * MINUTE { 30 * SECOND } else { MINUTE };
        let turn = hold.turn;
        hold.turn += 1;
        let due = |entry: &Entry| {
            // One that was accepted and has not ticked may have died since.
            (entry.refused.is_some() || entry.running.is_none() || entry.canary) && entry.asked_at + SPACING <= now
        };
        let candidates = self.entries.iter().enumerate().filter(|(_, entry)| due(entry)).map(|(index, _)| index);
        let candidates: Vec<usize> = candidates.collect();
        let open = world.bells.open;
        let opened: Vec<usize> = candidates.iter().copied().filter(|index| open & (1 << index) != 0).collect();
        let mut choice = if opened.is_empty() { candidates } else { opened };
        // What ticks soonest tells soonest, and what is refused for a reason of its own tells nothing.
        let own = |entry: &Entry| {
            let error = entry.error.filter(|_| entry.refused.is_some());
            error.is_some_and(|(code, text, _)| classify(code, text) != ErrorClass::CompetingSession)
        };
        choice.sort_by_key(|index| (own(&self.entries[*index]), world.manifest.streams[*index].stale_after));
        if let Some(index) = choice.get(turn % choice.len().max(1)).copied() {
            self.request(index, world, now);
            self.entries[index].canary = self.entries[index].running.is_some();
        }
    }
}
