#![allow(clippy::unwrap_used, reason = "tests only")]

use serde_json::json;

use super::*;

const NOW: &str = "2026-11-24T12:10:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn marketstream(change: impl FnOnce(&mut Value)) -> MarketStream {
    let condition = |type_: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-11-24T12:00:00Z",
        })
    };
    let stream = |tick: &str, state: &str, silent: f64| {
        json!({
            "contract": "mnq", "tick": tick, "state": state, "silentSeconds": silent, "session": "Open",
            "since": "2026-11-24T12:00:00Z", "restarts": 1,
        })
    };
    let mut value = json!({
        "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
        "metadata": {"name": "feed", "namespace": "md", "generation": 1},
        "spec": {"contracts": [], "gateway": {"external": {"host": "h"}}, "storage": {"size": "1Gi"}},
        "status": {
            "observedGeneration": 1, "health": "Degraded", "level": 2, "cause": "StreamSilent", "clientId": 851,
            "conditions": [
                condition("Ready", "True", "AsExpected", "the session is up"),
                condition("Stalled", "False", "AsExpected", "nothing waits for a person"),
                condition("MarketOpen", "False", "MarketClosed", "no contract is in its session"),
                condition("DataFlowing", "False", "StreamSilent", "no data: mnq/Last"),
            ],
            "incidents": [{
                "id": "i1", "scope": "Stream", "since": "2026-11-24T12:05:00Z", "cause": "StreamSilent", "level": 2,
                "attempts": 1, "streams": ["mnq/Last"], "lastAction": "RestartStreams",
                "rungs": [
                    {"level": 1, "dueTime": "2026-11-24T12:06:00Z", "time": "2026-11-24T12:06:00Z"},
                    {
                        "level": 2, "dueTime": "2026-11-24T12:08:00Z", "time": "2026-11-24T12:08:00Z",
                        "action": "RestartStreams",
                    },
                ],
                "nextAction": "Critical", "nextActionTime": "2026-11-24T12:15:00Z",
            }],
            "streamer": {
                "pod": "feed-0", "podUID": "u", "clientId": 851, "heartbeatTime": NOW, "summary": "1/2", "flowing": 1,
                "total": 2, "lastTickTime": "2026-11-24T12:09:58Z",
                "socket": {
                    "state": "Connected", "endpoint": "h:4002", "since": NOW, "downSeconds": 0.0, "everConnected": true,
                },
                "streams": [stream("Last", "Stale", 300.0), stream("BidAsk", "Flowing", 0.2)],
                "storage": {"writable": true, "dropped": 0},
            },
        },
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

#[test]
fn status_shows_streams_and_what_comes_next() {
    let report = status(&marketstream(|_| {}), now());
    assert_eq!(
        report.text,
        "\
md/feed, Degraded, level 2, StreamSilent, 1/2 streams flow, last tick 2s ago, client ID 851, h:4002
  DataFlowing is False (StreamSilent): no data: mnq/Last

STREAM       STATE     SESSION   SILENT   RESTARTS   REFUSED WITH
mnq/Last     Stale     Open      5m       1          -
mnq/BidAsk   Flowing   Open      0s       1          -

INCIDENT       SINCE   LEVEL   STREAMS    NEXT       WHEN
StreamSilent   5m      2       mnq/Last   Critical   in 5m
"
    );
    assert_eq!(report.json["incidents"][0]["cause"], "StreamSilent");
    assert_eq!(report.json["conditions"].as_array().unwrap().len(), 1);
}

#[test]
fn status_says_what_came_of_the_last_action() {
    let ms = marketstream(|value| {
        let status = &mut value["status"];
        status["action"] = json!({
            "id": "requested-1", "incident": "requested", "kind": "RestartStreams", "streams": ["mnq/Last"],
            "clientId": 851, "podUID": "u", "issuedAt": "2026-11-24T12:09:30Z", "deadline": "2026-11-24T12:10:30Z",
        });
        status["streamer"]["action"] = json!({"id": "requested-1", "state": "Done", "message": "it flows"});
    });
    let report = status(&ms, now());
    assert!(
        report.text.contains("  last action: RestartStreams of mnq/Last, 30s ago: Done, it flows\n"),
        "{}",
        report.text
    );
    let under_way = marketstream(|value| {
        value["status"]["action"] = serde_json::to_value(&ms.status.as_ref().unwrap().action).unwrap();
        value["status"]["streamer"]["action"] = json!({"id": "an-older-one", "state": "Done"});
    });
    let text = status(&under_way, now()).text;
    assert!(text.contains("  last action: RestartStreams of mnq/Last, 30s ago\n"), "{text}");
}

#[test]
fn only_what_is_healthy_or_closed_is_well() {
    for (health, expected) in
        [("Healthy", true), ("Idle", true), ("Degraded", false), ("Disconnected", false), ("Unknown", false)]
    {
        assert_eq!(well(&marketstream(|value| value["status"]["health"] = json!(health))), expected, "{health}");
    }
    assert!(!well(&marketstream(|value| value["status"] = json!(null))));
}

#[test]
fn status_of_what_never_ran_says_so() {
    let ms = marketstream(|value| {
        value.as_object_mut().unwrap().remove("status");
    });
    assert_eq!(
        status(&ms, now()).text,
        "md/feed, not started, level 0\n  The operator has not seen this generation of the spec yet.\n"
    );
    let suspended = marketstream(|value| {
        value.as_object_mut().unwrap().remove("status");
        value["spec"]["suspend"] = json!(true);
    });
    assert!(status(&suspended, now()).text.starts_with("md/feed, suspended, level 0\n"));
}

#[test]
fn conditions_that_say_the_same_are_one_line_and_a_pause_is_told() {
    let ms = marketstream(|value| {
        value["metadata"]["annotations"] = json!({"marketstream.io/paused": "true"});
        value["status"]["conditions"] = ["Connected", "DataFlowing", "Critical"]
            .map(|type_| {
                let status = if type_ == "Critical" { "True" } else { "Unknown" };
                json!({
                    "type": type_, "status": status, "reason": "NotReporting", "message": "no report came",
                    "lastTransitionTime": NOW,
                })
            })
            .into();
    });
    let text = status(&ms, now()).text;
    let lines: Vec<&str> = text.lines().skip(1).take_while(|line| !line.is_empty()).collect();
    assert_eq!(
        lines,
        [
            "  Recovery only watches: the annotation marketstream.io/paused is \"true\".",
            "  Connected is Unknown, DataFlowing is Unknown, Critical (NotReporting): no report came",
        ]
    );
}

#[test]
fn explain_says_what_was_done_and_what_comes_next() {
    assert_eq!(
        explain(&marketstream(|_| {}), now()).text,
        "\
StreamSilent: mnq/Last, since 2026-11-24T12:05:00.000Z (5m)
  seen  silent while siblings flow
  done  level 1 after 60s: Warn
  done  level 2 after 3m: RestartStreams
  next  Critical, in 5m, unless data flow before
  you   is the contract thin? give it a longer `staleAfter`
"
    );
}

#[test]
fn explain_says_why_nothing_is_done() {
    let ms = marketstream(|value| {
        value["status"]["incidents"] = json!([]);
        value["metadata"]["annotations"] = json!({"marketstream.io/paused": "true"});
        value["metadata"]["generation"] = json!(2);
    });
    assert_eq!(
        explain(&ms, now()).text,
        "\
Recovery only watches: the annotation marketstream.io/paused is \"true\".
The operator has not seen this generation of the spec yet.
No incident is open. Degraded: no data: mnq/Last.
"
    );
}

#[test]
fn timeline_is_in_the_order_of_time() {
    let ms = marketstream(|value| {
        value["status"]["history"] = json!([{
            "id": "i0", "scope": "Session", "since": "2026-11-24T10:00:00Z", "cause": "Zombie", "level": 1,
            "attempts": 0, "recoveredTime": "2026-11-24T10:02:00Z", "closedTime": "2026-11-24T10:03:00Z",
            "rungs": [{"level": 1, "dueTime": "2026-11-24T10:01:00Z", "time": "2026-11-24T10:01:00Z"}],
        }]);
    });
    let second = |time: &str| time.parse::<Timestamp>().unwrap().as_second();
    let ledger = json!({"gaps": [
        {
            "id": 1, "contract": "mnq", "kind": "last", "after": second("2026-11-24T10:00:00Z"),
            "before": second("2026-11-24T10:02:00Z"), "cause": "Silence", "state": "Approximate", "added": 12,
            "reason": "history agrees by 99 %",
        },
        {
            "id": 2, "contract": "mnq", "kind": "last", "after": second("2026-11-24T12:05:00Z"), "before": null,
            "cause": "Silence", "state": "Open", "added": 0,
        },
        // The files do not say yet where it begins.
        {"id": 3, "contract": "mnq", "kind": "bid_ask", "after": null, "before": null, "cause": "ProcessStart",
            "state": "Open", "added": 0},
    ]});
    let report = timeline(&ms, Ok(&ledger), now());
    assert_eq!(
        report.text,
        "\
TIME                   AGO     WHERE                   WHAT
2026-11-24T10:00:00Z   2h10m   Zombie                  began
2026-11-24T10:00:00Z   2h10m   gap mnq/last            Silence of 2m, Approximate, 12 ticks added:
                                                       history agrees by 99 %
2026-11-24T10:01:00Z   2h9m    Zombie                  level 1: Warn
2026-11-24T10:02:00Z   2h8m    Zombie                  it recovers
2026-11-24T10:03:00Z   2h7m    Zombie                  closed
2026-11-24T12:05:00Z   5m      StreamSilent mnq/Last   began
2026-11-24T12:05:00Z   5m      gap mnq/last            Silence, Open
2026-11-24T12:06:00Z   4m      StreamSilent mnq/Last   level 1: Warn
2026-11-24T12:08:00Z   2m      StreamSilent mnq/Last   level 2: RestartStreams
"
    );
    assert_eq!(report.json["events"].as_array().unwrap().len(), 9);
    assert_eq!(report.json["gapsUnknown"], Value::Null);
}

#[test]
fn a_timeline_says_when_it_has_no_gaps() {
    let new = marketstream(|value| value["status"] = json!(null));
    assert_eq!(timeline(&new, Ok(&json!({"gaps": []})), now()).text, "Nothing is on record.\n");
    let why = "pods \"feed-0\" not found".to_owned();
    let report = timeline(&new, Err(&why), now());
    assert!(report.text.ends_with("the pod cannot be asked: pods \"feed-0\" not found\n"), "{}", report.text);
    assert_eq!(report.json, json!({"events": [], "gapsUnknown": why}));
}

#[test]
fn gaps_are_a_table() {
    let ledger = json!({"gaps": [{
        "id": 3, "contract": "mnq", "kind": "last", "after": 1_795_525_872, "before": null, "cause": "SessionLost",
        "state": "Approximate", "added": 7, "agreement": 0.995, "reason": "quotes are conflated",
    }]});
    assert_eq!(
        gaps(&ledger),
        "\
STREAM     FROM                   TO   CAUSE         STATE
mnq/last   2026-11-24T13:11:12Z   -    SessionLost   Approximate, 7 ticks added, agreement 99.5 %:
                                                     quotes are conflated
"
    );
    let waits = json!({"etaSeconds": 7_300, "gaps": ledger["gaps"]});
    let told = gaps(&waits);
    assert_eq!(told.strip_prefix(&gaps(&ledger)), Some("What waits for IBKR's history is fetched in about 2h1m.\n"));
    assert_eq!(gaps(&json!({"gaps": []})), "No gap is on record.\n");
}
