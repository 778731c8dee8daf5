#![allow(clippy::unwrap_used, reason = "tests only")]

use marketstream_recovery::{Pod, Report, decide};
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-24T12:00:00Z";

fn at(second: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second)
}

fn ms(annotation: &str, action: Option<Value>, done: Option<&str>) -> MarketStream {
    serde_json::from_value(json!({
        "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
        "metadata": {"name": "feed", "annotations": {"marketstream.io/restart-stream": annotation}},
        "spec": {
            "contracts": [{"name": "mnq", "conId": 1, "ticks": ["Last", "BidAsk"]}],
            "gateway": {"external": {"host": "h"}},
        },
        "status": {
            "clientId": 853, "level": 0, "action": action, "streamRestart": done,
            "streamer": {
                "pod": "feed-0", "podUID": "p", "clientId": 853, "heartbeatTime": NOW, "summary": "2/2", "flowing": 2,
                "total": 2, "streams": [], "storage": {"writable": true, "dropped": 0},
                "socket": {"state": "Connected", "since": NOW, "downSeconds": 0, "everConnected": true},
            },
        },
    }))
    .unwrap()
}

/// Looks at the annotation at that second, with a pod or without, and a report that is confirmed or not.
fn look(ms: &MarketStream, pod: Option<&Pod>, confirmed: bool, second: i64) -> Answer {
    let (policy, now) = (Policy::default(), at(second));
    let status = ms.status.clone().unwrap();
    let report = Report { received: now, confirmed };
    let view = View { spec: &ms.spec, status: &status, report, pod, paused: false };
    answer(ms, &view, &decide(&view, now, &policy), now, &policy)
}

fn pod() -> Pod {
    Pod { uid: "p".to_owned(), seen: at(-60), running: Some(at(-50)), deleting: false, waiting: None }
}

#[test]
fn a_request_becomes_one_action_for_that_stream_of_that_pod() {
    let Answer::Accepted { request, action } = look(&ms("mnq/BidAsk monday", None, None), Some(&pod()), true, 0) else {
        panic!("it is refused");
    };
    assert_eq!(request, "mnq/BidAsk monday");
    assert_eq!((action.kind, action.streams.as_slice()), (ActionKind::RestartStreams, &["mnq/BidAsk".to_owned()][..]));
    assert_eq!((action.pod_uid.as_str(), action.client_id), ("p", 853));
    assert_eq!(action.deadline.get(), at(60));

    // Whoever looks again, after a crash too, does nothing; another value asks again.
    let written = serde_json::to_value(&action).unwrap();
    let again = ms("mnq/BidAsk monday", Some(written.clone()), Some(&request));
    assert_eq!(look(&again, Some(&pod()), true, 1), Answer::Nothing);
    let tuesday = ms("mnq/BidAsk tuesday", Some(written), Some(&request));
    assert_eq!(look(&tuesday, Some(&pod()), true, 1), Answer::Later(at(60)), "the first one is under way");
    assert!(look(&tuesday, Some(&pod()), true, 60).request() == Some("mnq/BidAsk tuesday"), "its deadline is over");
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason_and_recorded() {
    for (annotation, pod, part) in [
        ("mnq/MidPoint now", Some(pod()), "mnq/Last, mnq/BidAsk"),
        ("mnq/Last now", None, "no pod runs"),
        ("mnq/Last now", Some(Pod { deleting: true, ..pod() }), "no pod runs"),
    ] {
        match look(&ms(annotation, None, None), pod.as_ref(), true, 0) {
            Answer::Refused { request, why } => assert!(request == annotation && why.contains(part), "{why}"),
            other => panic!("{annotation}: {other:?}"),
        }
    }
}

#[test]
fn nothing_is_asked_of_a_pod_that_is_not_known_to_live() {
    let asked = ms("mnq/Last now", None, None);
    assert_eq!(look(&asked, Some(&pod()), false, 0), Answer::Later(at(15)));
    for empty in ["", "  "] {
        assert_eq!(look(&ms(empty, None, None), Some(&pod()), true, 0), Answer::Nothing);
    }
}
