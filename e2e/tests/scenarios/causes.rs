//! The rows of the cause table that the other scenarios do not have: each fault shows as its own cause, gets what that
//! cause allows and nothing more, and leaves the healthy streams alone.

use anyhow::{Result, ensure};
use marketstream_crds::{ActionKind, Cause, Scope, conditions::types};
use marketstream_e2e::{
    expect,
    manifest::{self, Manifest},
    plugin::Plugin,
    scenario::{Scenario, scenario},
    simulator::{SIM, connected, subscribed},
    view::{View, actions, levels, uid},
};
use serde_json::json;

use crate::{SIM1_QUOTES, SIM2_QUOTES};

/// A contract of another farm than the test contracts': the front Micro E-mini Nasdaq-100 future.
const MNQ: i32 = 711_280_073;

/// Two contracts; a cause that forbids level 3, or that the streamer ends by itself, soon comes to level 4.
fn two(s: &Scenario) -> Result<Manifest> {
    let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"]).contract("sim2", SIM[1], &["BidAsk"]);
    Ok(manifest.soon_critical())
}

#[tokio::test]
async fn a_lost_link_to_ibkr_is_waited_for_and_everything_is_asked_for_again() -> Result<()> {
    scenario("upstream", async |s| {
        let feed = s.apply(&two(s)?).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());

        sim.post("/upstream", json!({"up": false})).await?;
        let (ms, incident) = feed.critical(Cause::UpstreamDown).await?;
        ensure!(incident.scope == Scope::Session && levels(&incident) == [1, 4], "{incident:#?}");
        ensure!(actions(&incident).is_empty(), "nothing on this side of IBKR can help: {incident:#?}");
        let silent = ms.lacks(types::DATA_FLOWING, "UpstreamDown");
        ensure!(silent.is_some_and(|text| text.contains("sim1/BidAsk, sim2/BidAsk")), "{:#?}", ms.status);
        ensure!(ms.is(types::CONNECTED), "the session stands: {:#?}", ms.condition(types::CONNECTED));
        sim.post("/upstream", json!({"up": true, "data": "lost"})).await?;
        let ms = feed.closed(&before).await?;
        expect::on_time(expect::one_incident(&ms, &before)?, &ms.spec.recovery)?;
        let ms = feed.flows().await?;
        // The streamer asks again by itself at 1101; the ladder at most helps.
        expect::only(&trace, &feed, &pod, &[ActionKind::RestartStreams]).await?;
        ensure!(ms.rolls() == 0 && ms.client_id() == before.client_id(), "{:#?}", ms.status);
        let log = sim.requests(0).await?;
        ensure!(connected(&log).len() == 1, "the session stays: {log:#?}");
        ensure!(subscribed(&log).iter().filter(|stream| **stream == SIM1_QUOTES).count() >= 2, "{log:#?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_link_that_stays_lost_is_reset_late_and_after_a_person_was_called() -> Result<()> {
    scenario("upstream-reset", async |s| {
        let feed = s.apply(&two(s)?).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (feed.pod().await?, feed.trace(), feed.simulator());

        // A gateway that does not find its way back by itself does so when it starts anew.
        sim.post("/upstream", json!({"up": false})).await?;
        feed.critical(Cause::UpstreamDown).await?;
        feed.closed(&before).await?;
        let ms = feed.flows_in_another_pod(&pod).await?;

        let incident = expect::one_incident(&ms, &before)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 4, 3])?;
        ensure!(incident.cause == Cause::UpstreamDown, "{incident:#?}");
        ensure!(actions(incident) == [ActionKind::RollPod], "{incident:#?}");
        let lost = incident.rungs[2].time.get().duration_since(incident.since.get());
        let patience = manifest::policy("upstreamPatience")?;
        ensure!(lost.unsigned_abs() >= patience, "the reset came before {patience:?}: {incident:#?}");
        ensure!(trace.pods().len() == 2 && ms.rolls() == 1, "one roll, not more: {:?}", trace.pods());
        ensure!(trace.client_ids().into_iter().eq([851, 852]), "{:?}", trace.client_ids());
        let recording = feed.recording_after(2, &[SIM1_QUOTES, SIM2_QUOTES]).await?;
        expect::lossless(&recording.judge(&sim, recording.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn a_broken_farm_concerns_its_own_streams_only() -> Result<()> {
    scenario("farm", async |s| {
        let manifest = two(s)?.set("/spec/contracts/1", json!({"name": "mnq", "conId": MNQ, "ticks": ["BidAsk"]}));
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let begun = sim.requests(0).await?.last().map_or(0, |entry| entry.at_ms + 1);

        sim.post("/farms/usfuture", json!({"link": "down"})).await?;
        let (ms, incident) = feed.critical(Cause::FarmDown).await?;
        ensure!(incident.scope == Scope::Stream && incident.streams == ["mnq/BidAsk"], "{incident:#?}");
        ensure!(levels(&incident) == [1, 2, 4], "{incident:#?}");
        ensure!(actions(&incident) == [ActionKind::RestartStreams], "{incident:#?}");
        ensure!(ms.lacks(types::DATA_FLOWING, "FarmDown") == Some("no data: mnq/BidAsk"), "{:#?}", ms.status);
        sim.post("/farms/usfuture", json!({"link": "up"})).await?;
        let ms = feed.closed(&before).await?;
        expect::on_time(expect::one_incident(&ms, &before)?, &ms.spec.recovery)?;
        feed.flows().await?;
        expect::only(&trace, &feed, &pod, &[ActionKind::RestartStreams]).await?;
        let log = sim.requests(begun).await?;
        expect::untouched(&log, SIM1_QUOTES)?;
        ensure!(connected(&log).is_empty(), "the session stays: {log:#?}");
        let recording = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::complete(&recording.judge(&sim, recording.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn a_client_id_that_is_taken_gives_way_to_the_next_and_a_pool_that_is_taken_calls_a_person() -> Result<()> {
    scenario("client-id", async |s| {
        let feed = s.apply(&two(s)?.set("/spec/gateway/clientId", json!({"base": 851, "pool": 2}))).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let taken = async |id: i32| sim.begin(json!({"kind": "client_id_in_use", "client_id": id})).await;
        let first = taken(851).await?;
        let second = taken(852).await?;
        sim.post("/sockets/close", json!({})).await?;
        let (ms, incident) = feed.critical(Cause::ClientIdInUse).await?;
        ensure!(incident.scope == Scope::Session && levels(&incident) == [1, 4], "{incident:#?}");
        ensure!(actions(&incident).is_empty(), "{incident:#?}");
        let named = ms.lacks(types::CONNECTED, "ClientIdInUse").is_some_and(|text| {
            ["client ID 85", "error 326", "spec.gateway.clientId"].iter().all(|part| text.contains(part))
        });
        ensure!(named, "{:#?}", ms.condition(types::CONNECTED));

        // The first stays taken.
        sim.end(second).await?;
        let ms = feed.closed(&before).await?;
        expect::on_time(expect::one_incident(&ms, &before)?, &ms.spec.recovery)?;
        let ms = feed.flows().await?;
        ensure!(ms.streamer().is_some_and(|report| report.client_id == 852), "{:#?}", ms.streamer());
        expect::only(&trace, &feed, &pod, &[]).await?;
        ensure!(connected(&sim.requests_since(first).await?) == [852]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn ticks_that_cannot_be_true_are_put_aside_and_no_new_session_cuts_their_healthy_sibling() -> Result<()> {
    scenario("corrupt", async |s| {
        let feed = s.apply(&two(s)?).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let scope = json!({"con_id": SIM[0], "tick": "BidAsk"});
        let fault = json!({"kind": "zero_fields", "scope": scope, "cure": "Never", "fields": ["time"]});
        let fault = sim.begin(fault).await?;
        let (ms, incident) = feed.critical(Cause::CorruptData).await?;
        ensure!(incident.scope == Scope::Stream && incident.streams == ["sim1/BidAsk"], "{incident:#?}");
        ensure!(levels(&incident) == [1, 2, 4], "{incident:#?}");
        ensure!(actions(&incident) == [ActionKind::RestartStreams], "{incident:#?}");
        ensure!(ms.lacks(types::DATA_FLOWING, "CorruptData") == Some("no data: sim1/BidAsk"), "{:#?}", ms.status);
        // The streamer asks again by itself, too; the healthy stream is left alone.
        let log = sim.requests_since(fault).await?;
        ensure!(connected(&log).is_empty(), "no new session: {log:#?}");
        ensure!(subscribed(&log).contains(&SIM1_QUOTES), "{log:#?}");
        expect::untouched(&log, SIM2_QUOTES)?;

        sim.end(fault).await?;
        let ms = feed.closed(&before).await?;
        expect::on_time(expect::one_incident(&ms, &before)?, &ms.spec.recovery)?;
        feed.flows().await?;
        expect::only(&trace, &feed, &pod, &[ActionKind::RestartStreams]).await?;
        let healthy = feed.recording_after(2, &[SIM2_QUOTES]).await?;
        expect::complete(&healthy.judge(&sim, healthy.whole_seconds()?).await?)?;
        let corrupt = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::faultless(&corrupt.judge(&sim, corrupt.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn a_restart_that_a_person_asks_for_happens_once() -> Result<()> {
    scenario("restart", async |s| {
        let feed = s.apply(&two(s)?.thresholds("300s", "600s")).await?;
        let before = feed.flows().await?;
        let (pod, trace) = (feed.pod().await?, feed.trace());
        Plugin::new(&s.namespace)?.json(&["restart", "feed"]).await?;
        let ms = feed.flows_in_another_pod(&pod).await?;
        ensure!(ms.rolls() == 0 && ms.client_id() == before.client_id(), "it is no recovery: {:#?}", ms.status);
        // Another change of the object does not ask again.
        feed.patch(&json!({"metadata": {"annotations": {"marketstream.io/note": "x"}}})).await?;
        feed.recording_after(5, &[SIM1_QUOTES]).await?;
        ensure!(trace.pods().len() == 2, "one restart, not more: {:?}", trace.pods());
        Ok(())
    })
    .await
}
