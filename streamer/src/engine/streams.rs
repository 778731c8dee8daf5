//! The engine's streams: asked for within the pacing rules, judged, ended.

use std::{sync::atomic::Ordering, time::Duration};

use marketstream_crds::{Session, StreamState};
use marketstream_recovery::codes::{ErrorClass, classify};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Engine,
    gaps::recorded,
    silence::{Witnesses, is_doubtful, refine},
    stream::{Origin, StreamEntry},
};
use crate::{
    backfill::ledger::{GapCause, Recorded},
    cli::stored_kind,
    clock::Now,
    facts::Cooldown,
    health::{Facts, Verdict, judge},
    plan::StreamKey,
    retry,
    sentinel::probe::Candidate,
    session::subscription::{End, Task},
};

/// Between a cancel and the next request, so that the gateway reads them in this order.
pub(super) const AFTER_CANCEL: Duration = Duration::from_millis(200);
/// Least pause after a subscription that broke, for manifests with a short spacing.
pub(super) const AFTER_BREAK: Duration = Duration::from_secs(1);
/// Bound of sending one request, the wait for its turn among 300 included.
pub(super) const REQUEST_BOUND: Duration = Duration::from_secs(15);

impl Engine {
    /// Every stream with a line is to be asked for: the session is new.
    pub(super) fn ask_for_all(&mut self, now: Duration) {
        if let Some(hold) = &mut self.hold {
            hold.restart(now);
            return;
        }
        for stream in self.streams.values_mut() {
            stream.refusals = 0;
            stream.put_out(false);
            if stream.lined {
                stream.want(now);
            }
        }
    }

    /// IBKR has lost all requests.
    pub(super) fn restart_all(&mut self, now: Duration) {
        let keys: Vec<StreamKey> = self.streams.keys().cloned().collect();
        keys.iter().for_each(|key| self.restart(key, now));
        self.lines.values_mut().for_each(|line| line.restart(now + AFTER_CANCEL));
    }

