//! Requests for streams: when they may be sent, what is answered, and what is asked for again.

use marketstream_crds::{ActionState, StreamState};
use marketstream_recovery::codes::{ErrorClass, classify};

use super::{Entry, Streamer};
use crate::{
    clock::{HOUR, MINUTE, Ms, SECOND},
    market::Mask,
    world::World,
};

/// After a cancel, before the next request.
const AFTER_CANCEL: Ms = 200;
/// Between two requests for the same stream.
pub(super) const SPACING: Ms = 15 * SECOND;
/// After a tick that cannot be true, before the next request; and when that brought another one within a minute.
const AFTER_CORRUPT: [Ms; 2] = [SECOND, 15 * SECOND];
/// How long requests pause after they came too fast.
const COOL_DOWN: Ms = MINUTE;

impl Streamer {
    /// Cancels streams and asks for them again.
    pub fn resubscribe(&mut self, streams: Mask, now: Ms) {
        let held = self.hold.is_some();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if streams & (1 << index) != 0 {
                (entry.running, entry.canary) = (None, false);
                entry.wanted_at = (!held).then_some(now + AFTER_CANCEL);
            }
        }
    }

    pub(super) fn ask(&mut self, world: &mut World, now: Ms) {
        if self.pacing.is_some() {
            return;
        }
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            let due = entry.wanted_at.map(|at| at.max(entry.asked_at + SPACING));
            if entry.running.is_none() && due.is_some_and(|due| due <= now) {
                self.request(index, world, now);
            }
        }
    }

    pub(super) fn request(&mut self, index: usize, world: &mut World, now: Ms) {
        let entry = &mut self.entries[index];
        // Whatever ran before was cancelled.
        (entry.running, entry.wanted_at, entry.asked_at) = (None, None, now);
        if entry.first_asked.replace(entry.first_asked.unwrap_or(now)).is_some() {
            entry.restarts += 1;
        }
        match world.request(index) {
            Ok(()) => self.entries[index].running = Some(now),
            Err((code, text)) => self.refused(index, code, text, now),
        }
        self.settle(1 << index, ActionState::Done);
    }

    pub(super) fn refused(&mut self, index: usize, code: i32, text: &'static str, now: Ms) {
        let entry = &mut self.entries[index];
        entry.refusals += 1;
        (entry.refused, entry.error, entry.canary) = (Some(now), Some((code, text, now)), false);
        let pauses: &[Ms] = match classify(code, text) {
            ErrorClass::CompetingSession => return self.begin_hold(code, text, now),
            ErrorClass::NotEntitled => &[30 * SECOND, HOUR],
            ErrorClass::Capacity => &[5 * MINUTE],
            ErrorClass::Pacing => &[COOL_DOWN],
            ErrorClass::ContractInvalid => &[MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 24 * HOUR],
            _ => &[15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE],
        };
        let pause = pauses[(entry.refusals - 1).min(pauses.len() - 1)];
        if pauses == [COOL_DOWN] {
            self.pacing = Some((now + COOL_DOWN, code, text));
        }
        entry.wanted_at = self.hold.is_none().then_some(now + pause);
    }

    /// A tick came that cannot be true: it is put aside, and the subscription ends.
    pub(super) fn corrupted(&mut self, index: usize, tick: Ms) {
        let (entry, held) = (&mut self.entries[index], self.hold.is_some());
        if entry.running.take().is_none() {
            return;
        }
        // What sends ticks was not refused.
        (entry.refused, entry.error, entry.refusals) = (None, None, 0);
        let again = entry.corrupt.replace(tick).is_some_and(|before| tick - before < MINUTE);
        entry.wanted_at = (!held).then_some(tick + AFTER_CORRUPT[usize::from(again)]);
    }

    pub(super) fn verify_silent(&mut self, now: Ms) {
        let Some((restored, due)) = self.verify.filter(|(_, due)| *due <= now) else { return };
        debug_assert!(restored < due);
        self.verify = None;
        let silent = |entry: &Entry| {
            let closed = entry.verdict.session == marketstream_crds::Session::Closed;
            entry.running.is_some() && !closed && entry.last_tick.is_none_or(|tick| tick < restored)
        };
        let streams = self.entries.iter().enumerate().filter(|(_, entry)| silent(entry));
        let streams = streams.fold(0, |mask, (index, _)| mask | 1 << index);
        self.resubscribe(streams, now);
    }

    /// Everything is silent, and nobody says why: one stream is asked for again, since the answer may tell.
    pub(super) fn provoke(&mut self, world: &World, now: Ms) {
        let state = |wanted| self.entries.iter().position(|entry| entry.verdict.state == wanted);
        if state(StreamState::Flowing).is_some() || state(StreamState::Pending).is_some() {
            self.provoked = false;
            return;
        }
        let Some(index) = state(StreamState::Stale).filter(|_| self.up() && !self.provoked) else { return };
        let recovery = &world.manifest.spec.recovery;
        let silent = self.entries[index].verdict.silent_from.map_or(0, |from| now - from);
        if self.hold.is_none() && silent >= recovery.warn_after.get().as_millis() as Ms {
            self.provoked = true;
            self.resubscribe(1 << index, now);
        }
    }
}
