//! A MarketStream on a virtual clock: a pod that reports as a streamer would, and an operator that decides.

#![allow(dead_code, reason = "each test file uses its own part of the world")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod facts;

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use marketstream_crds::{
    ActionKind, ActionState, ActionStatus, Cause, CommandPort, Contract, External, Incident, MarketStreamSpec,
    MarketStreamStatus, Scope, SocketState, StreamState, TradingMode,
};
use marketstream_recovery::{Decision, Notice, Pod, Policy, Report, View, decide};

use facts::{Facts, Stream};

/// Streams of the world's manifest, by key.
pub const MNQ_QUOTES: &str = "mnq/BidAsk";
pub const MNQ_TRADES: &str = "mnq/Last";
pub const BTC_QUOTES: &str = "btc/BidAsk";

/// How long a deleted pod takes until its successor runs, and then until that reports.
const POD_START: Duration = Duration::from_secs(3);
const FIRST_REPORT: Duration = Duration::from_secs(2);

pub struct World {
    pub spec: MarketStreamSpec,
    pub status: MarketStreamStatus,
    pub policy: Policy,
    pub now: Timestamp,
    pub start: Timestamp,
    pub pod: Option<Pod>,
    pub paused: bool,
    pub confirmed: bool,
    /// Whether the streamer's reports reach the API server.
    pub reporting: bool,
    pub acknowledges: bool,
    /// Whether the gateway refuses again what it refused, each time it is asked, so that refusals stay fresh.
    pub refuses_again: bool,
    /// How far the streamer's clock is ahead of the operator's.
    pub skew: SignedDuration,
    pub command_port: Option<CommandPort>,
    /// Sees every decision.
    pub observe: Option<fn(&World, &Decision)>,
    /// Actions that were decided while another was under way.
    pub overlapping: Vec<String>,
    /// Rungs that fired later than a second after they were due and could be taken.
    pub late: Vec<String>,
    /// When last something changed, or kept a rung from firing.
    hindered: Timestamp,
    /// The streamer reported something since the last look.
    changed: bool,
    pub notices: Vec<(f64, Notice)>,
    pub actions: Vec<(f64, ActionKind, Vec<String>)>,
    /// The cause that each action was taken for.
    pub causes: Vec<Cause>,
    pub deletes: Vec<(f64, String)>,
    streams: BTreeMap<String, Stream>,
    facts: Facts,
    socket: SocketState,
    /// Since when it is in that state.
    socket_since: Timestamp,
    ever_connected: bool,
    down_since: Option<Timestamp>,
    received: Timestamp,
    /// The operator has not seen a report since it started.
    restarted: bool,
    next_report: Timestamp,
    pods: u32,
    coming: Option<Timestamp>,
    acknowledged: Option<ActionStatus>,
}

pub fn sidecar() -> serde_json::Value {
    serde_json::json!({ "sidecar": { "image": "gateway", "credentialsSecretRef": { "name": "ibkr" }, "tradingMode": "Paper" } })
}

impl World {
    /// Three streams that flow, a paper sidecar, default thresholds.
    pub fn new() -> Self {
        let spec = serde_json::json!({
            "contracts": [
                { "name": "mnq", "conId": 711280073, "ticks": ["BidAsk", "Last"] },
                { "name": "btc", "conId": 479624278, "ticks": ["BidAsk"] },
            ],
            "gateway": sidecar(),
        });
        let start: Timestamp = "2026-11-24T15:00:00Z".parse().unwrap();
        let flowing = Stream::flowing();
        let mut world = Self {
            spec: serde_json::from_value(spec).unwrap(),
            status: MarketStreamStatus::default(),
            policy: Policy::default(),
            now: start,
            start,
            pod: Some(Pod { uid: "pod-1".into(), seen: start, running: Some(start), deleting: false, waiting: None }),
            paused: false,
            confirmed: true,
            reporting: true,
            acknowledges: true,
            refuses_again: true,
            skew: SignedDuration::ZERO,
            command_port: None,
            observe: None,
            overlapping: vec![],
            late: vec![],
            hindered: start,
            changed: false,
            notices: vec![],
            actions: vec![],
            causes: vec![],
            deletes: vec![],
            streams: [MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES].map(|key| (key.to_owned(), flowing.clone())).into(),
            facts: Facts::default(),
            socket: SocketState::Connected,
            // The session had been up for long.
            socket_since: start.checked_sub(Duration::from_secs(3600)).unwrap(),
            ever_connected: true,
            down_since: None,
            received: start,
            restarted: false,
            next_report: start,
            pods: 1,
            coming: None,
            acknowledged: None,
        };
        // An operator sees a MarketStream before its pod.
        let pod = world.pod.take();
        world.look();
        world.pod = pod;
        world.report();
        world.look();
        world
    }

    pub fn external(mut self) -> Self {
        self.spec.gateway.sidecar = None;
        self.spec.gateway.external = Some(External { host: "gateway".into(), ports: vec![4002] });
        self
    }

    pub fn live(mut self, command_port: CommandPort) -> Self {
        self.spec.gateway.sidecar.as_mut().unwrap().trading_mode = TradingMode::Live;
        self.command_port = Some(command_port);
        self.report();
        self
    }

