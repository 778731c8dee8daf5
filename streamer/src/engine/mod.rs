//! The engine: one loop on the session's thread that owns all state. Whatever can wait for the gateway runs in tasks
//! beside it, which report by events; the engine itself only decides, so it always turns.

mod assign;
#[cfg(test)]
mod bench;
mod contracts;
mod gaps;
mod hold;
mod lines;
mod link;
mod manifest;
mod orders;
mod outage;
mod probing;
mod rolling;
mod silence;
mod stream;
mod streams;
mod verify;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ibapi::Notice;
use marketstream_crds::{Action, ActionStatus, MarketStreamSpec};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub use self::gaps::Request;
use self::{contracts::ContractEntry, link::Phase, stream::StreamEntry};
use crate::{
    actions::Desk,
    backfill::{fetch::FetchError, ledger::Outcome},
    canary::Canary,
    clock::{Clock, Now},
    facts::{Cooldown, Counters, Gaps, Heart, Snapshot, StreamFacts},
    gateway::Place,
    notices::Link,
    pacing::Spacing,
    plan::StreamKey,
    recorder::Feed,
    roll::Volumes,
    seal::damage::Damage,
    sentinel::quarantine::Quarantine,
    session::{
        connect::Connection,
        details::{Found, Unresolved},
        endpoints::{ClientIds, Endpoint, endpoints, retry_pause},
        failure::Failure,
        socket::Socket,
        subscription::End,
        volumes::Unknown,
    },
    store::{KeptContract, Store},
};

/// Longest sleep: a calendar that is set forward must be noticed, and the sign of life must stay fresh.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Events that are taken before what is due is done.
const BATCH: usize = 1_000;
/// Events that may wait. Tasks wait for room, so a flood of notices stays in the client library, which bounds it too.
const MAX_EVENTS: usize = 1_024;
/// Heartbeat of the status before any manifest is known.
const DEFAULT_MONITOR_INTERVAL: Duration = Duration::from_secs(15);

/// What the resource says that concerns the streamer.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The spec.
    pub spec: MarketStreamSpec,
    /// `status.clientId`.
    pub client_id: Option<i32>,
    /// `status.action`.
    pub action: Option<Action>,
    /// It was read too late ([`crate::actions::Contact`]).
    pub late: bool,
    /// `status.streamer.action`.
    pub acknowledged: Option<ActionStatus>,
    /// A person's request for a login, by annotation.
    pub retry_login: Option<String>,
    /// It comes from the volume, not from the API server: it says nothing about actions.
    pub stored: bool,
}

