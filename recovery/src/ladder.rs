//! The rungs: which one is next for an incident, when it is due, and what it does.

use std::{cell::OnceCell, time::Duration};

use jiff::Timestamp;
use marketstream_crds::{ActionKind, ActionState, Cause, Incident, Rung, Scope, Session, StreamState, StreamStatus};

use crate::{
    policy::Policy,
    rules::{Critical, Restart, Rule, rule},
    view::{View, after},
    windows::Windows,
};

/// The ladder's levels.
pub mod level {
    /// A warning event.
    pub const WARN: u8 = 1;
    /// The silent streams are subscribed again.
    pub const RESTART: u8 = 2;
    /// The connection is reset.
    pub const RESET: u8 = 3;
    /// A person is called.
    pub const CRITICAL: u8 = 4;
}
use level::{CRITICAL, RESET, RESTART, WARN};

/// Bound of the list in status (see the CRD).
const MAX_RUNGS: usize = 12;

/// The next step of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) level: u8,
    pub(crate) due: Timestamp,
    pub(crate) act: Act,
}

/// What a step does beyond being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing: levels 1 and 4 only tell.
    Tell,
    /// An action on the data path.
    Do(ActionKind),
    /// A roll that is due and not done.
    RefuseRoll(Refusal),
}

/// Why a roll is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The day's rolls are used up.
    Budget,
    /// It would cost a live gateway its login.
    Login,
}

/// The ladder of one MarketStream at one moment.
pub(crate) struct Ladder<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) policy: &'a Policy,
    pub(crate) now: Timestamp,
    pub(crate) windows: OnceCell<Windows>,
    /// Until when a stream may follow its siblings: see [`Ladder::knowing`].
    pub(crate) session_over: Option<Timestamp>,
    /// When an incident of the session asked for the silent streams last.
    pub(crate) session_asked: Option<Timestamp>,
}

impl<'a> Ladder<'a> {
    pub(crate) fn new(view: &'a View<'a>, policy: &'a Policy, now: Timestamp) -> Self {
        Self { view, policy, now, windows: OnceCell::new(), session_over: None, session_asked: None }
    }

    /// The next step, unless the incident has recovered or nothing more can be done.
    pub(crate) fn next(&self, incident: &Incident) -> Option<Step> {
        if incident.recovered_time.is_some() || self.rests(incident) {
            return None;
        }
        if incident.level >= CRITICAL {
            return self.retry(incident);
        }
        let verified = self.verification_end(incident);
        let escalation = self.escalation(incident, verified);
        // Between two rungs, what the cause allows may be tried once more.
        let again = self.repeat(incident, verified);
        // A new request that is due with the call is made after it; a reset, or its refusal, comes first.
        let before = |step: &Step, call: Timestamp| step.due < call || (step.due == call && step.level == RESET);
        let sooner = |step: &Step| escalation.is_none_or(|escalation| before(step, escalation.due));
        again.filter(sooner).or(escalation)
    }

    /// The next higher level that is allowed.
    fn escalation(&self, incident: &Incident, verified: Option<Timestamp>) -> Option<Step> {
        let mut allowed = ((incident.level + 1)..=CRITICAL)
            // A late reset is one of the tries after Critical.
            .filter(|level| *level != RESET || !rule(incident.cause).late_reset)
            .filter(|level| self.allows(incident, *level))
            .map(|level| {
                let due = after(incident.since.get(), self.threshold(incident, level));
                self.step(incident, level, verified.map_or(due, |end| due.max(end)))
            });
        let next = allowed.next()?;
        // What may yet take effect delays another action, and keeps nobody from being called.
        let call = allowed.last().filter(|call| call.due < next.due && self.effect_known(incident) == Some(next.due));
        Some(call.unwrap_or(next))
    }

    /// Whether the cause, and what is known now, allow the level.
    fn allows(&self, incident: &Incident, level: u8) -> bool {
        let rule = rule(incident.cause);
        // Silence is sure only within known hours; what was sure once stays so while a new pod looks them up.
        let sure = incident.level >= RESET || !self.hours_unknown(incident);
        match level {
            WARN => rule.warn,
            RESTART => self.restartable(incident, &rule),
            // Silence while a farm is down is more likely IBKR's than the session's.
            RESET if incident.cause == Cause::Zombie && self.view.farm_lost() => false,
            // A new session for some streams would cut the others.
            RESET if incident.scope == Scope::Stream && self.some_live() => false,
            RESET => sure && !self.strengths(&rule).is_empty(),
            _ => sure && rule.critical != Critical::Never,
        }
    }

    /// Without a session there is nothing to subscribe on, and refused streams are asked for by the streamer itself.
    fn restartable(&self, incident: &Incident, rule: &Rule) -> bool {
        // A request that is made while the link to IBKR is down cannot be served.
        let possible = self.view.connected() && self.view.link_lost().is_none();
        let refused = |stream: &StreamStatus| stream.state == StreamState::Rejected;
        rule.restart != Restart::Never && possible && !self.streams(incident).all(refused)
    }

