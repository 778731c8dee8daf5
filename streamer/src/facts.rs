//! What the session knows, published for those who report it: the status writer, the HTTP server, the tests.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use marketstream_crds::{
    ActionStatus, GatewayError, Health, Incident, NextContract, Session, StorageStatus, StreamState,
};
use marketstream_recovery::{level::CRITICAL, rule};
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    backfill::{estimate::Backlog, ledger::Ledger},
    clock::{Clock, Now},
    drift::Drift,
    gateway::Gateway,
    live::Hub,
    notices::Link,
    plan::StreamKey,
    recorder::Feed,
    roll::Expiry,
    seal::{child::Sealing, instruments::Instrument},
    session::{endpoints::Endpoint, socket::Socket},
};

/// The beat of one stream, written by its subscription on every tick and read by everybody else.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Monotonic microseconds of the last tick, plus one; 0 before the first.
    last_mono: AtomicU64,
    /// Calendar microseconds of the last tick.
    last_wall: AtomicI64,
    /// IBKR's second of the last tick; 0 before the first.
    last_second: AtomicI64,
    ticks: AtomicU64,
    corrupt: AtomicU64,
    /// Monotonic microseconds of the last tick that cannot be true, plus one; 0 before the first.
    corrupt_mono: AtomicU64,
    corrupt_reason: Mutex<String>,
    delayed: AtomicBool,
    /// Microseconds without a tick that the engine calls a silence; 0 before it has said so.
    patience: AtomicU64,
    pauses: Mutex<Pauses>,
    /// Whether the engine wants to hear of the next tick: in most states a tick changes nothing.
    pub alert: AtomicBool,
}

/// A pause of a stream for so long is remembered: what the gateway says of a link that it had lost may be about it.
const NOTABLE: Duration = Duration::from_secs(1);

/// Ticks and notices overtake each other by less than this: they reach us on different ways.
pub const EDGE: Duration = Duration::from_secs(1);

/// What is remembered of the times without ticks.
#[derive(Debug, Default)]
struct Pauses {
    last: Option<Pause>,
    /// Moments at which a link was lost that is not back, and the pause in which each of them lies.
    watched: Vec<(Duration, Option<Pause>)>,
    /// The first one since the engine asked last that was as long as a silence.
    silence: Option<Pause>,
}

/// A time without ticks that a tick has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When the tick before it came, on the monotonic clock.
    pub since: Duration,
    /// IBKR's second of that tick, since 1970.
    pub second: i64,
    /// When the tick came that ended it, on the monotonic clock.
    pub until: Duration,
    /// IBKR's second of that tick, since 1970.
    pub next: i64,
}

impl Pauses {
    fn note(&mut self, pause: Pause) {
        self.last = Some(pause);
        // One tick that was under way makes two pauses of one.
        for (_, known) in self.watched.iter_mut().filter(|(at, _)| pause.since <= *at + EDGE && pause.until >= *at) {
            let Pause { since, second, .. } = known.unwrap_or(pause);
            *known = Some(Pause { since, second, ..pause });
        }
    }
}

impl Pulse {
    /// A tick-by-tick tick came and was kept, with IBKR's second. Returns whether the engine wants to hear of it, as it
    /// always does when the tick has ended a silence: that must not depend on whether somebody looked while it lasted.
    pub fn tick(&self, now: Now, second: i64) -> bool {
        let since = self.last_tick().unwrap_or(now.mono);
        let length = now.mono.saturating_sub(since);
        let patience = Duration::from_micros(self.patience.load(Ordering::Relaxed));
        let silent = !patience.is_zero() && length >= patience;
        if (silent || length >= NOTABLE)
            && let Some(before) = self.last_second()
        {
            let pause = Pause { since, second: before, until: now.mono, next: second };
            let mut pauses = self.pauses();
            pauses.note(pause);
            if silent {
                pauses.silence.get_or_insert(pause);
            }
        }
        self.at_second(second);
        self.beat(now) || silent
    }

