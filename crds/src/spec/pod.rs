//! The pod: when it may be replaced or disturbed, where it runs.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, LocalObjectReference, ResourceRequirements, Toleration};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, schema};

/// When a change of the pod's template may replace the running pod.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// WhenMarketClosed waits until every session is closed. Default: WhenMarketClosed.
    #[serde(default)]
    pub policy: UpdatePolicy,
    /// The longest wait for a closed market. Default: 168h.
    #[serde(default = "Update::default_max_wait")]
    pub max_wait: Duration,
}

impl Update {
    fn default_max_wait() -> Duration {
        Duration::from_secs(168 * 3600)
    }
}

impl Default for Update {
    fn default() -> Self {
        Self { policy: UpdatePolicy::default(), max_wait: Self::default_max_wait() }
    }
}

/// When a pod may be replaced for a changed template.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum UpdatePolicy {
    /// While every session is closed.
    #[default]
    WhenMarketClosed,
    /// At once.
    Immediate,
}

/// Whether an eviction (a node drain) may take the pod.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Disruption {
    /// Only while every session is closed.
    #[default]
    WhenMarketClosed,
    /// At any time.
    Allow,
}

/// Scheduling and resources of the pod.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Node labels that the pod needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pod tolerates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::tolerations")]
    pub tolerations: Vec<Toleration>,
    /// Affinity rules of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::affinity")]
    pub affinity: Option<Affinity>,
    /// Priority class of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Secrets for pulling the images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::pull_secrets")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Resources of the streamer's container. Default: requests of 50m CPU and 32Mi, a limit of 256Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::resources")]
    pub streamer_resources: Option<ResourceRequirements>,
}
