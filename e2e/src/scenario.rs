//! A scenario: a namespace of its own, in which Pod Security `restricted` is enforced.

use std::panic::AssertUnwindSafe;

use anyhow::{Context, Result, anyhow};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::{from_value, json};

use crate::{
    cluster::Cluster,
    diagnose,
    feed::Feed,
    manifest::{self, Manifest},
};

/// Where a scenario runs.
pub struct Scenario {
    /// The cluster.
    pub cluster: Cluster,
    /// Its namespace.
    pub namespace: String,
}

/// Runs a scenario in a namespace of its own, which is deleted afterwards, and kept for a look when it failed.
///
/// # Errors
/// What the scenario returned, or what it panicked with, after everything about the namespace was printed.
pub async fn scenario(name: &str, body: impl AsyncFnOnce(&Scenario) -> Result<()>) -> Result<()> {
    let cluster = Cluster::connect().await?;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = from_value(json!({
        "metadata": {
            "generateName": format!("e2e-{name}-"),
            "labels": {
                "marketstream.io/e2e": "true",
                "pod-security.kubernetes.io/enforce": "restricted",
            },
        }
    }))?;
    let namespace = namespaces.create(&PostParams::default(), &namespace).await.context("making a namespace")?;
    let scenario = Scenario { cluster, namespace: namespace.name_any() };
    let result = AssertUnwindSafe(body(&scenario)).catch_unwind().await;
    let result = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(anyhow!("{}", text.unwrap_or_else(|| "panicked".to_owned())))
    });
    match result {
        Ok(()) => {
            namespaces.delete(&scenario.namespace, &DeleteParams::default()).await?;
            Ok(())
        }
        Err(error) => {
            let namespace = &scenario.namespace;
            eprintln!("=== {name} failed: {error:#}{}", diagnose::namespace(&scenario.cluster, namespace).await);
            eprintln!("=== {namespace} is kept; when you have seen enough: kubectl delete namespace {namespace}\n");
            Err(anyhow!("{name} failed, as told above"))
        }
    }
}

impl Scenario {
    /// The scenarios' template under that name.
    ///
    /// # Errors
    /// When the template is not what it should be.
    pub fn sidecar(&self, name: &str) -> Result<Manifest> {
        Manifest::sidecar(&self.cluster, name)
    }

    /// Makes the login that a manifest names, and applies it.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn apply(&self, manifest: &Manifest) -> Result<Feed> {
        manifest::make_login(&self.cluster, &self.namespace, &manifest::login(manifest.name())).await?;
        self.apply_alone(manifest).await
    }

    /// Applies a manifest and nothing else.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn apply_alone(&self, manifest: &Manifest) -> Result<Feed> {
        manifest::apply(&self.cluster, &self.namespace, manifest.value()).await?;
        Ok(Feed::new(&self.cluster, &self.namespace, manifest.name(), manifest.streams()))
    }
}
