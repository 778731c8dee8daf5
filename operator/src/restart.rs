//! A restart that a person asks for by an annotation. Pure.

use kube::ResourceExt;
use marketstream_crds::{MarketStream, Restart, names};
use marketstream_recovery::Pod;

/// Longest value that is kept; longer ones differ in their beginnings, too, when they are times.
const MAX_REQUEST: usize = 64;

/// The last restart, with the pod that it replaces: the recorded one, or a new one when the annotation has changed. A
/// request that finds no pod is served by the pod that starts anyway.
#[must_use]
pub fn requested(ms: &MarketStream, pod: Option<&Pod>) -> Option<Restart> {
    let recorded = ms.status.as_ref().and_then(|status| status.restart.clone());
    let asked = ms.annotations().get(names::ANNOTATION_RESTART).filter(|value| !value.is_empty());
    let Some(asked) = asked.map(|value| value.chars().take(MAX_REQUEST).collect::<String>()) else { return recorded };
    if recorded.as_ref().is_some_and(|recorded| recorded.request == asked) {
        return recorded;
    }
    let pod_uid = pod.filter(|pod| !pod.deleting).map_or_else(String::new, |pod| pod.uid.clone());
    Some(Restart { request: asked, pod_uid })
}

/// Whether that pod is the one to replace.
#[must_use]
pub fn replaces(restart: Option<&Restart>, pod: &Pod) -> bool {
    !pod.deleting && restart.is_some_and(|restart| restart.pod_uid == pod.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ms(annotation: Option<&str>, status: Option<Restart>) -> MarketStream {
        let mut ms: MarketStream = serde_json::from_value(json!({
            "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream", "metadata": {"name": "feed"},
            "spec": {"contracts": [], "gateway": {"external": {"host": "h"}}},
            "status": {"restart": status},
        }))
        .unwrap();
        ms.annotations_mut().extend(annotation.map(|value| (names::ANNOTATION_RESTART.to_owned(), value.to_owned())));
        ms
    }

    fn pod(uid: &str, deleting: bool) -> Pod {
        let seen = "2026-11-24T12:00:00Z".parse().unwrap();
        Pod { uid: uid.to_owned(), seen, running: Some(seen), deleting, waiting: None }
    }

    #[test]
    fn each_request_replaces_one_pod_once() {
        let first = requested(&ms(Some("monday"), None), Some(&pod("a", false)));
        assert_eq!(first, Some(Restart { request: "monday".into(), pod_uid: "a".into() }));
        // Whoever looks again, after a crash too, comes to the same.
        assert_eq!(requested(&ms(Some("monday"), first.clone()), Some(&pod("a", false))), first);
        assert!(replaces(first.as_ref(), &pod("a", false)) && !replaces(first.as_ref(), &pod("a", true)));
        // Its successor stays, until another request.
        let again = requested(&ms(Some("monday"), first.clone()), Some(&pod("b", false)));
        assert!(again == first && !replaces(again.as_ref(), &pod("b", false)));
        let second = requested(&ms(Some("tuesday"), first), Some(&pod("b", false)));
        assert!(replaces(second.as_ref(), &pod("b", false)));
    }

    #[test]
    fn a_request_without_a_pod_is_served_by_the_next_one() {
        for gone in [None, Some(pod("a", true))] {
            let restart = requested(&ms(Some("monday"), None), gone.as_ref());
            assert_eq!(restart.as_ref().map(|restart| restart.pod_uid.as_str()), Some(""));
            assert!(!replaces(restart.as_ref(), &pod("b", false)));
        }
        assert_eq!(requested(&ms(None, None), Some(&pod("a", false))), None);
        assert_eq!(requested(&ms(Some(""), None), Some(&pod("a", false))), None);
    }
}
