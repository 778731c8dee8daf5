//! What a person asks of the operator: annotations, since the resource is the only place where they meet.

use anyhow::{Context, Result};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use marketstream_crds::names;
use serde_json::json;

use crate::cluster::Cluster;

/// Who writes the annotations.
const MANAGER: &str = "kubectl-marketstream";

/// Asks for a new pod.
pub(crate) async fn restart(cluster: &Cluster, name: &str) -> Result<()> {
    annotate(cluster, name, names::ANNOTATION_RESTART).await?;
    println!("asked for a new pod; watch it with: kubectl marketstream status {name} -n {}", cluster.namespace);
    Ok(())
}

/// Opens the login gate.
pub(crate) async fn login(cluster: &Cluster, name: &str) -> Result<()> {
    annotate(cluster, name, names::ANNOTATION_RETRY_LOGIN).await?;
    println!("the gateway may log in again; have the second factor ready, it times out after 180 s");
    Ok(())
}

/// Stamps an annotation with now, so that asking again is another request.
async fn annotate(cluster: &Cluster, name: &str, annotation: &str) -> Result<()> {
    // Read first: a merge patch of a missing object says less.
    cluster.marketstream(name).await?;
    let stamp = Timestamp::now().to_string();
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: stamp}}}));
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    cluster.marketstreams().patch(name, &params, &patch).await.with_context(|| format!("annotating {name:?}"))?;
    Ok(())
}