    /// Lets the calendar begin elsewhere.
    pub fn at(mut self, start: &str) -> Self {
        let start: Timestamp = start.parse().unwrap();
        let up = self.now.duration_since(self.socket_since);
        (self.now, self.start, self.socket_since) = (start, start, start.checked_sub(up).unwrap());
        if let Some(pod) = &mut self.pod {
            (pod.seen, pod.running) = (start, Some(start));
        }
        self.report();
        self.look();
        self
    }

    /// A new process of the operator knows what stands in the status, and no more.
    pub fn restart_operator(&mut self) {
        (self.restarted, self.received) = (true, self.now);
        if let Some(pod) = &mut self.pod {
            (pod.seen, pod.running) = (self.now, pod.running.map(|_| self.now));
        }
    }

    pub fn contract(&mut self, name: &str) -> &mut Contract {
        self.spec.contracts.iter_mut().find(|contract| contract.name == name).unwrap()
    }

    /// Seconds since the start.
    pub fn clock(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }

    pub fn acknowledge(&mut self, status: ActionStatus) {
        self.acknowledged = Some(status);
        self.transition();
    }

    /// The last report took so long to arrive.
    pub fn delay_report(&mut self, seconds: f64) {
        self.received = self.received.checked_add(Duration::from_secs_f64(seconds)).unwrap();
        self.look();
    }

    pub fn add_contract(&mut self, name: &str, stale_after: marketstream_crds::Duration) {
        let mut contract = self.spec.contracts[0].clone();
        (contract.name, contract.con_id, contract.stale_after) = (name.to_owned(), None, Some(stale_after));
        self.spec.contracts.push(contract);
    }

    pub fn add_stream(&mut self, key: &str) {
        self.streams.insert(key.to_owned(), Stream::flowing());
    }

    /// Lets time pass, and looks whenever the last decision, a report or a pod asks for it.
    pub fn run(&mut self, seconds: u64) {
        let end = self.now.checked_add(Duration::from_secs(seconds)).unwrap();
        loop {
            self.changed = false;
            let decided = self.look();
            // What the streamer writes is an event for the operator.
            if self.changed {
                continue;
            }
            let next = [decided.look_again, Some(self.next_report), self.coming].into_iter().flatten();
            let next = next.filter(|time| *time > self.now).min().unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            if self.coming.is_some_and(|time| time <= self.now) {
                self.new_pod();
            }
            if self.next_report <= self.now {
                self.report();
            }
        }
    }

    /// One look of the operator, through the JSON that a restarted operator would read.
    pub fn look(&mut self) -> Decision {
        // Whoever observes restarts the operator by itself.
        if self.observe.is_none() {
            let text = serde_json::to_string(&self.status).unwrap();
            self.status = serde_json::from_str(&text).unwrap();
        }
        let report = Report { received: self.received, confirmed: self.is_reported() };
        let view = View { spec: &self.spec, status: &self.status, report, pod: self.pod.as_ref(), paused: self.paused };
        let decision = decide(&view, self.now, &self.policy);
        self.judge(&decision);
        if let Some(observe) = self.observe {
            observe(self, &decision);
        }
        self.carry_out(&decision);
        decision
    }

    /// Whether the operator knows a report that came since it started, and soon enough.
    pub fn is_reported(&self) -> bool {
        let known = self.status.streamer.as_ref().map(|streamer| &streamer.pod_uid);
        let current = self.pod.as_ref().is_some_and(|pod| Some(&pod.uid) == known);
        let overdue = self.spec.recovery.monitor_interval.get() * self.policy.missed_heartbeats;
        let fresh = self.now.duration_since(self.received).unsigned_abs() < overdue;
        self.confirmed && !self.restarted && current && fresh
    }

    /// The status with what was decided.
    pub fn written(&self, decision: &Decision) -> MarketStreamStatus {
        MarketStreamStatus {
            health: Some(decision.health),
            level: Some(decision.level),
            cause: decision.cause,
            client_id: Some(decision.client_id),
            incidents: decision.incidents.clone(),
            history: decision.history.clone(),
            action: decision.action.clone(),
            recent_rolls: decision.recent_rolls.clone(),
            ..self.status.clone()
        }
    }

    /// Until when the last action is under way, if it is neither acknowledged nor meant for a pod that is gone.
    fn busy_until(&self) -> Option<Timestamp> {
        let action = self.status.action.as_ref()?;
        let acknowledged = self.status.streamer.as_ref().and_then(|streamer| streamer.action.as_ref());
        let pod = self.pod.as_ref().is_none_or(|pod| pod.uid == action.pod_uid);
        (pod && acknowledged.is_none_or(|ack| ack.id != action.id)).then(|| action.deadline.get())
    }

    fn busy(&self) -> bool {
        self.busy_until().is_some_and(|end| self.now < end)
    }

