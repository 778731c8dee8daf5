//! The operator is killed while it acts: no action is repeated, none forgotten. It serves every namespace, so this runs
//! while no other scenario runs, and one kill serves two MarketStreams.

use anyhow::{Result, ensure};
use marketstream_crds::{ActionKind, Cause};
use marketstream_e2e::{
    expect,
    feed::Feed,
    forbidden::Forbidden,
    operator,
    scenario::{Scenario, scenario},
    simulator::{Cure, SIM, connected},
    trace::Trace,
    view::{View, actions, uid},
};
use serde_json::json;

async fn feed(s: &Scenario, name: &str, reset: &str, critical: &str) -> Result<Feed> {
    let manifest = s
        .sidecar(name)?
        .contract("sim1", SIM[0], &["BidAsk"])
        .contract("sim2", SIM[1], &["BidAsk"])
        .set("/spec/recovery/restartStreamsAfter", json!("16s"))
        .thresholds(reset, critical);
    s.apply(&manifest).await
}

/// Levels 2 and 3 acted once each, on one pod after the other.
fn acted_once(trace: &Trace) -> Result<()> {
    let kinds: Vec<ActionKind> = trace.actions().into_iter().map(|(_, kind)| kind).collect();
    ensure!(kinds == [ActionKind::RestartStreams, ActionKind::RollPod], "{:?}", trace.actions());
    ensure!(trace.pods().len() == 2, "the pod is replaced once: {:?}", trace.pods());
    ensure!(trace.client_ids().into_iter().eq([851, 852]), "{:?}", trace.client_ids());
    Ok(())
}

#[tokio::test]
async fn an_operator_that_is_killed_repeats_no_action_and_forgets_none() -> Result<()> {
    scenario("killed", async |s| {
        // One is in the middle of its roll when the operator dies, between the write and the deed; a machine that is slow
        // to start the new pod must not reach level 4. The other is at level 2, and leaves another operator more than a
        // minute to take over: the killed one cannot give up its lease.
        let (acting, waiting) = (feed(s, "acting", "24s", "400s").await?, feed(s, "waiting", "90s", "110s").await?);
        let before = (acting.flows().await?, waiting.flows().await?);
        let pod = acting.pod().await?;
        let traces = (acting.trace(), waiting.trace());

        let forbidden = Forbidden::deletes(&s.cluster, &s.namespace, &acting.pod_name()).await?;
        let cured = acting.simulator().silence_all(Cure::Reconnect).await?;
        let lasting = waiting.simulator().silence_all(Cure::Never).await?;
        let killed = async {
            let rolls = |ms: &_| View::action(ms).is_some_and(|action| action.kind == ActionKind::RollPod);
            let ms = acting.until("the roll is written", 120, rolls).await?;
            let at_2 = waiting.until("level 2 is reached", 60, |ms| ms.level() == 2).await?;
            operator::kill(&s.cluster).await?;
            ensure!(uid(&acting.pod().await?) == uid(&pod), "the pod was deleted in spite of the policy");
            Ok((ms.action().cloned(), at_2))
        }
        .await;
        forbidden.end().await?;
        let (written, at_2) = killed?;

        acting.closed(&before.0).await?;
        let ms = acting.flows_in_another_pod(&pod).await?;
        let same = ms.action().map(|action| &action.id) == written.as_ref().map(|action| &action.id);
        ensure!(same, "another action than {written:#?}: {:#?}", ms.action());
        acted_once(&traces.0)?;
        let incident = expect::one_incident(&ms, &before.0)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 2, 3])?;
        ensure!(ms.rolls() == 1, "{:#?}", ms.status);
        let log = acting.simulator().requests_since(cured).await?;
        ensure!(connected(&log) == [852], "one new session, with the next client ID: {log:#?}");

        let (ms, _) = waiting.critical(Cause::Zombie).await?;
        let ids = |ms: &_| {
            View::incidents(ms).iter().map(|incident| (incident.id.clone(), incident.since)).collect::<Vec<_>>()
        };
        ensure!(ids(&ms) == ids(&at_2), "the same incident with the same clock: {:#?}", ms.incidents());
        waiting.simulator().end(lasting).await?;
        waiting.closed(&before.1).await?;
        let ms = waiting.flows().await?;
        acted_once(&traces.1)?;
        let incident = expect::one_incident(&ms, &before.1)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 2, 3, 4])?;
        ensure!(actions(incident) == [ActionKind::RestartStreams, ActionKind::RollPod], "{incident:#?}");
        Ok(())
    })
    .await
}
