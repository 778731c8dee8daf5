//! The decision: one pure function of (spec, status, now, policy).

use std::time::Duration;

use jiff::Timestamp;
use marketstream_crds::{Action, ActionKind, ActionState, Cause, Health, Incident, Scope, StreamState, Time};

use crate::{
    health::health,
    incidents,
    ladder::{self, Act, Ladder, Refusal, Step, level},
    notice::{self, Notice},
    policy::Policy,
    view::{View, after},
};

/// Bound of `status.history` (see the CRD).
const MAX_HISTORY: usize = 20;
/// Bound of `status.recentRolls` (see the CRD), far above what any policy allows in a day.
const MAX_ROLLS: usize = 32;
/// How often a new operator that has seen no heartbeat yet looks for one, when something is amiss: a rung fires within a
/// second of being due.
const CONFIRMATION: Duration = Duration::from_millis(500);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// What is planned for a moment that a report dates anew each time moves by the report's travel time. Less than this is
/// no change: nothing is written for it.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// What the operator writes, then does, and when it must look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// `status.health`.
    pub health: Health,
    /// `status.level`.
    pub level: u8,
    /// `status.cause`.
    pub cause: Option<Cause>,
    /// `status.clientId`.
    pub client_id: i32,
    /// `status.incidents`.
    pub incidents: Vec<Incident>,
    /// `status.history`.
    pub history: Vec<Incident>,
    /// `status.action`. Written before it is carried out.
    pub action: Option<Action>,
    /// `status.recentRolls`.
    pub recent_rolls: Vec<Time>,
    /// UID of the pod to delete, once the rest is written: a new roll, or one that an earlier operator left undone.
    pub delete_pod: Option<String>,
    /// What people should hear of.
    pub notices: Vec<Notice>,
    /// When something is due, unless something changes before.
    pub look_again: Option<Timestamp>,
}

/// Decides what to do now.
#[must_use]
pub fn decide(view: &View<'_>, now: Timestamp, policy: &Policy) -> Decision {
    let tracked = incidents::update(view, policy, now);
    let mut notices: Vec<Notice> =
        tracked.closed.iter().filter(|incident| incident.level > 0).map(notice::closed).collect();
    let known = tracked.open.iter().chain(&tracked.closed).chain(&view.status.history);
    let mut state = State {
        view,
        policy,
        now,
        ladder: Ladder::new(view, policy, now).knowing(known),
        action: view.status.action.clone(),
        client_id: client_id(view),
        rolls: recent_rolls(view, policy, now),
        notices: vec![],
        look: vec![],
    };
    let mut open = tracked.open;
    let faults = open.iter().filter(|incident| incident.recovered_time.is_none());
    let faults: Vec<_> = faults.map(|incident| (incidents::rank(incident), incident.cause)).collect();
    for incident in &mut open {
        if faults.iter().any(|fault| incidents::waits_for(incident, *fault)) {
            (incident.next_action, incident.next_action_time) = (None, None);
        } else {
            state.climb(incident);
        }
    }
    open.sort_by_key(|incident| (std::cmp::Reverse(incident.level), incident.since));
    notices.append(&mut state.notices);

    state.look.extend(tracked.changes);
    // A heartbeat is no event for the operator, so one that is missing, or back again, is found by looking.
    state.look.push(view.overdue(policy.missed_heartbeats));
    if open.iter().any(|incident| incident.cause == Cause::NotReporting) {
        state.look.push(after(now, view.spec.recovery.monitor_interval.get()));
    }
    state.look.extend(
        open.iter().filter_map(|incident| incident.recovered_time).map(|time| after(time.get(), policy.settle.get())),
    );
    // What passed before anybody was warned is no history.
    let told = tracked.closed.into_iter().rev().filter(|incident| incident.level > 0);
    let history = told.chain(view.status.history.iter().cloned()).take(MAX_HISTORY).collect();
    let worst = open.first();
    let health = health(view, policy, now);
    if !view.report.confirmed {
        // Nor is there any hurry once it is known that none comes.
        let silent = now >= view.overdue(policy.missed_heartbeats);
        let calm = silent || open.is_empty() && matches!(health, Health::Healthy | Health::Idle);
        let pause = if calm { view.spec.recovery.monitor_interval.get() } else { CONFIRMATION };
        state.look.push(after(now, pause));
    }
    Decision {
        health,
        level: worst.map_or(0, |incident| incident.level),
        cause: worst.filter(|incident| incident.recovered_time.is_none()).map(|incident| incident.cause),
        client_id: state.client_id,
        delete_pod: unfinished_roll(view, state.action.as_ref(), &open, now),
        look_again: state.look.iter().copied().filter(|time| *time > now).min(),
        history,
        action: state.action,
        recent_rolls: state.rolls,
        notices,
        incidents: open,
    }
}

