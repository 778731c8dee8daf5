//! What the session knows, published for those who report it: the status writer, the HTTP server, the tests.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
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
    pulse::Pulse,
    recorder::Feed,
    roll::Expiry,
    seal::{child::Sealing, instruments::Instrument},
    session::{endpoints::Endpoint, socket::Socket},
};

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
}
