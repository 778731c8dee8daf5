//! One MarketStream that was applied, and everything that can be asked about it.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::{core::v1::Pod, events::v1::Event};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use marketstream_crds::{Cause, Incident, MarketStream, conditions::types, names};
use serde_json::Value;

use crate::{
    cluster::Cluster,
    events, expect,
    simulator::{Simulator, Stream},
    ticks::Recording,
    trace::Trace,
    view::{View, newly_closed, uid},
    wait,
};

/// Longest time for a pod to start and its streams to flow, several scenarios at once on two cores.
const START: Duration = Duration::from_secs(120);

/// Longest wait for an incident to become Critical or to end, seconds: far beyond any threshold of a scenario.
const LADDER: u64 = 300;

/// A MarketStream in a namespace.
#[derive(Clone)]
pub struct Feed {
    cluster: Cluster,
    namespace: String,
    name: String,
    streams: usize,
}

impl Feed {
    /// The MarketStream of that name, which has that many streams.
    #[must_use]
    pub fn new(cluster: &Cluster, namespace: &str, name: &str, streams: usize) -> Self {
        Self { cluster: cluster.clone(), namespace: namespace.to_owned(), name: name.to_owned(), streams }
    }

    /// API of MarketStreams in its namespace.
    #[must_use]
    pub fn api(&self) -> Api<MarketStream> {
        self.cluster.api(&self.namespace)
    }

    /// API of pods in its namespace.
    #[must_use]
    pub fn pods(&self) -> Api<Pod> {
        self.cluster.api(&self.namespace)
    }

    /// Name of its pod.
    #[must_use]
    pub fn pod_name(&self) -> String {
        names::pod(&self.name)
    }

    /// The object as it is now.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn get(&self) -> Result<MarketStream> {
        self.api().get(&self.name).await.with_context(|| format!("getting MarketStream {}", self.name))
    }

    /// Its pod as it is now.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn pod(&self) -> Result<Pod> {
        self.pods().get(&self.pod_name()).await.with_context(|| format!("getting pod {}", self.pod_name()))
    }

    /// Waits until the object is in a state.
    ///
    /// # Errors
    /// When that takes longer than `seconds`.
    pub async fn until(
        &self,
        what: &str,
        seconds: u64,
        mut reached: impl FnMut(&MarketStream) -> bool,
    ) -> Result<MarketStream> {
        let limit = Duration::from_secs(seconds);
        let found =
            wait::until(&self.api(), &self.name, what, limit, |object| object.is_some_and(&mut reached)).await?;
        found.with_context(|| format!("{what}: {} is gone", self.name))
    }

    /// Waits until the condition Critical is True for that cause, with a message that names the streams; returns the
    /// incident of that moment, too.
    ///
    /// # Errors
    /// When that takes too long, or the message is another one.
    pub async fn critical(&self, cause: Cause) -> Result<(MarketStream, Incident)> {
        let what = format!("the condition Critical says {cause}");
        let ms = self.until(&what, LADDER, |ms| ms.is_for(types::CRITICAL, cause.as_str())).await?;
        let incident = ms.incidents().iter().find(|incident| incident.level == 4 && incident.cause == cause).cloned();
        let incident = incident.with_context(|| format!("no incident says {cause}: {:#?}", ms.status))?;
        let streams = if incident.streams.is_empty() { "all streams".to_owned() } else { incident.streams.join(", ") };
        expect::says(&ms, types::CRITICAL, &[&format!("{streams}: {cause} since {}", incident.since)])?;
        Ok((ms, incident))
    }

    /// Waits until an incident that did something is closed that was not closed before.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn closed(&self, before: &MarketStream) -> Result<MarketStream> {
        self.until("the incident is closed", LADDER, |ms| !newly_closed(ms, before).is_empty()).await
    }

    /// Waits until its pod is in a state.
    ///
    /// # Errors
    /// When that takes longer than `seconds`.
    pub async fn until_pod(&self, what: &str, seconds: u64, mut reached: impl FnMut(&Pod) -> bool) -> Result<Pod> {
        let limit = Duration::from_secs(seconds);
        let pod = self.pod_name();
        let found = wait::until(&self.pods(), &pod, what, limit, |object| object.is_some_and(&mut reached)).await?;
        found.with_context(|| format!("{what}: {pod} is gone"))
    }

    /// Waits until every stream flows and nothing is wrong.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn flows(&self) -> Result<MarketStream> {
        let streams = self.streams;
        let what = format!("all {streams} streams of {} flow", self.name);
        self.until(&what, START.as_secs(), |ms| ms.flows(streams)).await
    }

    /// Waits until every stream flows in another pod than that.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn flows_in_another_pod(&self, before: &Pod) -> Result<MarketStream> {
        let (streams, before) = (self.streams, uid(before));
        let what = format!("all {streams} streams of {} flow in a new pod", self.name);
        let another = |ms: &MarketStream| ms.streamer().is_some_and(|report| report.pod_uid != before);
        self.until(&what, START.as_secs(), |ms| another(ms) && ms.flows(streams)).await
    }

    /// Merges a change into the manifest, as `kubectl patch --type merge` does.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn patch(&self, change: &Value) -> Result<MarketStream> {
        let patched = self.api().patch(&self.name, &PatchParams::default(), &Patch::Merge(change)).await;
        patched.with_context(|| format!("patching {} with {change}", self.name))
    }

    /// Deletes the MarketStream.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn delete(&self) -> Result<()> {
        self.api().delete(&self.name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// The events about it, the oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn events(&self) -> Result<Vec<Event>> {
        let all: Api<Event> = self.cluster.api(&self.namespace);
        let mut events = all.list(&ListParams::default()).await?.items;
        let about = |event: &Event| {
            event.regarding.as_ref().is_some_and(|object| {
                object.kind.as_deref() == Some("MarketStream") && object.name.as_ref() == Some(&self.name)
            })
        };
        events.retain(about);
        events.sort_by_key(events::time);
        Ok(events)
    }

    /// Keeps every state of the object from now on.
    #[must_use]
    pub fn trace(&self) -> Trace {
        Trace::begin(&self.api(), &self.name)
    }

    /// The simulator beside the streamer.
    #[must_use]
    pub fn simulator(&self) -> Simulator {
        Simulator::new(&self.cluster, &self.namespace, &self.pod_name())
    }

    /// The stored ticks of these streams.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn recording(&self, streams: &[Stream]) -> Result<Recording> {
        Recording::read(&self.cluster, &self.namespace, &self.pod_name(), streams).await
    }

    /// The stored ticks of these streams, once each has one that is at least `seconds` newer than its newest now.
    ///
    /// # Errors
    /// When that takes longer than a minute.
    pub async fn recording_after(&self, seconds: i64, streams: &[Stream]) -> Result<Recording> {
        let newest = |recording: &Recording| {
            streams.iter().map(|s| recording.of(*s).map(|t| t.tick.time_s).max().unwrap_or(0)).min().unwrap_or(0)
        };
        let first = wait::answer("ticks are stored", Duration::from_secs(60), async || {
            let recording = self.recording(streams).await?;
            anyhow::ensure!(newest(&recording) > 0, "no tick of some stream of {streams:?} is stored");
            Ok(newest(&recording))
        })
        .await?;
        wait::answer("more ticks are stored", Duration::from_secs(60), async || {
            let recording = self.recording(streams).await?;
            let now = newest(&recording);
            anyhow::ensure!(now >= first + seconds, "the newest tick of some stream of {streams:?} is of {now}");
            Ok(recording)
        })
        .await
    }
}
