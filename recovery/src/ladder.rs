//! The rungs: which one is next for an incident, when it is due, and what it does.

use std::time::Duration;

use jiff::Timestamp;
use marketstream_crds::{ActionKind, Cause, Incident, Reset, Rung, Scope, TradingMode};

use crate::{
    policy::Policy,
    view::{View, after},
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
    /// A roll that is due and not done, since the day's rolls are used up.
    RefuseRoll,
}

/// Whether the cause allows the level (docs/recovery.md says why).
pub(crate) fn allows(cause: Cause, level: u8, view: &View<'_>) -> bool {
    let sidecar = view.spec.gateway.sidecar.is_some();
    match (level, cause) {
        (_, Cause::MarketClosed) => false,
        (WARN | CRITICAL, _) => true,
        // Without a session there is nothing to subscribe on.
        (RESTART, Cause::Zombie | Cause::StreamSilent | Cause::Unknown) => view.connected(),
        (RESET, Cause::GatewayHung | Cause::Zombie) => true,
        // Nobody but its owner can restart an external gateway.
        (RESET, Cause::GatewayDown) => sidecar,
        _ => false,
    }
}

/// Time from the start of the incident to a level. A stream's own `staleAfter` shifts the whole ladder.
pub(crate) fn threshold(view: &View<'_>, incident: &Incident, level: u8) -> Duration {
    let recovery = &view.spec.recovery;
    let base = match level {
        WARN => recovery.warn_after,
        RESTART => recovery.restart_streams_after,
        RESET => recovery.reset_connection_after,
        _ => recovery.critical_after,
    }
    .get();
    if incident.scope == Scope::Session {
        return base;
    }
    let own = view
        .spec
        .contracts
        .iter()
        .filter(|contract| incident.streams.iter().any(|key| key.split('/').next() == Some(contract.name.as_str())))
        .map(|contract| contract.stale_after.unwrap_or(recovery.stale_after).get())
        .max();
    (base + own.unwrap_or(recovery.stale_after.get())).saturating_sub(recovery.stale_after.get())
}

/// The next step, unless the incident has recovered or nothing more can be done.
pub(crate) fn next(view: &View<'_>, policy: &Policy, incident: &Incident) -> Option<Step> {
    if incident.recovered_time.is_some() {
        return None;
    }
    let since = incident.since.get();
    let verified = verification_end(view, policy, incident);
    let due_at = |level| {
        let due = after(since, threshold(view, incident, level));
        verified.map_or(due, |end| due.max(end))
    };
    if incident.level >= CRITICAL {
        return retry(view, policy, incident);
    }
    let escalation = ((incident.level + 1)..=CRITICAL)
        .find(|level| allows(incident.cause, *level, view))
        .map(|level| Step { level, due: due_at(level), act: act(view, incident, level) })?;
    // Between two rungs, what the cause allows may be tried once more.
    repeat(view, incident, verified).filter(|step| step.due < escalation.due).or(Some(escalation))
}

/// The same level again: a silent stream each time after a doubled pause, a stepwise reset with its next strength.
fn repeat(view: &View<'_>, incident: &Incident, verified: Option<Timestamp>) -> Option<Step> {
    // A roll that was refused is not asked for again and again.
    let last = incident.rungs.last().filter(|rung| rung.action.is_some())?;
    match incident.level {
        RESTART if allows(incident.cause, RESTART, view) && !allows(incident.cause, RESET, view) => {
            let first = threshold(view, incident, RESET).saturating_sub(threshold(view, incident, RESTART));
            let doublings = u32::try_from(incident.attempts - 1).unwrap_or(0).min(12);
            let due = after(last.time.get(), first.saturating_mul(1 << doublings));
            Some(Step { level: RESTART, due, act: Act::Do(ActionKind::RestartStreams) })
        }
        RESET if allows(incident.cause, RESET, view) && last.action == Some(ActionKind::Reconnect) => {
            let stronger = strength(view, incident) == ActionKind::RollPod;
            stronger.then(|| Step {
                level: RESET,
                due: verified.unwrap_or(last.time.get()),
                act: Act::Do(ActionKind::RollPod),
            })
        }
        _ => None,
    }
}