    /// Cancels a stream and asks for it again, unless a hold forbids that.
    pub(super) fn restart(&mut self, key: &StreamKey, now: Duration) {
        let held = self.hold.is_some();
        if let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.lined) {
            stream.cancel();
            stream.wanted_at = (!held).then_some(now + AFTER_CANCEL);
        }
        let overflow = self.streams.get(key).is_some_and(|stream| stream.overflow);
        if let Some(line) = self.lines.get_mut(&key.contract).filter(|_| overflow) {
            line.restart(now + AFTER_CANCEL);
        }
    }

    /// Asks for all streams that are due, the most important first. None is passed over: the client library sends the
    /// requests in that order, however long the rate holds them back. Returns when the next one is due.
    pub(super) fn subscribe_if_due(&mut self, now: Now) -> Option<Duration> {
        self.client()?;
        let canary_due = self.send_canary_if_due(now);
        let mut next = canary_due;
        let waits = |stream: &StreamEntry| stream.wanted_at.is_some() && !stream.is_running();
        let waiting = self.streams.iter().filter(|(_, stream)| waits(stream));
        let mut keys: Vec<StreamKey> = waiting.map(|(key, _)| key.clone()).collect();
        keys.sort_by_cached_key(|key| self.importance(key));
        for key in keys {
            match self.earliest(&key, now) {
                Some(at) if at <= now.mono => self.subscribe(&key, now),
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
                None => {}
            }
        }
        next
    }

    /// The place of a stream in the order of the manifest; those of a contract that follows come after all.
    fn importance(&self, key: &StreamKey) -> usize {
        self.order.iter().position(|known| known == key).unwrap_or(usize::MAX)
    }

    /// When a wanted stream may be asked for. `None` if it is not wanted, runs, or its contract is not known.
    fn earliest(&self, key: &StreamKey, now: Now) -> Option<Duration> {
        let stream = self.streams.get(key).filter(|stream| stream.lined && !stream.is_running())?;
        let wanted = stream.wanted_at?;
        let wanted = self.cooldown.as_ref().map_or(wanted, |cooldown| wanted.max(cooldown.until));
        Some(wanted.max(self.earliest_request(key, now)?))
    }

    /// When the spacing rule allows a request for this stream. `None` while its contract is not known, or has ended.
    pub(super) fn earliest_request(&self, key: &StreamKey, now: Now) -> Option<Duration> {
        let entry = self.contracts.get(&key.contract).filter(|entry| !entry.has_ended(now))?;
        let con_id = entry.of_stream(key)?.contract.contract_id;
        let spacing = self.spec.as_ref()?.limits.same_instrument_spacing.get();
        Some(self.spacing.earliest(con_id, key.tick, spacing, now.mono))
    }

    pub(super) fn subscribe(&mut self, key: &StreamKey, now: Now) {
        let serial = self.next_serial();
        let Some(client) = self.client().cloned() else { return };
        let entry = self.contracts.get(&key.contract);
        let Some(contract) = entry.and_then(|entry| entry.of_stream(key)).map(|known| known.contract.clone()) else {
            return;
        };
        let line = self.line_of(key).map(|line| line.seen.clone());
        let Some(stream) = self.streams.get_mut(key) else { return };
        self.spacing.asked(contract.contract_id, key.tick, now.mono);
        tracing::debug!(stream = %key, "subscribing");
        let recorded = Recorded { con_id: contract.contract_id, kind: stored_kind(key.tick) };
        self.gaps.open(&key.contract, recorded, stream.pulse.last_second(), stream.gap_cause());
        let task = Task {
            client,
            contract,
            key: key.clone(),
            serial,
            pulse: stream.pulse.clone(),
            feed: self.tools.feed.clone(),
            quarantine: self.quarantine.clone(),
            line,
            events: self.events.clone(),
            clock: self.tools.clock,
            counters: self.tools.counters.clone(),
            bound: REQUEST_BOUND,
        };
        stream.start(serial, AbortOnDropHandle::new(tokio::spawn(task.run())), now.mono);
        self.asked_for(key);
    }

    /// A tick-by-tick tick came of a stream that waited for one, with IBKR's second.
    pub(super) fn ticked(&mut self, key: &StreamKey, serial: u64, second: i64, now: Now) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let Some(silence) = stream.pulse.take_silence() {
            self.silence_ended(key, silence, now);
        }
        // What an earlier subscription has still brought ends no loss of this one.
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.request() == Some(serial)) else { return };
        let canary = stream.canary;
        stream.heard();
        if let Some(recorded) = recorded(&self.contracts, key) {
            self.gaps.close(recorded, second, now);
        }
        if canary && self.hold.is_some() {
            self.end_hold(now);
        }
    }

    pub(super) fn stream_ended(&mut self, key: &StreamKey, serial: u64, end: End, now: Now) {
        let held = self.hold.is_some();
        let Some(stream) = self.streams.get_mut(key) else { return };
        if !stream.ended(serial) {
            return;
        }
        // A tick that was put aside is a gap of another kind.
        if !matches!(end, End::Corrupt(_)) {
            self.doubt_end(key);
        }
        let Some(stream) = self.streams.get_mut(key) else { return };
        match end {
            End::Refused(code, text) => {
                self.tools.counters.notice(code);
                self.stream_refused(key, code, &text, now);
            }
            End::Corrupt(reason) => {
                tracing::warn!(stream = %key, "a tick was put aside, and the stream is asked for again: {reason}");
                let pause = stream.corrupted(now.mono);
                stream.wanted_at = (!held).then_some(now.mono + pause);
                if let Some(recorded) = recorded(&self.contracts, key) {
                    self.gaps.open(&key.contract, recorded, stream.pulse.last_second(), GapCause::Corrupt);
                }
            }
            End::Broken(reason) => {
                tracing::warn!(stream = %key, "the stream broke: {reason}");
                stream.wanted_at = (!held).then_some(now.mono + AFTER_BREAK);
            }
            End::Unsent | End::SessionLost => stream.wanted_at = (!held).then_some(now.mono + AFTER_BREAK),
        }
    }

    fn stream_refused(&mut self, key: &StreamKey, code: i32, text: &str, now: Now) {
        let (class, crowded) = (classify(code, text), self.is_crowded(key));
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.refusals = stream.refusals.saturating_add(1);
        stream.refuse(Origin::Gateway, code, text, now);
        match class {
            ErrorClass::CompetingSession => self.begin_hold(code, text, now),
            // The same words answer a request that follows another one of its instrument too soon.
            ErrorClass::Capacity if crowded => {
                tracing::info!(stream = %key, code, "asking again with more distance to its instrument's other types: {text}");
                self.spacing.insist(true);
                stream.lift_refusal();
                stream.refusals = 0;
                stream.wanted_at = self.hold.is_none().then_some(now.mono);
            }
            ErrorClass::Advisory | ErrorClass::ClientIdInUse => {
                stream.lift_refusal();
                stream.want(now.mono + AFTER_BREAK);
            }
            // A second try has not helped either: another stream may use the line.
            ErrorClass::NotEntitled | ErrorClass::ContractInvalid if stream.refusals == 2 => {
                stream.put_out(true);
                self.refused_for_now(key, class, code, text, now);
            }
            ErrorClass::ContractInvalid
            | ErrorClass::NotEntitled
            | ErrorClass::Capacity
            | ErrorClass::Pacing
            | ErrorClass::Other => self.refused_for_now(key, class, code, text, now),
        }
    }

    fn is_crowded(&self, key: &StreamKey) -> bool {
        let (con_id, spec) = (self.contracts.get(&key.contract).and_then(|entry| entry.con_id_of(key)), &self.spec);
        let spacing = spec.as_ref().map(|spec| spec.limits.same_instrument_spacing.get());
        con_id.zip(spacing).is_some_and(|(con_id, spacing)| self.spacing.is_crowded(con_id, key.tick, spacing))
    }

    fn refused_for_now(&mut self, key: &StreamKey, class: ErrorClass, code: i32, text: &str, now: Now) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        tracing::warn!(stream = %key, code, "the gateway refused the stream: {text}");
        let at = now.mono + retry::pause(class, stream.refusals);
        stream.wanted_at = self.hold.is_none().then_some(at);
        // Distance has not helped: the lines are taken.
        if class == ErrorClass::Capacity {
            self.spacing.insist(false);
        }
        if class == ErrorClass::Pacing {
            self.spacing.insist(true);
            self.cooldown = Some(Cooldown { until: at, code, message: text.to_owned() });
        }
    }

    /// Judges every stream, and returns when the next verdict is due.
    pub(super) fn judge(&mut self, now: Now) -> Option<Duration> {
        let recovery = &self.spec.as_ref()?.recovery;
        let held = self.hold.is_some();
        let mut next: Option<Duration> = None;
        let mut candidates = Vec::new();
        for (key, stream) in &mut self.streams {
            let Some(contract) = self.contracts.get(&key.contract) else { continue };
            let accepted_at = stream.accepted_at(held);
            if accepted_at.is_some_and(|at| at <= now.mono) {
                stream.accepted(now.mono);
            }
            let thresholds = contract.thresholds(recovery);
            let stale_after = thresholds.stale_after;
            stream.pulse.expect(stale_after);
            let facts = Facts {
                first_asked: stream.first_asked,
                last_tick: stream.pulse.last_tick(),
                // That there is no tick-by-tick line does not keep one down that is recorded from market data.
                refused: stream.is_refused() && !stream.overflow,
                hours: contract.hours(key, now),
            };
            let ended = contract.has_ended(now);
            let verdict = if ended { Verdict::EXPIRED } else { judge(&facts, &thresholds, now) };
            // Others may use the lines of what has ended.
            self.lines_dirty |= ended != stream.has_ended();
            if ended && stream.verdict.state != StreamState::Expired {
                stream.cancel();
                (stream.wanted_at, stream.error) = (None, None);
                // No tick will come that could end the gap.
                if let Some(recorded) = recorded(&self.contracts, key) {
                    self.gaps.close(recorded, now.wall.as_second(), now);
                }
            }
            // While a future rolls, the line is of the contract that is recorded now.
            let line = self.lines.get(&key.contract).filter(|_| key.roll == contract.rolling.count);
            if let Some(line) = line {
                line.seen.lock().expect(stale_after);
            }
            let answer = self.probing.probes.answer(key);
            let witnesses = Witnesses { line, answer, upstream_down: self.link.is_down(), restored: self.restored };
            // A session that closes ends its silence.
            stream.missed &= verdict.session != Session::Closed;
            let counts_from = verdict.counted_from;
            let (verdict, doubt) = refine(key, stream, verdict, &witnesses, stale_after, now);
            candidates.extend(doubt.map(|(from, urgent)| Candidate { key: key.clone(), from, urgent }));
            // An account's permissions change over a weekend: a refused stream is tried again at each open.
            let opened = stream.verdict.session == Session::Closed && verdict.session == Session::Open;
            if opened && !held && stream.is_refused_by(Origin::Gateway) {
                stream.put_out(false);
                stream.wanted_at = stream.wanted_at.map(|at| at.min(now.mono));
            }
            if stream.verdict.state != verdict.state {
                let from = stream.verdict.state;
                tracing::info!(stream = %key, ?from, to = ?verdict.state, "stream {:?}", verdict.state);
                stream.since = now.wall;
            }
            let silent_from = stream.pulse.last_tick().map(|last| last.max(counts_from.unwrap_or_default()));
            if is_doubtful(verdict.state, silent_from, &witnesses, stale_after, now.mono)
                && !stream.overflow
                && let Some(recorded) = recorded(&self.contracts, key)
            {
                self.gaps.open(&key.contract, recorded, stream.pulse.last_second(), GapCause::Silence);
            }
            stream.verdict = verdict;
            // In these states a tick changes nothing; a closed session is left by the calendar only.
            let gap =
                !stream.overflow && recorded(&self.contracts, key).is_some_and(|recorded| self.gaps.is_open(recorded));
            let deaf = !gap
                && (matches!(verdict.state, StreamState::Flowing | StreamState::Overflow | StreamState::Expired)
                    || (verdict.state == StreamState::Idle && verdict.session == Session::Closed));
            stream.pulse.alert.store(!deaf, Ordering::Relaxed);
            for due in [verdict.due, accepted_at.filter(|at| *at > now.mono)].into_iter().flatten() {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        candidates.sort_by_key(|candidate: &Candidate| self.importance(&candidate.key));
        self.probing.candidates = candidates;
        next
    }
}
