//! What the operator remembers on its own clock: when reports came, when pods were first seen. The stamps inside of
//! reports and pods are other machines' clocks, and are never compared with this one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;
use marketstream_crds::{MarketStream, Time, names};
use marketstream_recovery::{self as recovery, Report};

type Key = (String, String);

#[derive(Debug, Default)]
struct Memories {
    reports: HashMap<Key, (Option<Time>, Report)>,
    pods: HashMap<String, (Timestamp, Option<Timestamp>)>,
    /// Actions that are under way.
    actions: HashMap<Key, String>,
}

/// Memory of all MarketStreams and their pods.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Memories>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Memories> {
        // A panic elsewhere leaves at worst one entry out of date.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a watch event shows.
    pub fn note_report(&self, ms: &MarketStream, now: Timestamp) {
        let stamp = ms.status.as_ref().and_then(|status| status.streamer.as_ref()).map(|report| report.heartbeat_time);
        let mut memories = self.lock();
        match memories.reports.get_mut(&key(ms)) {
            Some((known, report)) if *known != stamp => {
                *known = stamp;
                *report = Report { received: now, confirmed: true };
            }
            Some(_) => {}
            // A report that was there before may be of any age; an object without one is as old as its first sight.
            None => {
                let report = Report { received: now, confirmed: stamp.is_none() };
                memories.reports.insert(key(ms), (stamp, report));
            }
        }
    }

    /// Counts the silence of a MarketStream from now on.
    pub fn restart(&self, ms: &MarketStream, now: Timestamp) {
        self.note_report(ms, now);
        if let Some((_, report)) = self.lock().reports.get_mut(&key(ms)) {
            report.received = now;
        }
    }

    /// When the last report came.
    #[must_use]
    pub fn report(&self, ms: &MarketStream, now: Timestamp) -> Report {
        self.note_report(ms, now);
        self.lock().reports.get(&key(ms)).map_or(Report { received: now, confirmed: false }, |(_, report)| *report)
    }

    /// Notes when a pod was first seen, and when its streamer first ran.
    pub fn note_pod(&self, pod: &Pod, now: Timestamp) {
        let Some(uid) = pod.uid() else { return };
        let mut memories = self.lock();
        let (_, running) = memories.pods.entry(uid).or_insert((now, None));
        if running.is_none() && streamer_runs(pod) {
            *running = Some(now);
        }
    }

    /// The pod as recovery sees it.
    #[must_use]
    pub fn pod(&self, pod: &Pod, now: Timestamp) -> recovery::Pod {
        self.note_pod(pod, now);
        let uid = pod.uid().unwrap_or_default();
        let (seen, running) = self.lock().pods.get(&uid).copied().unwrap_or((now, None));
        let deleting = pod.metadata.deletion_timestamp.is_some();
        recovery::Pod { uid, seen, running, deleting, waiting: waiting(pod) }
    }

    /// How the last action ended, once for each that was seen under way before.
    pub fn ended(&self, ms: &MarketStream, outcome: Option<&'static str>) -> Option<&'static str> {
        let id = ms.status.as_ref().and_then(|status| status.action.as_ref()).map(|action| &action.id)?;
        let mut memories = self.lock();
        let key = key(ms);
        match outcome {
            None => {
                memories.actions.insert(key, id.clone());
                None
            }
            Some(outcome) => memories.actions.remove(&key).filter(|under_way| under_way == id).map(|_| outcome),
        }
    }

    /// Forgets a MarketStream that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        let mut memories = self.lock();
        memories.reports.remove(&key);
        memories.actions.remove(&key);
    }

    /// Forgets a pod that is gone.
    pub fn forget_pod(&self, pod: &Pod) {
        if let Some(uid) = pod.uid() {
            self.lock().pods.remove(&uid);
        }
    }
}

fn key(ms: &MarketStream) -> Key {
    (ms.namespace().unwrap_or_default(), ms.name_any())
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let sidecars = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    sidecars.into_iter().chain(main).flatten()
}

fn streamer_runs(pod: &Pod) -> bool {
    containers(pod)
        .filter(|container| container.name == names::STREAMER_CONTAINER)
        .any(|container| container.state.as_ref().is_some_and(|state| state.running.is_some()))
}