/// After Critical, levels 2 and 3 are tried again in turn, with growing pauses.
fn retry(view: &View<'_>, policy: &Policy, incident: &Incident) -> Option<Step> {
    let critical = incident.rungs.iter().position(|rung| rung.level == CRITICAL);
    // When the list has dropped it, everything in the list came after it.
    let later = &incident.rungs[critical.map_or(0, |index| index + 1)..];
    let tried = i32::try_from(later.len()).unwrap_or(i32::MAX);
    let order = if tried % 2 == 0 { [RESTART, RESET] } else { [RESET, RESTART] };
    let level = order.into_iter().find(|level| allows(incident.cause, *level, view))?;
    let last = incident.rungs.last()?.time.get();
    Some(Step { level, due: after(last, policy.retry_after(tried)), act: act(view, incident, level) })
}

/// When the effect of the last action is known. Never later than the next rung would have been due after that action.
pub(crate) fn verification_end(view: &View<'_>, policy: &Policy, incident: &Incident) -> Option<Timestamp> {
    let last = incident.rungs.iter().rev().find(|rung| rung.action.is_some())?;
    let kind = last.action?;
    let following = ((last.level + 1)..=CRITICAL).find(|level| allows(incident.cause, *level, view));
    let distance = following.map_or(Duration::MAX, |level| {
        threshold(view, incident, level).saturating_sub(threshold(view, incident, last.level))
    });
    let latest = after(last.time.get(), distance);
    let start = match kind {
        ActionKind::RollPod => new_pod_started(view).unwrap_or(latest),
        ActionKind::RestartStreams | ActionKind::Reconnect | ActionKind::RestartGateway => last.time.get(),
    };
    Some(after(start, policy.verify(kind)).min(latest))
}

fn new_pod_started(view: &View<'_>) -> Option<Timestamp> {
    let pod = view.pod?;
    let action = view.status.action.as_ref()?;
    (pod.uid != action.pod_uid).then_some(pod.running).flatten()
}

fn act(view: &View<'_>, incident: &Incident, level: u8) -> Act {
    match level {
        RESTART => Act::Do(ActionKind::RestartStreams),
        RESET => Act::Do(strength(view, incident)),
        _ => Act::Tell,
    }
}

/// How strong the incident's next reset is.
fn strength(view: &View<'_>, incident: &Incident) -> ActionKind {
    match reset(view) {
        Reset::RollPod => ActionKind::RollPod,
        Reset::Reconnect => ActionKind::Reconnect,
        // A reset of a live gateway's pod costs its login token and a person's second factor: only when asked for.
        Reset::Stepwise if live(view) => ActionKind::Reconnect,
        Reset::Stepwise if incident.last_action == Some(ActionKind::Reconnect) => ActionKind::RollPod,
        Reset::Stepwise => ActionKind::Reconnect,
    }
}

/// `spec.recovery.reset`, or its default for the kind of gateway.
fn reset(view: &View<'_>) -> Reset {
    let default = match &view.spec.gateway.sidecar {
        Some(sidecar) if sidecar.trading_mode == TradingMode::Paper => Reset::RollPod,
        Some(_) => Reset::Stepwise,
        None => Reset::Reconnect,
    };
    view.spec.recovery.reset.unwrap_or(default)
}

fn live(view: &View<'_>) -> bool {
    view.spec.gateway.sidecar.as_ref().is_some_and(|sidecar| sidecar.trading_mode == TradingMode::Live)
}

/// Records that a step was taken.
pub(crate) fn fire(incident: &mut Incident, step: Step, now: Timestamp) {
    let action = match step.act {
        Act::Do(kind) => Some(kind),
        Act::Tell | Act::RefuseRoll => None,
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

/// Bound of the list in status (see the CRD).
const MAX_RUNGS: usize = 12;
