//! What remains of a MarketStream.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{
    Api, Discovery, ResourceExt,
    api::{DynamicObject, ListParams},
    core::PartialObjectMeta,
    discovery::{Scope, verbs},
};
use marketstream_e2e::{
    kill,
    scenario::{Scenario, scenario},
    simulator::SIM,
    wait,
};

#[tokio::test]
async fn delete_leaves_nothing_behind_but_the_volumes() -> Result<()> {
    scenario("delete", async |s| {
        let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"]);
        // The login is the user's, and stays too: it is there before.
        kill::service_account(&s.cluster, &s.namespace).await?;
        marketstream_e2e::manifest::make_login(&s.cluster, &s.namespace, "feed-login").await?;
        let before = everything(s).await?;

        let feed = s.apply_alone(&manifest).await?;
        feed.flows().await?;
        ensure!(everything(s).await?.len() > before.len() + 2, "the children are counted");
        let claims: Api<PersistentVolumeClaim> = s.cluster.api(&s.namespace);
        let volume = claims.get("feed-data").await?.spec.and_then(|spec| spec.volume_name);

        feed.delete().await?;
        let volumes: BTreeSet<String> =
            ["PersistentVolumeClaim/feed-data", "PersistentVolumeClaim/feed-settings-paper"].map(str::to_owned).into();
        let expected: BTreeSet<String> = before.union(&volumes).cloned().collect();
        wait::answer("only the volumes remain", Duration::from_secs(180), async || {
            let now = everything(s).await?;
            let more: Vec<&String> = now.difference(&expected).collect();
            ensure!(more.is_empty(), "still there: {more:?}");
            Ok(())
        })
        .await?;
        let now = everything(s).await?;
        ensure!(now == expected, "gone too: {:?}", expected.difference(&now).collect::<Vec<_>>());

        // A MarketStream of the same name takes the volumes up again, with what is on them.
        let again = s.apply_alone(&manifest).await?;
        again.flows().await?;
        let same = claims.get("feed-data").await?.spec.and_then(|spec| spec.volume_name);
        ensure!(same == volume, "the volume is taken up again");
        Ok(())
    })
    .await
}

/// `Kind/name` of every object in the namespace, of every kind that the API server knows. Events tell of the past.
async fn everything(s: &Scenario) -> Result<BTreeSet<String>> {
    let discovery = Discovery::new(s.cluster.client.clone()).exclude(&["metrics.k8s.io"]).run().await?;
    let mut found = BTreeSet::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            let listable = capabilities.scope == Scope::Namespaced && capabilities.supports_operation(verbs::LIST);
            if !listable || resource.kind == "Event" {
                continue;
            }
            let api: Api<PartialObjectMeta<DynamicObject>> =
                Api::namespaced_with(s.cluster.client.clone(), &s.namespace, &resource);
            let list = api.list(&ListParams::default()).await?;
            found.extend(list.iter().map(|object| format!("{}/{}", resource.kind, object.name_any())));
        }
    }
    Ok(found)
}