    /// After how long without ticks it is silent: its `staleAfter`.
    pub fn expect(&self, patience: Duration) {
        self.patience.store(u64::try_from(patience.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The first silence that has ended since this was asked last.
    pub fn take_silence(&self) -> Option<Pause> {
        self.pauses().silence.take()
    }

    /// The last pause that was longer than a second.
    pub fn last_pause(&self) -> Option<Pause> {
        self.pauses().last
    }

    /// At these moments links were lost that are not back.
    pub fn watch(&self, lost: &[Duration]) {
        let pauses = &mut *self.pauses();
        pauses.watched.retain(|(at, _)| lost.contains(at));
        let new = lost.iter().filter(|at| pauses.watched.iter().all(|(known, _)| known != *at));
        let new: Vec<_> = new.map(|at| (*at, None)).collect();
        pauses.watched.extend(new);
    }

    /// The pause in which a watched moment lies, if it has ended.
    pub fn pause_at(&self, lost: Duration) -> Option<Pause> {
        self.pauses().watched.iter().find(|(at, _)| *at == lost)?.1
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tick came and was kept. Returns whether the engine wants to hear of it.
    pub fn beat(&self, now: Now) -> bool {
        self.flows(now);
        self.ticks.fetch_add(1, Ordering::Relaxed);
        // Only the engine sets it, so what is not set need not be cleared.
        self.alert.load(Ordering::Relaxed) && self.alert.swap(false, Ordering::Relaxed)
    }

    /// A tick came.
    pub fn flows(&self, now: Now) {
        self.last_mono.store(stamp(now), Ordering::Relaxed);
        self.last_wall.store(now.wall.as_microsecond(), Ordering::Relaxed);
    }

    /// IBKR's second of the tick that comes.
    pub fn at_second(&self, second: i64) {
        self.last_second.store(second, Ordering::Relaxed);
    }

    /// IBKR's second of the last tick, since 1970.
    #[must_use]
    pub fn last_second(&self) -> Option<i64> {
        Some(self.last_second.load(Ordering::Relaxed)).filter(|second| *second > 0)
    }

    /// A tick came that cannot be true, for this reason, and was put aside.
    pub fn corrupt(&self, now: Now, reason: &str) {
        reason.clone_into(&mut self.corrupt_reason.lock().unwrap_or_else(PoisonError::into_inner));
        self.corrupt.fetch_add(1, Ordering::Relaxed);
        self.corrupt_mono.store(stamp(now), Ordering::Relaxed);
    }

    /// When the last one came that cannot be true, on the monotonic clock, and what was wrong with it.
    #[must_use]
    pub fn last_corrupt(&self) -> Option<(Duration, String)> {
        let at = self.corrupt_mono.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_micros)?;
        Some((at, self.corrupt_reason.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// IBKR says whether it sends delayed data.
    pub fn delayed(&self, delayed: bool) {
        self.delayed.store(delayed, Ordering::Relaxed);
    }

    /// Whether the data are delayed.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        self.delayed.load(Ordering::Relaxed)
    }

    /// When the last tick came, on the monotonic clock.
    #[must_use]
    pub fn last_tick(&self) -> Option<Duration> {
        self.last_mono.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_micros)
    }

    /// When the last tick came, on the calendar.
    #[must_use]
    pub fn last_tick_time(&self) -> Option<Timestamp> {
        self.last_tick().and_then(|_| Timestamp::from_microsecond(self.last_wall.load(Ordering::Relaxed)).ok())
    }

    /// Ticks so far.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Ticks so far that cannot be true.
    #[must_use]
    pub fn corrupt_ticks(&self) -> u64 {
        self.corrupt.load(Ordering::Relaxed)
    }
}

fn stamp(now: Now) -> u64 {
    u64::try_from(now.mono.as_micros()).unwrap_or(u64::MAX - 1) + 1
}

/// One stream, as the engine last judged it.
#[derive(Clone, Debug)]
pub struct StreamFacts {
    /// Which stream.
    pub key: StreamKey,
    /// IBKR's identifier, once known.
    pub con_id: Option<i32>,
    /// IBKR's symbol, once known.
    pub symbol: Option<String>,
    /// Silence after which it is Stale.
    pub stale_after: Duration,
    /// Its state.
    pub state: StreamState,
    /// Since when it is in that state, on the calendar.
    pub since: Timestamp,
    /// Whether its session is open.
    pub session: Session,
    /// From when its silence counts, on the monotonic clock.
    pub counted_from: Option<Duration>,
    /// The gateway's last refusal.
    pub error: Option<GatewayError>,
    /// How often it was subscribed again.
    pub restarts: i32,
    /// The number under which this process runs its subscription; `None` while none runs.
    pub request: Option<u64>,
    /// IBKR has delayed data only, for it or for its contract's market-data line.
    pub delayed: bool,
    /// Its ticks.
    pub pulse: Arc<Pulse>,
}

impl PartialEq for StreamFacts {
    /// Ticks are not compared: they change all the time and are read where they are needed.
    fn eq(&self, other: &Self) -> bool {
        let essence =
            |facts: &Self| (facts.con_id, facts.state, facts.since, facts.session, facts.counted_from, facts.restarts);
        essence(self) == essence(other)
            && (&self.key, &self.error, self.delayed) == (&other.key, &other.error, other.delayed)
            && self.request == other.request
            && (&self.symbol, self.stale_after) == (&other.symbol, other.stale_after)
    }
}

/// A contract of the manifest that IBKR knows.
#[derive(Clone, Debug, PartialEq)]
pub struct ContractFacts {
    /// Its name in the manifest.
    pub name: String,
    /// IBKR's identifier of what is recorded.
    pub con_id: i32,
    /// The exchange's own symbol.
    pub local_symbol: String,
    /// Its end, if it has one.
    pub expiry: Option<Expiry>,
    /// Whether another contract follows it by itself.
    pub follows: bool,
    /// What is recorded next.
    pub next: Option<NextContract>,
    /// What IBKR says of it; `None` when it is only known from earlier.
    pub instrument: Option<Arc<Instrument>>,
}

/// Requests came too fast for IBKR: none is sent until it is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Cooldown {
    /// When it is over, on the monotonic clock.
    pub until: Duration,
    /// IBKR's code.
    pub code: i32,
    /// IBKR's text.
    pub message: String,
}

/// The ledger of gaps as it was published, and what of it waits for history, if that can be asked now.
#[derive(Clone, Debug, Default)]
pub struct Gaps(pub Arc<Ledger>, pub Option<Backlog>);

impl Gaps {
    /// Seconds until all that waits is fetched. `None` when nothing waits, or history cannot be asked now.
    #[must_use]
    pub fn eta_seconds(&self, now: Now) -> Option<i64> {
        let eta = self.1.as_ref()?.eta(now).as_millis().div_ceil(1_000);
        Some(i64::try_from(eta).unwrap_or(i64::MAX))
    }
}

impl PartialEq for Gaps {
    /// A changed ledger is a new one: comparing thousands of gaps each time would cost more than it tells.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) && self.1 == other.1
    }
}

/// Everything the session knows at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The API session.
    pub socket: Socket,
    /// Client ID of the current or next session.
    pub client_id: i32,
    /// The link to IBKR.
    pub link: Link,
    /// A pause of all requests.
    pub cooldown: Option<Cooldown>,
    /// Pause between two rounds of attempts to reach it.
    pub retry_pause: Duration,
    /// Where the gateway may answer, as the manifest says.
    pub endpoints: Vec<Endpoint>,
    /// Every stream of the manifest, in order.
    pub streams: Vec<StreamFacts>,
    /// Every contract of the manifest that IBKR knows, by name.
    pub contracts: Vec<ContractFacts>,
    /// Gaps in the recording.
    pub gaps: Gaps,
    /// Acknowledgement of the last action.
    pub action: Option<ActionStatus>,
    /// Whether it may be reported: the resource has been read, so its last action is known.
    pub reportable: bool,
    /// Heartbeat of the status.
    pub monitor_interval: Duration,
    /// For how many days ticks are kept; `None`: for ever.
    pub retention_days: Option<i32>,
}

/// Counts that the metrics show and nothing decides on.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sessions after the first.
    pub reconnects: AtomicU64,
    /// The last answered probe's round trip, in microseconds; 0 before the first.
    pub probe_micros: AtomicU64,
    /// This machine's clock against IBKR's.
    pub drift: Drift,
    /// When the gateway last said anything but a tick, in monotonic microseconds.
    heard_mono: AtomicU64,
    /// Frames that the client library dropped because a subscription did not keep up.
    pub lagged: AtomicU64,
    notices: Mutex<std::collections::BTreeMap<i32, u64>>,
}

