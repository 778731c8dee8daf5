//! A live account's login: a person is called at once, nothing is tried that could lock the user out, and one word of
//! the person brings the data back.

use anyhow::{Context, Result, ensure};
use marketstream_crds::{Cause, conditions::types};
use marketstream_e2e::{
    expect,
    plugin::Plugin,
    scenario::scenario,
    simulator::SIM,
    view::{View, actions, levels, uid},
    wait,
};
use serde_json::{Value, json};

/// How long the simulator waits for the second factor, seconds; the original waits for 180.
const SECOND_FACTOR_S: u64 = 20;

/// Longest wait for anything here, seconds.
const LIMIT: u64 = 240;

#[tokio::test]
async fn a_second_factor_that_nobody_confirms_is_asked_for_no_more_often_than_allowed() -> Result<()> {
    scenario("second-factor", async |s| {
        let manifest = s
            .sidecar("feed")?
            .contract("sim1", SIM[0], &["BidAsk"])
            .set("/spec/gateway/sidecar/tradingMode", json!("Live"))
            .set("/spec/gateway/sidecar/maxLoginAttempts", json!(2))
            .set(
                "/spec/gateway/sidecar/env/-",
                json!({"name": "IB_SIM_SECOND_FACTOR_TIMEOUT", "value": SECOND_FACTOR_S.to_string()}),
            );
        let feed = s.apply(&manifest).await?;
        let (ms, _) = feed.critical(Cause::AuthRequired).await?;
        expect::says(
            &ms,
            types::AUTH_REQUIRED,
            &["all streams", "confirm the second factor", "kubectl marketstream login"],
        )?;
        let (pod, trace) = (feed.pod().await?, feed.trace());
        let held =
            |ms: &_| View::condition(ms, types::AUTH_REQUIRED).is_some_and(|c| c.message.contains("second factor"));
        feed.until("the gate is closed", LIMIT, held).await?;

        // The person asks for another login, and has the second factor ready this time.
        Plugin::new(&s.namespace)?.json(&["login", "feed"]).await?;
        let sim = feed.simulator();
        wait::answer("the second factor is confirmed", std::time::Duration::from_secs(LIMIT), async || {
            sim.post("/login/confirm", json!({})).await
        })
        .await?;
        let ms = feed.flows().await?;
        ensure!(ms.condition(types::AUTH_REQUIRED).is_none(), "{:#?}", ms.status);
        // A slow start may have been told of before.
        let called = ms.history().iter().find(|incident| incident.cause == Cause::AuthRequired);
        let called = called.with_context(|| format!("no incident says AuthRequired: {:#?}", ms.history()))?;
        ensure!(levels(called).last() == Some(&4) && actions(called).is_empty(), "{called:#?}");
        expect::only(&trace, &feed, &uid(&pod), &[]).await?;

        let attempts = logins(&sim.log().await?);
        ensure!(attempts <= 3, "{attempts} logins: at most two without a person, and one that a person asked for");
        Ok(())
    })
    .await
}

fn logins(log: &[Value]) -> usize {
    log.iter().filter(|line| line["event"] == "login_attempt").count()
}

/// The pod of a live account that ends in order saves its login: the next one starts without a second factor.
#[tokio::test]
async fn a_restart_keeps_the_login() -> Result<()> {
    scenario("login-kept", async |s| {
        let manifest = s
            .sidecar("feed")?
            .contract("sim1", SIM[0], &["BidAsk"])
            .set("/spec/gateway/sidecar/tradingMode", json!("Live"));
        let feed = s.apply(&manifest).await?;
        let sim = feed.simulator();
        wait::answer("the second factor is confirmed", std::time::Duration::from_secs(LIMIT), async || {
            sim.post("/login/confirm", json!({})).await
        })
        .await?;
        feed.flows().await?;
        let pod = feed.pod().await?;
        feed.patch(&json!({"metadata": {"annotations": {"marketstream.io/restart": "please"}}})).await?;
        let ms = feed.flows_in_another_pod(&pod).await?;
        ensure!(ms.condition(types::AUTH_REQUIRED).is_none(), "{:#?}", ms.status);
        let log = sim.log().await?;
        let asked = log.iter().filter(|line| line["event"] == "second_factor" && line["state"] == "initiated").count();
        ensure!(asked <= 1, "the second factor was asked for {asked} times: {log:#?}");
        let saved = log.iter().any(|line| line["event"] == "token_saved");
        saved.then_some(()).with_context(|| format!("no token was saved: {log:#?}"))
    })
    .await
}
