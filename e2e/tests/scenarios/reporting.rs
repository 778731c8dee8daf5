//! The streamer works, and nobody hears of it: as on a node that cannot reach the API server.

use anyhow::{Context, Result, ensure};
use marketstream_crds::{Cause, Health, conditions::types};
use marketstream_e2e::{
    expect,
    forbidden::Forbidden,
    scenario::scenario,
    simulator::{SIM, connected},
    view::{View, actions, levels, uid},
};
use serde_json::json;

use crate::SIM1_QUOTES;

#[tokio::test]
async fn a_pod_that_cannot_report_goes_on_recording_and_is_never_rolled() -> Result<()> {
    scenario("reporting", async |s| {
        let manifest = s
            .sidecar("feed")?
            .contract("sim1", SIM[0], &["BidAsk"])
            .soon_critical()
            .set("/spec/recovery/monitorInterval", json!("2s"));
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());

        let forbidden = Forbidden::reports(&s.cluster, &s.namespace, "feed").await?;
        let silent = feed.critical(Cause::NotReporting).await;
        forbidden.end().await?;
        let (ms, incident) = silent?;
        ensure!(levels(&incident) == [1, 4] && actions(&incident).is_empty(), "{incident:#?}");
        ensure!(ms.status().is_some_and(|status| status.health == Some(Health::Unknown)), "{:#?}", ms.status);
        let unready = ms.lacks(types::READY, "NotReporting").is_some_and(|text| text.contains("has not reported"));
        ensure!(unready, "{:#?}", ms.condition(types::READY));
        for type_ in [types::CONNECTED, types::DATA_FLOWING, types::STORAGE_READY, types::BACKFILLED] {
            let condition = ms.condition(type_).with_context(|| format!("there is no {type_}"))?;
            ensure!(condition.status == "Unknown" && condition.reason == "NotReporting", "{condition:#?}");
        }

        feed.closed(&before).await?;
        let ms = feed.flows().await?;
        expect::on_time(expect::one_incident(&ms, &before)?, &ms.spec.recovery)?;
        expect::only(&trace, &feed, &pod, &[]).await?;
        // It recorded all the time, in one session.
        ensure!(connected(&sim.requests(0).await?).len() == 1);
        let recording = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::complete(&recording.judge(&sim, recording.whole_seconds()?).await?)
    })
    .await
}
