//! What CEL cannot check: a spec's own faults, and two owners of one login.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use marketstream_crds::{External, MarketStream, check, conditions::reasons, names};

use crate::build::USER_VARIABLE;

/// Why a MarketStream must not run; the message names the field and says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A reason of the Stalled condition.
    pub reason: &'static str,
    /// For a person.
    pub message: String,
}

/// The first problem of `ms` among all MarketStreams.
#[must_use]
pub fn problem<'a>(ms: &MarketStream, all: impl Iterator<Item = &'a MarketStream>) -> Option<Problem> {
    invalid_spec(ms).or_else(|| login_in_use(ms, all))
}

fn invalid_spec(ms: &MarketStream) -> Option<Problem> {
    check::problem(&ms.spec).map(|message| Problem { reason: reasons::INVALID_SPEC, message })
}

/// Of two MarketStreams with one login the younger waits, so that the older is never disturbed.
fn login_in_use<'a>(ms: &MarketStream, mut all: impl Iterator<Item = &'a MarketStream>) -> Option<Problem> {
    let age = |ms: &MarketStream| (ms.creation_timestamp(), ms.namespace(), ms.name_any());
    let rival = all.find(|other| !other.spec.suspend && age(other) < age(ms) && shared_login(ms, other).is_some())?;
    let field = shared_login(ms, rival)?;
    Some(Problem {
        reason: reasons::LOGIN_IN_USE,
        message: format!(
            "{field} is already used by MarketStream {}/{}, which is older; IBKR allows one session per user: use another \
             login, or delete or suspend the other",
            rival.namespace().unwrap_or_default(),
            rival.name_any()
        ),
    })
}

/// Why `ms` must not start its pod yet: the pod of another MarketStream, which has to give the login up, is not gone.
#[must_use]
pub fn login_held<'a>(ms: &MarketStream, mut pods: impl Iterator<Item = &'a Pod>) -> Option<String> {
    let secret = &ms.spec.gateway.sidecar.as_ref()?.credentials_secret_ref.name;
    let of_another = |pod: &Pod| pod.labels().get(names::LABEL_NAME).is_some_and(|owner| *owner != ms.name_any());
    let pod = pods.find(|pod| pod.namespace() == ms.namespace() && of_another(pod) && logs_in_with(pod, secret))?;
    Some(format!("waits until the pod {}, which has the login of the Secret {secret:?}, is gone", pod.name_any()))
}

/// Whether a pod's gateway logs in, or may yet, with that Secret.
fn logs_in_with(pod: &Pod, secret: &str) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let over = matches!(phase, Some("Succeeded" | "Failed"));
    let containers = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let gateway = containers.filter(|container| container.name == names::GATEWAY_CONTAINER);
    let user = gateway.flat_map(|gateway| gateway.env.iter().flatten()).find(|variable| variable.name == USER_VARIABLE);
    let source = user.and_then(|variable| variable.value_from.as_ref()?.secret_key_ref.as_ref());
    !over && source.is_some_and(|source| source.name == secret)
}

/// The field in which two MarketStreams share one login or one client ID of one gateway.
fn shared_login(a: &MarketStream, b: &MarketStream) -> Option<String> {
    if let (Some(one), Some(other)) = (&a.spec.gateway.sidecar, &b.spec.gateway.sidecar) {
        let secret = &one.credentials_secret_ref.name;
        let same = a.namespace() == b.namespace() && *secret == other.credentials_secret_ref.name;
        return same.then(|| format!("spec.gateway.sidecar.credentialsSecretRef.name: the Secret {secret:?}"));
    }
    let (one, other) = (a.spec.gateway.external.as_ref()?, b.spec.gateway.external.as_ref()?);
    let (ours, theirs) = (a.spec.gateway.client_id.range(), b.spec.gateway.client_id.range());
    let overlap = ours.start < theirs.end && theirs.start < ours.end;
    (overlap && same_endpoint(a, one, b, other))
        .then(|| format!("spec.gateway.clientId: IDs {} to {} of the gateway {}", ours.start, ours.end - 1, one.host))
}

