//! `/health` with ib-stream's field names, and with what is true.

use marketstream_crds::StreamState;
use serde_json::{Value, json};

use crate::facts::Facts;

/// ib-stream's name of the service.
const SERVICE: &str = "ib-stream";

/// The answer.
pub fn render(facts: &Facts) -> Value {
    let snapshot = facts.session.borrow().clone();
    let storage = facts.storage.borrow().clone();
    let connected = snapshot.socket.is_up();
    let count = |state| snapshot.streams.iter().filter(|stream| stream.state == state).count();
    let (flowing, stale, rejected) =
        (count(StreamState::Flowing), count(StreamState::Stale), count(StreamState::Rejected));
    let mut contracts: Vec<&str> = snapshot.streams.iter().map(|stream| stream.key.contract.as_str()).collect();
    contracts.dedup();

    let status = if !connected || stale > 0 {
        "degraded"
    } else if rejected > 0 || !storage.writable {
        "warning"
    } else {
        "healthy"
    };
    let background = match (connected, stale + rejected) {
        (false, _) => "disconnected",
        (true, 0) => "running",
        (true, _) => "degraded",
    };
    json!({
        "service": SERVICE,
        "status": status,
        "timestamp": facts.clock.now().wall.to_string(),
        "tws_connected": connected,
        "client_id": snapshot.client_id,
        "connection_details": {
            "background_streaming_connected": connected,
            "background_client_id": snapshot.client_id,
            "endpoint": snapshot.socket.endpoint.as_ref().map(ToString::to_string),
            "message": snapshot.socket.message,
        },
        "background_streams": snapshot.streams.len(),
        "storage": {
            "enabled": true,
            "formats": ["v3_protobuf"],
            "writable": storage.writable,
            "dropped": storage.dropped,
            "message": storage.message,
        },
        "background_streaming": {
            "enabled": true,
            "status": background,
            "data_flowing": flowing > 0 && stale == 0,
            "tracked_contracts": contracts.len(),
        },
    })
}
