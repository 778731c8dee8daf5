//! The operator is killed at each point of its write-ahead protocol: no action is repeated, none forgotten. It serves every
//! namespace, so this runs while no other scenario runs, and one kill serves three MarketStreams.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use marketstream_crds::{ActionKind, Incident, MarketStream};
use marketstream_e2e::{
    expect,
    feed::Feed,
    forbidden::Forbidden,
    operator,
    scenario::{Scenario, scenario},
    simulator::{Cure, SIM, connected},
    trace::Trace,
    view::{View, levels, uid},
};

/// One MarketStream, as it was when its data stopped.
struct Silenced {
    feed: Feed,
    before: MarketStream,
    pod: Pod,
    trace: Trace,
    fault: u64,
}

/// Applies a MarketStream with that threshold of level 3. Level 4 is far away: a machine that is slow to start a pod must
/// not reach it.
async fn apply(s: &Scenario, name: &str, reset: &str) -> Result<Feed> {
    let manifest = s.sidecar(name)?.contract("sim1", SIM[0], &["BidAsk"]).contract("sim2", SIM[1], &["BidAsk"]);
    s.apply(&manifest.thresholds(reset, "600s")).await
}

async fn silenced(feed: Feed, before: MarketStream) -> Result<Silenced> {
    let (pod, trace) = (feed.pod().await?, feed.trace());
    let fault = feed.simulator().silence_all(Cure::Reconnect).await?;
    Ok(Silenced { feed, before, pod, trace, fault })
}

fn rolls(ms: &MarketStream) -> bool {
    ms.action().is_some_and(|action| action.kind == ActionKind::RollPod)
}

/// Levels 2 and 3 acted once each, in the incident that was open when the operator died, and data flow again.
async fn acted_once(silenced: &Silenced, at_death: &MarketStream) -> Result<(MarketStream, Incident)> {
    let Silenced { feed, before, pod, trace, fault } = silenced;
    feed.closed(before).await?;
    let ms = feed.flows_in_another_pod(pod).await?;
    let kinds: Vec<ActionKind> = trace.actions().into_iter().map(|(_, kind)| kind).collect();
    ensure!(kinds == [ActionKind::RestartStreams, ActionKind::RollPod], "{:?}", trace.actions());
    ensure!(trace.pods().len() == 2 && ms.rolls() == 1, "the pod is replaced once: {:?}", trace.pods());
    ensure!(trace.client_ids().into_iter().eq([851, 852]), "{:?}", trace.client_ids());
    let log = feed.simulator().requests_since(*fault).await?;
    ensure!(connected(&log) == [852], "one new session, with the next client ID: {log:#?}");

    let incident = expect::one_incident(&ms, before)?.clone();
    ensure!(levels(&incident) == [1, 2, 3], "{incident:#?}");
    let same = |open: &Incident| (&open.id, open.since) == (&incident.id, incident.since);
    ensure!(at_death.incidents().iter().any(same), "another incident, or another clock: {incident:#?}");
    Ok((ms, incident))
}

#[tokio::test]
async fn an_operator_that_is_killed_repeats_no_action_and_forgets_none() -> Result<()> {
    scenario("killed", async |s| {
        // When the operator dies, the first roll is decided and not written, the second is written and not done, and the
        // third is done and its effect not known.
        let (deciding, writing) = (apply(s, "deciding", "48s").await?, apply(s, "writing", "48s").await?);
        let acting = apply(s, "acting", "56s").await?;
        let undeleted = Forbidden::deletes(&s.cluster, &s.namespace, &writing.pod_name()).await?;
        let before = (deciding.flows().await?, writing.flows().await?, acting.flows().await?);
        let (deciding, writing) = (silenced(deciding, before.0).await?, silenced(writing, before.1).await?);
        let acting = silenced(acting, before.2).await?;
        deciding.feed.until("level 2 is reached", 120, |ms| ms.level() == 2).await?;
        let undecided = Forbidden::decisions(&s.cluster, &s.namespace, "deciding").await?;
        let killed = async {
            let due = deciding.before.spec.recovery.reset_connection_after.get().as_secs_f64();
            let overdue = |ms: &MarketStream| ms.stream("sim1/BidAsk").is_some_and(|s| s.silent_seconds > due);
            let decided = deciding.feed.until("the roll is due", 120, overdue).await?;
            let written = writing.feed.until("the roll is written", 120, rolls).await?;
            let done = acting.feed.until("the roll is written", 120, rolls).await?;
            let gone = |pod: &Pod| pod.metadata.deletion_timestamp.is_some() || uid(pod) != uid(&acting.pod);
            acting.feed.until_pod("the roll is done", 120, gone).await?;
            operator::kill(&s.cluster).await?;
            ensure!(!rolls(&decided), "the roll was written in spite of the policy: {:#?}", decided.status);
            for silenced in [&deciding, &writing] {
                ensure!(uid(&silenced.feed.pod().await?) == uid(&silenced.pod), "a pod was deleted all the same");
            }
            Ok([decided, written, done])
        }
        .await;
        undecided.end().await?;
        undeleted.end().await?;
        let [decided, written, done] = killed?;

        let (ms, late) = acted_once(&deciding, &decided).await?;
        expect::never_early(&late, &ms.spec.recovery)?;
        for (silenced, at_death) in [(&writing, &written), (&acting, &done)] {
            let (ms, incident) = acted_once(silenced, at_death).await?;
            let id = |ms: &MarketStream| ms.action().map(|action| action.id.clone());
            ensure!(id(&ms) == id(at_death), "another action than {:#?}: {:#?}", at_death.action(), ms.action());
            expect::on_time(&incident, &ms.spec.recovery)?;
        }
        // It is the new process that wrote the first roll. Other MarketStreams of the cluster count, too.
        let rolls = operator::actions(&s.cluster, ActionKind::RollPod).await?;
        ensure!(rolls >= 1, "the new operator wrote no roll");
        Ok(())
    })
    .await
}
