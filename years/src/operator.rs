//! The operator, run on virtual time as its controller runs it: what it remembers, when it looks, what it writes
//! before it acts. The decisions are those of `marketstream_recovery`.

use marketstream_crds::{Action, ActionKind, MarketStreamStatus, StreamerStatus};
use marketstream_recovery::{Decision, MISSED_HEARTBEATS, Pod, Policy, Report, View, decide};

use crate::{
    brain::{Alarm, Brain, Deed, Scene},
    clock::{Ms, SECOND, ms, sooner, stamp},
    dice::noise,
    fault::Strength,
    report,
};

/// From a write of the streamer to the operator's cache, and back.
const NETWORK: Ms = 100;
/// Transitions that follow each other faster are written together.
const COALESCE: Ms = SECOND;

/// The operator's process, its memory, and the resource that survives it.
pub struct Operator {
    policy: Policy,
    status: MarketStreamStatus,
    channel: Channel,
    runs: bool,
    received: Ms,
    /// When the report was written that the operator knows.
    known: Ms,
    confirmed_after: Option<Ms>,
    pod: Option<(u32, Ms, Option<Ms>, bool)>,
    look_at: Option<Ms>,
    /// When it is delivered, and when the report was written that was decided on.
    outbox: Option<(Ms, Ms, Action)>,
    broken: Option<Broken>,
}

/// Ladders that are wrong on purpose, to see that the oracle notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Warns, and never does anything.
    NeverActs,
    /// Replaces the pod at each warning.
    AlwaysRolls,
}

/// The way of reports from the pod to the API server.
#[derive(Debug, Default)]
struct Channel {
    signature: u64,
    /// When the last report was written, heartbeats included.
    written: Ms,
    due: Option<Ms>,
    /// On their way: when they arrive, when they were written.
    sent: std::collections::VecDeque<(Ms, Ms, Box<StreamerStatus>)>,
    reachable: bool,
    /// Since when it has not been.
    unheard_since: Option<Ms>,
    /// It was not reachable though there was a process that would have written.
    cut: bool,
    /// The pod whose process wrote last.
    writer: u32,
}

impl Operator {
    /// One that starts with the year.
    #[must_use]
    pub fn new(now: Ms, broken: Option<Broken>) -> Self {
        Self {
            policy: Policy::default(),
            status: MarketStreamStatus::default(),
            channel: Channel { reachable: true, written: now, ..Channel::default() },
            runs: true,
            received: now,
            known: now,
            confirmed_after: None,
            pod: None,
            look_at: Some(now),
            outbox: None,
            broken,
        }
    }

    /// The streamer's side: writes what changed, as soon as it can.
    fn write(&mut self, scene: &Scene<'_>, now: Ms) {
        self.channel.cut |= !scene.world.reports_arrive();
        let writer = scene.streamer.as_ref().filter(|_| scene.world.reports_arrive());
        let Some(streamer) = writer else {
            // No heartbeat comes any more, so the operator's own timers count again.
            if std::mem::replace(&mut self.channel.reachable, false) {
                (self.look_at, self.channel.unheard_since) = (Some(now), Some(now));
            }
            self.channel.due = None;
            return;
        };
        self.channel.unheard_since = None;
        let signature = report::signature(streamer, scene.world);
        if !std::mem::replace(&mut self.channel.reachable, true) {
            // A new process writes at once; one that could not write tries again within half a minute.
            let pause = (noise(signature, now as u64) % (30 * SECOND as u64)) as Ms;
            let waits = std::mem::take(&mut self.channel.cut) && streamer.uid == self.channel.writer;
            self.channel.due = Some(now + if waits { pause } else { SECOND });
            self.channel.writer = streamer.uid;
        } else if signature != self.channel.signature {
            self.channel.due.get_or_insert(now.max(self.channel.written + COALESCE));
        }
        if self.channel.due.is_some_and(|due| due <= now) {
            self.channel.due = None;
            self.channel.signature = signature;
            self.channel.written = now;
            let arrives = now + NETWORK + scene.world.lateness();
            let after = self.channel.sent.back().map_or(arrives, |(last, ..)| arrives.max(*last));
            self.channel.sent.push_back((after, now, Box::new(report::build(streamer, scene.world, now))));
        }
    }

