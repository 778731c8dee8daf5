//! Child objects of a MarketStream: pure functions of the spec and the operator's settings.

mod claims;
mod disruption;
mod gate;
mod rbac;
mod service;
mod statefulset;

pub use statefulset::USER_VARIABLE;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt, core::ApiResource};
use marketstream_crds::{MarketStream, names};
use serde::Serialize;
use serde_json::Value;

/// What the operator's own deployment decides for all MarketStreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of the streamer's container.
    pub streamer_image: String,
    /// Pull policy of the streamer's image; the cluster's default when none is given.
    pub streamer_image_pull_policy: Option<String>,
}

/// What the children depend on beside the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Whether the pod may run: not suspended, and no other MarketStream has the login.
    pub run: bool,
    /// Whether a drain may take the pod now.
    pub disruptable: bool,
}

/// A child object, ready for server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its kind.
    pub api: ApiResource,
    /// Its name.
    pub name: String,
    /// Its desired fields.
    pub body: Value,
}

/// All children, in the order in which they are applied.
///
/// # Errors
/// When an object cannot be written as JSON, which no valid spec causes.
pub fn children(ms: &MarketStream, settings: &Settings, situation: Situation) -> serde_json::Result<Vec<Child>> {
    let mut children = vec![
        child(&rbac::service_account(ms))?,
        child(&rbac::role(ms))?,
        child(&rbac::role_binding(ms))?,
        child(&service::service(ms))?,
        child(&disruption::budget(ms, situation.disruptable))?,
        child(&claims::data(ms))?,
    ];
    children.extend(claims::settings(ms).as_ref().map(child).transpose()?);
    children.push(child(&statefulset::stateful_set(ms, settings, situation.run))?);
    Ok(children)
}

fn child<K>(object: &K) -> serde_json::Result<Child>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    Ok(Child {
        api: ApiResource::erase::<K>(&()),
        name: object.meta().name.clone().unwrap_or_default(),
        body: serde_json::to_value(object)?,
    })
}

/// Metadata of a child that goes with its MarketStream.
fn owned(ms: &MarketStream, name: String) -> ObjectMeta {
    ObjectMeta { owner_references: ms.controller_owner_ref(&()).map(|owner| vec![owner]), ..kept(ms, name) }
}

/// Metadata of a child that stays when its MarketStream is deleted.
fn kept(ms: &MarketStream, name: String) -> ObjectMeta {
    ObjectMeta { name: Some(name), namespace: ms.namespace(), labels: Some(labels(ms)), ..Default::default() }
}

/// Labels of every child.
fn labels(ms: &MarketStream) -> BTreeMap<String, String> {
    let mut labels = selector(ms);
    labels.insert(names::LABEL_MANAGED_BY.to_owned(), names::MANAGED_BY.to_owned());
    labels
}

/// Labels that select the pod; immutable in a StatefulSet.
fn selector(ms: &MarketStream) -> BTreeMap<String, String> {
    [("app.kubernetes.io/name", "marketstream".to_owned()), (names::LABEL_NAME, ms.name_any())]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
}

#[cfg(test)]
mod tests;
