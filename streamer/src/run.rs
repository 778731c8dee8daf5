//! The program's commands, put together.

use std::{env, fs, io, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use axum::http::{Method, Uri};
use jiff::Timestamp;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    cli::{BackfillArgs, Cli, Command, FilesArgs, LogFormat, RunArgs, StatusArgs, TestArgs, TicksArgs},
    commands::{Output, backfill, client, files, status},
    facts::Heart,
    gateway::{self, Place},
    http,
    kubernetes::Resource,
    reach::{self, Reach},
    report,
    runtime::Core,
    seal::{child, command},
    session::endpoints::Endpoint,
    standalone::{self, seed::Seed},
    status::Identity,
    store::Store,
    ticks::{self, Selection},
};

/// How long after its end a gap is first asked for: IBKR's history lags by seconds to minutes.
const BACKFILL_LAG: Duration = Duration::from_secs(60);

/// Levels when RUST_LOG says nothing. The client libraries tell at `info`, and of a Kubernetes request that failed even
/// at `error`, what is told here in fewer words.
const DEFAULT_LEVELS: &str = "info,ibapi=warn,kube_client::client::builder=off,kube_runtime=warn";

/// Runs a command.
///
/// # Errors
/// When it cannot start, or `ticks` cannot read what is stored.
pub fn main(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::Ticks(args)) => {
            start_log(LogFormat::Text);
            print_ticks(&args)
        }
        Some(Command::Seal(args)) => {
            start_log(args.log_format);
            command::print(&args.data_dir, args.recent)
        }
        Some(Command::TestConnection(args)) => test_connection(&args),
        Some(Command::Status(args)) => status(&args),
        Some(Command::Files(args)) => files(&args),
        Some(Command::Backfill(args)) => fetch(&args),
        Some(Command::Run(args)) => run(args),
        None => run(cli.run),
    }
}

fn print_ticks(args: &TicksArgs) -> anyhow::Result<()> {
    let selection = Selection { con_id: args.con_id, kind: args.tick, from: args.from, to: args.to };
    ticks::print(&args.data_dir, &selection, io::stdout().lock())
        .with_context(|| format!("cannot print the ticks of --data-dir {}", args.data_dir.display()))
}

fn status(args: &StatusArgs) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(client::ask(args.at.address, Method::GET, &Uri::from_static("/v1/status")))?;
    match args.output {
        Output::Table => {
            let page = status::page(&answer);
            let address = args.at.address;
            print!(
                "{}",
                page.with_context(|| format!("what answers at {address} is no streamer; is --address right?"))?
            );
        }
        Output::Json => println!("{answer}"),
    }
    Ok(())
}

fn files(args: &FilesArgs) -> anyhow::Result<()> {
    let newer = args.newer.map(marketstream_crds::Duration::get);
    let files = files::list(&args.data_dir, newer, args.verify, Timestamp::now())
        .with_context(|| format!("cannot list --data-dir {}", args.data_dir.display()))?;
    match args.output {
        Output::Table => print!("{}", files::page(&files)),
        Output::Json => println!("{}", serde_json::to_string(&files)?),
    }
    let bad = files.iter().filter(|file| file.bad_blocks.is_some_and(|bad| bad > 0)).count();
    anyhow::ensure!(bad == 0, "{bad} of {} files are not as they were written", files.len());
    Ok(())
}

fn fetch(args: &BackfillArgs) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(backfill::backfill(args.at.address, args))?);
    Ok(())
}

/// Fails unless one of the ports is a gateway's.
fn test_connection(args: &TestArgs) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut found = false;
    for port in &args.ports {
        let endpoint = Endpoint { host: args.host.clone(), port: *port };
        let reached = runtime.block_on(reach::test(&endpoint, Duration::from_secs(args.timeout)));
        println!("{endpoint}  {reached}");
        found |= matches!(reached, Reach::Gateway { .. });
    }
    anyhow::ensure!(found, "no gateway answers at {}", args.host);
    Ok(())
}

