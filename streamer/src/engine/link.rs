//! The engine's session: made, watched, lost, made again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ibapi::{Client, NOTICE_STREAM_LAG_CODE, Notice};
use marketstream_crds::{ActionState, SocketState};
use marketstream_recovery::codes::{ErrorClass, classify};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, Event, gaps::recorded, streams::REQUEST_BOUND, verify::Verification};
use crate::{
    backfill::ledger::GapCause,
    clock::Now,
    facts::Cooldown,
    notices::{Demand, Link},
    pacing::RATE_PAUSE,
    plan::StreamKey,
    sentinel::line::accept_delayed,
    session::{
        connect::{self, Connection},
        endpoints::{Endpoint, endpoints, fields, retry_pause},
        failure::Failure,
        probe,
    },
};

/// A client that does not end within this time is left to its fate.
const DISCONNECT_BOUND: Duration = Duration::from_secs(2);

/// Between a session that we end and the next attempt: an instant retry with the same client ID could overtake the end.
const AFTER_DISCONNECT: Duration = Duration::from_millis(100);

/// Attempts that follow each other faster are told once: the seed's pace. A sidecar is tried twice a second.
const ANNOUNCE: Duration = Duration::from_secs(5);

const FARM_OK: i32 = 2104;
const HISTORY_FARM_OK: i32 = 2106;
const DEFINITIONS_FARM_OK: i32 = 2158;
/// The link to IBKR is back, and all requests are lost.
const DATA_LOST: i32 = 1101;
/// The link to IBKR is back.
const DATA_MAINTAINED: i32 = 1102;
const CLIENT_ID_IN_USE: i32 = 326;
/// "TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port - 4002"
const PORT_RESET: i32 = 1300;
/// The library's code for a message that it does not know.
const UNKNOWN_MESSAGE: i32 = -5;
/// How long all streams are not doubted again.
const DOUBT_PAUSE: Duration = Duration::from_secs(600);

/// Where the session stands.
pub enum Phase {
    /// No session; the next attempt is due then.
    Down {
        /// On the monotonic clock.
        retry_at: Duration,
    },
    /// An attempt is under way.
    Connecting {
        /// Ends with it.
        _task: AbortOnDropHandle<()>,
    },
    /// The session is up.
    Up(Session),
}

/// Longest wait for the last ticks to be on the disk, before it is said that they are not.
const RECORDER_BOUND: Duration = Duration::from_secs(5);

/// A session that is up.
pub struct Session {
    /// Its client.
    pub client: Arc<Client>,
    /// The client ID that the gateway accepted.
    pub client_id: i32,
    probe_interval: watch::Sender<Duration>,
    _watchers: [AbortOnDropHandle<()>; 2],
}

impl Engine {
    /// The client of the session that is up.
    pub(super) fn client(&self) -> Option<&Arc<Client>> {
        match &self.phase {
            Phase::Up(session) => Some(&session.client),
            Phase::Down { .. } | Phase::Connecting { .. } => None,
        }
    }

    /// The client ID of the session, or of the next one.
    pub(super) fn client_id(&self) -> i32 {
        match &self.phase {
            Phase::Up(session) => session.client_id,
            Phase::Down { .. } | Phase::Connecting { .. } => self.ids.as_ref().map_or(0, |ids| ids.current()),
        }
    }

    pub(super) fn connect_if_due(&mut self, now: Now) -> Option<Duration> {
        let Phase::Down { retry_at } = self.phase else { return None };
        if now.mono < retry_at {
            return Some(retry_at);
        }
        let (spec, ids) = (self.spec.as_ref()?, self.ids.as_ref()?);
        let gateway = &spec.gateway;
        self.generation += 1;
        let (generation, events) = (self.generation, self.events.clone());
        let announced = self.announced_at.is_none_or(|at| now.mono >= at + ANNOUNCE);
        let attempt = connect::round(
            endpoints(gateway, self.last_good.as_ref()),
            ids.current(),
            gateway.connect_timeout.get(),
            fields(gateway),
            announced,
        );
        if announced {
            self.announced_at = Some(now.mono);
        }
        let task = tokio::spawn(async move {
            let event = match attempt.await {
                Ok(connection) => Event::Connected { generation, connection: Box::new(connection) },
                Err((failure, endpoint)) => Event::NotConnected { generation, failure, endpoint },
            };
            // Nobody listens only when the process ends.
            let _ = events.send(event).await;
        });
        self.phase = Phase::Connecting { _task: AbortOnDropHandle::new(task) };
        None
    }