    /// The streams of an incident.
    fn streams(&self, incident: &Incident) -> impl Iterator<Item = &StreamStatus> {
        let all = incident.scope == Scope::Session;
        self.view.streams().iter().filter(move |stream| all || incident.streams.contains(&stream.key()))
    }

    /// Whether what was corrupt has ticked well since: should it last, the next tick that cannot be true tells.
    fn rests(&self, incident: &Incident) -> bool {
        incident.cause == Cause::CorruptData && self.streams(incident).all(good_since_corrupt)
    }

    /// Whether a stream may be alive: it flows, or would if anything traded.
    fn some_live(&self) -> bool {
        let live = [StreamState::Flowing, StreamState::Quiet, StreamState::Halted, StreamState::Overflow];
        self.view.streams().iter().any(|stream| live.contains(&stream.state) && !ends_corrupt(stream))
    }

    fn hours_unknown(&self, incident: &Incident) -> bool {
        let silent = || {
            self.streams(incident).filter(|stream| matches!(stream.state, StreamState::Stale | StreamState::Pending))
        };
        of_silence(incident.cause)
            && self.view.connected()
            && silent().count() > 0
            && silent().all(|stream| stream.session == Session::Unknown)
    }

    /// Time from the start of the incident to a level. A stream's own `staleAfter` shifts the whole ladder.
    fn threshold(&self, incident: &Incident, level: u8) -> Duration {
        let recovery = &self.view.spec.recovery;
        let rule = rule(incident.cause);
        let base = match level {
            CRITICAL if rule.critical == Critical::AtOnce => return Duration::ZERO,
            WARN => recovery.warn_after,
            RESTART => recovery.restart_streams_after,
            RESET => recovery.reset_connection_after,
            _ => recovery.critical_after,
        }
        .get();
        let late = if rule.critical == Critical::Late { self.policy.pacing_patience.get() } else { Duration::ZERO };
        let own = self.stale_after(incident).unwrap_or(recovery.stale_after.get());
        (base + late + own).saturating_sub(recovery.stale_after.get())
    }

    /// After which silence the incident's streams are stale: the slowest of its own streams, the quickest of a session.
    pub(crate) fn stale_after(&self, incident: &Incident) -> Option<Duration> {
        let of_contracts = |keys: &mut dyn Iterator<Item = &str>, slowest: bool| {
            let spans = keys.map(|contract| self.view.stale_after(contract));
            if slowest { spans.max() } else { spans.min() }
        };
        match (incident.scope, incident.cause) {
            // A refusal is told at once.
            (Scope::Stream, cause) if of_refusal(cause) => None,
            (Scope::Stream, _) => {
                of_contracts(&mut incident.streams.iter().filter_map(|key| key.split('/').next()), true)
            }
            (Scope::Session, Cause::Zombie | Cause::Unknown) if self.view.connected() => {
                let waiting = [StreamState::Stale, StreamState::Pending, StreamState::Flowing];
                let streams = self.view.streams().iter().filter(|stream| waiting.contains(&stream.state));
                of_contracts(&mut streams.map(|stream| stream.contract.as_str()), false)
            }
            (Scope::Session, _) => None,
        }
    }

    /// A step that is due at `due`, or when what holds it ends.
    fn step(&self, incident: &Incident, level: u8, due: Timestamp) -> Step {
        let act = match level {
            RESTART => Act::Do(ActionKind::RestartStreams),
            RESET => self.strength(incident),
            _ => Act::Tell,
        };
        Step { level, due: self.release(incident, level, act, due), act }
    }

    /// The same level again: a silent stream each time after a doubled pause, a stepwise reset with its next strength.
    fn repeat(&self, incident: &Incident, verified: Option<Timestamp>) -> Option<Step> {
        // A roll that was refused is not asked for again and again.
        let last = incident.rungs.last().filter(|rung| rung.action.is_some())?;
        match incident.level {
            RESTART if rule(incident.cause).restart == Restart::Again && self.allows(incident, RESTART) => {
                let first = self.threshold(incident, RESET).saturating_sub(self.threshold(incident, RESTART));
                let doublings = u32::try_from(incident.attempts - 1).unwrap_or(0).min(12);
                Some(self.step(incident, RESTART, after(last.time.get(), first.saturating_mul(1 << doublings))))
            }
            RESET if self.allows(incident, RESET) => {
                let strengths = self.strengths(&rule(incident.cause));
                let used = last.action.and_then(|kind| strengths.iter().position(|strength| *strength == kind));
                let stronger = used.is_some_and(|used| used + 1 < strengths.len());
                stronger.then(|| self.step(incident, RESET, verified.unwrap_or(last.time.get())))
            }
            _ => None,
        }
    }

