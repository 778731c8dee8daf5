//! Which objects are children, as the watches show: one that is known here need not be asked for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::{Resource, ResourceExt, runtime::watcher};
use marketstream_crds::names;

/// Namespace and name.
type Place = (String, String);

/// The MarketStreams that objects belong to, by kind and place. The watches select the operator's own label, so what
/// anybody else made is never here.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<String, HashMap<Place, String>>>);

impl Known {
    /// Notes what a watch shows.
    pub fn note<K: Resource<DynamicType = ()>>(&self, event: &watcher::Event<K>) {
        let mut all = self.lock();
        let owners = all.entry(K::kind(&()).into_owned()).or_default();
        match event {
            // What went while the watch was away has no event of its own.
            watcher::Event::Init => owners.clear(),
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                match object.labels().get(names::LABEL_NAME) {
                    Some(owner) => owners.insert(place(object), owner.clone()),
                    None => owners.remove(&place(object)),
                };
            }
            watcher::Event::Delete(object) => {
                owners.remove(&place(object));
            }
            watcher::Event::InitDone => {}
        }
    }

    /// Whether that object is a child of that MarketStream, as far as the watches have shown.
    #[must_use]
    pub fn is_child(&self, kind: &str, namespace: &str, name: &str, marketstream: &str) -> bool {
        let place = (namespace.to_owned(), name.to_owned());
        self.lock().get(kind).and_then(|owners| owners.get(&place)).is_some_and(|owner| owner == marketstream)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<Place, String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place<K: Resource>(object: &K) -> Place {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;
    use serde_json::json;

    use super::*;

    fn service(owner: Option<&str>) -> Service {
        let labels = owner.map(|owner| json!({names::LABEL_NAME: owner}));
        serde_json::from_value(json!({"metadata": {"name": "feed", "namespace": "md", "labels": labels}})).unwrap()
    }

    #[test]
    fn only_what_a_watch_shows_now_is_known() {
        let known = Known::default();
        let is = |owner: &str| known.is_child("Service", "md", "feed", owner);
        assert!(!is("feed"));
        known.note(&watcher::Event::Apply(service(Some("feed"))));
        assert!(is("feed") && !is("other") && !known.is_child("Role", "md", "feed", "feed"));
        // Somebody gave it to another one, or made it nobody's.
        known.note(&watcher::Event::Apply(service(Some("other"))));
        assert!(!is("feed") && is("other"));
        known.note(&watcher::Event::Apply(service(None)));
        assert!(!is("other"));

        known.note(&watcher::Event::InitApply(service(Some("feed"))));
        known.note(&watcher::Event::<Service>::InitDone);
        assert!(is("feed"));
        known.note(&watcher::Event::Delete(service(Some("feed"))));
        assert!(!is("feed"));

        // A watch that begins anew may have missed a delete.
        known.note(&watcher::Event::Apply(service(Some("feed"))));
        known.note(&watcher::Event::<Service>::Init);
        assert!(!is("feed"));
    }
}