    pub(super) fn connected(&mut self, connection: Connection, now: Now) {
        let Connection { client, notices, endpoint } = connection;
        let (client, client_id) = (Arc::new(client), self.client_id());
        if self.socket.ever_connected {
            self.tools.counters.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(ids) = &mut self.ids {
            ids.accepted();
        }
        self.keep_client_id(client_id);
        self.link = Link::default();
        let interval = self.spec.as_ref().map_or(Duration::from_secs(5), |spec| spec.gateway.probe_interval.get());
        let (probe_interval, interval) = watch::channel(interval);
        let watchers = [
            self.watch_notices(notices, endpoint.clone()),
            self.watch_probe(client.clone(), interval, endpoint.clone()),
        ];
        self.phase = Phase::Up(Session { client, client_id, probe_interval, _watchers: watchers });
        self.last_good = Some(endpoint.clone());
        self.socket.connected(endpoint, now);
        self.contracts.values_mut().for_each(|contract| contract.ask_anew(now.mono));
        self.accept_delayed();
        self.ask_for_all(now.mono);
        self.settle_reconnect(ActionState::Done, format!("a new session is up with client ID {client_id}"));
    }

    fn watch_notices(
        &self,
        mut notices: ibapi::subscriptions::NoticeStream,
        endpoint: Endpoint,
    ) -> AbortOnDropHandle<()> {
        let (generation, events) = (self.generation, self.events.clone());
        let (clock, counters) = (self.tools.clock, self.tools.counters.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some(notice) = notices.next().await {
                counters.heard(clock.mono());
                let _ = events.send(Event::Notice { generation, notice }).await;
            }
            // Without automatic reconnection the stream of notices ends with the session (measured).
            let _ = events.send(Event::Lost { generation, failure: Failure::closed(&endpoint) }).await;
        }))
    }

    fn watch_probe(
        &self,
        client: Arc<Client>,
        interval: watch::Receiver<Duration>,
        endpoint: Endpoint,
    ) -> AbortOnDropHandle<()> {
        let (generation, events) = (self.generation, self.events.clone());
        let (clock, counters) = (self.tools.clock, self.tools.counters.clone());
        let (facts, heard) = (self.publish.subscribe(), self.tools.counters.clone());
        // While many requests go out the probe waits for its turn among them.
        let last_frame = move || {
            let ticks = facts.borrow().streams.iter().filter_map(|stream| stream.pulse.last_tick()).max();
            ticks.max(Some(heard.last_heard()))
        };
        AbortOnDropHandle::new(tokio::spawn(async move {
            probe::run(client, interval, clock, counters, last_frame).await;
            let _ = events.send(Event::Lost { generation, failure: Failure::probe_timeout(&endpoint) }).await;
        }))
    }

    pub(super) fn set_probe_interval(&self, interval: Duration) {
        if let Phase::Up(session) = &self.phase {
            session.probe_interval.send_if_modified(|known| std::mem::replace(known, interval) != interval);
        }
    }

    pub(super) fn not_connected(&mut self, failure: &Failure, endpoint: Option<Endpoint>, now: Now) {
        self.socket.failed(failure, endpoint, now);
        let mut pause = self.spec.as_ref().map_or(Duration::from_secs(5), |spec| retry_pause(&spec.gateway));
        if failure.state == SocketState::ClientIdInUse {
            self.tools.counters.notice(CLIENT_ID_IN_USE);
            if let Some(ids) = &mut self.ids {
                pause = ids.refused();
            }
        }
        self.phase = Phase::Down { retry_at: now.mono + pause };
        // A client ID in use is on its way to be free, or to give way to the next.
        if failure.state != SocketState::ClientIdInUse {
            self.settle_reconnect(ActionState::Failed, failure.message.clone());
        }
    }

    pub(super) fn lost(&mut self, failure: &Failure, now: Now) {
        self.socket.failed(failure, None, now);
        self.end_session(now);
        // A gateway that drops each new session must not be stormed.
        let pause = self.spec.as_ref().map_or(AFTER_DISCONNECT, |spec| retry_pause(&spec.gateway));
        self.phase = Phase::Down { retry_at: now.mono + pause };
    }

    /// Ends the session, if there is one. The next attempt follows when the gateway has read the end of this one.
    pub(super) fn end_session(&mut self, now: Now) {
        let phase = std::mem::replace(&mut self.phase, Phase::Down { retry_at: now.mono + AFTER_DISCONNECT });
        // What an attempt or the old session still reports is of no interest.
        self.generation += 1;
        self.link.session_lost();
        self.verify = Verification::default();
        self.gaps.session_lost();
        self.probing.session_lost();
        self.doubted = None;
        let running = self.streams.iter().filter(|(_, stream)| stream.is_running());
        let running: Vec<StreamKey> = running.map(|(key, _)| key.clone()).collect();
        self.streams.values_mut().for_each(super::stream::StreamEntry::session_lost);
        running.iter().for_each(|key| self.doubt_end(key));
        self.watch_outages();
        self.lines.values_mut().for_each(super::lines::LineEntry::session_lost);
        self.contracts.values_mut().for_each(super::contracts::ContractEntry::session_lost);
        if let Phase::Up(session) = phase {
            let client = session.client.clone();
            drop(session);
            tokio::spawn(async move { tokio::time::timeout(DISCONNECT_BOUND, client.disconnect()).await });
        }
    }

    pub(super) async fn shut_down(&mut self) {
        let now = self.now();
        self.gaps.finish(now).await;
        let client = self.client().cloned();
        self.streams.values_mut().for_each(super::stream::StreamEntry::session_lost);
        // The gateway frees the client ID at once when the session is closed in order. Subscriptions end when they have
        // recorded what had come, also those of a session that was lost just before.
        let end = async {
            if let Some(client) = client {
                client.disconnect().await;
            }
            for stream in self.streams.values_mut() {
                if let Some(draining) = stream.take_draining() {
                    let _ = draining.await;
                }
            }
        };
        let _ = tokio::time::timeout(DISCONNECT_BOUND, end).await;
        // A disk that hangs is waited for elsewhere.
        if tokio::time::timeout(RECORDER_BOUND, self.end_recording()).await.is_err() {
            tracing::warn!("the disk does not take the last ticks");
        }
        self.gaps.finish(self.now()).await;
    }

    pub(super) fn notice(&mut self, notice: &Notice, now: Now) {
        self.tools.counters.notice(notice.code);
        tracing::info!(code = notice.code, "notice: {}", notice.message);
        match classify(notice.code, &notice.message) {
            ErrorClass::CompetingSession => self.begin_hold(notice.code, &notice.message, now),
            // Which requests it has dropped it does not say: look whether ticks come.
            ErrorClass::Pacing => {
                let until = self.cooldown.as_ref().map_or(Duration::ZERO, |known| known.until);
                let until = until.max(now.mono + RATE_PAUSE);
                self.cooldown = Some(Cooldown { until, code: notice.code, message: notice.message.clone() });
                self.verify_later(now.mono);
            }
            _ => {}
        }
        match notice.code {
            // An unknown message: the gateway may speak a newer version, or its frames are shifted.
            UNKNOWN_MESSAGE => self.doubt_all(now),
            PORT_RESET => self.port_reset(&notice.message),
            // Notices were dropped, and what they said is not known: look whether ticks come.
            NOTICE_STREAM_LAG_CODE => {
                self.doubt_all(now);
                self.verify_later(now.mono);
            }
            _ => {}
        }
        if matches!(notice.code, FARM_OK | HISTORY_FARM_OK | DEFINITIONS_FARM_OK) {
            self.contracts.values_mut().for_each(|contract| contract.farm_up(now.mono));
        }
        if matches!(notice.code, DEFINITIONS_FARM_OK | DATA_LOST | DATA_MAINTAINED) {
            self.contracts.values_mut().for_each(|contract| contract.definitions_up(now.mono));
        }
        let demand = self.link.apply(notice.code, &notice.message, now.mono);
        let (Demand::ResubscribeAll(outage) | Demand::Verify(outage)) = demand else {
            self.watch_outages();
            return;
        };
        self.outage_ended(outage, now);
        // What is back may have kept the canary silent.
        if let Some(hold) = &mut self.hold {
            hold.restart(now.mono);
        }
        if matches!(demand, Demand::ResubscribeAll(_)) {
            self.restart_all(now.mono);
        }
        self.verify_later(now.mono);
    }

    /// Somebody has changed the gateway's API port. The gateway ends the session itself.
    fn port_reset(&mut self, text: &str) {
        let Some(spec) = &self.spec else { return };
        let port = text.rsplit(|c: char| !c.is_ascii_digit()).find_map(|word| word.parse::<u16>().ok());
        let listed = endpoints(&spec.gateway, None).into_iter().find(|endpoint| Some(endpoint.port) == port);
        if listed.is_none() {
            let (field, port) =
                (fields(&spec.gateway), port.map_or_else(|| "unknown".to_owned(), |port| port.to_string()));
            tracing::error!("the gateway's API port was changed to one that is not tried ({port}): check {field}");
        }
        self.last_good = listed;
    }

    /// Sent before any line is asked for: requests go out in order.
    fn accept_delayed(&self) {
        let Some(client) = self.client().cloned() else { return };
        tokio::spawn(async move {
            // When it cannot be sent the session is lost, and the engine hears of that elsewhere.
            let _ = tokio::time::timeout(REQUEST_BOUND, accept_delayed(&client)).await;
        });
    }

    /// Something may have been lost on every stream that runs: history tells. Not again for a while, since a gateway
    /// that sends such messages sends them all the time.
    fn doubt_all(&mut self, now: Now) {
        if self.doubted.is_some_and(|doubted| now.mono < doubted + DOUBT_PAUSE) {
            return;
        }
        self.doubted = Some(now.mono);
        for (key, stream) in self.streams.iter().filter(|(_, stream)| stream.is_running()) {
            if let Some(recorded) = recorded(&self.contracts, key) {
                self.gaps.open(&key.contract, recorded, stream.pulse.last_second(), GapCause::Corrupt);
            }
        }
    }

    fn keep_client_id(&self, id: i32) {
        let store = self.tools.store.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.keep_client_id(id) {
                tracing::warn!(%error, "the client ID cannot be kept on the volume");
            }
        });
    }
}
