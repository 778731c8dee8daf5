//! A MarketStream on a virtual clock: a pod that reports as a streamer would, and an operator that decides.

#![allow(dead_code, reason = "each test file uses its own part of the world")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use marketstream_crds::{
    ActionKind, ActionState, ActionStatus, Cause, Contract, External, GatewayError, Incident, MarketStreamSpec,
    MarketStreamStatus, Session, SocketState, SocketStatus, StorageStatus, StreamState, StreamStatus, StreamerStatus,
    TickType,
};
use marketstream_recovery::{Decision, Notice, Pod, Policy, Report, View, decide};

/// Streams of the world's manifest, by key.
pub const MNQ_QUOTES: &str = "mnq/BidAsk";
pub const MNQ_TRADES: &str = "mnq/Last";
pub const BTC_QUOTES: &str = "btc/BidAsk";

/// How long a deleted pod takes until its successor runs, and then until that reports.
const POD_START: Duration = Duration::from_secs(3);
const FIRST_REPORT: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
struct Stream {
    state: StreamState,
    session: Session,
    silent_since: Option<Timestamp>,
    error: Option<GatewayError>,
}

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
    pub notices: Vec<(f64, Notice)>,
    pub actions: Vec<(f64, ActionKind, Vec<String>)>,
    /// The cause that each action was taken for.
    pub causes: Vec<Cause>,
    pub deletes: Vec<(f64, String)>,
    streams: BTreeMap<String, Stream>,
    socket: SocketState,
    ever_connected: bool,
    down_since: Option<Timestamp>,
    received: Timestamp,
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
        let flowing = Stream { state: StreamState::Flowing, session: Session::Open, silent_since: None, error: None };
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
            notices: vec![],
            actions: vec![],
            causes: vec![],
            deletes: vec![],
            streams: [MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES].map(|key| (key.to_owned(), flowing.clone())).into(),
            socket: SocketState::Connected,
            ever_connected: true,
            down_since: None,
            received: start,
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

    pub fn contract(&mut self, name: &str) -> &mut Contract {
        self.spec.contracts.iter_mut().find(|contract| contract.name == name).unwrap()
    }

    /// Seconds since the start.
    pub fn clock(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }

    /// The streams fell silent `ago` seconds ago, and the streamer says so now.
    pub fn silence(&mut self, keys: &[&str], ago: u64) {
        for key in keys {
            let since = self.now.checked_sub(Duration::from_secs(ago)).unwrap();
            let stream = self.streams.get_mut(*key).unwrap();
            stream.state = StreamState::Stale;
            stream.silent_since = Some(since);
        }
        self.transition();
    }

    /// A thin stream that is not stale: its last tick was `ago` seconds ago.
    pub fn quiet(&mut self, key: &str, ago: u64) {
        let since = self.now.checked_sub(Duration::from_secs(ago)).unwrap();
        self.streams.get_mut(key).unwrap().silent_since = Some(since);
        self.transition();
    }

    pub fn silence_all(&mut self, ago: u64) {
        self.silence(&[MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES], ago);
    }

    pub fn reject(&mut self, keys: &[&str], code: i32, text: &str) {
        for key in keys {
            let error = GatewayError { code, message: text.into(), time: self.now.into(), age_seconds: 0.0 };
            let since = Some(self.now);
            let session = self.streams[*key].session;
            self.streams.insert(
                (*key).into(),
                Stream { state: StreamState::Rejected, silent_since: since, error: Some(error), session },
            );
        }
        self.transition();
    }

    pub fn flow(&mut self, keys: &[&str]) {
        for key in keys {
            let stream = self.streams.get_mut(*key).unwrap();
            *stream = Stream { state: StreamState::Flowing, session: Session::Open, silent_since: None, error: None };
        }
        self.transition();
    }

    pub fn flow_all(&mut self) {
        self.flow(&[MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES]);
    }

    pub fn session(&mut self, session: Session, state: StreamState) {
        for stream in self.streams.values_mut() {
            stream.session = session;
            stream.state = state;
        }
        self.transition();
    }

    pub fn socket(&mut self, state: SocketState) {
        self.socket = state;
        self.down_since = (state != SocketState::Connected).then_some(self.now);
        self.ever_connected |= state == SocketState::Connected;
        self.transition();
    }

    /// A fresh streamer process that has not reached the gateway yet.
    pub fn never_connected(&mut self, state: SocketState) {
        self.ever_connected = false;
        self.streams.values_mut().for_each(|stream| stream.state = StreamState::Pending);
        self.socket(state);
    }

    /// Lets time pass, and looks whenever the last decision, a report or a pod asks for it.
    pub fn run(&mut self, seconds: u64) {
        let end = self.now.checked_add(Duration::from_secs(seconds)).unwrap();
        loop {
            let decided = self.look();
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
        let text = serde_json::to_string(&self.status).unwrap();
        self.status = serde_json::from_str(&text).unwrap();
        let view = View {
            spec: &self.spec,
            status: &self.status,
            report: Report { received: self.received, confirmed: self.confirmed },
            pod: self.pod.as_ref(),
            paused: self.paused,
        };
        let decision = decide(&view, self.now, &self.policy);
        self.carry_out(&decision);
        decision
    }

    fn carry_out(&mut self, decision: &Decision) {
        let clock = self.clock();
        self.notices.extend(decision.notices.iter().map(|notice| (clock, notice.clone())));
        let issued = decision.action.as_ref().filter(|action| self.status.action.as_ref() != Some(action)).cloned();
        self.status.health = Some(decision.health);
        self.status.level = Some(decision.level);
        self.status.cause = decision.cause;
        self.status.client_id = Some(decision.client_id);
        self.status.incidents.clone_from(&decision.incidents);
        self.status.history.clone_from(&decision.history);
        self.status.action.clone_from(&decision.action);
        self.status.recent_rolls.clone_from(&decision.recent_rolls);
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
    }

    /// A transition is reported at once; it is a heartbeat, too.
    fn transition(&mut self) {
        if self.pod.is_some() {
            self.report();
        }
    }

    fn report(&mut self) {
        self.next_report = self.now.checked_add(self.spec.recovery.monitor_interval.get()).unwrap();
        let Some(pod) = self.pod.as_ref().filter(|_| self.reporting) else { return };
        let now = self.now;
        let silent = |since: Option<Timestamp>| since.map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        let streams: Vec<StreamStatus> = self
            .streams
            .iter()
            .map(|(key, stream)| StreamStatus {
                contract: key.split('/').next().unwrap().into(),
                tick: if key.ends_with("Last") { TickType::Last } else { TickType::BidAsk },
                state: stream.state,
                silent_seconds: silent(stream.silent_since),
                last_tick_seconds: Some(silent(stream.silent_since)),
                since: now.into(),
                session: stream.session,
                error: stream.error.clone(),
                corrupt: None,
                delayed: false,
                restarts: 0,
            })
            .collect();
        let flowing = streams.iter().filter(|stream| stream.state == StreamState::Flowing).count() as i32;
        self.status.streamer = Some(StreamerStatus {
            pod: "demo-0".into(),
            pod_uid: pod.uid.clone(),
            client_id: self.status.client_id.unwrap_or(851),
            heartbeat_time: now.into(),
            last_tick_time: None,
            summary: format!("{flowing}/3"),
            flowing,
            total: 3,
            socket: SocketStatus {
                state: self.socket,
                endpoint: None,
                since: now.into(),
                down_seconds: silent(self.down_since),
                ever_connected: self.ever_connected,
                message: None,
            },
            upstream: None,
            farms: BTreeMap::new(),
            command_port: None,
            login: None,
            pacing: None,
            streams,
            storage: StorageStatus { writable: true, failing_seconds: 0.0, dropped: 0, message: None },
            action: self.acknowledged.clone(),
        });
        self.received = now;
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
