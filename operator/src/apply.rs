//! Writes: children and status by server-side apply, and the delete of one very pod.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use marketstream_crds::{MarketStream, MarketStreamStatus, names};
use serde_json::json;

use crate::{build::Child, error::Error};

/// What was applied last for each MarketStream, so that unchanged children cost no request.
#[derive(Debug, Default)]
pub struct Applied(Mutex<HashMap<(String, String), u64>>);

impl Applied {
    /// Applies the children of `ms`, unless the same ones were applied since the last [`Applied::forget`]. Returns what
    /// the server refuses, in its words: one refused child keeps neither the others nor recovery from their work.
    ///
    /// # Errors
    /// When the server cannot be reached or is at fault itself.
    pub async fn apply(&self, client: &Client, ms: &MarketStream, children: &[Child]) -> Result<Option<String>, Error> {
        let namespace = ms.namespace().unwrap_or_default();
        let key = (namespace.clone(), ms.name_any());
        let hash = hash(children);
        if self.lock().get(&key) == Some(&hash) {
            return Ok(None);
        }
        let mut refused = None;
        for child in children {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &child.api);
            // Forced: the operator owns these fields, whoever edited them meanwhile.
            let params = PatchParams::apply(names::OPERATOR_MANAGER).force();
            let patch = Patch::Apply(&child.body);
            let (kind, name) = (child.api.kind.clone(), child.name.clone());
            match api.patch(&child.name, &params, &patch).await {
                Ok(_) => {}
                // An invalid field, a quota, a class that cannot grow a volume: for the user to mend.
                Err(kube::Error::Api(refusal)) if refusal.is_invalid() || refusal.is_forbidden() => {
                    refused.get_or_insert(format!("the API server refuses {kind} {name}: {}", refusal.message));
                }
                Err(source) => return Err(Error::Apply { kind, name, source }),
            }
        }
        if refused.is_none() {
            self.lock().insert(key, hash);
        }
        Ok(refused)
    }

    /// Makes the next apply write again: a child changed, or may have.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(children: &[Child]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for child in children {
        child.body.to_string().hash(&mut hasher);
    }
    hasher.finish()
}

/// Writes everything in status but `streamer`, if it is still the object that the decision was made on.
///
/// # Errors
/// [`Error::Conflict`] when the object changed since it was read.
pub async fn status(client: &Client, ms: &MarketStream, owned: &MarketStreamStatus) -> Result<(), Error> {
    let api: Api<MarketStream> = Api::namespaced(client.clone(), &ms.namespace().unwrap_or_default());
    let body = json!({
        "apiVersion": MarketStream::api_version(&()),
        "kind": MarketStream::kind(&()),
        // A server-side apply with a stale resourceVersion is a conflict, forced or not (measured).
        "metadata": { "resourceVersion": ms.resource_version(), "uid": ms.uid() },
        "status": owned,
    });
    let params = PatchParams::apply(names::OPERATOR_MANAGER).force();
    match api.patch_status(&ms.name_any(), &params, &Patch::Apply(&body)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_conflict() => Err(Error::Conflict),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the pod of the decision and no other: a successor has another UID.
///
/// # Errors
/// When the server refuses for another reason than that the pod is gone.
pub async fn delete_pod(client: &Client, ms: &MarketStream, uid: &str) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &ms.namespace().unwrap_or_default());
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match api.delete(&names::pod(&ms.name_any()), &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
