//! Writes: children and status by server-side apply, and the delete of one very pod.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use marketstream_crds::{MarketStream, MarketStreamStatus, conditions::reasons, names};
use serde_json::json;

use crate::{build::Child, children::Known, error::Error, validate::Problem};

/// What was applied last for each MarketStream, so that unchanged children cost no request.
#[derive(Debug, Default)]
pub struct Applied {
    /// The children that there are.
    pub known: Known,
    hashes: Mutex<HashMap<(String, String), u64>>,
}

impl Applied {
    /// Applies the children of `ms`, unless the same ones were applied since the last [`Applied::forget`]. Returns what
    /// only the user can mend: a name that something else has, before anything is written; or what the server refuses,
    /// in its words, where one refused child keeps neither the others nor recovery from their work.
    ///
    /// # Errors
    /// When the server cannot be reached or is at fault itself.
    pub async fn apply(
        &self,
        client: &Client,
        ms: &MarketStream,
        children: &[Child],
    ) -> Result<Option<Problem>, Error> {
        let namespace = ms.namespace().unwrap_or_default();
        let key = (namespace.clone(), ms.name_any());
        let hash = hash(children);
        if self.lock().get(&key) == Some(&hash) {
            return Ok(None);
        }
        for child in children {
            if let Some(stranger) = self.stranger(client, ms, child).await? {
                return Ok(Some(stranger));
            }
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
                    let message = format!("the API server refuses {kind} {name}: {}", refusal.message);
                    refused.get_or_insert(Problem { reason: reasons::INVALID_SPEC, message });
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
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object that has the name of a child and is none: a forced apply would take it over.
    async fn stranger(&self, client: &Client, ms: &MarketStream, child: &Child) -> Result<Option<Problem>, Error> {
        let namespace = ms.namespace().unwrap_or_default();
        let (kind, name) = (&child.api.kind, &child.name);
        if self.known.is_child(kind, &namespace, name, &ms.name_any()) {
            return Ok(None);
        }
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &child.api);
        let there = api.get_metadata_opt(name).await?;
        Ok(there.filter(|object| !is_child(ms, object.labels())).map(|_| {
            let message = format!(
                "metadata.name: {namespace} already has a {kind} {name:?} that is not of this MarketStream; delete it, or \
                 give the MarketStream another name"
            );
            Problem { reason: reasons::NAME_IN_USE, message }
        }))
    }
}

/// Whether labels are those of a child of `ms`. An owner reference would not do: a kept volume has none.
fn is_child(ms: &MarketStream, labels: &BTreeMap<String, String>) -> bool {
    let has = |label: &str, value: &str| labels.get(label).is_some_and(|found| found == value);
    has(names::LABEL_NAME, &ms.name_any()) && has(names::LABEL_MANAGED_BY, names::MANAGED_BY)
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

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use http::{Method, Request, Response};
    use k8s_openapi::{api::core::v1::Service, apimachinery::pkg::apis::meta::v1::ObjectMeta};
    use kube::{client::Body, core::ApiResource, runtime::watcher};

    use super::*;

    /// An API server that has nothing, takes everything, and remembers the methods.
    fn server(asked: &Arc<Mutex<Vec<Method>>>) -> Client {
        let asked = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let asked = asked.clone();
            async move {
                let method = request.method().clone();
                asked.lock().unwrap().push(method.clone());
                let missing = json!({"kind": "Status", "code": 404, "reason": "NotFound", "status": "Failure"});
                let (code, body) = match method {
                    Method::GET => (404, missing.to_string().into_bytes()),
                    _ => (200, request.into_body().collect_bytes().await.unwrap().to_vec()),
                };
                Ok::<_, Infallible>(Response::builder().status(code).body(Body::from(body)).unwrap())
            }
        });
        Client::new(service, "md")
    }

    fn service(port: i32) -> Child {
        let body = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "feed", "namespace": "md"}, "spec": {"ports": [{"port": port}]},
        });
        Child { api: ApiResource::erase::<Service>(&()), name: "feed".into(), body }
    }

    #[tokio::test]
    async fn what_the_watch_shows_as_a_child_is_not_asked_for() {
        let asked = Arc::default();
        let (client, applied) = (server(&asked), Applied::default());
        let ms: MarketStream = serde_json::from_value(json!({
            "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
            "metadata": {"name": "feed", "namespace": "md"},
            "spec": {"contracts": [], "gateway": {"external": {"host": "h"}}, "storage": {"size": "1Gi"}},
        }))
        .unwrap();
        let methods = || std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(applied.apply(&client, &ms, &[service(1)]).await.unwrap(), None);
        assert_eq!(methods(), [Method::GET, Method::PATCH], "nobody knows it yet");
        assert_eq!(applied.apply(&client, &ms, &[service(1)]).await.unwrap(), None);
        assert!(methods().is_empty(), "nothing changed");

        let labels = [(names::LABEL_NAME.to_owned(), "feed".to_owned())];
        let metadata = ObjectMeta {
            name: Some("feed".into()),
            namespace: Some("md".into()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        };
        applied.known.note(&watcher::Event::Apply(Service { metadata, ..Service::default() }));
        assert_eq!(applied.apply(&client, &ms, &[service(2)]).await.unwrap(), None);
        assert_eq!(methods(), [Method::PATCH]);
    }

    type Written = Arc<Mutex<Vec<serde_json::Value>>>;

    /// An API server that refuses each write so, and remembers their bodies.
    fn refusing(code: u16, reason: &'static str, written: &Written) -> Client {
        let written = written.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let written = written.clone();
            async move {
                let body = request.into_body().collect_bytes().await.unwrap();
                written.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                let answer = json!({"kind": "Status", "code": code, "status": "Failure", "reason": reason});
                let answer = Body::from(answer.to_string().into_bytes());
                Ok::<_, Infallible>(Response::builder().status(code).body(answer).unwrap())
            }
        });
        Client::new(service, "md")
    }

    fn read(version: &str) -> MarketStream {
        serde_json::from_value(json!({
            "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
            "metadata": {"name": "feed", "namespace": "md", "uid": "of-feed", "resourceVersion": version},
            "spec": {"contracts": [], "gateway": {"external": {"host": "h"}}, "storage": {"size": "1Gi"}},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_decision_is_written_to_the_object_it_was_made_on_or_made_again() {
        let written = Written::default();
        let refused = status(&refusing(409, "Conflict", &written), &read("7"), &MarketStreamStatus::default()).await;
        assert!(matches!(refused, Err(Error::Conflict)), "{refused:?}");
        let body = written.lock().unwrap().pop().unwrap();
        assert_eq!(body["metadata"], json!({"resourceVersion": "7", "uid": "of-feed"}));
    }

    #[tokio::test]
    async fn a_roll_deletes_the_pod_of_the_decision_and_a_successor_is_left_alone() {
        let written = Written::default();
        // It is gone already, or another one has its name: the roll is done.
        for (code, reason) in [(404, "NotFound"), (409, "Conflict")] {
            delete_pod(&refusing(code, reason, &written), &read("7"), "of-pod").await.unwrap();
            let body = written.lock().unwrap().pop().unwrap();
            assert_eq!(body["preconditions"], json!({"uid": "of-pod"}));
        }
        let refused = delete_pod(&refusing(403, "Forbidden", &written), &read("7"), "of-pod").await;
        assert!(refused.is_err(), "it is tried again");
    }

    #[test]
    fn only_what_carries_both_labels_is_a_child() {
        let ms: MarketStream = serde_json::from_value(json!({
            "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream", "metadata": {"name": "feed"},
            "spec": {"contracts": [], "gateway": {"external": {"host": "h"}}, "storage": {"size": "1Gi"}},
        }))
        .unwrap();
        let labels =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let managed = (names::LABEL_MANAGED_BY, names::MANAGED_BY);
        assert!(is_child(&ms, &labels(&[managed, (names::LABEL_NAME, "feed")])));
        assert!(!is_child(&ms, &labels(&[managed, (names::LABEL_NAME, "other")])));
        assert!(!is_child(&ms, &labels(&[(names::LABEL_MANAGED_BY, "Helm"), (names::LABEL_NAME, "feed")])));
        assert!(!is_child(&ms, &labels(&[])));
    }
}