/// Codes that are counted by themselves; a foreign gateway could send any number.
const MAX_NOTICE_CODES: usize = 200;
/// Under which all further codes are counted together.
pub const OTHER_CODES: i32 = i32::MIN;

impl Counters {
    /// The gateway has said something that is no tick.
    pub fn heard(&self, now: Duration) {
        self.heard_mono.store(u64::try_from(now.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When it last did, on the monotonic clock.
    #[must_use]
    pub fn last_heard(&self) -> Duration {
        Duration::from_micros(self.heard_mono.load(Ordering::Relaxed))
    }

    /// Counts a notice or an error by its code.
    pub fn notice(&self, code: i32) {
        if code == ibapi::SUBSCRIPTION_LAG_CODE {
            self.lagged.fetch_add(1, Ordering::Relaxed);
        }
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = notices.len() < MAX_NOTICE_CODES || notices.contains_key(&code);
        *notices.entry(if counted { code } else { OTHER_CODES }).or_default() += 1;
    }

    /// Round trip of the last answered time probe.
    #[must_use]
    pub fn probe(&self) -> Option<Duration> {
        Some(self.probe_micros.load(Ordering::Relaxed)).filter(|micros| *micros > 0).map(Duration::from_micros)
    }

    /// Notices so far, by code.
    #[must_use]
    pub fn notices(&self) -> Vec<(i32, u64)> {
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.iter().map(|(code, count)| (*code, *count)).collect()
    }
}

/// A loop's sign of life.
#[derive(Debug)]
pub struct Heart {
    clock: Clock,
    last: AtomicU64,
}

impl Heart {
    /// A heart that has just beaten.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let heart = Self { clock, last: AtomicU64::new(0) };
        heart.beat();
        heart
    }

    /// The loop turned.
    pub fn beat(&self) {
        self.last.store(u64::try_from(self.clock.mono().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// For how long the loop has not turned.
    #[must_use]
    pub fn still(&self) -> Duration {
        self.clock.mono().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

/// What recovery makes of the facts: the operator's word in the status, or that of a ladder in this process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Recovery {
    /// Highest rung that an open incident has reached: 0 (none) to 4 (Critical).
    pub level: u8,
    /// Open incidents, the highest level first.
    pub incidents: Vec<Incident>,
    /// Whether the ladder runs in this process, so that nobody else can call for help.
    pub own: bool,
    /// Health of the collection, by the ladder in this process.
    pub health: Option<Health>,
    /// Incidents that the ladder in this process has closed, the newest first.
    pub history: Vec<Incident>,
    /// What is wrong with a newer manifest, which is therefore not in use.
    pub refused: Option<String>,
}

impl Recovery {
    /// Why nobody should rely on this process: its own ladder is at its end. An operator calls people itself.
    #[must_use]
    pub fn alarm(&self) -> Option<String> {
        let critical = |incident: &&Incident| self.own && incident.level >= CRITICAL;
        let incident = self.incidents.iter().find(critical)?;
        let advice = rule(incident.cause).advice;
        Some(format!("level {}: {}: a person is needed: {advice}", incident.level, incident.cause))
    }
}

/// The facts and their latest changes.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The clock by which they are dated.
    pub clock: Clock,
    /// Where ticks are stored.
    pub data_dir: Arc<std::path::Path>,
    /// The session's.
    pub session: watch::Receiver<Arc<Snapshot>>,
    /// The recorder's.
    pub storage: watch::Receiver<StorageStatus>,
    /// Of the gateway beside this process.
    pub gateway: watch::Receiver<Gateway>,
    /// Of recovery.
    pub recovery: watch::Receiver<Recovery>,
    /// What the recorder writes.
    pub live: Arc<Hub>,
    /// The recorder's queue.
    pub feed: Feed,
    /// Of sealing and archiving.
    pub sealing: watch::Receiver<Sealing>,
    /// Counts.
    pub counters: Arc<Counters>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_frames_are_counted_on_whatever_subscription() {
        let counters = Counters::default();
        [-6, 10167, -6].into_iter().for_each(|code| counters.notice(code));
        assert_eq!((counters.lagged.load(Ordering::Relaxed), counters.notices()), (2, vec![(-6, 2), (10167, 1)]));
    }

    #[test]
    fn any_number_of_codes_is_counted_and_few_of_them_alone() {
        let counters = Counters::default();
        (0..1_000).for_each(|code| counters.notice(code));
        counters.notice(5);
        let notices = counters.notices();
        assert_eq!(notices.len(), MAX_NOTICE_CODES + 1);
        assert_eq!(notices.iter().map(|(_, count)| count).sum::<u64>(), 1_001);
        assert_eq!(notices.iter().find(|(code, _)| *code == 5), Some(&(5, 2)));
    }

    #[test]
    fn a_pulse_alerts_once() {
        let (clock, pulse) = (Clock::start(), Pulse::default());
        assert_eq!((pulse.last_tick(), pulse.last_tick_time()), (None, None));
        assert!(!pulse.beat(clock.now()));
        pulse.alert.store(true, Ordering::Relaxed);
        assert!(pulse.beat(clock.now()) && !pulse.beat(clock.now()));
        assert_eq!(pulse.ticks(), 3);
        assert!(pulse.last_tick().is_some() && pulse.last_tick_time().is_some());
    }
}
