//! Subcommands against an API server of one MarketStream, whose pod cannot be reached.

#![allow(clippy::unwrap_used, reason = "tests only")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use clap::Parser;
use http::{Request, Response};
use kube::{Client, client::Body};

use super::*;

const PATH: &str = "/apis/marketstream.io/v1alpha1/namespaces/md/marketstreams/";

type Patches = Arc<Mutex<Vec<Value>>>;

fn cluster(patches: &Patches) -> Cluster {
    let patches = patches.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let patches = patches.clone();
        async move {
            let (parts, body) = request.into_parts();
            let mut object = json!({
                "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
                "metadata": {"name": "feed", "namespace": "md"},
                "spec": {
                    "contracts": [{"name": "mnq", "conId": 1, "ticks": ["Last", "BidAsk"]}],
                    "gateway": {"sidecar": {
                        "image": "i", "credentialsSecretRef": {"name": "s"}, "tradingMode": "Paper",
                    }}, "storage": {"size": "1Gi"},
                },
                "status": {"health": "Degraded"},
            });
            if parts.method == Method::PATCH {
                let patch = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
                patches.lock().unwrap().push(patch);
            }
            let (code, answer) = match parts.uri.path().strip_prefix(PATH) {
                Some("feed") => (200, object),
                Some("outside") => {
                    object["spec"]["gateway"] = json!({"external": {"host": "h"}});
                    (200, object)
                }
                _ => (
                    404,
                    json!({
                        "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound",
                        "message": format!("{} not found", parts.uri.path()),
                    }),
                ),
            };
            Ok::<_, Infallible>(
                Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap(),
            )
        }
    });
    Cluster { client: Client::new(service, "md"), namespace: "md".to_owned() }
}

async fn call(patches: &Patches, words: &[&str]) -> Result<Answer> {
    let cli = Cli::try_parse_from([&["kubectl marketstream"], words].concat()).unwrap();
    answer(&cluster(patches), &cli.command).await
}

#[tokio::test]
async fn a_restart_of_one_stream_is_an_annotation_that_names_it() {
    let patches = Patches::default();
    let made = call(&patches, &["restart", "feed", "mnq/bidask"]).await.unwrap();
    assert!(made.report.text.starts_with("asked for mnq/BidAsk to be subscribed again"), "{}", made.report.text);
    let patch = patches.lock().unwrap().pop().unwrap();
    let value = patch["metadata"]["annotations"]["marketstream.io/restart-stream"].as_str().unwrap();
    let (stream, time) = value.split_once(' ').unwrap();
    assert!(stream == "mnq/BidAsk" && time.parse::<Timestamp>().is_ok(), "{value}");
    assert_eq!(made.report.json["request"], value);

    let error = call(&patches, &["restart", "feed", "mnq/MidPoint"]).await.err().unwrap().to_string();
    assert!(error.contains("there are mnq/Last, mnq/BidAsk"), "{error}");
    assert!(patches.lock().unwrap().is_empty(), "nothing is written for a stream that does not exist");
}

#[tokio::test]
async fn a_restart_and_a_login_are_stamped_with_the_time() {
    for (command, annotation) in [("restart", "marketstream.io/restart"), ("login", "marketstream.io/retry-login")] {
        let patches = Patches::default();
        let made = call(&patches, &[command, "feed"]).await.unwrap();
        assert_eq!(made.report.json["asked"], command);
        let patch = patches.lock().unwrap().pop().unwrap();
        let value = patch["metadata"]["annotations"][annotation].as_str().unwrap();
        assert!(value.parse::<Timestamp>().is_ok(), "{value}");
    }
    let error = call(&Patches::default(), &["login", "outside"]).await.err().unwrap().to_string();
    assert!(error.contains("external"), "{error}");
}

#[tokio::test]
async fn a_timeline_is_shown_without_the_pod() {
    let made = call(&Patches::default(), &["timeline", "feed"]).await.unwrap();
    assert!(made.report.text.contains("Gaps are not shown, since the pod cannot be asked"), "{}", made.report.text);
    assert!(made.report.json["gapsUnknown"].as_str().unwrap().contains("feed-0"), "{:#}", made.report.json);
    // What is about the pod alone is an error.
    for words in [&["gaps", "feed"][..], &["health", "feed"], &["test-connection", "feed"]] {
        let error = format!("{:#}", call(&Patches::default(), words).await.err().unwrap());
        assert!(error.contains("port-forward to pod feed-0"), "{error}");
    }
}

#[tokio::test]
async fn a_check_fails_when_it_is_not_well_and_what_is_not_there_is_an_error() {
    assert!(call(&Patches::default(), &["status", "feed"]).await.unwrap().yes);
    assert!(!call(&Patches::default(), &["status", "feed", "--check"]).await.unwrap().yes);
    for command in ["status", "explain", "timeline", "restart", "login", "gaps"] {
        let error = call(&Patches::default(), &[command, "nobody"]).await.err().unwrap().to_string();
        assert!(error.contains("no MarketStream \"nobody\" in namespace \"md\""), "{error}");
    }
}

#[tokio::test]
async fn a_range_is_asked_for_in_all_types_that_the_manifest_records_unless_some_are_named() {
    let ms = cluster(&Patches::default()).marketstream("feed").await.unwrap();
    let asked = |words: &[&str]| {
        let words = [&["kubectl marketstream", "backfill", "feed"], words, &["--from", "1", "--to", "2"]].concat();
        let Command::Backfill(wanted) = Cli::try_parse_from(words).unwrap().command else { panic!("no backfill") };
        ticks(&ms, &wanted).map_err(|error| error.to_string())
    };
    assert_eq!(asked(&["mnq"]).unwrap(), ["Last", "BidAsk"]);
    assert_eq!(asked(&["mnq", "--tick", "AllLast"]).unwrap(), ["AllLast"]);
    assert_eq!(asked(&["nq"]).unwrap_err(), "no contract \"nq\"; there are mnq");
}

#[test]
fn every_page_has_a_form_for_programs() {
    for words in ["status", "explain", "timeline", "restart", "login", "health", "gaps", "test-connection"] {
        assert!(Cli::try_parse_from(["kubectl marketstream", words, "feed", "-o", "json"]).is_ok(), "{words}");
    }
    let backfill = ["kubectl marketstream", "backfill", "feed", "mnq", "--from", "1", "--to", "2", "-o", "json"];
    assert!(Cli::try_parse_from(backfill).is_ok());
}
