//! The ladder in the process: `marketstream_recovery` decides as it does for the operator, and what it decides is on the
//! volume before it is done.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use marketstream_crds::{MarketStreamSpec, MarketStreamStatus, Reset, StreamerStatus};
use marketstream_recovery::{Decision, Pod, Policy, Report, View, decide};
use tokio::{sync::watch, time::timeout};

use super::manifest::Manifest;
use crate::{
    engine,
    facts::{Facts, Heart, Recovery},
    status::{Identity, build},
    store::Store,
};

/// Longest sleep, so that the sign of life stays fresh.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// Bound of one write to the volume.
const WRITE_BOUND: Duration = Duration::from_secs(10);
/// Pause before a decision that could not be kept is made again.
const WRITE_RETRY: Duration = Duration::from_secs(1);

/// The ladder and what it drives.
pub struct Ladder {
    /// What is known.
    pub facts: Facts,
    /// Who reports, and since when.
    pub identity: Identity,
    /// When this process started.
    pub started: Timestamp,
    /// The ladder's constants.
    pub policy: Policy,
    /// Where its state is kept.
    pub store: Store,
    /// Where manifests and actions go.
    pub manifests: watch::Sender<Option<engine::Manifest>>,
    /// Where its word is published.
    pub recovery: watch::Sender<Recovery>,
    /// Its own sign of life.
    pub heart: Arc<Heart>,
}

impl Ladder {
    /// Runs for as long as it is polled, with the newest manifest of `wanted`.
    pub async fn run(mut self, mut wanted: watch::Receiver<Arc<Manifest>>) {
        let mut status = self.store.ladder().unwrap_or_default();
        self.publish(&status);
        self.send(&wanted.borrow_and_update().clone(), &status);
        loop {
            self.heart.beat();
            let manifest = wanted.borrow_and_update().clone();
            let rest = self.turn(&manifest, &mut status).await;
            tokio::select! {
                // The senders live as long as the process.
                _ = self.facts.session.changed() => {}
                _ = self.facts.storage.changed() => {}
                _ = self.facts.gateway.changed() => {}
                changed = wanted.changed() => if changed.is_ok() {
                    let manifest = wanted.borrow_and_update().clone();
                    self.send(&manifest, &status);
                },
                () = tokio::time::sleep(rest.min(LONGEST_REST)) => {}
            }
        }
    }

    /// Decides once; returns when to look again.
    async fn turn(&mut self, manifest: &Manifest, status: &mut MarketStreamStatus) -> Duration {
        // Before the engine has the manifest, its silence says nothing.
        if !self.facts.session.borrow_and_update().reportable {
            return LONGEST_REST;
        }
        let now = Timestamp::now();
        let report = build(&self.facts, &self.identity);
        let decision = self.decide(manifest, status, report, now);
        let rest = decision.look_again.map_or(LONGEST_REST, |due| due.duration_since(now).unsigned_abs());
        let decided = after(&decision);
        if decided == *status {
            return rest;
        }
        let acts = decided.action != status.action;
        if let Err(error) = self.keep(&decided).await {
            tracing::warn!(%error, "the state of recovery cannot be kept on the volume");
            // What is not on the volume must not be done: a restart would not know of it.
            if acts {
                return WRITE_RETRY;
            }
        }
        *status = decided;
        self.publish(status);
        for notice in &decision.notices {
            if notice.warning {
                tracing::warn!(reason = notice.reason, action = notice.action, "{}", notice.message);
            } else {
                tracing::info!(reason = notice.reason, action = notice.action, "{}", notice.message);
            }
        }
        if acts {
            self.send(manifest, status);
        }
        rest
    }

    fn decide(
        &self,
        manifest: &Manifest,
        status: &MarketStreamStatus,
        report: StreamerStatus,
        now: Timestamp,
    ) -> Decision {
        let pod = Pod {
            uid: self.identity.pod_uid.clone(),
            seen: self.started,
            running: Some(self.started),
            deleting: false,
            waiting: None,
        };
        let status = MarketStreamStatus { streamer: Some(report), ..status.clone() };
        let view = View {
            spec: &without_rolls(&manifest.spec),
            status: &status,
            // One process, one clock: what it reports is as of now.
            report: Report { received: now, confirmed: true },
            pod: Some(&pod),
            paused: manifest.paused,
        };
        decide(&view, now, &self.policy)
    }

    async fn keep(&self, status: &MarketStreamStatus) -> anyhow::Result<()> {
        let (store, status) = (self.store.clone(), status.clone());
        timeout(WRITE_BOUND, tokio::task::spawn_blocking(move || store.keep_ladder(&status))).await???;
        Ok(())
    }

    fn publish(&self, status: &MarketStreamStatus) {
        self.recovery.send_modify(|recovery| {
            *recovery = Recovery {
                level: status.level.unwrap_or(0),
                health: status.health,
                incidents: status.incidents.clone(),
                history: status.history.clone(),
                own: true,
                refused: recovery.refused.take(),
            };
        });
    }

    fn send(&self, manifest: &Manifest, status: &MarketStreamStatus) {
        // The engine ends after this. It carries each action out once, and none that an earlier process decided.
        self.manifests.send_replace(Some(engine::Manifest {
            spec: manifest.spec.clone(),
            client_id: status.client_id,
            action: status.action.clone(),
            late: false,
            acknowledged: None,
            retry_login: manifest.retry_login.clone(),
            stored: false,
        }));
    }
}

/// There is no pod to replace: level 3 is a new session with the next client ID.
fn without_rolls(spec: &MarketStreamSpec) -> MarketStreamSpec {
    let mut spec = spec.clone();
    spec.recovery.reset = Some(Reset::Reconnect);
    spec
}

/// What stands in the status after a decision.
fn after(decision: &Decision) -> MarketStreamStatus {
    MarketStreamStatus {
        health: Some(decision.health),
        level: Some(decision.level),
        cause: decision.cause,
        client_id: Some(decision.client_id),
        incidents: decision.incidents.clone(),
        history: decision.history.clone(),
        action: decision.action.clone(),
        ..MarketStreamStatus::default()
    }
}
