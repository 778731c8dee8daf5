//! The PodDisruptionBudget: a drain waits for a closed market.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use kube::ResourceExt;
use marketstream_crds::MarketStream;

use super::{owned, selector};

pub(super) fn budget(ms: &MarketStream, disruptable: bool) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: owned(ms, ms.name_any()),
        spec: Some(PodDisruptionBudgetSpec {
            selector: Some(LabelSelector { match_labels: Some(selector(ms)), ..Default::default() }),
            max_unavailable: Some(IntOrString::Int(i32::from(disruptable))),
            // A pod that is not Ready records nothing that a drain could cost.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}
