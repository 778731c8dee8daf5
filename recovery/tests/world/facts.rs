//! What the pod's streamer knows of its gateway, and how it reports that.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use marketstream_crds::{
    CorruptStatus, FarmKind, FarmState, FarmStatus, GatewayError, LoginState, LoginStatus, PacingStatus, Restored,
    Session, SocketState, SocketStatus, StorageStatus, StreamState, StreamStatus, StreamerStatus, TickType, Upstream,
    UpstreamStatus,
};

use super::{BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES, World};

#[derive(Clone, Debug)]
pub struct Stream {
    pub state: StreamState,
    pub session: Session,
    pub silent_since: Option<Timestamp>,
    /// If it came before the silence began to count.
    pub last_tick: Option<Timestamp>,
    pub refused: Option<(i32, String, Timestamp)>,
    pub corrupt: Option<Timestamp>,
    pub delayed: bool,
}

impl Stream {
    pub fn flowing() -> Self {
        Self {
            state: StreamState::Flowing,
            session: Session::Open,
            silent_since: None,
            last_tick: None,
            refused: None,
            corrupt: None,
            delayed: false,
        }
    }
}

/// Facts of the session, each with the moment since when it is so.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    upstream: Option<(Upstream, Option<Restored>, Timestamp)>,
    farms: BTreeMap<String, (FarmKind, FarmState, Timestamp)>,
    login: Option<(LoginState, Timestamp)>,
    pause_end: Option<Timestamp>,
    failing: Option<Timestamp>,
}

impl Facts {
    /// What notices said belongs to one session.
    pub fn new_session(&mut self) {
        (self.upstream, self.farms, self.pause_end) = (None, BTreeMap::new(), None);
    }

    /// That the link was down is the last word of the one before.
    fn session_lost(&mut self) {
        self.upstream = self.upstream.filter(|(state, ..)| *state == Upstream::Down);
        (self.farms, self.pause_end) = (BTreeMap::new(), None);
    }
}

impl World {
    fn ago(&self, seconds: u64) -> Timestamp {
        self.now.checked_sub(Duration::from_secs(seconds)).unwrap()
    }

    fn change(&mut self, keys: &[&str], change: impl Fn(&mut Stream)) {
        keys.iter().for_each(|key| change(self.streams.get_mut(*key).unwrap()));
        self.transition();
    }

    /// The streams fell silent `ago` seconds ago, and the streamer says so now.
    pub fn silence(&mut self, keys: &[&str], ago: u64) {
        let since = self.ago(ago);
        self.change(keys, |stream| {
            (stream.state, stream.silent_since, stream.last_tick) = (StreamState::Stale, Some(since), None);
        });
    }

    pub fn silence_all(&mut self, ago: u64) {
        self.silence(&[MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES], ago);
    }

    /// Silence counts since `counted` seconds, when a session opened; the last tick is older.
    pub fn silent_since_open(&mut self, keys: &[&str], counted: u64, last_tick: u64) {
        let tick = self.ago(last_tick);
        self.silence(keys, counted);
        self.change(keys, |stream| stream.last_tick = Some(tick));
    }

    /// A thin stream that is not stale: its last tick was `ago` seconds ago.
    pub fn quiet(&mut self, key: &str, ago: u64) {
        let since = self.ago(ago);
        self.change(&[key], |stream| stream.silent_since = Some(since));
    }

    pub fn state(&mut self, keys: &[&str], state: StreamState) {
        self.change(keys, |stream| stream.state = state);
    }

    pub fn reject(&mut self, keys: &[&str], code: i32, text: &str) {
        let now = self.now;
        self.change(keys, |stream| {
            stream.state = StreamState::Rejected;
            stream.silent_since = Some(now);
            stream.refused = Some((code, text.to_owned(), now));
        });
    }

    pub fn flow(&mut self, keys: &[&str]) {
        self.change(keys, |stream| *stream = Stream::flowing());
    }

    pub fn flow_all(&mut self) {
        self.flow(&[MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES]);
    }

    pub fn corrupt(&mut self, keys: &[&str]) {
        let now = self.now;
        self.change(keys, |stream| stream.corrupt = Some(now));
    }

    /// A good tick came.
    pub fn tick_well(&mut self, keys: &[&str]) {
        self.change(keys, |stream| *stream = Stream { corrupt: stream.corrupt, ..Stream::flowing() });
    }

    pub fn delay(&mut self, keys: &[&str]) {
        self.change(keys, |stream| stream.delayed = true);
    }

    pub fn session(&mut self, session: Session, state: StreamState) {
        self.session_of(&[MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES], session, state);
    }

    pub fn session_of(&mut self, keys: &[&str], session: Session, state: StreamState) {
        self.change(keys, |stream| {
            (stream.session, stream.state) = (session, state);
            stream.silent_since = stream.silent_since.filter(|_| session != Session::Closed);
        });
    }

    pub fn socket(&mut self, state: SocketState) {
        if self.socket != state {
            (self.socket, self.socket_since) = (state, self.now);
        }
        self.down_since = (state != SocketState::Connected).then_some(self.now);
        self.ever_connected |= state == SocketState::Connected;
        if state == SocketState::Connected {
            self.facts.new_session()
        } else {
            self.facts.session_lost()
        }
        self.transition();
    }

    /// A fresh streamer process that has not reached the gateway yet.
    pub fn never_connected(&mut self, state: SocketState) {
        self.ever_connected = false;
        self.streams.values_mut().for_each(|stream| stream.state = StreamState::Pending);
        self.socket(state);
    }

