//! Puts the parts together: client, election, controllers, HTTP, shutdown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures::future::join_all;
use kube::{Api, Client, Config, runtime::events::Reporter};
use marketstream_crds::names;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    apply::Applied,
    args::Args,
    controller::{self, Setup, Stores},
    http::{self, Served},
    leader::{Elector, Outcome},
    memory::Memory,
    metrics::Metrics,
    reconcile::Context,
};

/// The lease must be renewed within 10 s; a call that hangs must leave time for another.
const LEASE_TIMEOUT: Duration = Duration::from_secs(4);

/// Runs the operator until it is told to stop.
///
/// # Errors
/// When it cannot start, or when the leadership is lost.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let policy = args.policy()?;
    let config = Config::infer().await.context("no Kubernetes cluster: neither in a pod nor a kubeconfig")?;
    let client = Client::try_from(config.clone())?;
    let metrics = Metrics::new()?;
    let ready = Arc::new(AtomicBool::new(true));
    let stop = CancellationToken::new();
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("--listen {}", args.listen))?;
    let served = Served { metrics: metrics.clone(), ready: ready.clone() };
    let serving = tokio::spawn(http::serve(listener, served, stop.clone()));
    tokio::spawn(stop_on_signal(stop.clone())?);

    let led = lead(&args, client, &policy, &metrics, &ready, &stop);
    let outcome = match &args.lease {
        None => {
            led.await;
            Outcome::Finished
        }
        Some(lease) => {
            let elector = elector(&args, lease, config)?;
            tokio::select! {
                outcome = elector.run(led) => outcome,
                // A standby that is told to stop has nothing to release.
                () = never_led(&stop, &metrics) => Outcome::Finished,
            }
        }
    };
    stop.cancel();
    serving.await??;
    match outcome {
        Outcome::Finished => Ok(()),
        Outcome::Lost => bail!("the leadership was lost; another process may lead"),
    }
}

async fn lead(
    args: &Args,
    client: Client,
    policy: &marketstream_recovery::Policy,
    metrics: &Metrics,
    ready: &Arc<AtomicBool>,
    stop: &CancellationToken,
) {
    tracing::info!(streamer = args.streamer_image, ?policy, "leading");
    metrics.leads(true);
    ready.store(false, Ordering::Relaxed);
    let namespaces: Vec<Option<String>> = match args.watch_namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let reporter = Reporter { controller: names::OPERATOR_MANAGER.to_owned(), instance: Some(args.pod_name.clone()) };
    let controllers = namespaces.into_iter().map(|namespace| {
        let stores = Stores::new();
        let context = Arc::new(Context {
            client: client.clone(),
            reporter: reporter.clone(),
            policy: policy.clone(),
            settings: args.settings(),
            streams: stores.streams.0.clone(),
            pods: stores.pods.0.clone(),
            sets: stores.sets.0.clone(),
            memory: Memory::default(),
            applied: Applied::default(),
            metrics: metrics.clone(),
        });
        let setup = Setup {
            client: client.clone(),
            namespace,
            concurrency: args.concurrency,
            stop: stop.clone(),
            ready: ready.clone(),
        };
        controller::run(setup, stores, context)
    });
    join_all(controllers).await;
    metrics.leads(false);
}

fn elector(args: &Args, lease: &str, mut config: Config) -> anyhow::Result<Elector> {
    config.read_timeout = Some(LEASE_TIMEOUT);
    let client = Client::try_from(config)?;
    let identity = format!("{}_{}", args.pod_name, std::process::id());
    Ok(Elector { api: Api::default_namespaced(client), name: lease.to_owned(), identity })
}

/// Ends once a stop is asked for while this process does not lead.
async fn never_led(stop: &CancellationToken, metrics: &Metrics) {
    stop.cancelled().await;
    if metrics.is_leading() {
        std::future::pending::<()>().await;
    }
}

fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    })
}
