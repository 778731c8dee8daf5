//! The demo's manifest: applied as it stands in the repository, but for the images' names.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind, TypeMeta},
    discovery::pinned_kind,
};
use serde_json::Value;

use super::progress;
use crate::{cluster::Cluster, manifest::documents, wait};

const YAML: &str = include_str!("../../manifests/demo.yaml");
const IMAGE: &str = "localhost/marketstream/ib-gateway-sim:dev";
/// On the demo's namespace: what carries it may be removed by the next demo.
const LABEL: &str = "marketstream.io/demo";
/// Two containers with a grace period each, and their volumes.
const REMOVAL: Duration = Duration::from_secs(240);

/// The demo's objects.
pub(super) struct Manifest {
    objects: Vec<Value>,
}

impl Manifest {
    /// Reads it; the images are those of this run.
    pub(super) fn read(cluster: &Cluster) -> Result<Self> {
        let objects = documents(&YAML.replace(IMAGE, &cluster.image("ib-gateway-sim")))?;
        Ok(Self { objects })
    }

    /// The namespace that everything is in.
    pub(super) fn namespace(&self) -> &str {
        self.objects.iter().find_map(|object| object["metadata"]["namespace"].as_str()).unwrap_or("default")
    }

    /// Removes what the last demo left.
    pub(super) async fn remove(&self, cluster: &Cluster) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let name = self.namespace();
        let Some(found) = namespaces.get_opt(name).await? else { return Ok(()) };
        ensure!(
            found.metadata.labels.is_some_and(|labels| labels.contains_key(LABEL)),
            "namespace {name} is there and not the demo's (it has no label {LABEL}): delete or rename it"
        );
        progress::say("Removing what the last demo left");
        namespaces.delete(name, &DeleteParams::default()).await?;
        wait::until(&namespaces, name, "the last demo's namespace is gone", REMOVAL, |object| object.is_none()).await?;
        Ok(())
    }

    /// Applies every object in order.
    pub(super) async fn apply(&self, cluster: &Cluster) -> Result<()> {
        for object in &self.objects {
            let types: TypeMeta = serde_json::from_value(object.clone())?;
            let name = object["metadata"]["name"].as_str().context("an object without a name")?;
            let kind = GroupVersionKind::try_from(types)?;
            let (resource, _): (ApiResource, _) = pinned_kind(&cluster.client, &kind)
                .await
                .with_context(|| format!("the cluster does not know {}: is the chart installed?", kind.kind))?;
            let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
                Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
                None => Api::all_with(cluster.client.clone(), &resource),
            };
            let parameters = PatchParams::apply("marketstream-demo").force();
            api.patch(name, &parameters, &Patch::Apply(object))
                .await
                .with_context(|| format!("applying {} {name}", kind.kind))?;
        }
        Ok(())
    }
}
