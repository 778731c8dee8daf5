//! The state that everything shares, and the few ways in which it changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::sessions::{Closing, Out, QUEUE_FRAMES, Session, SessionView, Subscription};
use crate::clock::Clock;
use crate::config::Config;
use crate::faults::{Active, Fault, FaultBook};
use crate::journal::requests::{Entry, Event, RequestLog};
use crate::journal::sent::Journal;
use crate::market::Market;
use crate::wire::answer::Answer;

/// Text of error 10197.
const COMPETING: &str = "No market data during competing live session";

/// What the tasks wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Gates {
    /// The API port is open.
    pub(super) listen: bool,
    /// Nothing is answered.
    pub(super) frozen: bool,
}

/// What changes, under one lock, so that a fault and a request have an order.
#[derive(Debug)]
pub(super) struct State {
    pub(super) faults: FaultBook,
    pub(super) sessions: BTreeMap<u32, Session>,
    pub(super) logged_in: bool,
    next_connection: u32,
}

/// One simulator.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) market: Market,
    pub(crate) journal: Journal,
    pub(crate) requests: RequestLog,
    pub(crate) started_us: i64,
    pub(crate) ticks_sent: AtomicU64,
    /// Ends all tasks.
    pub(crate) stop: CancellationToken,
    /// The process is to die as if it had been killed.
    pub(crate) crash: CancellationToken,
    gates: watch::Sender<Gates>,
    state: Mutex<State>,
}

impl Core {
    pub(super) fn open(config: Config) -> std::io::Result<Self> {
        let clock = Clock::new(config.clock).map_err(std::io::Error::other)?;
        std::fs::create_dir_all(&config.state_dir)?;
        let (requests, next_connection) = RequestLog::open(&config.state_dir.join("requests.jsonl"))?;
        let faults = FaultBook::open(&config.state_dir.join("faults.json"))?;
        let core = Self {
            market: Market::new(config.market.clone()),
            journal: Journal::open(&config.state_dir.join("journal"))?,
            requests,
            started_us: clock.now_us(),
            clock,
            ticks_sent: AtomicU64::new(0),
            stop: CancellationToken::new(),
            crash: CancellationToken::new(),
            gates: watch::Sender::new(Gates::default()),
            state: Mutex::new(State { faults, sessions: BTreeMap::new(), logged_in: false, next_connection }),
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

    fn set_gates(&self, state: &State) {
        let gates = Gates { listen: state.logged_in && state.faults.listens(), frozen: state.faults.frozen() };
        self.gates.send_if_modified(|current| std::mem::replace(current, gates) != gates);
    }

    /// Returns when nothing is frozen.
    pub(super) async fn thawed(&self) {
        // The sender lives as long as `self`.
        let _ = self.gates().wait_for(|gates| !gates.frozen).await;
    }

    pub(super) fn set_logged_in(&self) {
        let mut state = self.state();
        state.logged_in = true;
        self.set_gates(&state);
    }

    /// Writes a line of the request log.
    pub(super) fn log(&self, connection: Option<u32>, client_id: Option<i32>, event: Event) {
        self.requests.add(&Entry { at_ms: self.clock.now_us() / 1_000, connection, client_id, event });
    }

    /// A socket was accepted: its number, its queue, and how it is told to end.
    pub(super) fn accept(&self, peer: SocketAddr) -> (u32, mpsc::Receiver<Out>, Closing) {
        let (out, queue) = mpsc::channel(QUEUE_FRAMES);
        let closing = Closing { now: self.stop.child_token(), reset: Default::default() };
        let mut state = self.state();
        let number = state.next_connection;
        state.next_connection += 1;
        let session = Session {
            peer,
            since_us: self.clock.now_us(),
            client_id: None,
            dialect: None,
            out,
            closing: closing.clone(),
            subscriptions: BTreeMap::new(),
        };
        state.sessions.insert(number, session);
        self.log(Some(number), None, Event::Accept { peer: peer.to_string() });
        (number, queue, closing)
    }

    /// A socket is gone.
    pub(super) fn drop_session(&self, number: u32, reason: String) {
        if let Some(session) = self.state().sessions.remove(&number) {
            self.log(Some(number), session.client_id, Event::Disconnect { reason });
        }
    }

    /// Begins a fault.
    pub(crate) fn begin_fault(&self, fault: Fault) -> std::io::Result<u64> {
        let mut state = self.state();
        let now = self.clock.now_us();
        let begun = state.faults.begin(fault.clone(), now);
        self.set_gates(&state);
        if let Ok(id) = begun {
            self.log(None, None, Event::FaultBegin { id, fault: fault.clone() });
        }
        if fault == Fault::Competing {
            for (number, session) in &mut state.sessions {
                self.cut_off(*number, session, now);
            }
        }
        begun
    }

    /// Ends every subscription of a session with error 10197.
    fn cut_off(&self, number: u32, session: &mut Session, now: i64) {
        let flowing: Vec<i32> = session.subscriptions.iter().filter(|(_, s)| !s.ended).map(|(id, _)| *id).collect();
        for req_id in flowing {
            if let Some(subscription) = session.subscriptions.get_mut(&req_id) {
                subscription.ended = true;
            }
            session.answer(&Answer::error(req_id, 10197, COMPETING, now / 1_000));
            let event = Event::Error { req_id, code: 10197, text: COMPETING.to_owned() };
            self.log(Some(number), session.client_id, event);
        }
    }

    /// Ends one fault, or all, and says which were ended.
    pub(crate) fn end_fault(&self, id: Option<u64>) -> std::io::Result<Vec<u64>> {
        let mut state = self.state();
        let ended = state.faults.end(id);
        self.set_gates(&state);
        for id in ended.iter().flatten() {
            self.log(None, None, Event::FaultEnd { id: *id });
        }
        ended
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
                state.faults.withholds(subscription.stream, subscription.since_us, session.since_us)
            };
            SessionView::of(*number, session, withheld)
        };
        state.sessions.iter().map(view).collect()
    }

    /// Whether the login is done, and whether the API port is open.
    pub(crate) fn login_and_port(&self) -> (bool, bool) {
        (self.state().logged_in, self.gates.borrow().listen)
    }
}