    /// Heartbeats between two events: they change nothing but the age of the report.
    fn heartbeats(&mut self, scene: &Scene<'_>, now: Ms) {
        if !self.channel.reachable || self.channel.due.is_some() || !self.channel.sent.is_empty() {
            return;
        }
        let Some(streamer) = scene.streamer.as_ref() else { return };
        let interval = scene.world.manifest.spec.recovery.monitor_interval.get().as_millis() as Ms;
        let delay = NETWORK + scene.world.lateness();
        let beats = (now - delay - self.channel.written).div_euclid(interval);
        if beats > 0 && self.status.streamer.is_some() {
            self.channel.written += beats * interval;
            let written = self.channel.written;
            self.receive(written + delay, written, report::build(streamer, scene.world, written));
        }
    }

    fn receive(&mut self, arrived: Ms, written: Ms, report: StreamerStatus) {
        self.known = written;
        if self.runs {
            self.received = arrived;
            if self.confirmed_after.is_some_and(|after| arrived > after) {
                self.confirmed_after = None;
            }
        }
        self.status.streamer = Some(report);
    }

    /// Starts again, with what the resource says and no memory.
    fn restart(&mut self, now: Ms) {
        self.runs = true;
        (self.received, self.confirmed_after) = (now, Some(now));
        self.pod = None;
        self.look_at = Some(now);
    }

    fn see_pod(&mut self, scene: &Scene<'_>, now: Ms) -> bool {
        let pod = scene.world.pod;
        let (seen, running) = match self.pod {
            Some((uid, seen, running, _)) if uid == pod.uid => (seen, running.or(pod.running.map(|_| now))),
            _ => (now, pod.running.map(|_| now)),
        };
        let next = Some((pod.uid, seen, running, pod.gone.is_some()));
        std::mem::replace(&mut self.pod, next) != next
    }

    fn view<'a>(&'a self, scene: &'a Scene<'_>, pod: Option<&'a Pod>, received: Ms) -> View<'a> {
        let report = Report { received: stamp(received), confirmed: self.confirmed_after.is_none() };
        View { spec: &scene.world.manifest.spec, status: &self.status, report, pod, paused: false }
    }

    fn look(&mut self, scene: &mut Scene<'_>, now: Ms) {
        let pod = self.pod.map(|(number, seen, running, deleting)| Pod {
            uid: report::uid(number),
            seen: stamp(seen),
            running: running.map(stamp),
            deleting,
            waiting: None,
        });
        let decision = decide(&self.view(scene, pod.as_ref(), self.received), stamp(now), &self.policy);
        let decision = self.spoil(decision, now);
        let seen = self.known.min(now);
        self.tell(scene, &decision, now);
        self.apply(&decision, seen, now);
        let deed = decision.delete_pod.as_ref().zip(self.pod).filter(|(uid, pod)| **uid == report::uid(pod.0));
        if let Some((_, (uid, ..))) = deed
            && scene.world.pod.uid == uid
            && scene.world.pod.gone.is_none()
        {
            scene.judge(now, seen, Deed { strength: Strength::RollPod, streams: scene.world.manifest.all() });
            scene.world.delete_pod(uid, now);
        }
        // While all is well, a heartbeat changes nothing, and is not looked at again for each.
        let well = self.channel.reachable
            && self.channel.sent.is_empty()
            && self.status.incidents.is_empty()
            && self.confirmed_after.is_none()
            && self.status.streamer.as_ref().is_some_and(|report| report.pod_uid == report::uid(scene.world.pod.uid));
        self.look_at = decision.look_again.map(ms).filter(|_| !well);
    }

    fn spoil(&self, mut decision: Decision, now: Ms) -> Decision {
        match self.broken {
            None => {}
            Some(Broken::NeverActs) => {
                (decision.action, decision.delete_pod) = (self.status.action.clone(), None);
            }
            Some(Broken::AlwaysRolls) => {
                let warned = decision.incidents.iter().any(|incident| incident.level > 0);
                let ready = self.pod.filter(|(.., running, _)| running.is_some_and(|since| now - since > 300 * SECOND));
                (decision.action, decision.delete_pod) = (None, ready.filter(|_| warned).map(|pod| report::uid(pod.0)));
            }
        }
        decision
    }

    fn tell(&self, scene: &mut Scene<'_>, decision: &Decision, now: Ms) {
        for notice in &decision.notices {
            scene.trace.note(now, || format!("    operator: {} {}", notice.reason, notice.message));
        }
        let all = scene.world.manifest.all();
        let alarms: Vec<Alarm> = decision
            .incidents
            .iter()
            .filter(|incident| incident.level > 0 && incident.recovered_time.is_none())
            .map(|incident| {
                let streams = scene.world.manifest.of_keys(&incident.streams);
                let id = crate::dice::noise(incident.since.get().as_millisecond() as u64, incident.scope as u64);
                Alarm { id, streams: if incident.streams.is_empty() { all } else { streams }, level: incident.level }
            })
            .collect();
        scene.alarms(now, self.known.min(now), &alarms);
    }

