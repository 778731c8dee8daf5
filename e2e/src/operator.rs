//! The operator that the chart installed: finding it, and killing it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use marketstream_crds::ActionKind;

use crate::{cluster::Cluster, kill, outside::ready, view::restarts, wait};

/// Namespace of the release.
pub const NAMESPACE: &str = "marketstream-system";
const CONTAINER: &str = "operator";
const PORT: u16 = 8080;
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

/// Kills the operator's process with SIGKILL: it finishes nothing and gives up no lease, as it would when its pod is
/// deleted. Waits until the kubelet has started it again.
///
/// # Errors
/// When there is no operator, or it cannot be killed, or does not come back.
pub async fn kill(cluster: &Cluster) -> Result<()> {
    let victim = pod(cluster).await?;
    kill::in_pod(cluster, &victim, CONTAINER).await?;
    let again = |pod: &Pod| ready(Some(pod)) && restarts(pod, CONTAINER) > restarts(&victim, CONTAINER);
    wait::answer("another operator runs", LIMIT, async || one(cluster, &again).await.map(drop)).await
}

/// How many actions of a kind the operator's process has written.
///
/// # Errors
/// When its metrics cannot be read.
pub async fn actions(cluster: &Cluster, kind: ActionKind) -> Result<u64> {
    let pod = pod(cluster).await?.name_any();
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{PORT}/proxy/metrics");
    let metrics = cluster.request(Method::GET, &path, "*/*", Vec::new()).await?;
    let series = format!("marketstream_operator_actions_total{{kind=\"{}\"}} ", kind.as_str());
    let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
    value.map_or(Ok(0), |value| value.parse().with_context(|| format!("{series}{value}")))
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
