//! One stream of the engine.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use marketstream_crds::{GatewayError, Session, StreamState};
use tokio_util::task::AbortOnDropHandle;

use crate::{backfill::ledger::GapCause, clock::Now, health::Verdict, plan::Use, pulse::Pulse, status::text};

/// A subscription that is not refused for so long is accepted: refusals come within a second or two.
const ACCEPTED_AFTER: Duration = Duration::from_secs(10);

/// A subscription after which the next one brought a tick that cannot be true, too, waits longer.
const AFTER_CORRUPT: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];
/// What is longer ago does not count for that.
const CORRUPT_COUNTS: Duration = Duration::from_secs(60);

/// Who refused a stream, and so what can lift the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Our own limit on tick-by-tick lines.
    Lines,
    /// The contract's look-up.
    Contract,
    /// The gateway's answer to the subscription.
    Gateway,
    /// A competing session: the canary finds out when it ends.
    Hold,
}

/// A stream: what is asked for, what came of it.
pub struct StreamEntry {
    /// Ticks.
    pub pulse: Arc<Pulse>,
    /// Whether it has one of the tick-by-tick lines.
    pub lined: bool,
    /// When anything was first asked for it.
    pub first_asked: Option<Duration>,
    /// When it is to be asked for, unless it runs.
    pub wanted_at: Option<Duration>,
    /// It is recorded from its contract's market-data line.
    pub overflow: bool,
    /// Until when its silence was known to be no fault.
    pub excused_until: Option<Duration>,
    /// Its ticks were made and did not come, and none has come since.
    pub missed: bool,
    /// It was asked for as a canary.
    pub canary: bool,
    /// The gateway's last refusal, until the next tick.
    pub error: Option<GatewayError>,
    /// Refusals in a row.
    pub refusals: u32,
    /// How often it was subscribed again.
    pub restarts: i32,
    /// The last verdict.
    pub verdict: Verdict,
    /// Since when it is in that state.
    pub since: Timestamp,
    refused: Option<(Origin, Duration)>,
    /// A tick-by-tick line is of no use to it until something changes.
    out: bool,
    running: Option<Running>,
    /// The subscription of a lost session: it records what had come before the loss, and ends by itself.
    draining: Option<AbortOnDropHandle<()>>,
    asked_before: bool,
    /// The session that it was last asked for in is lost.
    lost: bool,
    /// When such a tick came last.
    corrupt_before: Option<Duration>,
}

struct Running {
    serial: u64,
    since: Duration,
    task: AbortOnDropHandle<()>,
}

