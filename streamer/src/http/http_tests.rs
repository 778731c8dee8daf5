use axum::{body::Body, http::Request};
use tower::ServiceExt;

use marketstream_crds::StreamState;

use super::*;
use crate::runtime::Core;
use crate::{
    archive::sync::Outcome,
    facts::{ContractFacts, Snapshot},
    roll::Expiry,
    seal::{child::Sealing, retention::Deleted},
    test_support::{snapshot, stream},
};

fn identity() -> Identity {
    Identity { pod: "demo-0".to_owned(), pod_uid: "uid".to_owned() }
}

async fn get(view: &View, path: &str) -> (StatusCode, String) {
    send(view, "GET", path).await
}

async fn send(view: &View, method: &str, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let served = Served::new(view.clone(), CancellationToken::new());
    let response = router(served).oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn without_a_session_it_is_alive_and_not_ready() {
    let data = tempfile::tempdir().unwrap();
    let core =
        Core::start(data.path(), "uid".to_owned(), crate::gateway::Place::in_pod(), std::time::Duration::from_secs(60))
            .unwrap();
    let view = View { identity: identity(), facts: core.facts(), requests: core.requests(), hearts: core.hearts() };
    assert_eq!(get(&view, "/livez").await, (StatusCode::OK, "ok\n".to_owned()));
    let (status, reason) = get(&view, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reason.contains("no API session (Connecting)"), "{reason}");
    let (status, gaps) = get(&view, "/v1/gaps").await;
    assert_eq!(
        (status, gaps.as_str()),
        (StatusCode::OK, r#"{"counts":{"open":0,"filled":0,"approximate":0,"unfillable":0},"gaps":[]}"#)
    );
    for (parameters, named) in [
        ("", "contract is missing"),
        ("contract=a&tick=Quotes&from=1&to=2", "tick=Quotes: write Last"),
        ("contract=a&tick=Last&from=soon&to=2", "from=soon: write seconds"),
        ("contract=a&tick=Last&from=3&to=2", "from must be before to"),
        ("contract=a&tick=Last&from=1&to=9999999999", "not in the future"),
        ("contract=a&tick=Last&from=1&to=2", "no contract of that name"),
    ] {
        let (status, problem) = send(&view, "POST", &format!("/v1/backfill?{parameters}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{parameters}");
        assert!(problem.contains(named), "{problem}");
    }
    let (status, health) = get(&view, "/health").await;
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(
        (status, &health["status"], &health["tws_connected"]),
        (StatusCode::OK, &"degraded".into(), &false.into())
    );
    assert_eq!(health["background_streaming"]["status"], "disconnected");
    let (status, metrics) = get(&view, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(metrics.contains("\nmarketstream_streamer_session_up 0\n"), "{metrics}");
    assert_eq!(get(&view, "/system/health").await.0, StatusCode::SERVICE_UNAVAILABLE);
    for (path, status, named) in [
        ("/v2/stream/sim1/live", StatusCode::NOT_FOUND, "sim1 is not recorded here"),
        ("/v2/stream/sim1/live?limit=0", StatusCode::BAD_REQUEST, "limit=0: write a number"),
        ("/v2/stream/sim1/live/last?tick_types=last", StatusCode::BAD_REQUEST, "the path names one"),
        ("/v2/stream/sim1/buffer?buffer_duration=1y", StatusCode::BAD_REQUEST, "buffer_duration=1y: write a number"),
        ("/v2/stream/sim1?tick_types=last", StatusCode::NOT_FOUND, "sim1 is not recorded here"),
        ("/stream/7/BidAsk", StatusCode::NOT_FOUND, "7 is not recorded here"),
        ("/stream/info", StatusCode::OK, "/v2/stream/{contract}/live"),
        ("/", StatusCode::OK, "\"max_concurrent_streams\":64"),
        ("/time/status", StatusCode::OK, "\"status\":\"unknown\""),
        ("/storage/status", StatusCode::OK, "\"messages_dropped\":0"),
        ("/v3/buffer/7/query", StatusCode::NOT_FOUND, "7 is not recorded here"),
        ("/v3/buffer/7/query?format=xml", StatusCode::BAD_REQUEST, "format=xml: write json or protobuf"),
        ("/background/health/0", StatusCode::BAD_REQUEST, "Invalid contract ID"),
        ("/background/health/7", StatusCode::NOT_FOUND, "Contract not tracked"),
        ("/background/health", StatusCode::OK, "UNKNOWN"),
        ("/background/health/summary", StatusCode::OK, "total_contracts"),
        ("/background/status", StatusCode::OK, "max_tracked_contracts"),
        ("/v2/buffer/7/info", StatusCode::NOT_FOUND, "/v2/buffer/7/info is not served here: /openapi.json lists"),
    ] {
        let (answered, text) = get(&view, path).await;
        assert_eq!(answered, status, "{path}: {text}");
        assert!(text.contains(named), "{path}: {text}");
    }
    // What runs without an operator is not ready when it gives up; with one, that is the operator's to say.
    let incident = serde_json::json!({"id": "1", "scope": "Session", "since": "2026-11-24T00:00:00Z",
        "cause": "GatewayDown", "level": 4, "attempts": 3});
    let incidents: Vec<marketstream_crds::Incident> = vec![serde_json::from_value(incident).unwrap()];
    for (own, expected) in [(false, "no API session"), (true, "level 4: GatewayDown")] {
        core.recovery().send_replace(crate::facts::Recovery {
            level: 4,
            own,
            incidents: incidents.clone(),
            ..Default::default()
        });
        assert!(get(&view, "/readyz").await.1.contains(expected));
    }
    core.stop();
}

#[test]
fn a_process_with_a_loop_that_stands_still_is_not_alive() {
    assert_eq!(alive([].into_iter()), (StatusCode::OK, "ok\n".to_owned()));
    let (status, text) =
        alive([("session", Duration::from_secs(130)), ("recorder", Duration::from_secs(200))].into_iter());
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "the session loop has not turned for 130 s\nthe recorder loop has not turned for 200 s\n");
    // A heart that has just beaten does not count.
    assert_eq!(still(&[("session", Arc::new(Heart::new(crate::clock::Clock::start())))]).count(), 0);
}

#[test]
fn the_document_describes_every_route_and_no_other() {
    let document: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    let mut described = Vec::new();
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in paths {
        // Another name of a path is described there.
        let other = methods["$ref"].as_str().and_then(|place| place.strip_prefix("#/paths/"));
        let methods = other.map_or(methods, |place| &paths[&place.replace("~1", "/")]);
        for (method, operation) in methods.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            assert!(operation["summary"].is_string() && operation["responses"].is_object(), "{method} {path}");
            described.push(format!("{method} {path}"));
        }
        // Each variable of the path is described too.
        let mut variables: Vec<&str> = path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
        variables.sort_unstable();
        let parameters = methods["parameters"].as_array().cloned().unwrap_or_default();
        let mut named: Vec<&str> = parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        named.sort_unstable();
        assert_eq!(named, variables, "{path}");
    }
    let mut served: Vec<String> = routes().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    served.sort();
    described.sort();
    assert_eq!(described, served);
}

/// The query parameters of an operation, each with its example.
fn examples(path: &str) -> Vec<(String, String)> {
    let document: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap().clone();
    let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    query.map(|parameter| (text(&parameter["name"]), text(&parameter["example"]))).collect()
}

#[test]
fn the_document_names_the_parameters_that_are_read() {
    let now = jiff::Timestamp::now();
    let query = examples("/v3/buffer/{contract}/query");
    for pair in &query {
        let read = parameters::range(std::slice::from_ref(pair), now);
        assert!(read.is_ok() || read.unwrap_err().message.contains("31 days"), "{pair:?}");
    }
    let names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).collect();
    let unknown = parameters::range(&[("?".to_owned(), String::new())], now).unwrap_err().message;
    assert_eq!(unknown, format!("? is no parameter of this endpoint, which has {}", listed(&names)));
    for (path, buffered) in [("/v2/stream/{contract}/live", false), ("/v2/stream/{contract}/buffer", true)] {
        let live = examples(path);
        assert!(live.iter().all(|pair| parameters::live(std::slice::from_ref(pair), None, buffered).is_ok()));
        let names: Vec<&str> = live.iter().map(|(name, _)| name.as_str()).collect();
        let unknown = parameters::live(&[("?".to_owned(), String::new())], None, buffered).unwrap_err().message;
        assert_eq!(unknown, format!("? is no parameter of this endpoint, which has {}", listed(&names)));
    }
}

fn listed(names: &[&str]) -> String {
    let (last, others) = names.split_last().unwrap();
    format!("{} and {last}", others.join(", "))
}

/// Names and help of the metrics, as docs/http.md lists them.
#[tokio::test]
async fn the_manual_lists_the_metrics() {
    let data = tempfile::tempdir().unwrap();
    let core = Core::start(data.path(), "uid".to_owned(), crate::gateway::Place::in_pod(), Duration::from_secs(60));
    let core = core.unwrap();
    let mut view = View { identity: identity(), facts: core.facts(), requests: core.requests(), hearts: core.hearts() };
    core.facts().counters.notice(1100);
    let clocks = &core.facts().counters.drift;
    clocks.tick(1);
    clocks.sample(crate::drift::Sample { at: core.facts().clock.mono(), drift: 0.0, precision: 0.0 });
    core.facts().counters.probe_micros.store(1, std::sync::atomic::Ordering::Relaxed);
    // A future that rolls: one name, two contracts.
    let mut streams = vec![stream("a", StreamState::Flowing), stream("a", StreamState::Stale)];
    (streams[1].key.roll, streams[1].con_id) = (1, Some(7));
    streams[0].pulse.beat(core.facts().clock.now());
    (0..2).for_each(|_| _ = streams[1].pulse.beat(core.facts().clock.now()));
    let contract = |con_id, last_day| ContractFacts {
        name: "a".to_owned(),
        con_id,
        local_symbol: String::new(),
        expiry: Expiry::read(last_day, "US/Central"),
        follows: true,
        next: None,
        instrument: None,
    };
    let contracts = vec![contract(711_280_073, "20200101"), contract(7, "20991231")];
    let known = Snapshot { contracts, ..snapshot(true, streams) };
    view.facts.session = tokio::sync::watch::channel(Arc::new(known)).1;
    core.sealing().send_replace(Sealing {
        files: 2,
        rows: 9,
        waiting: 3,
        failed: Some("No space left".to_owned()),
        uploaded: 4,
        archive: Some(Outcome { uploaded: 0, pending: 5, error: Some("refused".to_owned()) }),
        deleted: Some(Deleted { files: 6, bytes: 7, held: 8 }),
    });
    let (_, text) = get(&view, "/metrics").await;
    for line in [
        "sealed_files_total 2",
        "sealed_ticks_total 9",
        "seal_waiting_hours 3",
        "seal_failing 1",
        "archived_files_total 4",
        "archive_pending_files 5",
        "archive_failing 1",
        "deleted_files_total 6",
        "deleted_bytes_total 7",
        "retention_held_files 8",
        "ticks_total{contract=\"a\",tick=\"BidAsk\"} 3",
        "stream_state{contract=\"a\",state=\"Flowing\",tick=\"BidAsk\"} 1",
        "stream_state{contract=\"a\",state=\"Stale\",tick=\"BidAsk\"} 1",
        "stream_state{contract=\"a\",state=\"Idle\",tick=\"BidAsk\"} 0",
    ] {
        assert!(text.contains(&format!("\nmarketstream_streamer_{line}\n")), "{line}: {text}");
    }
    assert!(text.contains("\nmarketstream_streamer_contract_days_left{contract=\"a\"} -"), "the sooner one: {text}");
    let help = text.lines().filter_map(|line| line.strip_prefix("# HELP marketstream_streamer_"));
    let mut served: Vec<String> = help.map(|line| line.split_once(' ').unwrap()).map(row).collect();
    served.sort();
    let manual = include_str!("../../../docs/http.md");
    let mut listed: Vec<String> =
        manual.lines().filter(|line| line.starts_with("| `marketstream_streamer_")).map(without_labels).collect();
    listed.sort();
    assert_eq!(listed, served);
    core.stop();
}

fn row((name, help): (&str, &str)) -> String {
    format!("`marketstream_streamer_{name}` | {help}")
}

/// The first and the last column of `| name | labels | help |`.
fn without_labels(line: &str) -> String {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    format!("{} | {}", cells[0], cells[2])
}
