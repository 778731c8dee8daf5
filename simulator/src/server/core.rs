//! The state that everything shares, and the few ways in which it changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::life;
use super::outbox::Outbox;
use super::sessions::{Closing, Session, SessionView, Subscription};
use crate::clock::Clock;
use crate::config::Config;
use crate::faults::{Active, FaultBook};
use crate::history::HistoryConfig;
use crate::journal::altered::AlteredLog;
use crate::journal::requests::{self, Entry, Event, RequestLog};
use crate::journal::sent::Journal;
use crate::journal::{archive, settings};
use crate::lifecycle::{Life, Reply};
use crate::limits::Limits;
use crate::market::burst::{Burst, BurstError};
use crate::market::{Market, Stream};

/// How soon it is noticed that the clock was set.
const LOOK: Duration = Duration::from_millis(20);

/// What the tasks wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Gates {
    /// The API port is open.
    pub(super) listen: bool,
    /// Nothing is answered.
    pub(super) frozen: bool,
    /// Packets of new connections are dropped.
    pub(super) drops_new: bool,
    /// Handshakes are not answered.
    pub(super) no_handshake: bool,
    /// How fast the line to each client is, bytes a second.
    pub(super) bytes_per_s: Option<u32>,
}

/// What changes, under one lock, so that a fault and a request have an order.
#[derive(Debug)]
pub(super) struct State {
    pub(super) faults: FaultBook,
    pub(super) sessions: BTreeMap<u32, Session>,
    pub(super) life: Life,
    pub(super) limits: Limits,
    /// How true the history is.
    pub(super) history: HistoryConfig,
    next_connection: u32,
}

impl State {
    /// Whether a subscription of that age, on a connection of that age, gets no ticks.
    pub(super) fn withholds(&self, stream: Stream, since_us: i64, connected_us: i64) -> bool {
        self.faults.withholds(stream, since_us, connected_us) || self.life.withholds(stream.con_id, since_us)
    }
}

/// One simulator.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) market: Market,
    pub(crate) journal: Journal,
    pub(crate) altered: AlteredLog,
    pub(crate) requests: RequestLog,
    pub(crate) started_us: i64,
    pub(crate) ticks_sent: AtomicU64,
    /// Ends all tasks.
    pub(crate) stop: CancellationToken,
    /// The process is to die as if it had been killed.
    pub(crate) crash: CancellationToken,
    /// The process is to end in good order.
    pub(crate) exit: CancellationToken,
    /// With this exit code.
    pub(crate) exit_code: OnceLock<i32>,
    /// There is room again for ticks that are due to a connection.
    pub(super) room: Arc<Notify>,
    /// Somebody asked for history.
    pub(super) asked: Notify,
    gates: watch::Sender<Gates>,
    state: Mutex<State>,
}

