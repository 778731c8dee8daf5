//! One stream that a person asks to be subscribed again, by an annotation. Pure.

use jiff::Timestamp;
use kube::ResourceExt;
use marketstream_crds::{Action, ActionKind, MarketStream, names, stream_key};
use marketstream_recovery::{Decision, Policy, View, in_flight};

/// What `action.incident` says of an action that no incident asked for.
const REQUESTED: &str = "requested";
/// Bound of the recorded request (see the CRD): the longest stream and a time fit.
const MAX_REQUEST: usize = 128;

/// What becomes of the annotation.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// There is none, or it was dealt with before.
    Nothing,
    /// It must wait until then, at least.
    Later(Timestamp),
    /// It is dealt with, and nothing is done.
    Refused {
        /// To be recorded.
        request: String,
        /// Why, for a person.
        why: String,
    },
    /// It is dealt with by this action, which is written before it is carried out.
    Accepted {
        /// To be recorded.
        request: String,
        /// What the streamer is to do.
        action: Action,
    },
}

impl Answer {
    /// What is dealt with now.
    #[must_use]
    pub fn request(&self) -> Option<&str> {
        match self {
            Self::Nothing | Self::Later(_) => None,
            Self::Refused { request, .. } | Self::Accepted { request, .. } => Some(request),
        }
    }
}

/// Reads the annotation: a stream, and whatever makes the request another one than the last. Recovery's own decision
/// goes first: there is one action at a time.
#[must_use]
pub fn answer(ms: &MarketStream, view: &View<'_>, decided: &Decision, now: Timestamp, policy: &Policy) -> Answer {
    let asked = ms.annotations().get(names::ANNOTATION_RESTART_STREAM);
    let Some(request) = asked.map(|value| value.chars().take(MAX_REQUEST).collect::<String>()) else {
        return Answer::Nothing;
    };
    let Some(stream) = request.split_whitespace().next().map(str::to_owned) else { return Answer::Nothing };
    if view.status.stream_restart.as_ref() == Some(&request) {
        return Answer::Nothing;
    }
    if !streams(ms).any(|known| known == stream) {
        let known = streams(ms).collect::<Vec<_>>().join(", ");
        let why = format!("the spec has no stream {stream:?}; it has {known}");
        return Answer::Refused { request, why };
    }
    let Some(pod) = view.pod.filter(|pod| !pod.deleting) else {
        return Answer::Refused { request, why: format!("no pod runs; the next one subscribes {stream} by itself") };
    };
    if let Some(action) = decided.action.as_ref().filter(|action| in_flight(view, action, now)) {
        return Answer::Later(action.deadline.get());
    }
    let after = |span| now.checked_add(span).unwrap_or(Timestamp::MAX);
    // A roll is about to be done, or nobody knows yet what the pod does.
    if decided.delete_pod.is_some() || !view.report.confirmed {
        return Answer::Later(after(view.spec.recovery.monitor_interval.get()));
    }
    let kind = ActionKind::RestartStreams;
    let action = Action {
        id: format!("{REQUESTED}-{}", now.as_millisecond()),
        incident: REQUESTED.to_owned(),
        kind,
        streams: vec![stream],
        client_id: decided.client_id,
        pod_uid: pod.uid.clone(),
        issued_at: now.into(),
        deadline: after(policy.verify(kind)).into(),
    };
    Answer::Accepted { request, action }
}

/// All streams of the spec, `contract/TickType`.
fn streams(ms: &MarketStream) -> impl Iterator<Item = String> {
    let contracts = ms.spec.contracts.iter();
    contracts.flat_map(|contract| contract.ticks.iter().map(|tick| stream_key(&contract.name, *tick)))
}

#[cfg(test)]
#[path = "restart_stream_tests.rs"]
mod tests;
