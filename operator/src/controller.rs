//! The watches, and the loop that they drive.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::BackoffBuilder;
use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Pod, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta},
    runtime::{
        Controller, WatchStreamExt,
        controller::{self, Action},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use marketstream_crds::{Health, StreamerStatus, names};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::{
    error::Error,
    metrics::Metrics,
    reconcile::{Context, Guarded, reconcile_guarded},
};

/// No single reconcile may hold its object and its slot for longer.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// A conflict means that newer facts are on their way; they are here in milliseconds.
const CONFLICT_RETRY: Duration = Duration::from_millis(50);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// How often the gauges over all MarketStreams are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(15);

/// What one controller needs to run.
pub struct Setup {
    /// The API server.
    pub client: Client,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Reconciles under way at once.
    pub concurrency: u16,
    /// Ends the controller gracefully.
    pub stop: CancellationToken,
    /// Set when the caches are filled.
    pub ready: Arc<AtomicBool>,
}

/// The stores that reconciles read.
pub struct Stores {
    /// All MarketStreams.
    pub streams: (Store<Guarded>, reflector::store::Writer<Guarded>),
    /// Their pods.
    pub pods: (Store<Pod>, reflector::store::Writer<Pod>),
    /// Their StatefulSets.
    pub sets: (Store<StatefulSet>, reflector::store::Writer<StatefulSet>),
}

impl Stores {
    /// Empty stores.
    #[must_use]
    pub fn new() -> Self {
        Self { streams: reflector::store(), pods: reflector::store(), sets: reflector::store() }
    }
}

impl Default for Stores {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs until `setup.stop`.
pub async fn run(setup: Setup, stores: Stores, context: Arc<Context>) {
    let backoffs = Arc::new(Backoffs::default());
    let streams = streams(&setup, stores.streams.1, &context, &backoffs);
    let pods = pods(&setup, stores.pods.1, &context);
    let sets = known::<StatefulSet>(&setup, &context).reflect(stores.sets.1).touched_objects();
    let concurrency = controller::Config::default().concurrency(setup.concurrency);
    let mut controller = Controller::for_stream(streams, stores.streams.0.clone())
        .with_config(concurrency)
        .graceful_shutdown_on(setup.stop.clone().cancelled_owned())
        .watches_stream(pods, owner)
        .watches_stream(sets, changed(&context));
    controller = controller
        .watches_stream(children::<Service>(&setup, &context), changed(&context))
        .watches_stream(children::<ServiceAccount>(&setup, &context), changed(&context))
        .watches_stream(children::<Role>(&setup, &context), changed(&context))
        .watches_stream(children::<RoleBinding>(&setup, &context), changed(&context))
        .watches_stream(children::<PodDisruptionBudget>(&setup, &context), changed(&context))
        .watches_stream(children::<PersistentVolumeClaim>(&setup, &context), changed(&context));
    let counting = count(stores.streams.0, context.metrics.clone(), setup.ready);
    let running = controller.run(guarded_reconcile(backoffs.clone()), error_policy(backoffs), context).for_each(
        |result| async move {
            match result {
                Ok((object, action)) => tracing::debug!(%object, ?action, "reconciled"),
                Err(controller::Error::ObjectNotFound(object)) => tracing::debug!(%object, "gone before its reconcile"),
                // The error policy has told of these.
                Err(controller::Error::ReconcilerFailed(..)) => {}
                Err(error) => tracing::warn!(%error, "a watch failed and is tried again"),
            }
        },
    );
    tokio::select! {
        () = running => {}
        () = counting => {}
    }
}

fn watch<K>(setup: &Setup) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let ours = watcher::Config::default().labels(&format!("{}={}", names::LABEL_MANAGED_BY, names::MANAGED_BY));
    watcher(api::<K>(setup), ours).default_backoff().modify(|object| object.managed_fields_mut().clear())
}

fn api<K>(setup: &Setup) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match &setup.namespace {
        Some(namespace) => Api::namespaced(setup.client.clone(), namespace),
        None => Api::all(setup.client.clone()),
    }
}

/// MarketStreams, when something changed that a decision depends on. A mere heartbeat passes by: it is noted, and
/// timers see it.
fn streams(
    setup: &Setup,
    writer: reflector::store::Writer<Guarded>,
    context: &Arc<Context>,
    backoffs: &Arc<Backoffs>,
) -> impl Stream<Item = watcher::Result<Guarded>> + Send + use<> {
    let api: Api<Guarded> = match &setup.namespace {
        Some(namespace) => Api::namespaced(setup.client.clone(), namespace),
        None => Api::all(setup.client.clone()),
    };
    let (noting, forgetting, backoffs) = (context.clone(), context.clone(), backoffs.clone());
    watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .inspect(move |event| {
            if let Ok(watcher::Event::Delete(object)) = event {
                let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
                forgetting.memory.forget(&namespace, &name);
                forgetting.applied.forget(&namespace, &name);
                backoffs.forget(&ObjectRef::from_obj(object));
            }
        })
        .reflect(writer)
        .applied_objects()
        .inspect(move |object| {
            if let Ok(DeserializeGuard(Ok(ms))) = object {
                noting.memory.note_report(ms, Timestamp::now());
            }
        })
        .predicate_filter(relevant, kube::runtime::PredicateConfig::default())
}

