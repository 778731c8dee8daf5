//! The operator is killed while it acts: no action is repeated, none forgotten. It serves every namespace, so these
//! scenarios run one after the other, and while no other scenario runs.

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
use tokio::sync::Mutex;

static ONE_AFTER_THE_OTHER: Mutex<()> = Mutex::const_new(());

/// Thresholds that leave another operator the time to take over: the killed one cannot give up its lease.
async fn feed(s: &Scenario, critical: &str) -> Result<Feed> {
    let manifest = s
        .sidecar("feed")?
        .contract("sim1", SIM[0], &["BidAsk"])
        .contract("sim2", SIM[1], &["BidAsk"])
        .set("/spec/recovery/restartStreamsAfter", json!("16s"))
        .thresholds("60s", critical);
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
async fn an_operator_killed_between_write_ahead_and_action_acts_once() -> Result<()> {
    let _alone = ONE_AFTER_THE_OTHER.lock().await;
    scenario("killed-acting", async |s| {
        // A machine that is slow to start the new pod must not reach level 4.
        let feed = feed(s, "400s").await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;
        let trace = feed.trace();

        let forbidden = Forbidden::deletes(&s.cluster, &s.namespace, &feed.pod_name()).await?;
        let fault = feed.simulator().silence_all(Cure::Reconnect).await?;
        let killed = async {
            let rolls = |ms: &_| View::action(ms).is_some_and(|action| action.kind == ActionKind::RollPod);
            let ms = feed.until("the roll is written", 120, rolls).await?;
            operator::kill(&s.cluster).await?;
            ensure!(uid(&feed.pod().await?) == uid(&pod), "the pod was deleted in spite of the policy");
            Ok(ms.action().cloned())
        }
        .await;
        forbidden.end().await?;
        let written = killed?;

        feed.closed(&before).await?;
        let ms = feed.flows_in_another_pod(&pod).await?;
        ensure!(
            ms.action().map(|action| &action.id) == written.as_ref().map(|action| &action.id),
            "{:#?}",
            ms.action()
        );
        acted_once(&trace)?;
        let incident = expect::one_incident(&ms, &before)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 2, 3])?;
        ensure!(ms.rolls() == 1, "{:#?}", ms.status);
        let log = feed.simulator().requests_since(fault).await?;
        ensure!(connected(&log) == [852], "one new session, with the next client ID: {log:#?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_operator_killed_in_the_middle_of_an_incident_goes_on_where_it_was() -> Result<()> {
    let _alone = ONE_AFTER_THE_OTHER.lock().await;
    scenario("killed-waiting", async |s| {
        let feed = feed(s, "100s").await?;
        let before = feed.flows().await?;
        let trace = feed.trace();

        let fault = feed.simulator().silence_all(Cure::Never).await?;
        let at_2 = feed.until("level 2 is reached", 200, |ms| ms.level() == 2).await?;
        operator::kill(&s.cluster).await?;
        let (ms, _) = feed.critical(Cause::Zombie).await?;
        let ids = |ms: &_| {
            View::incidents(ms).iter().map(|incident| (incident.id.clone(), incident.since)).collect::<Vec<_>>()
        };
        ensure!(ids(&ms) == ids(&at_2), "the same incident with the same clock: {:#?}", ms.incidents());

        feed.simulator().end(fault).await?;
        feed.closed(&before).await?;
        let ms = feed.flows().await?;
        acted_once(&trace)?;
        let incident = expect::one_incident(&ms, &before)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 2, 3, 4])?;
        ensure!(actions(incident) == [ActionKind::RestartStreams, ActionKind::RollPod], "{incident:#?}");
        Ok(())
    })
    .await
}