/// What tasks tell the engine. `generation` tells their session from earlier ones.
pub enum Event {
    /// A session is up.
    Connected {
        /// Which attempt.
        generation: u64,
        /// The session.
        connection: Box<Connection>,
    },
    /// A round over all endpoints failed.
    NotConnected {
        /// Which attempt.
        generation: u64,
        /// Why.
        failure: Failure,
        /// Where.
        endpoint: Option<Endpoint>,
    },
    /// The session has ended.
    Lost {
        /// Which session.
        generation: u64,
        /// Why.
        failure: Failure,
    },
    /// The gateway sent a notice that belongs to no request.
    Notice {
        /// Which session.
        generation: u64,
        /// The notice.
        notice: Notice,
    },
    /// A contract's look-up has ended.
    Details {
        /// Which look-up.
        serial: u64,
        /// Name of the contract.
        contract: String,
        /// What came of it.
        outcome: Box<Result<Found, Unresolved>>,
    },
    /// Volumes of a future's expiries were asked for.
    Volumes {
        /// Name of the contract.
        contract: String,
        /// What came of it.
        volumes: Result<Volumes, Unknown>,
    },
    /// A tick of a stream came that waited for one.
    Tick {
        /// Which stream.
        key: StreamKey,
        /// Which of its subscriptions.
        serial: u64,
        /// IBKR's second of it.
        second: i64,
    },
    /// Frames of a stream were dropped before they reached the recorder.
    Lagged {
        /// Which stream.
        key: StreamKey,
        /// IBKR's second of the last tick before.
        behind: Option<i64>,
    },
    /// An attempt to fill a gap has ended.
    Filled {
        /// Which gap.
        gap: u64,
        /// IBKR's second of the last good tick before it, once that is known.
        after: Option<i64>,
        /// How.
        outcome: Outcome,
    },
    /// A person asks for history.
    Backfill(Request),
    /// Recorded ticks were found to be damaged.
    Damaged(Damage),
    /// The gateway was told to restart, or could not be.
    GatewayRestart {
        /// Which action asked for it.
        action: String,
        /// Its answer.
        outcome: std::io::Result<String>,
    },
    /// A stream that waited for data is recorded from its contract's market-data line again.
    Sampled {
        /// Which stream.
        key: StreamKey,
    },
    /// History was asked about a silent stream.
    Probed {
        /// Which stream.
        key: StreamKey,
        /// IBKR's second of its newest tick.
        outcome: Result<Option<i64>, FetchError>,
    },
    /// A market-data line has ended.
    LineEnded {
        /// Name of the contract.
        contract: String,
        /// Which of its subscriptions.
        serial: u64,
        /// How.
        end: End,
    },
    /// A subscription has ended.
    StreamEnded {
        /// Which stream.
        key: StreamKey,
        /// Which of its subscriptions.
        serial: u64,
        /// How.
        end: End,
    },
}

/// What the engine works with.
pub struct Tools {
    /// Clocks.
    pub clock: Clock,
    /// Counts for the metrics.
    pub counters: Arc<Counters>,
    /// Sign of life.
    pub heart: Arc<Heart>,
    /// Files on the volume.
    pub store: Store,
    /// Where ticks go.
    pub feed: Feed,
    /// The gateway beside this process.
    pub gateway: Place,
    /// How long after its end a gap is first asked for: history lags.
    pub backfill_lag: Duration,
}

/// The engine.
pub struct Engine {
    tools: Tools,
    events: mpsc::Sender<Event>,
    inbox: mpsc::Receiver<Event>,
    publish: watch::Sender<Arc<Snapshot>>,
    spec: Option<MarketStreamSpec>,
    ids: Option<ClientIds>,
    socket: Socket,
    link: Link,
    last_good: Option<Endpoint>,
    /// When the log last told of an attempt to connect.
    announced_at: Option<Duration>,
    phase: Phase,
    /// Of the current session or attempt.
    generation: u64,
    contracts: BTreeMap<String, ContractEntry>,
    streams: BTreeMap<StreamKey, StreamEntry>,
    /// What the volume knows of the contracts.
    kept: BTreeMap<String, KeptContract>,
    keeping: Option<JoinHandle<()>>,
    /// What is known of the contracts may differ from that.
    unkept: bool,
    /// All streams, the most important first.
    order: Vec<StreamKey>,
    /// Market-data lines by contract.
    lines: BTreeMap<String, lines::LineEntry>,
    /// The manifest changed since the lines were planned.
    lines_dirty: bool,
    spacing: Spacing,
    cooldown: Option<Cooldown>,
    hold: Option<Canary>,
    /// When something may have been lost on all streams.
    doubted: Option<Duration>,
    /// Numbers subscriptions and look-ups.
    serial: u64,
    /// What is still to be looked at since something was restored.
    verify: verify::Verification,
    /// When the link to IBKR or a farm came back last.
    restored: Option<Duration>,
    quarantine: Quarantine,
    probing: probing::Probing,
    gaps: gaps::Book,
    desk: Desk,
    /// The action under way: its id, and the streams that are still to be asked for (none for a Reconnect).
    pending: Option<(String, BTreeSet<StreamKey>)>,
}

