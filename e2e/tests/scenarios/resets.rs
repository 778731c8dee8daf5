//! Level 3 has several strengths: the weaker ones come first where a login could be lost, and the strongest is refused
//! where it would be.

use anyhow::{Context, Result, ensure};
use marketstream_crds::{ActionKind, Cause, Scope, conditions::types, events};
use marketstream_e2e::{
    expect,
    feed::Feed,
    manifest::Manifest,
    scenario::{Scenario, scenario},
    simulator::{Cure, SIM, Simulator, connected, subscribed},
    view::{View, actions, levels, uid},
    wait,
};
use serde_json::{Value, json};
use std::time::Duration;

use crate::SIM1_QUOTES;

/// That long the effect of each strength is awaited at least, seconds (`verifyReconnect`, `verifyGateway`).
const STEP: f64 = 25.0;

/// Longest wait for a new pod to answer.
const START: Duration = Duration::from_secs(120);

/// A live account, whose second factor is confirmed by itself.
fn live(s: &Scenario) -> Result<Manifest> {
    Ok(s.sidecar("feed")?
        .contract("sim1", SIM[0], &["BidAsk"])
        .contract("sim2", SIM[1], &["BidAsk"])
        .set("/spec/gateway/sidecar/tradingMode", json!("Live"))
        .set("/spec/gateway/sidecar/env/-", json!({"name": "IB_SIM_SECOND_FACTOR", "value": "auto"}))
        .set("/spec/gateway/sidecar/env/-", json!({"name": "IB_SIM_RESTART_SECONDS", "value": "3"}))
        // Not at the moment at which the effect of the weakest reset is known.
        .set("/spec/recovery/criticalAfter", json!("80s")))
}

/// Ends a fault in whatever pod the simulator runs now.
async fn end(simulator: &Simulator, fault: u64) -> Result<()> {
    wait::answer("the fault is ended", START, async || simulator.end(fault).await).await
}