struct State<'a> {
    view: &'a View<'a>,
    policy: &'a Policy,
    now: Timestamp,
    ladder: Ladder<'a>,
    action: Option<Action>,
    client_id: i32,
    rolls: Vec<Time>,
    notices: Vec<Notice>,
    look: Vec<Timestamp>,
}

impl State<'_> {
    /// Takes every step that is due, in order, until one must wait.
    fn climb(&mut self, incident: &mut Incident) {
        let mut step = self.next(incident);
        while let Some(due) = step.filter(|step| step.due <= self.now && self.may(incident.cause, *step)) {
            self.take(incident, due);
            step = self.next(incident);
        }
        let (next, time) = match step {
            None if incident.recovered_time.is_some() => (Some("Close".to_owned()), None),
            None => (None, None),
            Some(_) if self.view.paused => (Some("none: paused".to_owned()), None),
            Some(step) => (Some(notice::name(step).to_owned()), Some(step.due)),
        };
        self.look.extend(time);
        let same =
            |known: &Time| time.is_some_and(|time| known.get().duration_since(time).unsigned_abs() <= SAME_MOMENT);
        let known = incident.next_action_time.filter(|known| incident.next_action == next && same(known));
        incident.next_action = next;
        incident.next_action_time = known.or(time.map(Time::from));
    }

    /// The incident's next step, which is a refusal when the day's rolls are used up.
    fn next(&self, incident: &Incident) -> Option<Step> {
        let step = self.ladder.next(incident)?;
        let spent = step.act == Act::Do(ActionKind::RollPod) && self.rolls.len() >= self.policy.rolls_per_day;
        Some(if spent { Step { act: Act::RefuseRoll(Refusal::Budget), ..step } } else { step })
    }

    /// Whether this may be done now. One action at a time; none while paused; none on a report of unknown age, nor is a
    /// person called for what it says, nor for reports that a new operator has not waited for itself.
    fn may(&mut self, cause: Cause, step: Step) -> bool {
        if self.view.paused {
            return false;
        }
        let Act::Do(_) = step.act else {
            let missing =
                || cause == Cause::NotReporting && self.now >= self.view.overdue(self.policy.missed_heartbeats);
            let known = self.view.report.confirmed || missing();
            return known || step.level < level::CRITICAL;
        };
        if let Some(action) = self.action.as_ref().filter(|action| in_flight(self.view, action, self.now)) {
            self.look.push(action.deadline.get());
            return false;
        }
        self.view.report.confirmed && self.view.pod.is_some_and(|pod| !pod.deleting)
    }

    fn take(&mut self, incident: &mut Incident, step: Step) {
        ladder::fire(incident, step, self.now);
        if let Act::Do(kind) = step.act {
            self.issue(incident, kind);
        }
        self.notices.push(notice::fired(self.view, incident, step, self.client_id));
    }

    fn issue(&mut self, incident: &Incident, kind: ActionKind) {
        let Some(pod) = self.view.pod else { return };
        let streams = match kind {
            ActionKind::RestartStreams => affected(self.view, incident),
            // A gateway that restarts forgets every client ID.
            ActionKind::RestartGateway => vec![],
            ActionKind::Reconnect | ActionKind::RollPod => {
                let pool = self.view.spec.gateway.client_id;
                // After an error 326 the streamer has moved on by itself; the ID that it leaves must not come next.
                let used =
                    self.view.streamer().map(|streamer| streamer.client_id).filter(|id| pool.range().contains(id));
                self.client_id = pool.next(used.unwrap_or(self.client_id));
                vec![]
            }
        };
        if kind == ActionKind::RollPod {
            self.rolls.push(self.now.into());
            let excess = self.rolls.len().saturating_sub(MAX_ROLLS);
            self.rolls.drain(..excess);
        }
        self.action = Some(Action {
            // The streamer acts on each id once, so no two actions may ever share one.
            id: format!("{}-{}", incident.id, self.now.as_millisecond()),
            incident: incident.id.clone(),
            kind,
            streams,
            client_id: self.client_id,
            pod_uid: pod.uid.clone(),
            issued_at: self.now.into(),
            deadline: after(self.now, self.policy.verify(kind)).into(),
        });
    }
}

