use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{body::Body as AnswerBody, http};
use kube::client::Body;
use marketstream_crds::{ActionKind, MarketStreamSpec};
use tower::service_fn;

use super::*;
use crate::test_support::spec;

type Requests = Arc<Mutex<Vec<String>>>;

/// An API server that gives `answer` to each request and notes what it was asked.
fn server(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> (Client, Requests) {
    let requests = Requests::default();
    let (noted, answer) = (requests.clone(), Arc::new(answer));
    let service = service_fn(move |request: http::Request<Body>| {
        let (noted, answer) = (noted.clone(), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let line = format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body));
            let (code, json) = answer(&line);
            noted.lock().unwrap().push(line);
            let answer = http::Response::builder().status(code).body(AnswerBody::from(json.to_string())).unwrap();
            Ok::<_, Infallible>(answer)
        }
    });
    (Client::new(service, "trading"), requests)
}

fn demo() -> MarketStreamSpec {
    spec(json!({
        "contracts": [{"name": "a", "conId": 1, "ticks": ["Last"]}],
        "gateway": {"external": {"host": "gw"}},
    }))
}

fn object(status: Value) -> Value {
    json!({
        "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
        "metadata": {"name": "demo", "namespace": "trading"}, "spec": demo(), "status": status,
    })
}

fn error(code: u16) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "x", "message": "x"}),
    )
}

/// Follows the object until the first manifest came.
async fn first_manifest(client: Client, store: Store) -> Option<Manifest> {
    let (sender, mut manifests) = watch::channel(None);
    let stop = CancellationToken::new();
    let resource = Resource::new(client, "trading", "demo".to_owned());
    let follow = tokio::spawn(resource.follow(store, sender, watch::Sender::new(Recovery::default()), stop.clone()));
    timeout(Duration::from_secs(20), manifests.changed()).await.unwrap().unwrap();
    let manifest = manifests.borrow().clone();
    stop.cancel();
    follow.await.unwrap();
    manifest
}

#[tokio::test]
async fn a_status_of_a_newer_operator_does_not_stop_the_recording() {
    let status = json!({
        "health": "Purple", "cause": "Gremlins", "clientId": 853,
        "action": {"id": "1", "incident": "i", "kind": "Levitate", "clientId": 1, "podUID": "u",
            "issuedAt": "2026-11-24T00:00:00Z", "deadline": "2026-11-24T00:00:00Z"},
        "streamer": {"action": {"id": "0", "state": "Done"}},
    });
    let (client, _) = server(move |_| (200, object(status.clone())));
    let data = tempfile::tempdir().unwrap();
    let manifest = first_manifest(client, Store::new(data.path())).await.unwrap();
    assert_eq!((manifest.spec, manifest.client_id, manifest.stored), (demo(), Some(853), false));
    assert!(manifest.action.is_none());
    assert_eq!(manifest.acknowledged.unwrap().id, "0");
}

#[tokio::test]
async fn what_the_operator_says_of_recovery_is_passed_on_and_what_is_unknown_left_out() {
    let incident = |cause: &str| {
        json!({"id": cause, "scope": "Stream", "since": "2026-11-24T00:00:00Z", "cause": cause,
            "streams": ["a/Last"], "level": 2, "attempts": 1})
    };
    let status = json!({"level": 2, "incidents": [incident("StreamSilent"), incident("Gremlins")]});
    let recovery = watch::Sender::new(Recovery::default());
    tell(&recovery, &serde_json::from_value(object(status)).unwrap());
    let told = recovery.borrow().clone();
    assert_eq!((told.level, told.own, told.incidents.len()), (2, false, 1));
    assert_eq!(told.incidents[0].streams, ["a/Last"]);
}