#[tokio::test]
async fn a_live_session_is_reset_step_by_step_and_its_pod_is_replaced_last() -> Result<()> {
    scenario("stepwise", async |s| {
        // A machine that is slow to restart a gateway must not let Critical come before the last strength.
        let feed = s.apply(&live(s)?.set("/spec/recovery/criticalAfter", json!("150s"))).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (feed.pod().await?, feed.trace(), feed.simulator());

        let fault = sim.silence_all(Cure::Never).await?;
        feed.until("the pod is replaced", 300, |ms| ms.rolls() == 1).await?;
        feed.until_pod("another pod is there", 120, |now| uid(now) != uid(&pod)).await?;
        end(&sim, fault).await?;
        feed.closed(&before).await?;
        let ms = feed.flows_in_another_pod(&pod).await?;

        let incident = expect::one_incident(&ms, &before)?;
        use ActionKind::{Reconnect, RestartGateway, RestartStreams, RollPod};
        ensure!(actions(incident) == [RestartStreams, Reconnect, RestartGateway, RollPod], "{incident:#?}");
        expect::on_time(incident, &ms.spec.recovery)?;
        let resets: Vec<_> = incident.rungs.iter().filter(|rung| rung.level == 3).map(|rung| rung.time.get()).collect();
        for pair in resets.windows(2) {
            let waited = pair[1].duration_since(pair[0]).as_secs_f64();
            ensure!(waited >= STEP, "a stronger one came {waited} s after a weaker one: {incident:#?}");
        }
        ensure!(trace.pods().len() == 2 && ms.rolls() == 1, "one roll, not more: {:?}", trace.pods());
        ensure!(trace.client_ids().into_iter().eq([851, 852, 853]), "{:?}", trace.client_ids());

        // No step cost the login.
        let log = sim.log().await?;
        let all = |event: &str, field: &str, value: &str| {
            log.iter().filter(|line| line["event"] == event && line[field] == value).count()
        };
        ensure!(all("command", "command", "RESTART") == 1, "the gateway is told to restart once: {log:#?}");
        ensure!(all("second_factor", "state", "initiated") <= 1, "the second factor is asked for once: {log:#?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_live_pod_without_a_command_port_is_not_replaced() -> Result<()> {
    scenario("roll-refused", async |s| {
        let manifest = live(s)?;
        let env = manifest.value()["spec"]["gateway"]["sidecar"]["env"].as_array().cloned().unwrap_or_default();
        let env: Vec<Value> = env.into_iter().filter(|variable| variable["name"] != "IBC_COMMAND_PORT").collect();
        let feed = s.apply(&manifest.set("/spec/gateway/sidecar/env", json!(env))).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());

        let fault = sim.silence_all(Cure::Never).await?;
        let ms = feed.until("the condition Critical is True", 300, |ms| ms.is_for(types::CRITICAL, "Zombie")).await?;
        let incident = ms.incidents().first().context("there is no incident")?;
        ensure!(actions(incident) == [ActionKind::RestartStreams, ActionKind::Reconnect], "{incident:#?}");
        ensure!(levels(incident) == [1, 2, 3, 3, 4], "the refusal is a rung, too: {incident:#?}");
        wait::answer("people are told why", START, async || refusal(&feed).await).await?;

        sim.end(fault).await?;
        feed.closed(&before).await?;
        let ms = feed.flows().await?;
        expect::only(&trace, &feed, &pod, &[ActionKind::RestartStreams, ActionKind::Reconnect]).await?;
        ensure!(ms.rolls() == 0, "{:#?}", ms.status);
        Ok(())
    })
    .await
}

/// The event that tells of a roll that is due and not done.
async fn refusal(feed: &Feed) -> Result<()> {
    let all = feed.events().await?;
    let refused = all.iter().find(|event| event.action.as_deref() == Some(events::actions::ROLL_REFUSED));
    let refused = refused.context("no event says RollRefused")?;
    let note = refused.note.as_deref().unwrap_or_default();
    ensure!(refused.reason.as_deref() == Some("Zombie") && note.contains("command port"), "{refused:#?}");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_refuses_is_replaced_with_its_pod_before_a_person_is_called() -> Result<()> {
    scenario("gateway-down", async |s| replaced(s, "refuse", Cause::GatewayDown).await).await
}

#[tokio::test]
async fn a_gateway_that_hangs_is_replaced_with_its_pod_before_a_person_is_called() -> Result<()> {
    scenario("hang", async |s| replaced(s, "hang", Cause::GatewayHung).await).await
}

/// The gateway has a fault of that kind, which shows as that cause. Another pod has it, too, until a person mends it.
async fn replaced(s: &Scenario, kind: &str, cause: Cause) -> Result<()> {
    let feed = s.apply(&s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"])).await?;
    let before = feed.flows().await?;
    let (pod, trace, sim) = (feed.pod().await?, feed.trace(), feed.simulator());

    let fault = sim.begin(json!({"kind": kind})).await?;
    if cause == Cause::GatewayDown {
        sim.post("/sockets/close", json!({})).await?;
    }
    let named = |ms: &_| View::incidents(ms).first().is_some_and(|incident| incident.cause == cause);
    let ms = feed.until(&format!("an incident says {cause}"), 120, named).await?;
    let told = ms.lacks(types::CONNECTED, cause.as_str());
    ensure!(told.is_some_and(|text| text.contains("127.0.0.1:4002")), "{:#?}", ms.condition(types::CONNECTED));
    let (ms, incident) = feed.critical(cause).await?;
    ensure!(incident.scope == Scope::Session && ms.rolls() == 1, "{incident:#?}");
    end(&sim, fault).await?;
    feed.closed(&before).await?;
    let ms = feed.flows_in_another_pod(&pod).await?;

    let incident = expect::one_incident(&ms, &before)?;
    expect::rungs(incident, &ms.spec.recovery, &[1, 3, 4])?;
    // Without a session there is nothing to subscribe on.
    ensure!(actions(incident) == [ActionKind::RollPod], "{incident:#?}");
    ensure!(trace.pods().len() == 2 && ms.rolls() == 1, "one roll, not more: {:?}", trace.pods());
    let log = sim.requests_since(fault).await?;
    ensure!(connected(&log) == [852], "one session, with the next client ID: {log:#?}");
    ensure!(subscribed(&log) == [SIM1_QUOTES], "{log:#?}");
    let recording = feed.recording_after(2, &[SIM1_QUOTES]).await?;
    expect::faultless(&recording.judge(&sim, recording.whole_seconds()?).await?)
}
