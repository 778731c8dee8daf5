use axum::{body::Body, http::Request};
use tower::ServiceExt;

use super::*;
use crate::runtime::Core;

fn identity() -> Identity {
    Identity { pod: "demo-0".to_owned(), pod_uid: "uid".to_owned() }
}

async fn get(view: &View, path: &str) -> (StatusCode, String) {
    send(view, "GET", path).await
}

async fn send(view: &View, method: &str, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router(view.clone()).oneshot(request).await.unwrap();
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
    core.stop();
}
