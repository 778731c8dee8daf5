//! The gateway stays connected and ticks stop.

use anyhow::{Result, ensure};
use marketstream_crds::{ActionKind, Cause, Scope, conditions::types};
use marketstream_e2e::{
    expect,
    scenario::scenario,
    simulator::{Cure, SIM, cancelled, connected, subscribed},
    view::{View, actions, levels, uid},
};

use crate::{SIM1_QUOTES, SIM1_TRADES, SIM2_QUOTES};

#[tokio::test]
async fn silence_is_cured_at_level_2_by_subscribing_only_the_silent_stream_again() -> Result<()> {
    scenario("level-2", async |s| {
        let manifest =
            s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk", "Last"]).contract("sim2", SIM[1], &["BidAsk"]);
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;

        let fault = feed.simulator().silence(SIM1_QUOTES, Cure::Resubscribe).await?;
        feed.closed(&before).await?;
        let ms = feed.flows().await?;

        let incident = expect::one_incident(&ms, &before)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 2])?;
        ensure!(incident.cause == Cause::StreamSilent && incident.scope == Scope::Stream, "{incident:#?}");
        ensure!(incident.streams == ["sim1/BidAsk"], "{incident:#?}");
        ensure!(actions(incident) == [ActionKind::RestartStreams], "{incident:#?}");

        let log = feed.simulator().requests_since(fault).await?;
        ensure!(subscribed(&log) == [SIM1_QUOTES], "only the silent stream is subscribed again: {log:#?}");
        ensure!(cancelled(&log) == [SIM1_QUOTES], "only the silent stream is cancelled: {log:#?}");
        ensure!(connected(&log).is_empty(), "the session stays: {log:#?}");
        ensure!(uid(&feed.pod().await?) == uid(&pod), "the pod stays");
        ensure!(ms.client_id() == before.client_id() && ms.rolls() == 0);

        let recording = feed.recording_after(2, &[SIM1_TRADES, SIM2_QUOTES]).await?;
        expect::complete(&recording.judge(&feed.simulator(), recording.whole_seconds()?).await?)?;
        let silent = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::lossless(&silent.judge(&feed.simulator(), silent.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn silence_is_cured_at_level_3_by_a_new_pod_with_another_client_id() -> Result<()> {
    scenario("level-3", async |s| {
        // Level 4 is far away: a machine that is slow to start the new pod must not reach it.
        let manifest = s
            .sidecar("feed")?
            .contract("sim1", SIM[0], &["BidAsk"])
            .contract("sim2", SIM[1], &["BidAsk"])
            .thresholds("32s", "300s");
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;
        let trace = feed.trace();

        let fault = feed.simulator().silence_all(Cure::Reconnect).await?;
        feed.closed(&before).await?;
        let ms = feed.flows_in_another_pod(&pod).await?;

        let incident = expect::one_incident(&ms, &before)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 2, 3])?;
        ensure!(incident.cause == Cause::Zombie && incident.scope == Scope::Session, "{incident:#?}");
        ensure!(actions(incident) == [ActionKind::RestartStreams, ActionKind::RollPod], "{incident:#?}");
        ensure!(ms.rolls() == 1 && ms.client_id() == 852, "{:#?}", ms.status);
        ensure!(trace.pods().len() == 2, "one roll, not more: {:?}", trace.pods());

        let log = feed.simulator().requests_since(fault).await?;
        ensure!(connected(&log) == [852], "the simulator sees the next client ID, once: {log:#?}");
        let recording = feed.recording_after(2, &[SIM1_QUOTES, SIM2_QUOTES]).await?;
        expect::lossless(&recording.judge(&feed.simulator(), recording.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn incurable_silence_becomes_critical_when_due_and_closes_when_data_return() -> Result<()> {
    scenario("level-4", async |s| {
        let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"]).contract("sim2", SIM[1], &["BidAsk"]);
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;

        let fault = feed.simulator().silence_all(Cure::Never).await?;
        let (ms, incident) = feed.critical(Cause::Zombie).await?;
        ensure!(ms.level() == 4 && levels(&incident) == [1, 2, 3, 4], "{incident:#?}");
        let silent = ms.lacks(types::DATA_FLOWING, "Zombie");
        ensure!(silent.is_some_and(|text| text.contains("sim1/BidAsk, sim2/BidAsk")), "{:#?}", ms.status);
        ensure!(ms.is(types::READY), "a data fault does not make it unready: {:#?}", ms.condition(types::READY));

        feed.simulator().end(fault).await?;
        feed.closed(&before).await?;
        let ms = feed.flows().await?;
        ensure!(ms.condition(types::CRITICAL).is_none(), "Critical ends by itself: {:#?}", ms.status);
        let incident = expect::one_incident(&ms, &before)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 2, 3, 4])?;
        ensure!(ms.rolls() == 1, "{:#?}", ms.status);
        expect::told(&feed, incident).await
    })
    .await
}

#[tokio::test]
async fn one_silent_stream_never_disturbs_its_siblings() -> Result<()> {
    scenario("siblings", async |s| {
        let manifest =
            s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk", "Last"]).contract("sim2", SIM[1], &["BidAsk"]);
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;
        let trace = feed.trace();

        let fault = feed.simulator().silence(SIM1_QUOTES, Cure::Never).await?;
        let (ms, incident) = feed.critical(Cause::StreamSilent).await?;
        ensure!(ms.lacks(types::DATA_FLOWING, "StreamSilent") == Some("no data: sim1/BidAsk"), "{:#?}", ms.status);
        ensure!(ms.streamer().is_some_and(|report| report.flowing == 2), "{:#?}", ms.streamer());
        ensure!(levels(&incident)[..2] == [1, 2] && !levels(&incident).contains(&3), "{incident:#?}");

        // Past the highest threshold, the siblings have seen nothing of it.
        let log = feed.simulator().requests_since(fault).await?;
        ensure!(subscribed(&log).contains(&SIM1_QUOTES), "the silent one is tried again: {log:#?}");
        expect::untouched(&log, SIM1_TRADES)?;
        expect::untouched(&log, SIM2_QUOTES)?;
        ensure!(connected(&log).is_empty(), "{log:#?}");
        ensure!(uid(&feed.pod().await?) == uid(&pod), "the pod stays");
        let kinds: Vec<ActionKind> = trace.actions().into_iter().map(|(_, kind)| kind).collect();
        ensure!(kinds.iter().all(|kind| *kind == ActionKind::RestartStreams), "{kinds:?}");
        let recording = feed.recording_after(2, &[SIM1_TRADES, SIM2_QUOTES]).await?;
        expect::complete(&recording.judge(&feed.simulator(), recording.whole_seconds()?).await?)?;

        feed.simulator().end(fault).await?;
        feed.closed(&before).await?;
        let ms = feed.flows().await?;
        ensure!(ms.condition(types::CRITICAL).is_none() && ms.rolls() == 0, "{:#?}", ms.status);
        expect::on_time(expect::one_incident(&ms, &before)?, &ms.spec.recovery)
    })
    .await
}
