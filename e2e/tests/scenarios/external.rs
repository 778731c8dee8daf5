//! A gateway that somebody else runs.

use anyhow::{Result, ensure};
use marketstream_crds::{ActionKind, Cause};
use marketstream_e2e::{
    expect,
    manifest::Manifest,
    outside,
    scenario::scenario,
    simulator::{Cure, SIM, connected},
    view::{View, actions, uid},
};

use crate::SIM1_QUOTES;

#[tokio::test]
async fn an_external_gateway_is_reconnected_at_level_3_and_the_pod_stays() -> Result<()> {
    scenario("external", async |s| {
        let gateway = outside::gateway(&s.cluster, &s.namespace, "gateway").await?;
        let manifest =
            Manifest::external(&s.cluster, "feed", &gateway.host, gateway.port)?.contract("sim1", SIM[0], &["BidAsk"]);
        let manifest = manifest.thresholds("32s", "300s");
        let feed = s.apply_alone(&manifest).await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;

        let fault = gateway.simulator.silence_all(Cure::Reconnect).await?;
        feed.closed(&before).await?;
        let ms = feed.flows().await?;

        let incident = expect::one_incident(&ms, &before)?;
        expect::rungs(incident, &ms.spec.recovery, &[1, 2, 3])?;
        ensure!(incident.cause == Cause::Zombie, "{incident:#?}");
        ensure!(actions(incident) == [ActionKind::RestartStreams, ActionKind::Reconnect], "{incident:#?}");
        ensure!(uid(&feed.pod().await?) == uid(&pod) && ms.rolls() == 0, "the pod stays");
        let log = gateway.simulator.requests_since(fault).await?;
        ensure!(connected(&log) == [852], "the simulator sees the next client ID, once: {log:#?}");
        ensure!(ms.client_id() == 852, "{:#?}", ms.status);

        let recording = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::lossless(&recording.judge(&gateway.simulator, recording.whole_seconds()?).await?)
    })
    .await
}