#[tokio::test]
async fn an_action_comes_in() {
    let status = json!({"action": {"id": "1", "incident": "i", "kind": "RestartStreams", "streams": ["a/Last"],
        "clientId": 851, "podUID": "u", "issuedAt": "2026-11-24T00:00:00Z", "deadline": "2026-11-24T00:01:00Z"}});
    let (client, _) = server(move |_| (200, object(status.clone())));
    let data = tempfile::tempdir().unwrap();
    let action = first_manifest(client, Store::new(data.path())).await.unwrap().action.unwrap();
    assert_eq!((action.kind, action.streams), (ActionKind::RestartStreams, vec!["a/Last".to_owned()]));
}

#[test]
fn an_action_that_is_first_read_after_a_long_cut_is_too_late() {
    let status = json!({"action": {"id": "1", "incident": "i", "kind": "Reconnect", "clientId": 851, "podUID": "u",
        "issuedAt": "2026-11-24T00:00:00Z", "deadline": "2026-11-24T00:01:30Z"}});
    let read = |contact: &mut Contact| manifest(serde_json::from_value(object(status.clone())).unwrap(), contact);
    let (now, hour) = (Instant::now(), Duration::from_secs(3600));
    assert!(!read(&mut Contact::new(now)).late);
    let mut cut = Contact::new(now.checked_sub(hour).unwrap_or(now));
    assert!(read(&mut cut).late && read(&mut cut).late);
}

#[tokio::test]
async fn without_the_api_server_the_spec_on_the_volume_serves_and_the_watch_names_the_object() {
    let (client, requests) = server(|_| error(500));
    let data = tempfile::tempdir().unwrap();
    let store = Store::new(data.path());
    store.keep_spec(&demo()).unwrap();
    let (sender, mut manifests) = watch::channel(None);
    let stop = CancellationToken::new();
    let resource = Resource::new(client, "trading", "demo".to_owned());
    let follow = tokio::spawn(resource.follow(store, sender, watch::Sender::new(Recovery::default()), stop.clone()));
    timeout(Duration::from_secs(20), manifests.changed()).await.unwrap().unwrap();
    let manifest = manifests.borrow_and_update().clone().unwrap();
    assert_eq!((manifest.spec, manifest.stored), (demo(), true));
    let list =
        "GET /apis/marketstream.io/v1alpha1/namespaces/trading/marketstreams?&fieldSelector=metadata.name%3Ddemo";
    let asked = async {
        while !requests.lock().unwrap().iter().any(|line| line.starts_with(list)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), asked).await.unwrap_or_else(|_| panic!("{:?}", requests.lock().unwrap()));
    stop.cancel();
    follow.await.unwrap();
}

#[tokio::test]
async fn a_report_names_nothing_but_its_own_part_of_the_status() {
    let (client, requests) = server(|_| (200, object(json!({}))));
    let data = tempfile::tempdir().unwrap();
    let core = crate::runtime::Core::start(
        data.path(),
        "uid".to_owned(),
        crate::gateway::Place::in_pod(),
        std::time::Duration::from_secs(60),
    )
    .unwrap();
    let identity = crate::status::Identity { pod: "demo-0".to_owned(), pod_uid: "uid".to_owned() };
    let status = crate::status::build(&core.facts(), &identity);
    core.stop();
    Resource::new(client, "trading", "demo".to_owned()).write(&status).await.unwrap();
    let requests = requests.lock().unwrap();
    let (line, body) = requests[0].split_once(" {").unwrap();
    let path = "PATCH /apis/marketstream.io/v1alpha1/namespaces/trading/marketstreams/demo/status?";
    assert!(
        line.starts_with(path) && line.contains("fieldManager=marketstream-streamer") && line.contains("force=true")
    );
    let body: Value = serde_json::from_str(&format!("{{{body}")).unwrap();
    assert_eq!(body["status"].as_object().unwrap().keys().collect::<Vec<_>>(), ["streamer"]);
    assert_eq!(body["status"]["streamer"]["podUID"], "uid");
    assert!(body.get("spec").is_none());
}
