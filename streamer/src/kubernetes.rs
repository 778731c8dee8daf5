//! The MarketStream of this pod: its spec and actions come in, `status.streamer` goes out.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, Patch, PatchParams},
    core::Object,
    runtime::{WatchStreamExt, watcher},
};
use marketstream_crds::{Incident, MarketStream, MarketStreamSpec, StreamerStatus, names};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{actions::Contact, engine::Manifest, facts::Recovery, report::Sink, store::Store};

/// How long the API server may take to answer before recording starts from the volume.
const START_BOUND: Duration = Duration::from_secs(5);

/// The object as the streamer reads it. The rest of the status is not its business: a newer operator may write there
/// what this program does not know, and recording must go on.
type Seen = Object<MarketStreamSpec, SeenStatus>;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeenStatus {
    #[serde(default)]
    client_id: Option<i32>,
    #[serde(default)]
    action: Option<Value>,
    #[serde(default)]
    level: Option<u8>,
    #[serde(default)]
    incidents: Vec<Value>,
    #[serde(default)]
    streamer: Option<SeenReport>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct SeenReport {
    #[serde(default)]
    action: Option<Value>,
}

/// The one object that this pod may read and report to.
#[derive(Clone)]
pub struct Resource {
    api: Api<Seen>,
    name: String,
}

impl Resource {
    /// The MarketStream with this name.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: String) -> Self {
        let kind = ApiResource::erase::<MarketStream>(&());
        Self { api: Api::namespaced_with(client, namespace, &kind), name }
    }

    /// Reads the object once, or else what the volume remembers of it, and then follows its changes until `stop`.
    pub async fn follow(
        self,
        store: Store,
        manifests: watch::Sender<Option<Manifest>>,
        recovery: watch::Sender<Recovery>,
        stop: CancellationToken,
    ) {
        let start = tokio::select! {
            () = stop.cancelled() => return,
            start = timeout(START_BOUND, self.api.get(&self.name)) => start,
        };
        let mut contact = Contact::new(Instant::now());
        let start = match start {
            Ok(Ok(object)) => {
                tell(&recovery, &object);
                Some(manifest(object, &mut contact))
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the MarketStream cannot be read");
                None
            }
            Err(_) => {
                tracing::warn!("the API server does not answer");
                None
            }
        };
        if let Some(manifest) = start.or_else(|| stored(&store)) {
            manifests.send_replace(Some(manifest));
        }
        // The Role names the object, which allows a watch only with this selector (measured).
        let config = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut changes = watcher(self.api, config).default_backoff().applied_objects().boxed();
        loop {
            let change = tokio::select! {
                () = stop.cancelled() => return,
                change = changes.try_next() => change,
            };
            match change {
                Ok(Some(object)) => {
                    tell(&recovery, &object);
                    manifests.send_replace(Some(manifest(object, &mut contact)));
                }
                Ok(None) => return,
                // The watch goes on by itself, with a growing pause.
                Err(error) => tracing::warn!(%error, "the watch of the MarketStream was interrupted"),
            }
        }
    }
}

fn manifest(object: Seen, contact: &mut Contact) -> Manifest {
    let retry_login = object.annotations().get(names::ANNOTATION_RETRY_LOGIN).cloned();
    let status = object.status.unwrap_or_default();
    let action = known(status.action, "status.action");
    Manifest {
        client_id: status.client_id,
        late: contact.hear(action.as_ref(), object.spec.recovery.monitor_interval.get(), Instant::now()),
        action,
        spec: object.spec,
        acknowledged: known(status.streamer.and_then(|streamer| streamer.action), "status.streamer.action"),
        retry_login,
        stored: false,
    }
}

/// Passes on what the operator says of recovery. Each heartbeat of our own comes back as a change of the object.
fn tell(recovery: &watch::Sender<Recovery>, object: &Seen) {
    let status = object.status.clone().unwrap_or_default();
    let incidents: Vec<Incident> =
        status.incidents.into_iter().filter_map(|incident| known(Some(incident), "an incident")).collect();
    let told = Recovery { level: status.level.unwrap_or(0), incidents, ..Recovery::default() };
    recovery.send_if_modified(|known| {
        let changed = *known != told;
        *known = told;
        changed
    });
}

/// A field of the status, if this program knows its form.
fn known<T: DeserializeOwned>(value: Option<Value>, field: &str) -> Option<T> {
    serde_json::from_value(value?)
        .inspect_err(|error| tracing::warn!(%error, "{field} is ignored, since its form is not known here"))
        .ok()
}

fn stored(store: &Store) -> Option<Manifest> {
    let spec = store.spec()?;
    tracing::warn!("recording starts from the spec on the volume");
    Some(Manifest {
        spec,
        client_id: None,
        action: None,
        late: false,
        acknowledged: None,
        retry_login: None,
        stored: true,
    })
}

impl Sink for Resource {
    async fn write(&self, status: &StreamerStatus) -> anyhow::Result<()> {
        // Nothing but `status.streamer` may stand here: whatever a server-side apply names, it takes over.
        let patch = json!({
            "apiVersion": "marketstream.io/v1alpha1",
            "kind": "MarketStream",
            "metadata": { "name": self.name },
            "status": { "streamer": status },
        });
        let parameters = PatchParams::apply(names::STREAMER_MANAGER).force();
        self.api.patch_status(&self.name, &parameters, &Patch::Apply(patch)).await?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "kubernetes_tests.rs"]
mod tests;
