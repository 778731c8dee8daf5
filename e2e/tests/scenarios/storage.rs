//! The data volume is full, really.

use anyhow::{Result, ensure};
use marketstream_crds::{
    Cause, Scope,
    conditions::{reasons, types},
};
use marketstream_e2e::{
    expect,
    scenario::{Scenario, scenario},
    simulator::{SIM, connected},
    view::{View, actions, levels, uid},
    volume::SmallVolume,
};

use crate::SIM1_QUOTES;

/// Room for minutes of ticks and what else the streamer keeps.
const SIZE: &str = "4Mi";

#[tokio::test]
async fn a_full_volume_calls_a_person_and_recording_goes_on_when_there_is_room() -> Result<()> {
    scenario("storage", async |s| {
        let volume = SmallVolume::for_data(s, "feed", SIZE).await?;
        let result = fills_up(s, &volume).await;
        volume.end().await?;
        result
    })
    .await
}

async fn fills_up(s: &Scenario, volume: &SmallVolume) -> Result<()> {
    let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"]).soon_critical();
    let feed = s.apply(&manifest).await?;
    let before = feed.flows().await?;
    let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
    let begun = sim.requests(0).await?.last().map_or(0, |entry| entry.at_ms + 1);

    volume.fill().await?;
    let (ms, incident) = feed.critical(Cause::StorageFull).await?;
    let full = ms.lacks(types::STORAGE_READY, reasons::WRITE_FAILED);
    ensure!(full.is_some_and(|text| text.contains("No space left")), "{:#?}", ms.condition(types::STORAGE_READY));
    ensure!(ms.is(types::READY) && ms.is(types::CONNECTED), "the session stays: {:#?}", ms.status);
    ensure!(incident.scope == Scope::Session, "{incident:#?}");
    ensure!(levels(&incident) == [1, 4] && actions(&incident).is_empty(), "{incident:#?}");

    volume.drop_ballast().await?;
    feed.closed(&before).await?;
    let ms = feed.flows().await?;
    ensure!(ms.is(types::STORAGE_READY) && ms.condition(types::CRITICAL).is_none(), "{:#?}", ms.status);
    expect::on_time(expect::one_incident(&ms, &before)?, &ms.spec.recovery)?;
    expect::only(&trace, &feed, &pod, &[]).await?;
    let log = sim.requests(begun).await?;
    expect::untouched(&log, SIM1_QUOTES)?;
    ensure!(connected(&log).is_empty(), "the session stays: {log:#?}");
    let recording = feed.recording_after(5, &[SIM1_QUOTES]).await?;
    expect::faultless(&recording.judge(&sim, recording.whole_seconds()?).await?)
}