    /// Notes what came too late, and what was one action too many.
    fn judge(&mut self, decision: &Decision) {
        if decision.action.is_some() && decision.action != self.status.action && self.busy() {
            self.overlapping.push(format!("{:#?} while {:#?}", decision.action, self.status.action));
        }
        let causes = |incidents: &[Incident]| -> Vec<_> {
            incidents.iter().map(|incident| (incident.id.clone(), incident.cause, incident.recovered_time)).collect()
        };
        let changed = causes(&decision.incidents) != causes(&self.status.incidents);
        if changed || self.paused || self.busy() || !self.is_reported() || self.pod.is_none() {
            self.hindered = self.now;
        }
        self.hindered = self.hindered.max(self.busy_until().map_or(self.hindered, |end| end.min(self.now)));
        let patience = SignedDuration::from_secs(1);
        for rung in decision.incidents.iter().flat_map(|incident| &incident.rungs) {
            // Requests that pause hold every action, whatever it is for.
            let pause = self.pause_ended().filter(|_| rung.action.is_some());
            let due = rung.due_time.get().max(self.hindered).max(pause.unwrap_or(Timestamp::MIN));
            if rung.time.get() == self.now && self.now.duration_since(due) > patience {
                self.late.push(format!("{rung:#?} at {}", self.now));
            }
        }
    }

    fn carry_out(&mut self, decision: &Decision) {
        let clock = self.clock();
        self.notices.extend(decision.notices.iter().map(|notice| (clock, notice.clone())));
        let issued = decision.action.as_ref().filter(|action| self.status.action.as_ref() != Some(action)).cloned();
        self.status = self.written(decision);
        if let Some(action) = issued {
            self.actions.push((clock, action.kind, action.streams.clone()));
            let incident = decision.incidents.iter().find(|incident| incident.id == action.incident);
            self.causes.push(incident.unwrap().cause);
            if self.acknowledges && action.kind != ActionKind::RollPod {
                self.acknowledged = Some(ActionStatus { id: action.id, state: ActionState::Done, message: None });
                self.transition();
            }
        }
        if let Some(uid) = &decision.delete_pod {
            self.deletes.push((clock, uid.clone()));
            self.pod = None;
            self.coming = Some(self.now.checked_add(POD_START).unwrap());
            self.next_report = self.coming.unwrap().checked_add(FIRST_REPORT).unwrap();
        }
    }

    fn new_pod(&mut self) {
        self.coming = None;
        self.pods += 1;
        let uid = format!("pod-{}", self.pods);
        self.pod = Some(Pod { uid, seen: self.now, running: Some(self.now), deleting: false, waiting: None });
        // A new process knows of no tick and of no session.
        let restarted = |stream: &&mut Stream| matches!(stream.state, StreamState::Stale | StreamState::Flowing);
        self.streams.values_mut().filter(restarted).for_each(|stream| stream.state = StreamState::Pending);
        self.ever_connected = self.socket == SocketState::Connected;
        self.socket_since = self.now;
        self.facts.new_session();
    }

    pub fn incident(&self) -> &Incident {
        assert_eq!(self.status.incidents.len(), 1, "{:#?}", self.status.incidents);
        &self.status.incidents[0]
    }

    /// (level, seconds after the incident began) of every rung of the first incident.
    pub fn rungs(&self) -> Vec<(u8, f64)> {
        let incident = self.status.incidents.first().or(self.status.history.first()).unwrap();
        incident
            .rungs
            .iter()
            .map(|r| (r.level, r.time.get().duration_since(incident.since.get()).as_secs_f64()))
            .collect()
    }

    /// The levels of those rungs.
    pub fn levels(&self) -> Vec<u8> {
        self.rungs().iter().map(|(level, _)| *level).collect()
    }

    /// The cause of the incident of this stream, unless it has recovered.
    pub fn cause_of(&self, key: &str) -> Option<Cause> {
        self.incident_of(key).filter(|incident| incident.recovered_time.is_none()).map(|incident| incident.cause)
    }

    /// The incident of this stream.
    pub fn incident_of(&self, key: &str) -> Option<&Incident> {
        let concerns = |incident: &&Incident| {
            incident.scope == Scope::Session || incident.streams.iter().any(|stream| stream == key)
        };
        self.status.incidents.iter().find(concerns)
    }

    /// The incident that names this stream.
    pub fn incident_with(&self, key: &str) -> &Incident {
        self.status.incidents.iter().find(|incident| incident.streams.iter().any(|stream| stream == key)).unwrap()
    }

    /// What was done, and when.
    pub fn done(&self) -> Vec<(f64, ActionKind)> {
        self.actions.iter().map(|(at, kind, _)| (*at, *kind)).collect()
    }

    pub fn told(&self, action: &str) -> bool {
        self.notices.iter().any(|(_, notice)| notice.action == action)
    }

    pub fn rolls(&self) -> usize {
        self.actions.iter().filter(|(_, kind, _)| *kind == ActionKind::RollPod).count()
    }

    pub fn restarts(&self) -> Vec<(f64, Vec<String>)> {
        let restart = |(at, kind, streams): &(f64, ActionKind, Vec<String>)| {
            (*kind == ActionKind::RestartStreams).then(|| (*at, streams.clone()))
        };
        self.actions.iter().filter_map(restart).collect()
    }
}
