//! A process of the pod dies.

use anyhow::{Result, ensure};
use marketstream_crds::names::{GATEWAY_CONTAINER, STREAMER_CONTAINER};
use marketstream_e2e::{
    expect, kill,
    scenario::scenario,
    simulator::{SIM, connected},
    view::{View, restarts, uid},
};

use serde_json::json;

use crate::{SIM1_QUOTES, SIM1_TRADES};

#[tokio::test]
async fn a_gateway_that_crashes_is_found_again_without_a_roll() -> Result<()> {
    scenario("gateway-crash", async |s| {
        // The kubelet of a busy machine was seen to take 19 s; the ladder must leave it that time here.
        let manifest = s
            .sidecar("feed")?
            .contract("sim1", SIM[0], &["BidAsk", "Last"])
            .set("/spec/recovery/resetConnectionAfter", json!("120s"))
            .set("/spec/recovery/criticalAfter", json!("240s"));
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;
        let since = before.streamer().map(|report| report.socket.since);

        feed.simulator().crash().await?;
        let restarted = |pod: &_| restarts(pod, GATEWAY_CONTAINER) > 0;
        feed.until_pod("the gateway was restarted", 100, restarted).await?;
        let again = |ms: &_| View::streamer(ms).map(|report| report.socket.since) > since;
        feed.until("another session is up", 100, again).await?;
        let ms = feed.flows().await?;

        let after = feed.pod().await?;
        ensure!(uid(&after) == uid(&pod), "the pod stays");
        ensure!(restarts(&after, STREAMER_CONTAINER) == 0, "the streamer stays");
        ensure!(ms.rolls() == 0 && ms.client_id() == before.client_id(), "{:#?}", ms.status);
        let log = feed.simulator().requests(0).await?;
        ensure!(connected(&log).iter().all(|id| *id == before.client_id()), "{log:#?}");
        let recording = feed.recording_after(2, &[SIM1_QUOTES, SIM1_TRADES]).await?;
        expect::faultless(&recording.judge(&feed.simulator(), recording.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn a_streamer_that_is_killed_goes_on_where_it_was() -> Result<()> {
    scenario("streamer-kill", async |s| {
        let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk", "Last"]);
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;
        let since = before.streamer().map(|report| report.socket.since);

        kill::in_pod(&s.cluster, &pod, STREAMER_CONTAINER).await?;
        let killed =
            feed.until_pod("the streamer was restarted", 100, |pod| restarts(pod, STREAMER_CONTAINER) > 0).await?;
        ensure!(uid(&killed) == uid(&pod), "the pod stays");
        feed.until("another session is up", 100, |ms| ms.streamer().map(|report| report.socket.since) > since).await?;
        let ms = feed.flows().await?;

        let after = feed.pod().await?;
        ensure!(uid(&after) == uid(&pod), "the pod stays");
        ensure!(restarts(&after, GATEWAY_CONTAINER) == 0, "the gateway stays");
        ensure!(ms.rolls() == 0 && ms.client_id() == before.client_id(), "{:#?}", ms.status);

        // What was stored before stays stored, and nothing is stored twice.
        let streams = [SIM1_QUOTES, SIM1_TRADES];
        let recording = feed.recording_after(2, &streams).await?;
        let verdict = recording.judge(&feed.simulator(), recording.whole_seconds()?).await?;
        expect::faultless(&verdict)?;
        for stream in &verdict.streams {
            ensure!(stream.missing_of_generated.len() <= 1, "ticks are missing at one place only: {stream:#?}");
        }
        Ok(())
    })
    .await
}
