//! How the last action ended, for metrics. Pure.

use jiff::Timestamp;
use marketstream_crds::{ActionKind, ActionState, MarketStreamStatus};
use marketstream_recovery::Pod;

/// Its pod did what was asked.
const DONE: &str = "Done";
/// The streamer could not do it.
const FAILED: &str = "Failed";
/// Its pod or its process was gone before.
const SUPERSEDED: &str = "Superseded";
/// Nothing was heard of it by its deadline.
const UNANSWERED: &str = "Unanswered";

/// How the last action ended; `None` while it is under way, or when there is none.
pub fn outcome(status: &MarketStreamStatus, pod: Option<&Pod>, now: Timestamp) -> Option<&'static str> {
    let action = status.action.as_ref()?;
    let replaced = pod.is_some_and(|pod| pod.uid != action.pod_uid);
    let ack = status.streamer.as_ref().and_then(|streamer| streamer.action.as_ref());
    let state = ack.filter(|ack| ack.id == action.id && action.kind != ActionKind::RollPod).map(|ack| ack.state);
    match state {
        Some(ActionState::Done) => Some(DONE),
        Some(ActionState::Failed) => Some(FAILED),
        Some(ActionState::Superseded) => Some(SUPERSEDED),
        Some(ActionState::Accepted) | None if replaced => {
            Some(if action.kind == ActionKind::RollPod { DONE } else { SUPERSEDED })
        }
        Some(ActionState::Accepted) | None => (now >= action.deadline.get()).then_some(UNANSWERED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ended(kind: &str, ack: Option<&str>, pod: Option<&str>, now: &str) -> Option<&'static str> {
        let time = "2026-11-24T12:00:00Z";
        let status: MarketStreamStatus = serde_json::from_value(json!({
            "action": {
                "id": "a", "incident": "i", "kind": kind, "clientId": 1, "podUID": "p", "issuedAt": time,
                "deadline": "2026-11-24T12:01:00Z",
            },
            "streamer": {
                "pod": "feed-0", "podUID": "p", "clientId": 1, "heartbeatTime": time, "summary": "", "flowing": 0,
                "total": 0, "streams": [], "storage": {"writable": true, "dropped": 0},
                "socket": {"state": "Connected", "since": time, "downSeconds": 0, "everConnected": true},
                "action": ack.map(|state| json!({"id": "a", "state": state})),
            },
        }))
        .unwrap();
        let (seen, now) = (time.parse().unwrap(), now.parse().unwrap());
        let pod = pod.map(|uid| Pod { uid: uid.to_owned(), seen, running: Some(seen), deleting: false, waiting: None });
        outcome(&status, pod.as_ref(), now)
    }

    #[test]
    fn an_action_ends_by_its_acknowledgement_its_pod_or_its_deadline() {
        let (before, deadline) = ("2026-11-24T12:00:59Z", "2026-11-24T12:01:00Z");
        for (kind, ack, pod, now, expected) in [
            ("Reconnect", None, Some("p"), before, None),
            ("Reconnect", Some("Accepted"), Some("p"), before, None),
            ("Reconnect", Some("Done"), Some("p"), before, Some(DONE)),
            ("Reconnect", Some("Failed"), Some("p"), before, Some(FAILED)),
            ("Reconnect", Some("Superseded"), Some("p"), before, Some(SUPERSEDED)),
            ("Reconnect", Some("Accepted"), Some("q"), before, Some(SUPERSEDED)),
            ("Reconnect", None, Some("p"), deadline, Some(UNANSWERED)),
            // A roll is done when another pod stands there, whose streamer knows nothing of it.
            ("RollPod", None, None, before, None),
            ("RollPod", Some("Superseded"), Some("q"), before, Some(DONE)),
            ("RollPod", None, Some("p"), deadline, Some(UNANSWERED)),
        ] {
            assert_eq!(ended(kind, ack, pod, now), expected, "{kind} {ack:?} {pod:?} {now}");
        }
    }
}