impl StreamEntry {
    pub fn new(now: Now) -> Self {
        let verdict = Verdict { state: StreamState::Pending, session: Session::Unknown, counted_from: None, due: None };
        Self {
            pulse: Arc::default(),
            lined: false,
            overflow: false,
            excused_until: None,
            missed: false,
            first_asked: None,
            wanted_at: None,
            canary: false,
            error: None,
            refusals: 0,
            restarts: 0,
            verdict,
            since: now.wall,
            refused: None,
            out: false,
            running: None,
            draining: None,
            asked_before: false,
            lost: false,
            corrupt_before: None,
        }
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The number of its subscription, if one runs.
    pub fn request(&self) -> Option<u64> {
        self.running.as_ref().map(|running| running.serial)
    }

    /// When its subscription began, if one runs.
    pub fn running_since(&self) -> Option<Duration> {
        self.running.as_ref().map(|running| running.since)
    }

    /// What it could do with a line.
    pub fn line_use(&self) -> Use {
        if self.has_ended() {
            Use::Ended
        } else if self.out || self.is_refused_by(Origin::Contract) {
            Use::Out
        } else {
            Use::Able
        }
    }

    /// Whether a tick-by-tick line would be wasted on it.
    pub fn is_out(&self) -> bool {
        self.line_use() != Use::Able
    }

    /// Whether its contract trades no more.
    pub fn has_ended(&self) -> bool {
        self.verdict.state == StreamState::Expired
    }

    /// See [`is_out`](Self::is_out).
    pub fn put_out(&mut self, out: bool) {
        self.out = out;
    }

    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    pub fn is_refused_by(&self, origin: Origin) -> bool {
        self.refused.is_some_and(|(by, _)| by == origin)
    }

    /// Asks for it at `at`, unless it runs.
    pub fn want(&mut self, at: Duration) {
        self.wanted_at = Some(at);
    }

    /// A subscription begins.
    pub fn start(&mut self, serial: u64, task: AbortOnDropHandle<()>, now: Duration) {
        self.running = Some(Running { serial, since: now, task });
        self.draining = None;
        self.lost = false;
        self.wanted_at = None;
        self.first_asked.get_or_insert(now);
        if std::mem::replace(&mut self.asked_before, true) {
            self.restarts = self.restarts.saturating_add(1);
        }
    }

    /// Cancels the subscription, if one runs: dropping it sends the cancel.
    pub fn cancel(&mut self) {
        self.running = None;
        self.canary = false;
    }

    /// Whether the subscription with this number was the running one; then it runs no more.
    pub fn ended(&mut self, serial: u64) -> bool {
        let ended = self.running.take_if(|running| running.serial == serial).is_some();
        if ended {
            self.canary = false;
        }
        ended
    }

    /// A tick that cannot be true has ended its subscription. Returns the pause before the next.
    pub fn corrupted(&mut self, now: Duration) -> Duration {
        let again = self.corrupt_before.is_some_and(|before| now.saturating_sub(before) < CORRUPT_COUNTS);
        self.corrupt_before = Some(now);
        // What sends ticks was not refused.
        (self.refused, self.error, self.refusals) = (None, None, 0);
        AFTER_CORRUPT[usize::from(again)]
    }

    /// Why ticks may be missing when it is asked for now.
    pub fn gap_cause(&self) -> GapCause {
        match (self.asked_before, self.lost) {
            (false, _) => GapCause::ProcessStart,
            (true, true) => GapCause::SessionLost,
            (true, false) => GapCause::Resubscribed,
        }
    }

    /// What the subscription has received and not yet recorded is not lost with the session.
    pub fn session_lost(&mut self) {
        self.lost = true;
        self.draining = self.running.take().map(|running| running.task).or(self.draining.take());
        self.canary = false;
        self.wanted_at = None;
    }

    /// The subscription of the lost session, if it has not ended.
    pub fn take_draining(&mut self) -> Option<AbortOnDropHandle<()>> {
        self.draining.take()
    }

    pub fn refuse(&mut self, origin: Origin, code: i32, message: &str, now: Now) {
        self.refused = Some((origin, now.mono));
        self.error = Some(GatewayError { code, message: text(message), time: now.wall.into(), age_seconds: 0.0 });
    }

    /// Refuses it, unless that has been said.
    pub fn refuse_once(&mut self, origin: Origin, code: i32, message: &str, now: Now) {
        let known = self.error.as_ref().filter(|_| self.is_refused_by(origin));
        if known.is_none_or(|known| known.message != text(message)) {
            self.refuse(origin, code, message, now);
        }
    }

    pub fn lift_refusal(&mut self) {
        self.refused = None;
    }

    /// The gateway gives it again. What could not be had before is not missed; that a competing session has ended is for
    /// a tick to tell.
    pub fn accepted(&mut self, now: Duration) {
        if self.is_refused_by(Origin::Gateway) {
            self.excused_until = Some(now);
        }
        self.lift_refusal();
    }

    /// A tick came.
    pub fn heard(&mut self) {
        self.refused = None;
        self.error = None;
        self.refusals = 0;
        self.missed = false;
    }

    /// When a running subscription counts as accepted although nothing came; `None` if nothing is to be accepted.
    pub fn accepted_at(&self, held: bool) -> Option<Duration> {
        let (running, (_, refused)) = (self.running.as_ref()?, self.refused?);
        (self.canary || !held).then(|| running.since.max(refused) + ACCEPTED_AFTER)
    }
}
