//! When the status is written: a transition at once, further ones within a second together, and a heartbeat.

use std::{future::Future, sync::Arc, time::Duration};

use marketstream_crds::StreamerStatus;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    facts::{Facts, Heart},
    status::{Identity, build},
};

/// Transitions that follow each other faster are written together.
const COALESCE: Duration = Duration::from_secs(1);
/// Bound of one write: the Kubernetes client has none of its own (measured).
const WRITE_BOUND: Duration = Duration::from_secs(10);
/// First pause after a failed write; it doubles.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Longest pause between two attempts.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Longest sleep, so that the sign of life stays fresh.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Where reports go.
pub trait Sink {
    /// Writes the whole report.
    fn write(&self, status: &StreamerStatus) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What was written and what failed: enough to say when to write next.
#[derive(Debug, Default)]
pub struct Schedule {
    written: Option<(StreamerStatus, Duration)>,
    failed: Option<(u32, Duration)>,
}

impl Schedule {
    /// When this report is to be written.
    #[must_use]
    pub fn due(&self, status: &StreamerStatus, heartbeat: Duration) -> Duration {
        if let Some((failures, at)) = self.failed {
            let pause = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
            return at + pause.min(LONGEST_RETRY);
        }
        match &self.written {
            None => Duration::ZERO,
            Some((known, at)) if *known == status.without_clock() => *at + heartbeat,
            Some((_, at)) => *at + COALESCE.min(heartbeat),
        }
    }

    /// It was written.
    pub fn wrote(&mut self, status: &StreamerStatus, now: Duration) {
        self.written = Some((status.without_clock(), now));
        self.failed = None;
    }

    /// It could not be written.
    pub fn failed(&mut self, now: Duration) {
        self.failed = Some((self.failed.map_or(1, |(failures, _)| failures.saturating_add(1)), now));
    }
}

/// Reports until `stop`. A sink that does not take reports holds nothing else up.
pub async fn run(mut facts: Facts, identity: Identity, sink: impl Sink, heart: Arc<Heart>, stop: CancellationToken) {
    let mut schedule = Schedule::default();
    let clock = facts.clock;
    loop {
        heart.beat();
        let status = build(&facts, &identity);
        let (heartbeat, reportable) = {
            let snapshot = facts.session.borrow();
            (snapshot.monitor_interval, snapshot.reportable)
        };
        let now = clock.mono();
        let due = if reportable { schedule.due(&status, heartbeat) } else { now + LONGEST_REST };
        if due > now {
            let wake = clock.instant(due.min(now + LONGEST_REST));
            tokio::select! {
                () = stop.cancelled() => return,
                // The senders live as long as the process.
                _ = facts.session.changed() => {}
                _ = facts.storage.changed() => {}
                _ = facts.gateway.changed() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            continue;
        }
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = timeout(WRITE_BOUND, sink.write(&status)) => outcome,
        };
        match outcome {
            Ok(Ok(())) => schedule.wrote(&status, clock.mono()),
            Ok(Err(error)) => {
                tracing::warn!("the status cannot be written: {error:#}");
                schedule.failed(clock.mono());
            }
            Err(_) => {
                tracing::warn!("the status cannot be written: no answer within {} s", WRITE_BOUND.as_secs());
                schedule.failed(clock.mono());
            }
        }
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
