//! The engine asks history about streams whose silence nobody else can explain.

use std::time::Duration;

use marketstream_crds::StreamState;
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, Event, stream::StreamEntry};
use crate::{
    backfill::{
        budget::{Budget, shares},
        fetch::{self, FetchError},
        work::locked,
    },
    cli::stored_kind,
    clock::Now,
    plan::StreamKey,
    sentinel::probe::{Candidate, Probes},
};

/// Ticks that come while the question is under way are not to be left out for the clocks' difference.
const AHEAD_S: i64 = 60;

/// Probes of one session, and those of the login that count against its budget.
#[derive(Default)]
pub struct Probing {
    /// What was asked in this session.
    pub probes: Probes,
    /// Silent streams, the most important first.
    pub candidates: Vec<Candidate>,
    budget: Budget,
    under_way: Option<AbortOnDropHandle<()>>,
}

impl Probing {
    /// Answers of a lost session say nothing of the next.
    pub fn session_lost(&mut self) {
        (self.probes, self.under_way) = (Probes::default(), None);
        self.candidates.clear();
    }
}

impl Engine {
    /// Asks about one silent stream, if it is time.
    pub(super) fn probe_if_due(&mut self, now: Now) {
        let (Some(client), Some(spec)) = (self.client().cloned(), self.spec.as_ref()) else { return };
        if self.history_pauses(now) || self.probing.under_way.is_some() {
            return;
        }
        let (_, allowed) = shares(u32::try_from(spec.backfill.requests_per_10_minutes).unwrap_or(1));
        let Some(candidate) = self.probing.probes.pick(&self.probing.candidates, now.mono).cloned() else { return };
        let key = candidate.key.clone();
        let Some(known) = self.contracts.get(&key.contract).and_then(|entry| entry.of_stream(&key)) else { return };
        let (contract, kind) = (known.contract.clone(), stored_kind(key.tick));
        let shared = self.gaps.budget();
        // The distance of requests and IBKR's displeasure are everybody's.
        let (earliest, allowed) = {
            let budget = locked(&shared);
            (budget.earliest(kind, u32::MAX, now.mono), budget.left_of(allowed, now.mono))
        };
        if self.probing.budget.earliest(kind, allowed, now.mono).max(earliest) > now.mono {
            return;
        }
        self.probing.budget.spend(kind, now.mono);
        self.probing.probes.ask(&candidate, now.mono);
        tracing::debug!(stream = %key, "asking history whether it is quiet");
        let (events, clock, counters) = (self.events.clone(), self.tools.clock, self.tools.counters.clone());
        self.probing.under_way = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let outcome = fetch::newest(&client, &contract, kind, now.wall.as_second() + AHEAD_S, &counters).await;
            if let Err(FetchError::Pacing(_)) = &outcome {
                locked(&shared).cool_down(clock.mono());
            }
            // Nobody listens only when the process ends.
            let _ = events.send(Event::Probed { key, outcome }).await;
        })));
    }

    pub(super) fn probed(&mut self, key: &StreamKey, outcome: Result<Option<i64>, FetchError>, now: Now) {
        self.probing.under_way = None;
        match outcome {
            Ok(newest) => {
                tracing::info!(stream = %key, newest, "history was asked about a silence");
                self.probing.probes.answered(key, newest);
            }
            Err(FetchError::Competing(code, text)) => self.history_competes(code, &text, now),
            Err(error) => tracing::info!(stream = %key, "history says nothing about a silence: {error}"),
        }
    }

    /// History says that another session of this user has the data. While they flow here they are ours, whatever it says:
    /// a canary would only cut streams off, and none of them would end a hold.
    pub(super) fn history_competes(&mut self, code: i32, text: &str, now: Now) {
        let flows = |stream: &StreamEntry| stream.is_running() && stream.verdict.state == StreamState::Flowing;
        if self.streams.values().any(flows) {
            tracing::warn!(code, "history is refused, and data flow: {text}");
        } else {
            self.begin_hold(code, text, now);
        }
    }

    /// When a stream is asked about before it counts as stale, so that it need not be called that first.
    pub(super) fn probe_lead(patience: Duration) -> Duration {
        const LEAD: Duration = Duration::from_secs(15);
        LEAD.min(patience / 4)
    }
}
