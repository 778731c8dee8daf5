use axum::{body::Body, http::Request};
use tower::ServiceExt;

use super::*;
use crate::runtime::Core;

async fn get(view: &View, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router(view.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn without_a_session_it_is_alive_and_not_ready() {
    let data = tempfile::tempdir().unwrap();
    let core = Core::start(data.path(), "uid".to_owned(), crate::gateway::Place::in_pod()).unwrap();
    let view = View { facts: core.facts(), hearts: core.hearts() };
    assert_eq!(get(&view, "/livez").await, (StatusCode::OK, "ok\n".to_owned()));
    let (status, reason) = get(&view, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reason.contains("no API session (Connecting)"), "{reason}");
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
