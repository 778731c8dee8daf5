//! The rows of the cause table that the other scenarios do not have: each fault shows as its own cause, gets what that
//! cause allows and nothing more, and leaves the healthy streams alone.

use anyhow::{Result, ensure};
use marketstream_crds::{ActionKind, Cause, MarketStream, Scope, conditions::types};
use marketstream_e2e::{
    expect,
    feed::Feed,
    manifest::Manifest,
    scenario::{Scenario, scenario},
    simulator::{SIM, connected, subscribed},
    view::{View, newly_closed, uid},
};
use serde_json::json;

use crate::{SIM1_QUOTES, SIM2_QUOTES};

/// A contract of another farm than the test contracts': the front Micro E-mini Nasdaq-100 future.
const MNQ: i32 = 711_280_073;

/// Longest wait for a cause to show, seconds: a probe, some heartbeats, and a busy machine.
const SHOWN: u64 = 120;

/// Two contracts, with a level 3 that is far away: what heals before it must need no reset.
fn patient(s: &Scenario) -> Result<Manifest> {
    Ok(s.sidecar("feed")?
        .contract("sim1", SIM[0], &["BidAsk"])
        .contract("sim2", SIM[1], &["BidAsk"])
        .set("/spec/recovery/resetConnectionAfter", json!("300s"))
        .set("/spec/recovery/criticalAfter", json!("600s")))
}

fn has(ms: &MarketStream, cause: Cause) -> bool {
    ms.incidents().iter().any(|incident| incident.cause == cause)
}

async fn until_cause(feed: &Feed, cause: Cause) -> Result<MarketStream> {
    feed.until(&format!("an incident says {cause}"), SHOWN, |ms| has(ms, cause)).await
}

#[tokio::test]
async fn a_lost_link_to_ibkr_is_waited_for_and_everything_is_asked_for_again() -> Result<()> {
    scenario("upstream", async |s| {
        let feed = s.apply(&patient(s)?).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());

        sim.post("/upstream", json!({"up": false})).await?;
        let ms = until_cause(&feed, Cause::UpstreamDown).await?;
        ensure!(ms.incidents()[0].scope == Scope::Session, "{:#?}", ms.incidents());
        let ms = feed.until("people are warned", SHOWN, |ms| ms.level() == 1).await?;
        let silent = ms.lacks(types::DATA_FLOWING, "UpstreamDown");
        ensure!(silent.is_some_and(|text| text.contains("sim1/BidAsk, sim2/BidAsk")), "{:#?}", ms.status);
        ensure!(ms.is(types::CONNECTED), "the session stands: {:#?}", ms.condition(types::CONNECTED));
        sim.post("/upstream", json!({"up": true, "data": "lost"})).await?;
        feed.until("the incident is closed", 200, |ms| !newly_closed(ms, &before).is_empty()).await?;
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
async fn a_broken_farm_concerns_its_own_streams_only() -> Result<()> {
    scenario("farm", async |s| {
        let manifest = patient(s)?.set("/spec/contracts/1", json!({"name": "mnq", "conId": MNQ, "ticks": ["BidAsk"]}));
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let begun = sim.requests(0).await?.last().map_or(0, |entry| entry.at_ms + 1);

        sim.post("/farms/usfuture", json!({"link": "down"})).await?;
        let ms = until_cause(&feed, Cause::FarmDown).await?;
        ensure!(ms.incidents()[0].streams == ["mnq/BidAsk"], "{:#?}", ms.incidents());
        let ms = feed.until("people are warned", SHOWN, |ms| ms.level() >= 1).await?;
        ensure!(ms.lacks(types::DATA_FLOWING, "FarmDown") == Some("no data: mnq/BidAsk"), "{:#?}", ms.status);
        sim.post("/farms/usfuture", json!({"link": "up"})).await?;
        feed.until("the incident is closed", 200, |ms| !newly_closed(ms, &before).is_empty()).await?;
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
async fn a_hanging_gateway_is_named_and_found_again() -> Result<()> {
    scenario("hang", async |s| {
        let feed = s.apply(&patient(s)?).await?;
        let before = feed.flows().await?;
        let (pod, trace) = (uid(&feed.pod().await?), feed.trace());
        let fault = feed.simulator().begin(json!({"kind": "hang"})).await?;
        let ms = until_cause(&feed, Cause::GatewayHung).await?;
        ensure!(ms.lacks(types::CONNECTED, "GatewayHung").is_some(), "{:#?}", ms.condition(types::CONNECTED));
        // What passes before anybody was warned is no history.
        feed.until("people are warned", SHOWN, |ms| ms.level() == 1).await?;
        feed.simulator().end(fault).await?;
        feed.until("the incident is closed", 200, |ms| !newly_closed(ms, &before).is_empty()).await?;
        let ms = feed.flows().await?;
        expect::only(&trace, &feed, &pod, &[]).await?;
        ensure!(ms.rolls() == 0, "{:#?}", ms.status);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_client_id_that_is_taken_gives_way_to_the_next() -> Result<()> {
    scenario("client-id", async |s| {
        let feed = s.apply(&patient(s)?).await?;
        feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let fault = sim.begin(json!({"kind": "client_id_in_use", "client_id": 851})).await?;
        sim.post("/sockets/close", json!({})).await?;
        let next = |ms: &MarketStream| ms.streamer().is_some_and(|report| report.client_id == 852) && ms.flows(2);
        feed.until("all flows with the next client ID", SHOWN, next).await?;
        let states = trace.states();
        let named: Vec<Cause> = states.iter().flat_map(View::incidents).map(|incident| incident.cause).collect();
        ensure!(named.contains(&Cause::ClientIdInUse), "{named:?}");
        expect::only(&trace, &feed, &pod, &[]).await?;
        ensure!(connected(&sim.requests_since(fault).await?) == [852]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn ticks_that_cannot_be_true_are_put_aside_and_the_stream_is_asked_for_again() -> Result<()> {
    scenario("corrupt", async |s| {
        let feed = s.apply(&patient(s)?).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let scope = json!({"con_id": SIM[0], "tick": "BidAsk"});
        let fault = json!({"kind": "zero_fields", "scope": scope, "cure": "Resubscribe", "fields": ["time"]});
        let fault = sim.begin(fault).await?;
        let ms = until_cause(&feed, Cause::CorruptData).await?;
        ensure!(ms.incidents()[0].streams == ["sim1/BidAsk"], "{:#?}", ms.incidents());
        feed.until("the incident is closed", 300, |ms| !newly_closed(ms, &before).is_empty()).await?;
        feed.flows().await?;
        expect::only(&trace, &feed, &pod, &[ActionKind::RestartStreams]).await?;
        let log = sim.requests_since(fault).await?;
        // The streamer asks again by itself, and the ladder when that did not help.
        let again = subscribed(&log);
        let only_it = again.iter().all(|stream| *stream == SIM1_QUOTES);
        ensure!(!again.is_empty() && only_it, "only the broken stream is asked for again: {log:#?}");
        expect::untouched(&log, SIM2_QUOTES)?;
        let recording = feed.recording_after(2, &[SIM1_QUOTES, SIM2_QUOTES]).await?;
        expect::faultless(&recording.judge(&sim, recording.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn a_restart_that_a_person_asks_for_happens_once() -> Result<()> {
    scenario("restart", async |s| {
        let feed = s.apply(&patient(s)?).await?;
        let before = feed.flows().await?;
        let (pod, trace) = (feed.pod().await?, feed.trace());
        feed.patch(&json!({"metadata": {"annotations": {"marketstream.io/restart": "please"}}})).await?;
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
