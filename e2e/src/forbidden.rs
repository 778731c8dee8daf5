//! What somebody may not do for a while, by an admission policy.

use std::time::Duration;

use anyhow::{Result, bail};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::Pod,
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use marketstream_crds::MarketStream;
use serde_json::{Value, from_value, json};

use crate::{cluster::Cluster, operator, wait};

const LIMIT: Duration = Duration::from_secs(120);
const MESSAGE: &str = "a scenario forbids it for a while";

/// While it stands, one user may not do one thing in one namespace.
pub struct Forbidden {
    client: Client,
    name: String,
}

impl Forbidden {
    /// The operator may not delete that pod. Returns when the API server obeys.
    ///
    /// # Errors
    /// When the policy cannot be made, or is not obeyed within two minutes.
    pub async fn deletes(cluster: &Cluster, namespace: &str, pod: &str) -> Result<Self> {
        let operator = operator::user(&operator::pod(cluster).await?)?;
        let rule = json!({
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"],
            "resourceNames": [pod],
        });
        let forbidden = Self::begin(cluster, namespace, "deletes", &operator, rule).await?;
        let pods: Api<Pod> = Api::namespaced(Cluster::impersonate(&operator).await?, namespace);
        let parameters = DeleteParams { dry_run: true, ..DeleteParams::default() };
        obeyed(async || pods.delete(pod, &parameters).await.map(drop)).await?;
        Ok(forbidden)
    }

    /// The operator may not write what it decides about that MarketStream. Returns when the API server obeys.
    ///
    /// # Errors
    /// When the policy cannot be made, or is not obeyed within two minutes.
    pub async fn decisions(cluster: &Cluster, namespace: &str, marketstream: &str) -> Result<Self> {
        let operator = operator::user(&operator::pod(cluster).await?)?;
        Self::status(cluster, namespace, "decisions", &operator, marketstream).await
    }

    /// The streamer of that MarketStream may not write its status. Returns when the API server obeys.
    ///
    /// # Errors
    /// When the policy cannot be made, or is not obeyed within two minutes.
    pub async fn reports(cluster: &Cluster, namespace: &str, marketstream: &str) -> Result<Self> {
        let streamer = format!("system:serviceaccount:{namespace}:{marketstream}-streamer");
        Self::status(cluster, namespace, "reports", &streamer, marketstream).await
    }

    async fn status(cluster: &Cluster, namespace: &str, what: &str, user: &str, marketstream: &str) -> Result<Self> {
        let rule = json!({
            "apiGroups": ["marketstream.io"], "apiVersions": ["*"], "operations": ["UPDATE"],
            "resources": ["marketstreams/status"], "resourceNames": [marketstream],
        });
        let forbidden = Self::begin(cluster, namespace, what, user, rule).await?;
        let api: Api<MarketStream> = Api::namespaced(Cluster::impersonate(user).await?, namespace);
        let parameters = PatchParams { dry_run: true, ..PatchParams::default() };
        let patch = Patch::Merge(json!({"status": {"streamer": {"summary": "?"}}}));
        obeyed(async || api.patch_status(marketstream, &parameters, &patch).await.map(drop)).await?;
        Ok(forbidden)
    }

    async fn begin(cluster: &Cluster, namespace: &str, what: &str, user: &str, rule: Value) -> Result<Self> {
        let name = format!("{namespace}-no-{what}");
        let policy: ValidatingAdmissionPolicy = from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [{"expression": format!("request.userInfo.username != '{user}'"), "message": MESSAGE}],
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
        let forbidden = Self { client, name };
        Api::all(forbidden.client.clone()).create(&PostParams::default(), &binding).await?;
        Ok(forbidden)
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

/// Tries it until it is refused for our reason.
async fn obeyed(mut attempt: impl AsyncFnMut() -> kube::Result<()>) -> Result<()> {
    wait::answer("it is forbidden", LIMIT, async || match attempt().await {
        Err(kube::Error::Api(status)) if status.message.contains(MESSAGE) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => bail!("it is still allowed"),
    })
    .await
}
