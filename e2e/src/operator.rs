//! The operator that the chart installed: finding it, killing it, and keeping it from deleting pods.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::Pod,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{from_value, json};

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

/// While it stands, the operator may not delete pods of a namespace.
pub struct NoDeletes {
    client: Client,
    name: String,
}

impl NoDeletes {
    /// Forbids it, and waits until the API server obeys.
    ///
    /// # Errors
    /// When the policy cannot be made, or is not obeyed within two minutes.
    pub async fn begin(cluster: &Cluster, namespace: &str, marketstream_pod: &str) -> Result<Self> {
        let operator = user(&pod(cluster).await?)?;
        let name = format!("{namespace}-no-deletes");
        let policy: ValidatingAdmissionPolicy = from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"],
                }]},
                "validations": [{
                    "expression": format!("request.userInfo.username != '{operator}'"),
                    "message": "a scenario keeps this pod for a while",
                }],
            }
        }))?;
        let binding: ValidatingAdmissionPolicyBinding = from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                },
            }
        }))?;
        let client = cluster.client.clone();
        Api::all(client.clone()).create(&PostParams::default(), &policy).await?;
        let guard = Self { client, name };
        Api::all(guard.client.clone()).create(&PostParams::default(), &binding).await?;
        let pods: Api<Pod> = Api::namespaced(Cluster::impersonate(&operator).await?, namespace);
        wait::answer("the operator may not delete pods", LIMIT, async || {
            match pods.delete(marketstream_pod, &DeleteParams { dry_run: true, ..DeleteParams::default() }).await {
                Err(kube::Error::Api(status)) if status.message.contains("keeps this pod") => Ok(()),
                Err(error) => Err(error.into()),
                Ok(_) => bail!("it still may"),
            }
        })
        .await?;
        Ok(guard)
    }

    /// Allows it again.
    ///
    /// # Errors
    /// When the policy cannot be deleted.
    pub async fn end(&self) -> Result<()> {
        let parameters = DeleteParams::default();
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.client.clone());
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(self.client.clone());
        bindings.delete(&self.name, &parameters).await?;
        policies.delete(&self.name, &parameters).await?;
        Ok(())
    }
}

/// The user that the API server sees when the operator asks.
fn user(operator: &Pod) -> Result<String> {
    let account = operator.spec.as_ref().and_then(|spec| spec.service_account_name.clone()).unwrap_or_default();
    ensure!(!account.is_empty() && account != "default", "the operator has no service account of its own");
    Ok(format!("system:serviceaccount:{NAMESPACE}:{account}"))
}
