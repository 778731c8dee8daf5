//! Reading a MarketStream's status without a chain of options each time.

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Condition};
use marketstream_crds::{
    Action, ActionKind, Health, Incident, MarketStream, MarketStreamStatus, Rung, StreamState, StreamStatus,
    StreamerStatus, conditions::types,
};

/// What scenarios ask of a MarketStream.
pub trait View {
    /// The status, if any was written yet.
    fn status(&self) -> Option<&MarketStreamStatus>;

    /// Highest rung of the open incidents.
    fn level(&self) -> u8 {
        self.status().and_then(|status| status.level).unwrap_or(0)
    }

    /// Client ID for the next connection; 0 while there is none.
    fn client_id(&self) -> i32 {
        self.status().and_then(|status| status.client_id).unwrap_or(0)
    }

    /// The condition of that type.
    fn condition(&self, type_: &str) -> Option<&Condition> {
        self.status()?.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// Whether the condition of that type is True.
    fn is(&self, type_: &str) -> bool {
        self.condition(type_).is_some_and(|condition| condition.status == "True")
    }

    /// Whether the condition of that type is True for that reason.
    fn is_for(&self, type_: &str, reason: &str) -> bool {
        self.condition(type_).is_some_and(|condition| condition.status == "True" && condition.reason == reason)
    }

    /// The message of the condition of that type, when it is False for that reason.
    fn lacks(&self, type_: &str, reason: &str) -> Option<&str> {
        let condition = self.condition(type_)?;
        (condition.status == "False" && condition.reason == reason).then_some(&condition.message)
    }

    /// The streamer's report.
    fn streamer(&self) -> Option<&StreamerStatus> {
        self.status()?.streamer.as_ref()
    }

    /// One stream of the report, by `contract/TickType`.
    fn stream(&self, key: &str) -> Option<&StreamStatus> {
        self.streamer()?.streams.iter().find(|stream| stream.key() == key)
    }

    /// Open incidents.
    fn incidents(&self) -> &[Incident] {
        self.status().map_or(&[], |status| &status.incidents)
    }

    /// Closed incidents, the newest first.
    fn history(&self) -> &[Incident] {
        self.status().map_or(&[], |status| &status.history)
    }

    /// The last action.
    fn action(&self) -> Option<&Action> {
        self.status()?.action.as_ref()
    }

    /// How many rolls of the last day the status counts.
    fn rolls(&self) -> usize {
        self.status().map_or(0, |status| status.recent_rolls.len())
    }

    /// Whether every one of `streams` streams flows and nothing is wrong.
    fn flows(&self, streams: usize) -> bool {
        let all_flow = self.streamer().is_some_and(|report| {
            report.streams.len() == streams && report.streams.iter().all(|stream| stream.state == StreamState::Flowing)
        });
        all_flow
            && self.status().is_some_and(|status| status.health == Some(Health::Healthy))
            && self.level() == 0
            && self.incidents().is_empty()
            && self.is(types::READY)
            && self.is(types::DATA_FLOWING)
    }
}

impl View for MarketStream {
    fn status(&self) -> Option<&MarketStreamStatus> {
        self.status.as_ref()
    }
}

/// The rungs of an incident, by level.
#[must_use]
pub fn levels(incident: &Incident) -> Vec<u8> {
    incident.rungs.iter().map(|rung| rung.level).collect()
}

/// The first rung of that level.
#[must_use]
pub fn rung(incident: &Incident, level: u8) -> Option<&Rung> {
    incident.rungs.iter().find(|rung| rung.level == level)
}

/// The actions of an incident, in order.
#[must_use]
pub fn actions(incident: &Incident) -> Vec<ActionKind> {
    incident.rungs.iter().filter_map(|rung| rung.action).collect()
}

/// Identity of a pod.
#[must_use]
pub fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

/// How often the kubelet restarted a container of a pod.
#[must_use]
pub fn restarts(pod: &Pod, container: &str) -> i32 {
    container_status(pod, container).map_or(0, |status| status.restart_count)
}

/// The status of a container of a pod, sidecars included.
#[must_use]
pub fn container_status<'a>(pod: &'a Pod, container: &str) -> Option<&'a k8s_openapi::api::core::v1::ContainerStatus> {
    let status = pod.status.as_ref()?;
    let all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    all.into_iter().find(|status| status.name == container)
}

/// Incidents that were closed since then, the newest first, but for those that ended before they did anything (a
/// stream that fell silent a moment before all others did, for example).
#[must_use]
pub fn newly_closed<'a>(now: &'a MarketStream, before: &MarketStream) -> Vec<&'a Incident> {
    let known = |id: &str| before.history().iter().any(|incident| incident.id == id);
    now.history().iter().filter(|incident| incident.level > 0 && !known(&incident.id)).collect()
}