/// Why the pod does not run, in the kubelet's or the scheduler's words.
fn waiting(pod: &Pod) -> Option<String> {
    let container = containers(pod).find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        // These pass by themselves within seconds.
        let starting = matches!(reason, "PodInitializing" | "ContainerCreating");
        let message = waiting.message.as_deref().unwrap_or_default();
        (!starting).then(|| format!("container {}: {reason}: {message}", container.name))
    });
    container.or_else(|| {
        let conditions = pod.status.as_ref()?.conditions.as_ref()?;
        let unscheduled =
            conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
        Some(format!("not scheduled: {}", unscheduled.message.as_deref().unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn stream(heartbeat: Option<&str>) -> MarketStream {
        let report = heartbeat.map(|time| {
            json!({ "pod": "a-0", "podUID": "u", "clientId": 851, "heartbeatTime": time, "summary": "0/0", "flowing": 0, "total": 0,
                "socket": { "state": "Connecting", "since": time, "downSeconds": 0, "everConnected": false },
                "streams": [], "storage": { "writable": true, "dropped": 0 } })
        });
        serde_json::from_value(json!({
            "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
            "metadata": { "name": "a", "namespace": "n" },
            "spec": { "contracts": [], "gateway": {} },
            "status": { "streamer": report },
        }))
        .unwrap()
    }

    #[test]
    fn a_report_from_before_the_start_is_not_confirmed_until_it_changes() {
        let memory = Memory::default();
        let old = stream(Some("2020-01-01T00:00:00Z"));
        assert_eq!(memory.report(&old, at(0)), Report { received: at(0), confirmed: false });
        assert_eq!(memory.report(&old, at(5)), Report { received: at(0), confirmed: false });
        let fresh = stream(Some("2020-01-01T00:00:15Z"));
        assert_eq!(memory.report(&fresh, at(9)), Report { received: at(9), confirmed: true });
    }

    #[test]
    fn the_streamer_s_clock_does_not_matter() {
        let memory = Memory::default();
        memory.note_report(&stream(None), at(0));
        // Five minutes ahead, then five minutes behind: only the change counts.
        memory.note_report(&stream(Some("2026-11-24T12:05:00Z")), at(1));
        assert_eq!(
            memory.report(&stream(Some("2026-11-24T11:55:00Z")), at(2)),
            Report { received: at(2), confirmed: true }
        );
    }

    #[test]
    fn an_end_is_told_once_for_each_action_that_was_under_way() {
        let memory = Memory::default();
        let acting = |id: &str| {
            let mut ms = stream(None);
            let time = "2026-11-24T12:00:00Z";
            ms.status.get_or_insert_default().action = serde_json::from_value(json!({
                "id": id, "incident": "i", "kind": "Reconnect", "clientId": 1, "podUID": "p", "issuedAt": time,
                "deadline": time,
            }))
            .unwrap();
            ms
        };
        assert_eq!(memory.ended(&stream(None), None), None);
        assert_eq!(memory.ended(&acting("old"), Some("Done")), None, "it had ended before this process began");
        assert_eq!(memory.ended(&acting("a"), None), None);
        assert_eq!(memory.ended(&acting("a"), Some("Done")), Some("Done"));
        assert_eq!(memory.ended(&acting("a"), Some("Done")), None);
        assert_eq!(memory.ended(&acting("b"), None), None);
        assert_eq!(memory.ended(&acting("c"), Some("Done")), None, "another one than was seen");
    }

    #[test]
    fn a_missing_secret_is_told_in_the_kubelet_s_words() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "uid": "u" },
            "status": { "initContainerStatuses": [{ "name": "gateway", "ready": false, "restartCount": 0, "image": "", "imageID": "",
                "state": { "waiting": { "reason": "CreateContainerConfigError", "message": "secret \"ibkr\" not found" } } }] },
        }))
        .unwrap();
        let seen = Memory::default().pod(&pod, at(0));
        assert_eq!(
            seen.waiting.as_deref(),
            Some("container gateway: CreateContainerConfigError: secret \"ibkr\" not found")
        );
        assert_eq!(seen.running, None);
    }
}