/// Logs go to standard error: standard output belongs to what is asked for.
fn start_log(format: LogFormat) {
    let wanted = EnvFilter::try_from_default_env();
    let misread =
        wanted.as_ref().err().filter(|_| env::var_os(EnvFilter::DEFAULT_ENV).is_some()).map(ToString::to_string);
    let levels = wanted.unwrap_or_else(|_| EnvFilter::new(DEFAULT_LEVELS));
    let log = tracing_subscriber::fmt().with_env_filter(levels).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
    if let Some(problem) = misread {
        tracing::warn!("RUST_LOG is passed over: {problem}; write levels such as info or marketstream_streamer=debug");
    }
}

fn run(args: RunArgs) -> anyhow::Result<()> {
    start_log(args.log_format);
    let seed = Seed::read(|name| env::var(name).ok()).map_err(anyhow::Error::msg)?;
    if args.manifest.is_some() || (args.name.is_none() && seed.has_contracts()) {
        return standalone::run(&args, seed);
    }
    let required = |value: &Option<String>, name: &str| {
        value.clone().filter(|value| !value.is_empty()).with_context(|| {
            format!("{name} is not set: the operator sets it in the pod; without Kubernetes, give --manifest FILE")
        })
    };
    let name = required(&args.name, "MARKETSTREAM_NAME")?;
    let namespace = required(&args.pod_namespace, "POD_NAMESPACE")?;
    let pod_uid = required(&args.pod_uid, "POD_UID")?;
    let identity = Identity { pod: required(&args.pod_name, "POD_NAME")?, pod_uid };
    with_core(&args, &identity, "reporter", async |core, heart, stop| {
        let client = kube::Client::try_default()
            .await
            .context("cannot set up the Kubernetes client; without Kubernetes, give --manifest FILE")?;
        let resource = Resource::new(client, &namespace, name);
        let store = Store::new(&args.data_dir);
        let follow = resource.clone().follow(store, core.manifests(), core.recovery(), stop.clone());
        let report = report::run(core.facts(), identity.clone(), resource, heart, stop);
        tokio::join!(follow, report);
        Ok(())
    })
}

/// Makes the data directory where there is none. One that is there is taken as it is: a volume that takes no files now may
/// take them later.
fn prepare(data_dir: &Path) -> anyhow::Result<()> {
    match fs::create_dir_all(data_dir) {
        Err(error) if !data_dir.is_dir() => {
            Err(error).with_context(|| format!("--data-dir {} cannot be made", data_dir.display()))
        }
        _ => Ok(()),
    }
}

/// Starts the core and the HTTP server, runs `beside` with a sign of life of its own, and at a signal ends all in order.
///
/// # Errors
/// When something cannot be started.
pub fn with_core(
    args: &RunArgs,
    identity: &Identity,
    name: &'static str,
    beside: impl AsyncFnOnce(&Core, Arc<Heart>, CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    prepare(&args.data_dir)?;
    let core = Core::start(&args.data_dir, identity.pod_uid.clone(), Place::in_pod(), BACKFILL_LAG)
        .context("cannot start the session")?;
    let stop = CancellationToken::new();
    let heart = Arc::new(Heart::new(core.facts().clock));
    let mut hearts = core.hearts();
    hearts.push((name, heart.clone()));
    let view = http::View { identity: identity.clone(), facts: core.facts(), requests: core.requests(), hearts };
    // The port closes last: who waits for it to close, such as the gateway's preStop hook, waits for all of us.
    let stop_server = CancellationToken::new();
    let server = http::serve(args.listen, view, stop_server.clone())
        .with_context(|| format!("cannot listen on {} (--listen)", args.listen))?;

    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let end = async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("ending");
            stop.cancel();
            Ok(())
        };
        let gateway = async {
            gateway::watch(Place::in_pod(), core.beside(), stop.clone()).await;
            Ok(())
        };
        let sealing = async {
            child::watch(args.data_dir.clone(), args.log_format, core.sealing(), core.requests(), stop.clone()).await;
            Ok(())
        };
        tokio::try_join!(beside(&core, heart, stop.clone()), gateway, sealing, end)
    })?;
    core.stop();
    stop_server.cancel();
    if server.join().is_err() {
        tracing::error!("the HTTP thread had died");
    }
    tracing::info!("all ticks are on the disk");
    Ok(())
}