/// A hash of everything that a decision depends on.
fn relevant(object: &Guarded) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    (&meta.uid, meta.generation, &meta.labels, &meta.annotations, &meta.deletion_timestamp.is_some()).hash(&mut hasher);
    match &object.0 {
        Ok(ms) => {
            let report =
                ms.status.as_ref().and_then(|status| status.streamer.as_ref()).map(StreamerStatus::without_clock);
            serde_json::to_string(&report).ok().hash(&mut hasher);
        }
        Err(_) => meta.resource_version.hash(&mut hasher),
    }
    Some(hasher.finish())
}

fn pods(
    setup: &Setup,
    writer: reflector::store::Writer<Pod>,
    context: &Arc<Context>,
) -> impl Stream<Item = watcher::Result<Pod>> + Send + use<> {
    let context = context.clone();
    watch::<Pod>(setup)
        .inspect(move |event| match event {
            Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                context.memory.note_pod(pod, Timestamp::now())
            }
            Ok(watcher::Event::Delete(pod)) => context.memory.forget_pod(pod),
            _ => {}
        })
        .reflect(writer)
        .touched_objects()
}

fn children<K>(
    setup: &Setup,
    context: &Arc<Context>,
) -> impl Stream<Item = watcher::Result<PartialObjectMeta<K>>> + Send + use<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + std::fmt::Debug + Send + 'static,
{
    known::<PartialObjectMeta<K>>(setup, context).touched_objects()
}

/// A watch of children that notes which there are.
fn known<K>(
    setup: &Setup,
    context: &Arc<Context>,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let context = context.clone();
    watch::<K>(setup).inspect(move |event| {
        if let Ok(event) = event {
            context.applied.known.note(event);
        }
    })
}

/// The MarketStream that an object belongs to, by its label: claims have no owner reference.
fn owner<K: Resource>(object: K) -> Option<ObjectRef<Guarded>> {
    let name = object.labels().get(names::LABEL_NAME)?;
    Some(ObjectRef::new(name).within(&object.namespace()?))
}

/// A child changed, by whomever: it is applied again.
fn changed<K: Resource>(context: &Arc<Context>) -> impl Fn(K) -> Option<ObjectRef<Guarded>> + Send + Sync + use<K> {
    let context = context.clone();
    move |object| {
        let owner = owner(object)?;
        context.applied.forget(owner.namespace.as_deref().unwrap_or_default(), &owner.name);
        Some(owner)
    }
}

type Reconciled = futures::future::BoxFuture<'static, Result<Action, Error>>;

/// A reconcile that ends: in time, and with an error rather than with the process when it panics.
fn guarded_reconcile(backoffs: Arc<Backoffs>) -> impl FnMut(Arc<Guarded>, Arc<Context>) -> Reconciled {
    move |object, context| {
        let backoffs = backoffs.clone();
        async move {
            let key = ObjectRef::from_obj(&*object);
            let running = context.metrics.reconcile();
            let work = AssertUnwindSafe(reconcile_guarded(object, context.clone())).catch_unwind();
            let result = match tokio::time::timeout(TIME_LIMIT, work).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(Error::Panic),
                Err(_) => Err(Error::Timeout(TIME_LIMIT)),
            };
            drop(running);
            match &result {
                Ok(action) => {
                    backoffs.forget(&key);
                    context.metrics.reconciled(*action != Action::await_change());
                }
                Err(error) => context.metrics.failed(error.kind()),
            }
            result
        }
        .boxed()
    }
}

fn error_policy(backoffs: Arc<Backoffs>) -> impl Fn(Arc<Guarded>, &Error, Arc<Context>) -> Action {
    move |object, error, _| {
        if let Error::Conflict = error {
            return Action::requeue(CONFLICT_RETRY);
        }
        let key = ObjectRef::from_obj(&*object);
        let pause = backoffs.next(key.clone());
        tracing::warn!(object = %key, %error, ?pause, "a reconcile failed and is tried again");
        Action::requeue(pause)
    }
}

/// A growing pause per object, with jitter; kube has none.
#[derive(Default)]
struct Backoffs(Mutex<HashMap<ObjectRef<Guarded>, backon::ExponentialBackoff>>);

impl Backoffs {
    fn next(&self, key: ObjectRef<Guarded>) -> Duration {
        let fresh = || {
            let builder =
                backon::ExponentialBuilder::default().with_min_delay(FIRST_RETRY).with_max_delay(LONGEST_RETRY);
            builder.with_jitter().without_max_times().build()
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key).or_insert_with(fresh).next().unwrap_or(LONGEST_RETRY)
    }

    fn forget(&self, key: &ObjectRef<Guarded>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Tells when the caches are filled, then counts MarketStreams by health.
async fn count(store: Store<Guarded>, metrics: Metrics, ready: Arc<AtomicBool>) {
    if store.wait_until_ready().await.is_err() {
        return std::future::pending().await;
    }
    ready.store(true, Ordering::Relaxed);
    let mut interval = tokio::time::interval(COUNT_INTERVAL);
    loop {
        interval.tick().await;
        let mut counts: HashMap<&str, i64> = HashMap::new();
        for object in store.state() {
            let health = object.0.as_ref().ok().and_then(|ms| ms.status.as_ref()?.health);
            *counts.entry(health.map_or("None", Health::as_str)).or_default() += 1;
        }
        metrics.healths(counts.into_iter());
    }
}