fn same_endpoint(a: &MarketStream, one: &External, b: &MarketStream, other: &External) -> bool {
    // A name without a dot is a Service of the MarketStream's own namespace.
    let local = !one.host.contains('.') && !one.host.contains(':');
    one.host.eq_ignore_ascii_case(&other.host)
        && (!local || a.namespace() == b.namespace())
        && one.ports.iter().any(|port| other.ports.contains(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stream(name: &str, created: &str, gateway: serde_json::Value) -> MarketStream {
        serde_json::from_value(json!({
            "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
            "metadata": { "name": name, "namespace": "trading", "creationTimestamp": created },
            "spec": { "contracts": [{ "name": "mnq", "conId": 1, "ticks": ["Last"] }], "gateway": gateway },
        }))
        .unwrap()
    }

    fn sidecar(secret: &str) -> serde_json::Value {
        json!({ "sidecar": { "image": "gateway", "credentialsSecretRef": { "name": secret }, "tradingMode": "Paper" } })
    }

    fn external(host: &str, base: i32) -> serde_json::Value {
        json!({ "external": { "host": host, "ports": [4002] }, "clientId": { "base": base, "pool": 8 } })
    }

    const OLD: &str = "2026-11-24T08:00:00Z";
    const NEW: &str = "2026-11-24T09:00:00Z";

    #[test]
    fn of_two_with_one_secret_the_younger_waits() {
        let (old, new) = (stream("b", OLD, sidecar("ibkr")), stream("a", NEW, sidecar("ibkr")));
        let all = [old.clone(), new.clone()];
        assert_eq!(problem(&old, all.iter()), None);
        let found = problem(&new, all.iter()).unwrap();
        assert_eq!(found.reason, reasons::LOGIN_IN_USE);
        assert!(found.message.contains("credentialsSecretRef") && found.message.contains("trading/b"), "{found:?}");
    }

    #[test]
    fn the_same_age_is_settled_by_name() {
        let (a, b) = (stream("a", OLD, sidecar("ibkr")), stream("b", OLD, sidecar("ibkr")));
        let all = [a.clone(), b.clone()];
        assert_eq!(problem(&a, all.iter()), None);
        assert!(problem(&b, all.iter()).is_some());
    }

    #[test]
    fn other_secrets_and_other_client_ids_do_not_disturb() {
        let all = [
            stream("a", OLD, sidecar("one")),
            stream("b", NEW, sidecar("two")),
            stream("c", OLD, external("10.0.0.1", 100)),
            stream("d", NEW, external("10.0.0.1", 108)),
            stream("e", NEW, external("10.0.0.2", 100)),
        ];
        for ms in &all {
            assert_eq!(problem(ms, all.iter()), None);
        }
    }

    #[test]
    fn overlapping_client_ids_of_one_gateway_are_named() {
        let all = [stream("a", OLD, external("gw.example", 100)), stream("b", NEW, external("GW.example", 107))];
        let found = problem(&all[1], all.iter()).unwrap();
        assert!(found.message.contains("spec.gateway.clientId"), "{found:?}");
    }

    #[test]
    fn a_suspended_one_gives_the_login_free() {
        let mut old = stream("a", OLD, sidecar("ibkr"));
        old.spec.suspend = true;
        let new = stream("b", NEW, sidecar("ibkr"));
        assert_eq!(problem(&new, [old, new.clone()].iter()), None);
    }

    fn pod(owner: &str, secret: &str, phase: &str) -> Pod {
        let user =
            json!({ "name": USER_VARIABLE, "valueFrom": { "secretKeyRef": { "name": secret, "key": "username" } } });
        serde_json::from_value(json!({
            "metadata": {
                "name": format!("{owner}-0"), "namespace": "trading", "labels": { names::LABEL_NAME: owner },
            },
            "spec": { "containers": [], "initContainers": [{ "name": names::GATEWAY_CONTAINER, "env": [user] }] },
            "status": { "phase": phase },
        }))
        .unwrap()
    }

    #[test]
    fn a_login_is_free_when_the_other_pod_is_gone() {
        let new = stream("b", NEW, sidecar("ibkr"));
        let held = |pod: Pod| login_held(&new, [pod].iter());
        let why = held(pod("a", "ibkr", "Running")).unwrap();
        assert!(why.contains("a-0") && why.contains("ibkr"), "{why}");
        assert!(held(pod("a", "ibkr", "Pending")).is_some(), "it may log in yet");
        assert_eq!(held(pod("a", "ibkr", "Failed")), None);
        assert_eq!(held(pod("a", "another", "Running")), None);
        assert_eq!(held(pod("b", "ibkr", "Running")), None, "its own one");
        assert_eq!(login_held(&stream("b", NEW, external("h", 1)), [pod("a", "ibkr", "Running")].iter()), None);
        let mut elsewhere = pod("a", "ibkr", "Running");
        elsewhere.metadata.namespace = Some("research".to_owned());
        assert_eq!(held(elsewhere), None, "Secrets are a namespace's own");
    }

    #[test]
    fn a_fault_of_the_spec_comes_first() {
        let mut gateway = sidecar("ibkr");
        gateway["sidecar"]["timeZone"] = "America/Gotham".into();
        let found = problem(&stream("a", OLD, gateway), std::iter::empty()).unwrap();
        assert_eq!(found.reason, reasons::INVALID_SPEC);
        assert!(found.message.starts_with("spec.gateway.sidecar.timeZone"), "{found:?}");
    }
}
