//! The decision: one pure function of (spec, status, now, policy).

use jiff::Timestamp;
use marketstream_crds::{
    Action, ActionKind, ActionState, Cause, Health, Incident, Scope, SocketState, StreamState, Time,
};

use crate::{
    incidents,
    ladder::{self, Act, Step, level},
    policy::Policy,
    view::{View, after},
};

/// Bound of `status.history` (see the CRD).
const MAX_HISTORY: usize = 20;
/// Bound of `status.recentRolls` (see the CRD), far above what any policy allows in a day.
const MAX_ROLLS: usize = 32;
/// A rung fires within a second of being due, also when it waits for the first heartbeat that a new operator sees.
const CONFIRMATION: std::time::Duration = std::time::Duration::from_millis(500);
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

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

/// An event for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Warning or Normal.
    pub warning: bool,
    /// Reason, in CamelCase.
    pub reason: &'static str,
    /// What is being done about it, in CamelCase.
    pub action: &'static str,
    /// The sentence.
    pub message: String,
}

/// Decides what to do now.
#[must_use]
pub fn decide(view: &View<'_>, now: Timestamp, policy: &Policy) -> Decision {
    let tracked = incidents::update(view, policy, now);
    let mut notices: Vec<Notice> = tracked.closed.iter().filter(|incident| incident.level > 0).map(closed).collect();
    let mut state = State {
        view,
        policy,
        now,
        action: view.status.action.clone(),
        client_id: client_id(view),
        rolls: recent_rolls(view, now),
        notices: vec![],
        look: vec![],
    };
    let mut open = tracked.open;
    for incident in &mut open {
        state.climb(incident);
    }
    open.sort_by_key(|incident| (std::cmp::Reverse(incident.level), incident.since));
    notices.append(&mut state.notices);

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
    Decision {
        health: health(view, policy, now),
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
    action: Option<Action>,
    client_id: i32,
    rolls: Vec<Time>,
    notices: Vec<Notice>,
    look: Vec<Timestamp>,
}

impl State<'_> {
    /// Takes every step that is due, in order, until one must wait.
    fn climb(&mut self, incident: &mut Incident) {
        let mut step = ladder::next(self.view, self.policy, incident);
        while let Some(due) = step.filter(|step| step.due <= self.now && self.may(step.act)) {
            self.take(incident, due);
            step = ladder::next(self.view, self.policy, incident);
        }
        let (next, time) = match step {
            None if incident.recovered_time.is_some() => (Some("Close".to_owned()), None),
            None => (None, None),
            Some(_) if self.view.paused => (Some("none: paused".to_owned()), None),
            Some(step) => (Some(name(step).to_owned()), Some(step.due)),
        };
        self.look.extend(time);
        incident.next_action = next;
        incident.next_action_time = time.map(Time::from);
    }

    /// Whether this may be done now. One action at a time; none on a report of unknown age; none while paused.
    fn may(&mut self, act: Act) -> bool {
        if self.view.paused {
            return false;
        }
        let Act::Do(_) = act else { return true };
        if let Some(action) = self.action.as_ref().filter(|action| in_flight(self.view, action, self.now)) {
            self.look.push(action.deadline.get());
            return false;
        }
        if !self.view.report.confirmed {
            self.look.push(after(self.now, CONFIRMATION));
            return false;
        }
        self.view.pod.is_some_and(|pod| !pod.deleting)
    }

    fn take(&mut self, incident: &mut Incident, step: Step) {
        let spent = step.act == Act::Do(ActionKind::RollPod) && self.rolls.len() >= self.policy.rolls_per_day;
        let step = if spent { Step { act: Act::RefuseRoll, ..step } } else { step };
        ladder::fire(incident, step, self.now);
        if let Act::Do(kind) = step.act {
            self.issue(incident, kind);
        }
        self.notices.push(fired(self.view, incident, step, self.client_id));
    }

    fn issue(&mut self, incident: &Incident, kind: ActionKind) {
        let Some(pod) = self.view.pod else { return };
        let streams = match kind {
            ActionKind::RestartStreams => affected(self.view, incident),
            ActionKind::Reconnect | ActionKind::RestartGateway | ActionKind::RollPod => {
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
        Scope::Stream => incident.streams.clone(),
        Scope::Session => view
            .streams()
            .iter()
            .filter(|stream| !matches!(stream.state, StreamState::Idle | StreamState::Rejected) && !view.flows(stream))
            .map(marketstream_crds::StreamStatus::key)
            .collect(),
    }
}

/// Whether an action is still being carried out: not acknowledged, its pod is still there, its deadline ahead.
fn in_flight(view: &View<'_>, action: &Action, now: Timestamp) -> bool {
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

fn recent_rolls(view: &View<'_>, now: Timestamp) -> Vec<Time> {
    view.status.recent_rolls.iter().copied().filter(|roll| after(roll.get(), DAY) > now).collect()
}

fn health(view: &View<'_>, policy: &Policy, now: Timestamp) -> Health {
    let Some(streamer) = view.streamer().filter(|_| now < view.overdue(policy.missed_heartbeats)) else {
        return Health::Unknown;
    };
    if streamer.socket.state != SocketState::Connected {
        return Health::Disconnected;
    }
    let all = |states: &[StreamState]| streamer.streams.iter().all(|stream| states.contains(&stream.state));
    match () {
        () if all(&[StreamState::Idle]) => Health::Idle,
        () if all(&[StreamState::Idle, StreamState::Flowing]) => Health::Healthy,
        () => Health::Degraded,
    }
}

/// What a step is called in status and events.
fn name(step: Step) -> &'static str {
    match (step.act, step.level) {
        (Act::Do(kind), _) => kind.as_str(),
        (Act::RefuseRoll, _) => "RollRefused",
        (Act::Tell, level::CRITICAL) => "Critical",
        (Act::Tell, _) => "Warn",
    }
}

fn fired(view: &View<'_>, incident: &Incident, step: Step, client_id: i32) -> Notice {
    let seconds = (step.due.duration_since(incident.since.get())).as_secs_f64();
    let what = match incident.scope {
        Scope::Session => "all streams".to_owned(),
        Scope::Stream => incident.streams.join(", "),
    };
    let evidence = evidence(view, incident);
    let doing = match (step.act, step.level) {
        (Act::Do(ActionKind::RestartStreams), _) => "the silent streams are subscribed again".to_owned(),
        (Act::Do(ActionKind::Reconnect), _) => format!("a new session with client ID {client_id} is made"),
        (Act::Do(ActionKind::RestartGateway), _) => "the gateway is restarted in its pod".to_owned(),
        (Act::Do(ActionKind::RollPod), _) => format!("the pod is replaced, and will use client ID {client_id}"),
        (Act::RefuseRoll, _) => "no roll is left for today".to_owned(),
        (Act::Tell, level::CRITICAL) => "recovery did not help; a person is needed".to_owned(),
        (Act::Tell, _) => "watching".to_owned(),
    };
    Notice {
        warning: true,
        reason: if step.level == level::CRITICAL { "Critical" } else { incident.cause.as_str() },
        action: name(step),
        message: format!(
            "Level {}: {what}: no data for {seconds:.1}s ({}{evidence}): {doing}",
            step.level, incident.cause
        ),
    }
}

/// The gateway's own words, where there are any.
fn evidence(view: &View<'_>, incident: &Incident) -> String {
    let text = match incident.cause {
        Cause::NotReporting => view.pod.and_then(|pod| pod.waiting.clone()),
        Cause::CompetingSession | Cause::ContractInvalid | Cause::NotEntitled | Cause::Capacity | Cause::Pacing => view
            .streams()
            .iter()
            .find(|stream| {
                stream.error.is_some() && (incident.streams.is_empty() || incident.streams.contains(&stream.key()))
            })
            .and_then(|stream| stream.error.as_ref())
            .map(|error| format!("{} {}", error.code, error.message)),
        Cause::StorageFull => view.streamer().and_then(|streamer| streamer.storage.message.clone()),
        Cause::AuthRequired => view.streamer().and_then(|streamer| streamer.login.as_ref()?.message.clone()),
        Cause::StreamSilent | Cause::Zombie | Cause::MarketClosed | Cause::CorruptData => None,
        Cause::UpstreamDown
        | Cause::FarmDown
        | Cause::ClientIdInUse
        | Cause::GatewayDown
        | Cause::GatewayHung
        | Cause::Unknown => view.streamer().and_then(|streamer| streamer.socket.message.clone()),
    };
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

fn closed(incident: &Incident) -> Notice {
    let what = match incident.scope {
        Scope::Session => "all streams".to_owned(),
        Scope::Stream => incident.streams.join(", "),
    };
    let (reason, end) = match incident.recovered_time {
        Some(time) => ("Recovered", time),
        None => ("Superseded", incident.closed_time.unwrap_or(incident.since)),
    };
    let seconds = end.get().duration_since(incident.since.get()).as_secs_f64();
    Notice {
        warning: false,
        reason,
        action: "Close",
        message: format!("{what}: {} ended after {seconds:.1}s, at level {}", incident.cause, incident.level),
    }
}
