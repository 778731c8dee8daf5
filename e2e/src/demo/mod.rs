//! `make demo`: the main job, from an empty namespace to recovery at every level, with numbers at the end.

mod outage;
mod progress;
mod report;
mod setup;

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use ib_gateway_sim::market::tick::TickType;
use k8s_openapi::jiff::Timestamp;
use marketstream_crds::conditions::types;

use crate::{
    cluster::{Cluster, variable},
    feed::Feed,
    simulator::{Cure, Stream},
    ticks::{Recording, Stored},
    view::View,
    wait,
};
use progress::Progress;
use report::{Report, Ticks};

const NAME: &str = "demo";
/// The streams of `manifests/demo.yaml`: BTC/USD, and the micro future on the Nasdaq 100.
const BTC: i32 = 900_100;
const MNQ: i32 = 711_280_073;
const STREAMS: [Stream; 3] = [(BTC, TickType::BidAsk), (MNQ, TickType::BidAsk), (MNQ, TickType::Last)];

/// Longest wait for history, in seconds: it lags by a minute, and there are a few questions for each outage.
const BACKFILL_S: u64 = 240;

/// Runs the demo.
///
/// # Errors
/// When something did not happen as it should.
pub async fn run() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let manifest = setup::Manifest::read(&cluster)?;
    manifest.remove(&cluster).await?;
    progress::say("Applying e2e/manifests/demo.yaml");
    let applied = Timestamp::now();
    manifest.apply(&cluster).await?;
    let feed = Feed::new(&cluster, manifest.namespace(), NAME, STREAMS.len());
    let progress = Progress::begin(&cluster, manifest.namespace());

    let mut report = Report { time_to_first_tick_s: first_tick(&feed, applied).await?, ..Report::default() };
    progress::say(&format!("First tick stored {:.1} s after the manifest was applied", report.time_to_first_tick_s));
    feed.flows().await?;
    progress::say("All streams flow. Now for the outages.");
    for (cure, level) in [(Cure::Resubscribe, 2), (Cure::Reconnect, 3), (Cure::Never, 4)] {
        outage::run(&feed, cure, level, &mut report).await?;
    }
    progress::say("The outages have cost ticks; history is asked for them a minute after each");
    feed.until("history has given back what was lost", BACKFILL_S, |ms| ms.is(types::BACKFILLED)).await?;
    report.ticks = ticks(&feed).await?;
    progress.end();

    let path = report_path();
    report.write(&path)?;
    println!("\n{}", report.summary());
    println!("The same numbers: {}", path.display());
    look_around(manifest.namespace());
    report.verdict()
}

/// When the first tick that is stored was received, in seconds from the apply.
async fn first_tick(feed: &Feed, applied: Timestamp) -> Result<f64> {
    feed.until("a tick has come", 300, |ms| {
        ms.status.as_ref().and_then(|status| status.streamer.as_ref()).is_some_and(|s| s.last_tick_time.is_some())
    })
    .await?;
    let received = wait::answer("a tick is stored", Duration::from_secs(30), async || {
        let recording = feed.recording(&STREAMS).await?;
        recording.all().iter().map(|stored| stored.received_us).min().context("none is stored")
    })
    .await?;
    let received = Timestamp::from_microsecond(received)?;
    ensure!(received > applied, "the first tick was stored before the manifest was applied");
    Ok(received.duration_since(applied).as_secs_f64())
}

/// What became of the ticks that the gateway had for us, over all seconds that every stream has whole. The simulator's
/// history is exact, so nothing may be missing.
async fn ticks(feed: &Feed) -> Result<Ticks> {
    let recording: Recording = feed.recording_after(2, &STREAMS).await?;
    let seconds = recording.whole_seconds()?;
    let verdict = recording.judge(&feed.simulator(), seconds).await?;
    ensure!(verdict.complete(), "the recording is not what the gateway had: {:#?}", verdict.total);
    let fetched = |stored: &&Stored| stored.backfill && (seconds.0..seconds.1).contains(&stored.tick.time_s);
    Ok(Ticks::new(verdict.total, recording.all().iter().filter(fetched).count() as u64))
}

/// `target/demo/report.json` of the workspace, wherever cargo builds.
fn report_path() -> PathBuf {
    let root = variable("MARKETSTREAM_ROOT").map(PathBuf::from).or_else(|| env::current_dir().ok());
    root.unwrap_or_default().join("target/demo/report.json")
}

fn look_around(namespace: &str) {
    let kubeconfig = variable("KUBECONFIG").map(|path| format!("  export KUBECONFIG={path}\n")).unwrap_or_default();
    let context = variable("CONTEXT").map(|context| format!(" --context {context}")).unwrap_or_default();
    let kubectl = format!("kubectl{context} -n {namespace}");
    println!(
        "\nThe cluster is still up. To look around:\n\n{kubeconfig}  {kubectl} get mstream -o wide -w\n  \
         {kubectl} describe mstream {NAME}\n  {kubectl} get events --sort-by .lastTimestamp\n  \
         {kubectl} get mstream {NAME} -o jsonpath='{{.status.history[0]}}'\n  \
         {kubectl} exec {NAME}-0 -c streamer -- marketstream-streamer ticks --data-dir /data --con-id {MNQ}\n\n\
         To cut the data yourself (and DELETE .../faults to let them return):\n\n  \
         kubectl{context} create --raw \\\n    \
         /api/v1/namespaces/{namespace}/pods/{NAME}-0:4080/proxy/faults -f - <<<\\\n    \
         '{{\"kind\":\"silence\",\"scope\":{{\"all\":true}},\"cure\":\"Reconnect\"}}'\n"
    );
}