/// The silent streams of an incident: only these are restarted.
fn affected(view: &View<'_>, incident: &Incident) -> Vec<String> {
    match incident.scope {
        Scope::Stream => {
            let known = |key: &String| view.streams().iter().find(|stream| stream.key() == *key);
            let well = |key: &String| known(key).is_some_and(ladder::good_since_corrupt);
            incident.streams.iter().filter(|key| !well(key)).cloned().collect()
        }
        Scope::Session => view
            .streams()
            .iter()
            .filter(|stream| !matches!(stream.state, StreamState::Idle | StreamState::Rejected) && !view.flows(stream))
            .map(marketstream_crds::StreamStatus::key)
            .collect(),
    }
}

/// Whether an action is still being carried out: not acknowledged, its pod is still there, its deadline ahead.
#[must_use]
pub fn in_flight(view: &View<'_>, action: &Action, now: Timestamp) -> bool {
    let same_pod = view.pod.is_none_or(|pod| pod.uid == action.pod_uid);
    let acknowledged = view
        .status
        .streamer
        .as_ref()
        .and_then(|streamer| streamer.action.as_ref())
        .is_some_and(|ack| ack.id == action.id && ack.state != ActionState::Accepted);
    now < action.deadline.get() && same_pod && !acknowledged
}

/// A roll that was decided and whose pod still stands. Deleting it again is harmless: the delete names its UID.
/// One that is needed no more, since data flow again, is dropped.
fn unfinished_roll(view: &View<'_>, action: Option<&Action>, open: &[Incident], now: Timestamp) -> Option<String> {
    let needed = |action: &Action| {
        open.iter().any(|incident| incident.id == action.incident && incident.recovered_time.is_none())
    };
    let action = action.filter(|action| action.kind == ActionKind::RollPod && now < action.deadline.get())?;
    let pod = view.pod.filter(|pod| pod.uid == action.pod_uid && !pod.deleting && needed(action) && !view.paused)?;
    Some(pod.uid.clone())
}

/// The ID in use, or the base when none is, or when the pool has moved away from it.
fn client_id(view: &View<'_>) -> i32 {
    let pool = view.spec.gateway.client_id;
    view.status.client_id.filter(|id| pool.range().contains(id)).unwrap_or(pool.base)
}

/// The rolls of the last day. A pod that runs under a status that was never written comes from a restored backup: how
/// often it was rolled is not known.
fn recent_rolls(view: &View<'_>, policy: &Policy, now: Timestamp) -> Vec<Time> {
    if view.status.level.is_none() && view.pod.is_some_and(|pod| pod.running.is_some()) {
        let age = DAY.saturating_sub(policy.unknown_budget.get());
        let assumed = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        return vec![assumed.into(); policy.rolls_per_day.min(MAX_ROLLS)];
    }
    view.status.recent_rolls.iter().copied().filter(|roll| after(roll.get(), DAY) > now).collect()
}