    fn apply(&mut self, decision: &Decision, seen: Ms, now: Ms) {
        let fresh = decision.action.as_ref().filter(|action| {
            self.status.action.as_ref().is_none_or(|before| before.id != action.id)
                && action.kind != ActionKind::RollPod
        });
        if let Some(action) = fresh {
            self.outbox = Some((now + NETWORK, seen, action.clone()));
        }
        let status = &mut self.status;
        status.health = Some(decision.health);
        status.level = Some(decision.level);
        status.cause = decision.cause;
        status.client_id = Some(decision.client_id);
        status.incidents.clone_from(&decision.incidents);
        if status.history.len() != decision.history.len() || status.history.first() != decision.history.first() {
            status.history.clone_from(&decision.history);
        }
        status.action.clone_from(&decision.action);
        status.recent_rolls.clone_from(&decision.recent_rolls);
    }

    fn deliver(&mut self, scene: &mut Scene<'_>, now: Ms) {
        if !scene.world.reports_arrive() || self.outbox.as_ref().is_none_or(|(at, ..)| *at > now) {
            return;
        }
        let Some((_, seen, action)) = self.outbox.take() else { return };
        let Some(mut streamer) = scene.streamer.take() else { return };
        let unheard = self.channel.unheard_since.map_or(0, |since| now - since);
        let interval = scene.world.manifest.spec.recovery.monitor_interval.get().as_millis() as Ms;
        // An action that is read after so long a silence may be any age: nothing is done.
        if unheard
            >= (ms(action.deadline.get()) - ms(action.issued_at.get())).max(Ms::from(MISSED_HEARTBEATS) * interval)
        {
            streamer.supersede(&action);
        } else if action.pod_uid == report::uid(streamer.uid) {
            let strength = match action.kind {
                ActionKind::RestartStreams => Strength::Resubscribe,
                ActionKind::Reconnect => Strength::Reconnect,
                ActionKind::RestartGateway => Strength::RestartGateway,
                ActionKind::RollPod => Strength::RollPod,
            };
            let all = scene.world.manifest.all();
            let named = scene.world.manifest.of_keys(&action.streams);
            let streams = if action.kind == ActionKind::RestartStreams { named } else { all };
            // What the streamer refuses is no action.
            if strength > Strength::Resubscribe || streamer.can_ask() {
                *scene.streamer = Some(streamer);
                scene.judge(now, seen, Deed { strength, streams });
                let Some(acting) = scene.streamer.take() else { return };
                streamer = acting;
            }
            streamer.act(&action, scene.world, now);
        }
        *scene.streamer = Some(streamer);
    }
}

impl Brain for Operator {
    fn before(&mut self, scene: &Scene<'_>, now: Ms) {
        self.heartbeats(scene, now);
    }

    fn step(&mut self, scene: &mut Scene<'_>, now: Ms) {
        self.deliver(scene, now);
        self.write(scene, now);
        let mut changed = false;
        while self.channel.sent.front().is_some_and(|(arrives, ..)| *arrives <= now) {
            let Some((arrived, written, report)) = self.channel.sent.pop_front() else { break };
            self.receive(arrived, written, *report);
            changed = true;
        }
        if !scene.world.operator_runs() {
            self.runs = false;
            return;
        }
        if !self.runs {
            self.restart(now);
        }
        changed |= self.see_pod(scene, now);
        if changed || self.look_at.is_some_and(|at| at <= now) {
            self.look(scene, now);
        }
    }

    fn next(&self) -> Option<Ms> {
        let arrives = self.channel.sent.front().map(|(arrives, ..)| *arrives);
        let mut next = sooner(self.channel.due, arrives);
        if self.channel.reachable {
            next = sooner(next, self.outbox.as_ref().map(|(at, ..)| *at));
        }
        if self.runs { sooner(next, self.look_at) } else { next }
    }

    fn client_id(&self) -> Option<i32> {
        self.status.client_id
    }

    fn found(&self, uid: u32) -> Option<Action> {
        self.status.action.clone().filter(|action| action.pod_uid == report::uid(uid))
    }
}
