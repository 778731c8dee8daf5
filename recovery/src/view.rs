//! What a decision is made from.

use std::time::Duration;

use jiff::Timestamp;
use marketstream_crds::{
    CommandPort, FarmKind, FarmState, FarmStatus, LoginState, MarketStreamSpec, MarketStreamStatus, SocketState,
    StreamState, StreamStatus, StreamerStatus, TradingMode, Upstream,
};

/// Everything that the operator knows at one moment. All stamps are of the operator's own clock.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What the user asks for.
    pub spec: &'a MarketStreamSpec,
    /// The state so far: open incidents, the last action, the streamer's report.
    pub status: &'a MarketStreamStatus,
    /// How the streamer's report reached the operator.
    pub report: Report,
    /// The pod, if there is one.
    pub pod: Option<&'a Pod>,
    /// Actions are stopped by the user.
    pub paused: bool,
}

/// When the last report came. The streamer's own stamps are another clock's and are never compared with the operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// When the operator saw the report change last, or first saw the object.
    pub received: Timestamp,
    /// Whether the report changed since the operator started: before that it may be of any age.
    pub confirmed: bool,
}

/// The pod as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its UID.
    pub uid: String,
    /// When the operator first saw it.
    pub seen: Timestamp,
    /// Since when its streamer's container runs.
    pub running: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Why it does not run, in the kubelet's or the scheduler's words.
    pub waiting: Option<String>,
}

impl<'a> View<'a> {
    /// The streamer's report, unless another pod wrote it.
    pub(crate) fn streamer(&self) -> Option<&'a StreamerStatus> {
        let streamer = self.status.streamer.as_ref()?;
        self.pod.is_none_or(|pod| pod.uid == streamer.pod_uid).then_some(streamer)
    }

    /// From when on the streamer counts as not reporting.
    pub(crate) fn overdue(&self, missed: u32) -> Timestamp {
        let allowed = self.spec.recovery.monitor_interval.get() * missed;
        let last = match (self.streamer(), self.pod) {
            (Some(_), _) | (None, None) => self.report.received,
            (None, Some(pod)) => pod.seen.max(self.report.received),
        };
        after(last, allowed)
    }

    /// Whether the session is up, by a report of the current pod.
    pub(crate) fn connected(&self) -> bool {
        self.streamer().is_some_and(|streamer| streamer.socket.state == SocketState::Connected)
    }

    pub(crate) fn trading_mode(&self) -> Option<TradingMode> {
        self.spec.gateway.sidecar.as_ref().map(|sidecar| sidecar.trading_mode)
    }

    /// Whether the gateway answers on its command port.
    pub(crate) fn commands(&self) -> bool {
        self.streamer().is_some_and(|streamer| streamer.command_port == Some(CommandPort::Up))
    }

    /// When the pause after too many requests ends.
    pub(crate) fn pacing_end(&self) -> Option<Timestamp> {
        let pause = self.streamer()?.pacing.as_ref()?;
        Some(after(self.report.received, seconds(pause.remaining_seconds)))
    }

    /// When the link to IBKR came back, if it was lost in this session.
    pub(crate) fn restored(&self) -> Option<Timestamp> {
        let upstream = self.streamer()?.upstream.as_ref()?;
        (upstream.state == Upstream::Up).then(|| before(self.report.received, upstream.for_seconds))
    }

    /// When a market-data farm came back last. What a session that comes up is told of its farms is no return.
    pub(crate) fn farm_restored(&self, settle: Duration) -> Option<Timestamp> {
        let farms = self.streamer()?.farms.values();
        let back = farms.filter(|farm| farm.kind == FarmKind::MarketData && farm.state == FarmState::Ok);
        let up = self.progress().map(|up| after(up, settle));
        back.map(|farm| before(self.report.received, farm.for_seconds))
            .max()
            .filter(|back| up.is_none_or(|up| *back > up))
    }

    /// When the gateway or the session last came a step forward by itself: a login that began or ended, a session that is
    /// up.
    pub(crate) fn progress(&self) -> Option<Timestamp> {
        let streamer = self.streamer()?;
        if self.connected() {
            let age = streamer.heartbeat_time.get().duration_since(streamer.socket.since.get());
            return Some(before(self.report.received, age.as_secs_f64()));
        }
        let login = streamer.login.as_ref()?;
        let moves = matches!(login.state, LoginState::Started | LoginState::Completed);
        moves.then(|| before(self.report.received, login.for_seconds))
    }

    /// Whether the gateway is at its login, or was gone less than `patience` ago and has not come to it yet.
    pub(crate) fn logging_in(&self, patience: Duration) -> bool {
        let Some(streamer) = self.streamer() else { return false };
        if !matches!(streamer.socket.state, SocketState::Connecting | SocketState::Refused | SocketState::Closed) {
            return false;
        }
        let started = streamer.login.as_ref().is_some_and(|login| login.state == LoginState::Started);
        started || streamer.socket.down_seconds < patience.as_secs_f64()
    }

    /// Since when the link to IBKR is known to be down, if it is.
    pub(crate) fn link_lost(&self) -> Option<Timestamp> {
        let upstream = self.streamer()?.upstream.as_ref().filter(|upstream| upstream.state == Upstream::Down)?;
        Some(before(self.report.received, upstream.for_seconds))
    }

    /// Whether a market-data farm is known to be down.
    pub(crate) fn farm_lost(&self) -> bool {
        let down = |farm: &FarmStatus| {
            farm.kind == FarmKind::MarketData && matches!(farm.state, FarmState::Broken | FarmState::Connecting)
        };
        self.streamer().is_some_and(|streamer| streamer.farms.values().any(down))
    }

    /// When a stream of this contract is stale.
    pub(crate) fn stale_after(&self, contract: &str) -> Duration {
        let own = self.spec.contracts.iter().find(|known| known.name == contract);
        own.and_then(|contract| contract.stale_after).unwrap_or(self.spec.recovery.stale_after).get()
    }

    pub(crate) fn streams(&self) -> &'a [StreamStatus] {
        self.streamer().map_or(&[], |streamer| &streamer.streams)
    }

    pub(crate) fn any(&self, state: StreamState) -> bool {
        self.streams().iter().any(|stream| stream.state == state)
    }

    /// Whether a stream shows that data flow. One that is merely not stale yet shows nothing: a thin contract whose last
    /// tick is as old as its siblings' silence may be as dead as they are. Half of that silence is a margin for ticks
    /// of the last moment.
    pub(crate) fn flows(&self, stream: &StreamStatus) -> bool {
        // A silence that was explained until a moment ago says nothing of the others.
        let long = |other: &StreamStatus| other.silent_seconds >= self.stale_after(&other.contract).as_secs_f64() / 2.0;
        let stale = self.streams().iter().filter(|other| other.state == StreamState::Stale && long(other));
        let shortest = stale.map(|other| other.silent_seconds).reduce(f64::min);
        stream.state == StreamState::Flowing && shortest.is_none_or(|silence| stream.silent_seconds < silence / 2.0)
    }

    /// Whether any data flow. Without a session none do, though no stream may be stale yet.
    pub(crate) fn any_flows(&self) -> bool {
        self.connected() && self.streams().iter().any(|stream| self.flows(stream))
    }
}

/// `time + span`, at most the end of time.
pub(crate) fn after(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// `time - ago`, for the spans that a streamer reports.
pub(crate) fn before(time: Timestamp, ago: f64) -> Timestamp {
    time.checked_sub(seconds(ago)).unwrap_or(Timestamp::MIN)
}

/// A span that a streamer reports, in seconds.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()
}