impl Core {
    pub(super) fn open(config: Config) -> std::io::Result<Self> {
        let clock = Clock::new(config.clock).map_err(std::io::Error::other)?;
        std::fs::create_dir_all(&config.state_dir)?;
        let log = config.state_dir.join(archive::REQUESTS);
        let (requests, next_connection) = RequestLog::open(&log)?;
        if settings::save(&config.state_dir, &config.market)? {
            tracing::warn!("the market's settings have changed: the journal of the past no longer fits");
        }
        let market = Market::new(config.market.clone());
        for burst in requests::bursts(&log)? {
            market.restore_burst(burst);
        }
        let faults = FaultBook::open(&config.state_dir.join("faults.json"))?;
        let life = life::begin(&config, &market, clock.now_us())?;
        let core = Self {
            market,
            journal: Journal::open(&config.state_dir.join(archive::JOURNAL))?,
            altered: AlteredLog::open(&config.state_dir.join(archive::ALTERED))?,
            requests,
            started_us: clock.now_us(),
            clock,
            ticks_sent: AtomicU64::new(0),
            stop: CancellationToken::new(),
            crash: CancellationToken::new(),
            exit: CancellationToken::new(),
            exit_code: OnceLock::new(),
            room: Arc::default(),
            asked: Notify::new(),
            gates: watch::Sender::new(Gates::default()),
            state: Mutex::new(State {
                faults,
                sessions: BTreeMap::new(),
                life,
                limits: Limits::new(config.limits),
                history: config.history,
                next_connection,
            }),
            config,
        };
        core.log(None, None, Event::Start { version: env!("CARGO_PKG_VERSION") });
        Ok(core)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn gates(&self) -> watch::Receiver<Gates> {
        self.gates.subscribe()
    }

    pub(super) fn set_gates(&self, state: &State) {
        let faults = &state.faults;
        let gates = Gates {
            listen: state.life.is_up() && faults.listens(),
            frozen: faults.frozen(),
            drops_new: faults.drops_new(),
            no_handshake: !faults.handshakes(),
            bytes_per_s: faults.bytes_per_s(),
        };
        self.gates.send_if_modified(|current| std::mem::replace(current, gates) != gates);
    }

    /// Returns when nothing is frozen.
    pub(super) async fn thawed(&self) {
        // The sender lives as long as `self`.
        let _ = self.gates().wait_for(|gates| !gates.frozen).await;
    }

    /// Returns when the clock has come to a moment, microseconds since the epoch.
    pub(crate) async fn reaches(&self, at_us: i64) {
        loop {
            match self.clock.until(at_us) {
                Some(Duration::ZERO) => return,
                // The clock may be set meanwhile.
                left => tokio::time::sleep(left.unwrap_or(LOOK).min(LOOK)).await,
            }
        }
    }

    /// Returns when a handshake may be answered.
    pub(super) async fn greets(&self) {
        let _ = self.gates().wait_for(|gates| !gates.frozen && !gates.no_handshake).await;
    }

    /// A command of IBC. What follows from it is done at the next step of the gateway's life.
    pub(crate) fn command(&self, text: &str) -> Reply {
        let now_us = self.clock.now_us();
        self.state().life.command(text, now_us)
    }

    /// Writes a line of the request log.
    pub(crate) fn log(&self, connection: Option<u32>, client_id: Option<i32>, event: Event) {
        self.requests.add(&Entry { at_ms: self.clock.now_us() / 1_000, connection, client_id, event });
    }

    /// A socket was accepted: its number, its queue, and how it is told to end.
    pub(super) fn accept(&self, peer: SocketAddr) -> (u32, Arc<Outbox>, Closing) {
        let out = Arc::new(Outbox::new(self.room.clone()));
        let closing = Closing { now: self.stop.child_token(), ..Closing::default() };
        let mut state = self.state();
        let number = state.next_connection;
        state.next_connection += 1;
        let session = Session {
            peer,
            since_us: self.clock.now_us(),
            client_id: None,
            dialect: None,
            market_data_type: 1,
            out: out.clone(),
            closing: closing.clone(),
            subscriptions: BTreeMap::new(),
            feeds: BTreeMap::new(),
            queries: BTreeMap::new(),
            turn: 0,
            behind: None,
            torn: false,
        };
        state.sessions.insert(number, session);
        self.log(Some(number), None, Event::Accept { peer: peer.to_string() });
        (number, out, closing)
    }

    /// A socket is gone.
    pub(super) fn drop_session(&self, number: u32, reason: String) {
        let mut state = self.state();
        if let Some(session) = state.sessions.remove(&number) {
            state.limits.gone(number, session.client_id, session.held(), self.clock.now_us());
            self.log(Some(number), session.client_id, Event::Disconnect { reason });
        }
    }

    /// Adds ticks to a stream, all in one second, which go out as fast as each socket takes them.
    ///
    /// # Errors
    /// When there can be no such burst.
    pub(crate) fn burst(&self, stream: Stream, ticks: u32) -> Result<Burst, BurstError> {
        // No tick of it may go out before it is in the log.
        let _state = self.state();
        let burst = self.market.add_burst(stream, self.clock.now_us(), ticks)?;
        self.log(None, None, Event::Burst(burst));
        Ok(burst)
    }

    /// The faults in force.
    pub(crate) fn faults(&self) -> Vec<Active> {
        self.state().faults.list()
    }

    /// Closes every API socket and says how many.
    pub(crate) fn close_sockets(&self, reset: bool) -> usize {
        let state = self.state();
        for session in state.sessions.values() {
            session.closing.reset.store(reset, Ordering::Relaxed);
            session.closing.now.cancel();
        }
        state.sessions.len()
    }

    /// The live connections.
    pub(crate) fn sessions(&self) -> Vec<SessionView> {
        let state = self.state();
        let view = |(number, session): (&u32, &Session)| {
            let withheld = |subscription: &Subscription| {
                state.withholds(subscription.stream, subscription.since_us, session.since_us)
            };
            SessionView::of(*number, session, withheld)
        };
        state.sessions.iter().map(view).collect()
    }

    /// Whether the login is done, and whether the API port is open.
    pub(crate) fn login_and_port(&self) -> (bool, bool) {
        (self.state().life.is_up(), self.gates.borrow().listen)
    }
}
