//! The streamer's identity: it may read its own MarketStream and write that one's status, nothing else.

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject},
};
use kube::{Resource, ResourceExt};
use marketstream_crds::MarketStream;

use super::owned;

/// Name of the streamer's ServiceAccount, Role and RoleBinding.
pub(super) fn streamer(ms: &MarketStream) -> String {
    format!("{}-streamer", ms.name_any())
}

pub(super) fn service_account(ms: &MarketStream) -> ServiceAccount {
    // The token is mounted into the streamer's container alone (see the StatefulSet), never into the gateway's.
    ServiceAccount {
        metadata: owned(ms, streamer(ms)),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}

pub(super) fn role(ms: &MarketStream) -> Role {
    let plural = MarketStream::plural(&()).into_owned();
    let rule = |resource: String, verbs: &[&str]| PolicyRule {
        api_groups: Some(vec![MarketStream::group(&()).into_owned()]),
        resources: Some(vec![resource]),
        // With resourceNames a list or watch needs `fieldSelector=metadata.name=NAME` (measured).
        resource_names: Some(vec![ms.name_any()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..Default::default()
    };
    let status = format!("{plural}/status");
    Role {
        metadata: owned(ms, streamer(ms)),
        rules: Some(vec![rule(plural, &["get", "list", "watch"]), rule(status, &["get", "patch"])]),
    }
}

pub(super) fn role_binding(ms: &MarketStream) -> RoleBinding {
    RoleBinding {
        metadata: owned(ms, streamer(ms)),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "Role".to_owned(),
            name: streamer(ms),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: streamer(ms),
            namespace: ms.namespace(),
            ..Default::default()
        }]),
    }
}