impl Engine {
    /// An engine without a manifest, and where it publishes what it knows.
    #[must_use]
    pub fn new(tools: Tools, pod_uid: String) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let (events, inbox) = mpsc::channel(MAX_EVENTS);
        let now = tools.clock.now();
        let socket = Socket::new(now);
        let snapshot = Snapshot {
            socket: socket.clone(),
            client_id: 0,
            link: Link::default(),
            cooldown: None,
            retry_pause: Duration::ZERO,
            endpoints: Vec::new(),
            streams: Vec::new(),
            contracts: Vec::new(),
            gaps: Gaps::default(),
            action: None,
            reportable: false,
            monitor_interval: DEFAULT_MONITOR_INTERVAL,
            retention_days: None,
        };
        let (publish, published) = watch::channel(Arc::new(snapshot));
        let (gaps, kept) = (gaps::Book::open_dir(tools.store.data_dir(), now), tools.store.contracts());
        let quarantine = Quarantine::new(tools.store.data_dir());
        let engine = Self {
            tools,
            events,
            inbox,
            publish,
            spec: None,
            ids: None,
            socket,
            link: Link::default(),
            last_good: None,
            announced_at: None,
            phase: Phase::Down { retry_at: now.mono },
            generation: 0,
            contracts: BTreeMap::new(),
            streams: BTreeMap::new(),
            kept,
            keeping: None,
            unkept: false,
            order: Vec::new(),
            lines: BTreeMap::new(),
            lines_dirty: false,
            spacing: Spacing::default(),
            cooldown: None,
            hold: None,
            doubted: None,
            serial: 0,
            verify: verify::Verification::default(),
            restored: None,
            quarantine,
            probing: probing::Probing::default(),
            gaps,
            desk: Desk::new(pod_uid),
            pending: None,
        };
        (engine, published)
    }

    /// Runs until `stop`, then ends the session in order.
    pub async fn run(mut self, mut manifests: watch::Receiver<Option<Manifest>>, stop: CancellationToken) {
        let feed = self.tools.feed.clone();
        loop {
            self.tools.heart.beat();
            let due = self.turn();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = feed.doubts().changed() => self.disk_told(feed.doubts().take()),
                Ok(()) = manifests.changed() => {
                    let newest = manifests.borrow_and_update().clone();
                    if let Some(manifest) = newest {
                        self.take_manifest(manifest);
                    }
                }
                Some(event) = self.inbox.recv() => {
                    self.take_event(event);
                    for _ in 0..BATCH {
                        let Ok(event) = self.inbox.try_recv() else { break };
                        self.take_event(event);
                    }
                }
                () = tokio::time::sleep_until(self.tools.clock.instant(due)) => {}
            }
        }
        self.shut_down().await;
    }

    /// Does what is due, publishes what changed, and returns when the next thing is due.
    fn turn(&mut self) -> Duration {
        let now = self.tools.clock.now();
        let mut due = now.mono + LONGEST_REST;
        if self.spec.is_some() {
            self.assign_lines(now);
            self.plan_lines(now);
            self.look_after_lines(now);
            self.look_after_link(now);
            let next = [
                self.connect_if_due(now),
                self.roll_if_due(now),
                self.verify_if_due(now),
                // The rate holds back what is asked last: the streams' own ticks are waited for, the rest is not.
                self.subscribe_if_due(now),
                self.look_up_if_due(now),
                self.lines_if_due(now),
                self.fill_if_due(now),
            ];
            for next in next {
                due = next.map_or(due, |next| due.min(next));
            }
            let next = self.judge(now);
            self.probe_if_due(now);
            due = next.map_or(due, |next| due.min(next));
        }
        self.gaps.keep(now);
        self.keep_contracts();
        self.publish_changes();
        due
    }

    /// Where requests of people go.
    #[must_use]
    pub fn requests(&self) -> mpsc::Sender<Event> {
        self.events.clone()
    }

    fn take_event(&mut self, event: Event) {
        let now = self.tools.clock.now();
        match event {
            Event::Connected { generation, connection } if generation == self.generation => {
                self.connected(*connection, now)
            }
            Event::NotConnected { generation, failure, endpoint } if generation == self.generation => {
                self.not_connected(&failure, endpoint, now);
            }
            Event::Lost { generation, failure } if generation == self.generation => self.lost(&failure, now),
            Event::Notice { generation, notice } if generation == self.generation => self.notice(&notice, now),
            Event::Details { serial, contract, outcome } => {
                self.details(serial, &contract, *outcome, now);
                // A description may have turned out to be another contract.
                self.end_left(now);
            }
            Event::Volumes { contract, volumes } => self.volumes(&contract, volumes, now),
            Event::Lagged { key, behind } => self.lagged(&key, behind),
            Event::Filled { gap, after, outcome } => self.filled(gap, after, outcome),
            Event::Backfill(request) => self.backfill_requested(request, now),
            Event::Damaged(damage) => self.damaged(&damage, now),
            Event::GatewayRestart { action, outcome } => self.gateway_restart(&action, outcome),
            Event::Tick { key, serial, second } => self.ticked(&key, serial, second, now),
            // The verdict follows with the turn.
            Event::Sampled { key } => tracing::debug!(stream = %key, "market data come"),
            Event::Probed { key, outcome } => self.probed(&key, outcome, now),
            Event::LineEnded { contract, serial, end } => self.line_ended(&contract, serial, end, now),
            Event::StreamEnded { key, serial, end } => self.stream_ended(&key, serial, end, now),
            Event::Connected { .. } | Event::NotConnected { .. } | Event::Lost { .. } | Event::Notice { .. } => {
                tracing::debug!("an event of an earlier session was ignored");
            }
        }
    }

    fn publish_changes(&self) {
        let streams = self
            .streams
            .iter()
            .filter(|(key, _)| self.contracts.get(&key.contract).is_none_or(|entry| entry.rolling.count == key.roll))
            .map(|(key, stream)| StreamFacts {
                key: key.clone(),
                con_id: self.contracts.get(&key.contract).and_then(ContractEntry::con_id),
                symbol: self.contracts.get(&key.contract).and_then(ContractEntry::symbol),
                stale_after: self.stale_after(&key.contract),
                state: stream.verdict.state,
                since: stream.since,
                session: stream.verdict.session,
                counted_from: stream.verdict.counted_from,
                error: stream.error.clone(),
                restarts: stream.restarts,
                request: stream.request(),
                delayed: stream.pulse.is_delayed()
                    || self.lines.get(&key.contract).is_some_and(lines::LineEntry::is_delayed),
                pulse: stream.pulse.clone(),
            })
            .collect();
        let snapshot = Snapshot {
            socket: self.socket.clone(),
            client_id: self.client_id(),
            link: self.link.clone(),
            cooldown: self.cooldown.clone(),
            retry_pause: self.spec.as_ref().map(|spec| retry_pause(&spec.gateway)).unwrap_or_default(),
            endpoints: self.spec.as_ref().map(|spec| endpoints(&spec.gateway, None)).unwrap_or_default(),
            streams,
            contracts: self.contracts.values().filter_map(ContractEntry::facts).collect(),
            gaps: self.gaps.published(),
            action: self.desk.acknowledged().cloned(),
            reportable: self.desk.is_open(),
            monitor_interval: self
                .spec
                .as_ref()
                .map_or(DEFAULT_MONITOR_INTERVAL, |spec| spec.recovery.monitor_interval.get()),
            retention_days: self.spec.as_ref().and_then(|spec| spec.storage.retention_days),
        };
        self.publish.send_if_modified(|known| {
            let changed = **known != snapshot;
            if changed {
                *known = Arc::new(snapshot);
            }
            changed
        });
    }

    /// Silence after which streams of this contract are Stale.
    fn stale_after(&self, contract: &str) -> Duration {
        let own = self.contracts.get(contract).and_then(|contract| contract.wanted.stale_after);
        let general = self.spec.as_ref().map(|spec| spec.recovery.stale_after);
        own.or(general).map_or(Duration::ZERO, |after| after.get())
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn now(&self) -> Now {
        self.tools.clock.now()
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
