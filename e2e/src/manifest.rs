//! Manifests as users write them: JSON that goes to the API server as it is, so that its defaults and rules apply.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use marketstream_crds::MarketStream;
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// Who applies the scenarios' manifests.
const MANAGER: &str = "marketstream-e2e";

const TEMPLATE: &str = include_str!("../manifests/scenario.yaml");
const OPERATOR: &str = include_str!("../manifests/operator.yaml");

/// A MarketStream to be applied.
#[derive(Clone, Debug)]
pub struct Manifest(Value);

impl Manifest {
    /// The scenarios' template under that name, with a login of its own (Secret `NAME-login`).
    ///
    /// # Errors
    /// When the template is not what it should be.
    pub fn sidecar(cluster: &Cluster, name: &str) -> Result<Self> {
        let mut template: Value = serde_saphyr::from_str(TEMPLATE).context("manifests/scenario.yaml")?;
        template["metadata"]["name"] = json!(name);
        template["spec"]["gateway"]["sidecar"]["autoRestartTime"] = json!(far_from_now()?);
        Ok(Self(template)
            .set("/spec/gateway/sidecar/image", json!(cluster.image("ib-gateway-sim")))
            .login(&login(name)))
    }

    /// The scenarios' template with a gateway that somebody else runs.
    ///
    /// # Errors
    /// When the template is not what it should be.
    pub fn external(cluster: &Cluster, name: &str, host: &str, port: i32) -> Result<Self> {
        let external = json!({"host": host, "ports": [port]});
        Ok(Self::sidecar(cluster, name)?
            .remove("/spec/gateway/sidecar")
            .set("/spec/gateway/external", external)
            .set("/spec/gateway/connectTimeout", json!("2s"))
            .set("/spec/gateway/reconnectDelay", json!("1s")))
    }

    /// Names another login Secret.
    #[must_use]
    pub fn login(self, secret: &str) -> Self {
        self.set("/spec/gateway/sidecar/credentialsSecretRef/name", json!(secret))
    }

    /// Adds a contract.
    #[must_use]
    pub fn contract(mut self, name: &str, con_id: i32, ticks: &[&str]) -> Self {
        if let Some(contracts) = self.0.pointer_mut("/spec/contracts").and_then(Value::as_array_mut) {
            contracts.push(json!({"name": name, "conId": con_id, "ticks": ticks}));
        }
        self
    }

    /// Sets the thresholds of levels 3 and 4.
    #[must_use]
    pub fn thresholds(self, reset: &str, critical: &str) -> Self {
        self.set("/spec/recovery/resetConnectionAfter", json!(reset))
            .set("/spec/recovery/criticalAfter", json!(critical))
    }

    /// Level 4 early, for causes that allow no reset before it.
    #[must_use]
    pub fn soon_critical(self) -> Self {
        self.thresholds("24s", "32s")
    }

