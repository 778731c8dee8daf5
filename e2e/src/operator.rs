//! The operator that the chart installed: finding it, and killing it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};

use crate::{cluster::Cluster, outside::ready, view::uid, wait};

/// Namespace of the release.
pub const NAMESPACE: &str = "marketstream-system";
const LABEL: &str = "app.kubernetes.io/name=marketstream-operator";
const LIMIT: Duration = Duration::from_secs(120);

/// The operator's pod, once it is ready.
///
/// # Errors
/// When there is none within two minutes.
pub async fn pod(cluster: &Cluster) -> Result<Pod> {
    wait::answer("the operator runs", LIMIT, async || one(cluster, &|pod| ready(Some(pod))).await).await
}

async fn one(cluster: &Cluster, wanted: &dyn Fn(&Pod) -> bool) -> Result<Pod> {
    let pods: Api<Pod> = cluster.api(NAMESPACE);
    let all = pods.list(&ListParams::default().labels(LABEL)).await?;
    let mut found = all.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && wanted(pod));
    found.next().with_context(|| format!("no ready pod with {LABEL} in {NAMESPACE}: is the chart installed?"))
}

/// Kills the operator without a word of warning. Another pod takes over by itself: `pod` waits for it.
///
/// # Errors
/// When there is no operator, or it cannot be deleted.
pub async fn kill(cluster: &Cluster) -> Result<()> {
    let victim = pod(cluster).await?;
    let pods: Api<Pod> = cluster.api(NAMESPACE);
    pods.delete(&victim.name_any(), &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }).await?;
    let killed = uid(&victim);
    wait::answer("another operator runs", LIMIT, async || {
        one(cluster, &|pod| ready(Some(pod)) && uid(pod) != killed).await.map(drop)
    })
    .await
}

/// The user that the API server sees when the operator asks.
///
/// # Errors
/// When its pod has no service account of its own.
pub fn user(operator: &Pod) -> Result<String> {
    let account = operator.spec.as_ref().and_then(|spec| spec.service_account_name.clone()).unwrap_or_default();
    ensure!(!account.is_empty() && account != "default", "the operator has no service account of its own");
    Ok(format!("system:serviceaccount:{NAMESPACE}:{account}"))
}
