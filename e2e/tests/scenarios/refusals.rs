//! The gateway refuses what is asked of it: each refusal is told apart, gets what its cause allows, and disturbs nobody.

use anyhow::{Result, ensure};
use marketstream_crds::{Cause, MarketStream, Scope, conditions::types};
use marketstream_e2e::{
    expect,
    feed::Feed,
    manifest,
    scenario::{Scenario, scenario},
    simulator::{SIM, Simulator},
    view::{View, actions, levels, uid},
};
use serde_json::{Value, json};

use crate::SIM1_QUOTES;

/// Longest wait for a cause to show, seconds.
const SHOWN: u64 = 120;

fn contract(name: &str, con_id: i32) -> Value {
    json!({"name": name, "conId": con_id, "ticks": ["BidAsk"]})
}

async fn refuse(sim: &Simulator, con_id: i32, code: i32, text: &str) -> Result<u64> {
    sim.begin(json!({"kind": "reject", "scope": {"con_id": con_id}, "code": code, "text": text})).await
}

/// A MarketStream whose one stream flows.
async fn flowing(s: &Scenario) -> Result<(Feed, MarketStream)> {
    let feed = s.apply(&s.sidecar("feed")?.set("/spec/contracts", json!([contract("sim1", SIM[0])]))).await?;
    let ms = feed.flows().await?;
    Ok((feed, ms))
}

/// The first stream and these.
async fn add(feed: &Feed, others: &[Value]) -> Result<()> {
    let contracts = [&[contract("sim1", SIM[0])], others].concat();
    feed.patch(&json!({"spec": {"contracts": contracts}})).await.map(drop)
}

#[tokio::test]
async fn refusals_are_told_apart_and_disturb_nobody() -> Result<()> {
    scenario("refusals", async |s| {
        let (feed, _) = flowing(s).await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let first = refuse(&sim, SIM[1], 354, "Requested market data is not subscribed.").await?;
        refuse(&sim, SIM[2], 10190, "Max number of tick-by-tick requests has been reached.").await?;
        refuse(&sim, SIM[3], 200, "No security definition has been found for the request").await?;
        refuse(&sim, SIM[4], 999, "Something that nobody has heard of.").await?;
        let others = [("paid", 1), ("full", 2), ("wrong", 3), ("odd", 4)].map(|(name, sim)| contract(name, SIM[sim]));
        add(&feed, &others).await?;

        let expected = [
            ("paid/BidAsk", Cause::NotEntitled),
            ("full/BidAsk", Cause::Capacity),
            ("wrong/BidAsk", Cause::ContractInvalid),
            ("odd/BidAsk", Cause::Unknown),
        ];
        let critical = |ms: &MarketStream| {
            let of = |(stream, cause): &(&str, Cause)| {
                ms.incidents().iter().any(|i| i.level == 4 && i.cause == *cause && i.streams == [*stream])
            };
            expected.iter().all(of)
        };
        let ms = feed.until("each has its cause, and is Critical when due", 300, critical).await?;
        for incident in ms.incidents() {
            ensure!(incident.scope == Scope::Stream && levels(incident) == [1, 4], "{incident:#?}");
            ensure!(actions(incident).is_empty(), "nothing that we do can help: {incident:#?}");
            expect::on_time(incident, &ms.spec.recovery)?;
        }
        expect::says(&ms, types::NOT_ENTITLED, &["paid/BidAsk", "Client Portal", "error 354"])?;
        expect::says(&ms, types::CAPACITY, &["full/BidAsk", "limits", "error 10190"])?;
        expect::says(&ms, types::STALLED, &["spec.contracts[name=wrong].conId", "error 200"])?;
        expect::says(&ms, types::CRITICAL, &["BidAsk", "since", "(error "])?;
        ensure!(!ms.is(types::DATA_FLOWING) && ms.streamer().is_some_and(|report| report.flowing == 1));

        expect::only(&trace, &feed, &pod, &[]).await?;
        expect::untouched(&sim.requests_since(first).await?, SIM1_QUOTES)?;
        let recording = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::complete(&recording.judge(&sim, recording.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn a_refusal_for_pacing_is_waited_out() -> Result<()> {
    scenario("pacing", async |s| {
        let (feed, before) = flowing(s).await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let text = "Invalid Real-time Query: Historical data query pacing violation";
        let fault = refuse(&sim, SIM[1], 420, text).await?;
        add(&feed, &[contract("fast", SIM[1])]).await?;

        let named =
            |ms: &MarketStream| ms.incidents().first().is_some_and(|i| i.cause == Cause::Pacing && i.level == 1);
        let ms = feed.until("people are warned of Pacing", SHOWN, named).await?;
        ensure!(ms.incidents()[0].scope == Scope::Session, "{:#?}", ms.incidents());
        ensure!(ms.lacks(types::DATA_FLOWING, "Pacing") == Some("no data: fast/BidAsk"), "{:#?}", ms.status);
        // Level 4 comes late: its own patience on top, which the operator's settings shorten here.
        let (ms, incident) = feed.critical(Cause::Pacing).await?;
        ensure!(levels(&incident) == [1, 4] && actions(&incident).is_empty(), "{incident:#?}");
        let critical = incident.rungs[1].time.get().duration_since(incident.since.get()).as_secs_f64();
        let threshold = ms.spec.recovery.critical_after.get() + manifest::policy("pacingPatience")?;
        ensure!(critical >= threshold.as_secs_f64(), "Critical came after {critical} s: {incident:#?}");

        sim.end(fault).await?;
        feed.closed(&before).await?;
        feed.until("both flow", SHOWN, |ms| ms.flows(2)).await?;
        expect::only(&trace, &feed, &pod, &[]).await?;
        expect::untouched(&sim.requests_since(fault).await?, SIM1_QUOTES)?;
        let recording = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::complete(&recording.judge(&sim, recording.whole_seconds()?).await?)
    })
    .await
}