    /// Sets what a JSON pointer names; objects on the way are made, and `-` appends to an array.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let mut place = &mut self.0;
        for step in pointer.split('/').skip(1) {
            if let (Value::Array(items), "-") = (&mut *place, step) {
                items.push(Value::Null);
            }
            place = match place.as_array().map(Vec::len) {
                Some(length) => &mut place[step.parse::<usize>().unwrap_or(length - 1)],
                None => &mut place[step],
            };
        }
        *place = value;
        self
    }

    /// Removes what a JSON pointer names.
    #[must_use]
    pub fn remove(mut self, pointer: &str) -> Self {
        let (parent, last) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        if let Some(object) = self.0.pointer_mut(parent).and_then(Value::as_object_mut) {
            object.remove(last);
        }
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// How many streams it asks for.
    #[must_use]
    pub fn streams(&self) -> usize {
        let contracts = self.0["spec"]["contracts"].as_array();
        contracts.into_iter().flatten().filter_map(|contract| contract["ticks"].as_array()).map(Vec::len).sum()
    }

    /// The manifest itself.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// A span of the policy that the scenarios' operator has.
///
/// # Errors
/// When `manifests/operator.yaml` does not set it.
pub fn policy(constant: &str) -> Result<Duration> {
    let values: Value = serde_saphyr::from_str(OPERATOR).context("manifests/operator.yaml")?;
    let span: marketstream_crds::Duration = serde_json::from_value(values["policy"][constant].clone())
        .with_context(|| format!("manifests/operator.yaml: policy.{constant}"))?;
    Ok(span.get())
}

/// A time of day in the gateway's zone that no scenario reaches: the simulator restarts daily, as the original does.
fn far_from_now() -> Result<String> {
    let zone = jiff::tz::TimeZone::get("America/New_York")?;
    let then = jiff::Timestamp::now().to_zoned(zone).checked_add(jiff::Span::new().hours(12))?;
    Ok(then.strftime("%I:%M %p").to_string())
}

/// Name of the login Secret that the scenarios make for a MarketStream.
#[must_use]
pub fn login(marketstream: &str) -> String {
    format!("{marketstream}-login")
}

/// Makes a login Secret.
///
/// # Errors
/// When the API server refuses it.
pub async fn make_login(cluster: &Cluster, namespace: &str, name: &str) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": {"username": format!("user-{name}"), "password": "not-secret"},
    });
    let secrets: Api<Secret> = cluster.api(namespace);
    let parameters = PatchParams::apply(MANAGER).force();
    secrets.patch(name, &parameters, &Patch::Apply(secret)).await.with_context(|| format!("making Secret {name}"))?;
    Ok(())
}

/// Applies a MarketStream's manifest as `kubectl apply --server-side` does.
///
/// # Errors
/// When the API server refuses it; the message is the server's.
pub async fn apply(cluster: &Cluster, namespace: &str, manifest: &Value) -> Result<()> {
    try_apply(cluster, namespace, manifest, false).await.context("applying a MarketStream")
}

/// Asks the API server whether it would accept the manifest; nothing is stored.
///
/// # Errors
/// When the API server refuses it; the message is the server's.
pub async fn dry_run(cluster: &Cluster, namespace: &str, manifest: &Value) -> kube::Result<()> {
    try_apply(cluster, namespace, manifest, true).await
}

async fn try_apply(cluster: &Cluster, namespace: &str, manifest: &Value, dry_run: bool) -> kube::Result<()> {
    let kind = ApiResource::erase::<MarketStream>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), namespace, &kind);
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    let parameters = PatchParams { dry_run, ..PatchParams::apply(MANAGER).force() };
    api.patch(name, &parameters, &Patch::Apply(manifest)).await?;
    Ok(())
}

/// Reads every document of a YAML file.
///
/// # Errors
/// When it is not YAML, or a document is not an object with a kind.
pub fn documents(yaml: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).context("reading YAML")?;
    match documents.iter().find(|document| !document["kind"].is_string()) {
        Some(document) => bail!("a document without a kind: {document}"),
        None => Ok(documents),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_appends_and_removes() {
        let manifest = Manifest(json!({"spec": {"contracts": [], "gateway": {"sidecar": {}}}}))
            .contract("a", 1, &["Last", "BidAsk"])
            .set("/spec/contracts/0/conId", json!(2))
            .set("/spec/contracts/-", json!({"ticks": ["Last"]}))
            .set("/spec/gateway/external/host", json!("h"))
            .remove("/spec/gateway/sidecar");
        assert_eq!(manifest.streams(), 3);
        assert_eq!(manifest.value()["spec"]["contracts"][0]["conId"], 2);
        assert_eq!(manifest.value()["spec"]["gateway"], json!({"external": {"host": "h"}}));
    }

    #[test]
    fn the_templates_are_marketstreams() {
        let scenario: Value = serde_saphyr::from_str(TEMPLATE).unwrap();
        serde_json::from_value::<MarketStream>(scenario).unwrap();
        let demo = documents(include_str!("../manifests/demo.yaml")).unwrap();
        let marketstream = demo.into_iter().find(|document| document["kind"] == "MarketStream").unwrap();
        serde_json::from_value::<MarketStream>(marketstream).unwrap();
    }
}