    /// After Critical, levels 2 and 3 are tried again in turn, with growing pauses.
    fn retry(&self, incident: &Incident) -> Option<Step> {
        let critical = incident.rungs.iter().position(|rung| rung.level == CRITICAL);
        // When the list has dropped it, everything in the list came after it.
        let later = &incident.rungs[critical.map_or(0, |index| index + 1)..];
        let tried = i32::try_from(later.len()).unwrap_or(i32::MAX);
        let last = incident.rungs.last()?;
        let tried_last =
            incident.rungs.iter().rev().map(|rung| rung.level).find(|level| matches!(*level, RESTART | RESET));
        let order = if tried_last == Some(RESTART) { [RESET, RESTART] } else { [RESTART, RESET] };
        let level = order.into_iter().find(|level| self.allows(incident, *level))?;
        let due = after(last.time.get(), self.policy.retry_after(tried));
        match self.first_resets(incident) {
            Some(first) if level == RESET => Some(self.step(incident, RESET, first.min(due))),
            Some(first) if first < due => Some(self.step(incident, RESET, first)),
            _ => Some(self.step(incident, level, due)),
        }
    }

    /// When the next reset is due of those that were forbidden before Critical, as while a farm is down, and are allowed
    /// now: the pauses grew for other tries.
    fn first_resets(&self, incident: &Incident) -> Option<Timestamp> {
        let rule = rule(incident.cause);
        // When the list has dropped it, everything in the list came after it.
        let critical = incident.rungs.iter().position(|rung| rung.level == CRITICAL).unwrap_or(0);
        let resets = |rungs: &[Rung]| rungs.iter().filter(|rung| rung.level == RESET).count();
        let (before, later) = incident.rungs.split_at(critical);
        let tried = resets(later);
        let open = resets(before) == 0 && tried < self.strengths(&rule).len();
        if !open || rule.late_reset || !self.allows(incident, RESET) {
            return None;
        }
        let due = after(incident.since.get(), self.threshold(incident, RESET));
        Some(self.verification_end(incident).map_or(due, |end| due.max(end)))
    }

    /// When the effect of the last action is known. Never later than the next rung would have been due after that action.
    pub(crate) fn verification_end(&self, incident: &Incident) -> Option<Timestamp> {
        let last = incident.rungs.iter().rev().find(|rung| rung.action.is_some())?;
        let kind = last.action?;
        let following = ((last.level + 1)..=CRITICAL).find(|level| self.allows(incident, *level));
        let distance = following.map_or(Duration::MAX, |level| {
            self.threshold(incident, level).saturating_sub(self.threshold(incident, last.level))
        });
        let latest = after(last.time.get(), distance);
        let start = match kind {
            ActionKind::RollPod => self.new_pod_started(last.time.get()).unwrap_or(latest),
            // A gateway that took no command does not restart.
            ActionKind::RestartGateway if self.failed(incident) => return Some(last.time.get()),
            ActionKind::RestartStreams | ActionKind::Reconnect | ActionKind::RestartGateway => last.time.get(),
        };
        Some(after(start, self.policy.verify(kind)).min(latest))
    }

    /// When the successor of the pod that was rolled at this time started.
    fn new_pod_started(&self, rolled: Timestamp) -> Option<Timestamp> {
        let pod = self.view.pod?;
        let action = self.view.status.action.as_ref()?;
        // The action in the status may be an earlier one: a roll that this very look decided has no successor yet.
        pod.running.filter(|running| pod.uid != action.pod_uid && *running > rolled)
    }

    /// Whether the streamer says that it could not carry out the incident's last action.
    fn failed(&self, incident: &Incident) -> bool {
        let action = self.view.status.action.as_ref().filter(|action| action.incident == incident.id);
        let ack = self.view.streamer().and_then(|streamer| streamer.action.as_ref());
        action.zip(ack).is_some_and(|(action, ack)| action.id == ack.id && ack.state == ActionState::Failed)
    }
}

/// Whether a cause says no more than that ticks are missing.
pub(crate) fn of_silence(cause: Cause) -> bool {
    matches!(cause, Cause::Zombie | Cause::StreamSilent | Cause::FarmDown | Cause::CorruptData | Cause::Unknown)
}

/// Whether IBKR says of a stream that it does not give it.
pub(crate) fn of_refusal(cause: Cause) -> bool {
    matches!(cause, Cause::NotEntitled | Cause::Capacity | Cause::ContractInvalid)
}

/// Whether a stream has ticked since a tick of it could not be true: to ask for it again would cut it.
pub(crate) fn good_since_corrupt(stream: &StreamStatus) -> bool {
    stream.state == StreamState::Flowing && stream.corrupt.is_some() && !ends_corrupt(stream)
}

/// Whether a stream's last tick could not be true.
pub(crate) fn ends_corrupt(stream: &StreamStatus) -> bool {
    let later = |age: f64| stream.last_tick_seconds.is_none_or(|tick| tick >= age);
    stream.corrupt.as_ref().is_some_and(|corrupt| later(corrupt.age_seconds))
}

/// Records that a step was taken.
pub(crate) fn fire(incident: &mut Incident, step: Step, now: Timestamp) {
    let action = match step.act {
        Act::Do(kind) => Some(kind),
        Act::Tell | Act::RefuseRoll(_) => None,
    };
    incident.level = incident.level.max(step.level);
    if action.is_some() {
        incident.attempts += 1;
        incident.last_action = action;
    }
    incident.rungs.push(Rung { level: step.level, due_time: step.due.into(), time: now.into(), action });
    let excess = incident.rungs.len().saturating_sub(MAX_RUNGS);
    incident.rungs.drain(..excess);
}
