//! Nothing is wrong.

use anyhow::{Result, ensure};
use ib_gateway_sim::market::tick::TickType;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use marketstream_crds::{conditions::types, names};
use marketstream_e2e::{
    expect,
    scenario::scenario,
    simulator::{SIM, connected, subscribed},
    view::{View, newly_closed},
};

#[tokio::test]
async fn a_healthy_start_records_every_tick_of_every_type() -> Result<()> {
    scenario("start", async |s| {
        let kinds = [TickType::Last, TickType::AllLast, TickType::BidAsk, TickType::MidPoint];
        let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["Last", "AllLast", "BidAsk", "MidPoint"]);
        let feed = s.apply(&manifest).await?;
        let trace = feed.trace();
        let ms = feed.flows().await?;

        ensure!(ms.client_id() == 851, "the first client ID is {}", ms.client_id());
        ensure!(ms.is(types::CONNECTED) && ms.is(types::STORAGE_READY) && ms.is(types::MARKET_OPEN));
        ensure!(!ms.is(types::STALLED) && ms.condition(types::CRITICAL).is_none());
        ensure!(ms.streamer().is_some_and(|report| report.summary == "4/4"), "{:?}", ms.streamer());

        // The children, under the names that the manual gives.
        let ns = &s.namespace;
        s.cluster.api::<StatefulSet>(ns).get("feed").await?;
        s.cluster.api::<Service>(ns).get("feed").await?;
        s.cluster.api::<PodDisruptionBudget>(ns).get("feed").await?;
        s.cluster.api::<ServiceAccount>(ns).get("feed-streamer").await?;
        s.cluster.api::<Role>(ns).get("feed-streamer").await?;
        s.cluster.api::<RoleBinding>(ns).get("feed-streamer").await?;
        s.cluster.api::<PersistentVolumeClaim>(ns).get(&names::data_claim("feed")).await?;
        s.cluster.api::<PersistentVolumeClaim>(ns).get("feed-settings-paper").await?;

        let streams = kinds.map(|tick| (SIM[0], tick));
        let recording = feed.recording_after(5, &streams).await?;
        let verdict = recording.judge(&feed.simulator(), recording.whole_seconds()?).await?;
        expect::complete(&verdict)?;

        let log = feed.simulator().requests(0).await?;
        ensure!(connected(&log) == [851], "{log:#?}");
        ensure!(subscribed(&log).len() == 4, "each stream is subscribed once: {log:#?}");
        // A slow start may have been an incident.
        let now = feed.get().await?;
        ensure!(now.incidents().is_empty() && newly_closed(&now, &ms).is_empty(), "{:#?}", now.status);
        ensure!(trace.actions().is_empty(), "{:?}", trace.actions());
        Ok(())
    })
    .await
}