    pub fn upstream(&mut self, state: Upstream, restored: Option<Restored>) {
        self.facts.upstream = Some((state, restored, self.now));
        self.transition();
    }

    pub fn farm(&mut self, name: &str, kind: FarmKind, state: FarmState) {
        self.facts.farms.insert(name.to_owned(), (kind, state, self.now));
        self.transition();
    }

    pub fn login(&mut self, state: LoginState) {
        self.facts.login = Some((state, self.now));
        self.transition();
    }

    /// Requests pause for so many seconds.
    pub fn pause(&mut self, seconds: u64) {
        self.facts.pause_end = Some(self.now.checked_add(Duration::from_secs(seconds)).unwrap());
        self.transition();
    }

    /// When requests paused last, if they do no more.
    pub fn pause_ended(&self) -> Option<Timestamp> {
        self.facts.pause_end.filter(|end| *end <= self.now)
    }

    pub fn storage(&mut self, writable: bool) {
        self.facts.failing = (!writable).then_some(self.now);
        self.transition();
    }

    /// Everything but the streams is well again.
    pub fn heal(&mut self) {
        (self.reporting, self.paused, self.acknowledges) = (true, false, true);
        while self.pod.is_none() {
            self.run(1);
        }
        self.facts = Facts::default();
        self.streams.values_mut().for_each(|stream| *stream = Stream::flowing());
        self.socket(SocketState::Connected);
    }

    /// A transition is reported at once; it is a heartbeat, too.
    pub(super) fn transition(&mut self) {
        (self.hindered, self.changed) = (self.now, true);
        if self.pod.is_some() {
            self.report();
        }
    }

    pub(super) fn report(&mut self) {
        self.next_report = self.now.checked_add(self.spec.recovery.monitor_interval.get()).unwrap();
        let Some(pod) = self.pod.as_ref().filter(|_| self.reporting) else { return };
        let (now, skew) = (self.now, self.skew);
        let stamp = |time: Timestamp| time.checked_add(skew).unwrap().into();
        let ago = |since: Timestamp| now.duration_since(since).as_secs_f64();
        let asked = self.refuses_again && self.socket == SocketState::Connected;
        let streams: Vec<StreamStatus> = self
            .streams
            .iter_mut()
            .map(|(key, stream)| {
                if let Some((_, _, at)) = stream.refused.as_mut().filter(|_| asked) {
                    *at = now;
                }
                let silent = stream.silent_since.map_or(0.0, ago);
                StreamStatus {
                    contract: key.split('/').next().unwrap().into(),
                    tick: if key.ends_with("Last") { TickType::Last } else { TickType::BidAsk },
                    state: stream.state,
                    silent_seconds: silent,
                    // One that is closed or refused had none yet.
                    last_tick_seconds: match stream.state {
                        StreamState::Idle | StreamState::Rejected => stream.last_tick.map(ago),
                        _ => Some(stream.last_tick.map_or(silent, ago)),
                    },
                    since: stamp(now),
                    session: stream.session,
                    error: stream.refused.as_ref().map(|(code, text, at)| GatewayError {
                        code: *code,
                        message: text.clone(),
                        time: stamp(*at),
                        age_seconds: ago(*at),
                    }),
                    corrupt: stream
                        .corrupt
                        .map(|at| CorruptStatus { age_seconds: ago(at), message: "a tick without a time".into() }),
                    delayed: stream.delayed,
                    restarts: 0,
                }
            })
            .collect();
        let flowing = streams.iter().filter(|stream| stream.state == StreamState::Flowing).count() as i32;
        let farm = |(kind, state, at): &(FarmKind, FarmState, Timestamp)| FarmStatus {
            kind: *kind,
            state: *state,
            for_seconds: ago(*at),
        };
        let facts = &self.facts;
        self.status.streamer = Some(StreamerStatus {
            pod: "demo-0".into(),
            pod_uid: pod.uid.clone(),
            client_id: self.status.client_id.unwrap_or(851),
            heartbeat_time: stamp(now),
            last_tick_time: None,
            summary: format!("{flowing}/3"),
            flowing,
            total: 3,
            socket: SocketStatus {
                state: self.socket,
                endpoint: None,
                since: stamp(self.socket_since),
                down_seconds: self.down_since.map_or(0.0, ago),
                ever_connected: self.ever_connected,
                message: None,
            },
            upstream: facts.upstream.map(|(state, restored, at)| UpstreamStatus {
                state,
                for_seconds: ago(at),
                restored,
            }),
            farms: facts.farms.iter().map(|(name, known)| (name.clone(), farm(known))).collect(),
            command_port: self.command_port,
            login: facts.login.map(|(state, at)| LoginStatus { state, for_seconds: ago(at), message: None }),
            pacing: facts.pause_end.filter(|end| *end > now).map(|end| PacingStatus {
                remaining_seconds: -ago(end),
                code: 100,
                message: "Max rate of messages per second has been exceeded".into(),
            }),
            streams,
            contracts: Vec::new(),
            gaps: None,
            storage: StorageStatus {
                writable: facts.failing.is_none(),
                failing_seconds: facts.failing.map_or(0.0, ago),
                dropped: 0,
                message: facts.failing.map(|_| "No space left on device".into()),
                sealing: None,
                retention: None,
            },
            action: self.acknowledged.clone(),
        });
        (self.received, self.restarted) = (now, false);
    }
}
