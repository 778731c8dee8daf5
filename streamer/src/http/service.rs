//! What ib-stream tells of itself beside its health: `/`, `/v2/info` and `/stream/info`, `/storage/status`, `/time/status`.

use std::path::Path;

use marketstream_proto::TickKind;
use serde_json::{Value, json};

use super::{
    MAX_READERS,
    health::{Picture, SERVICE},
    parameters::{LIMIT, TIMEOUT_S},
    routes,
};

/// Form of the recordings, as ib-stream names it.
pub const FORMAT: &str = "v3_protobuf";

/// What is served, for people and for clients that ask before they read.
pub fn info() -> Value {
    let paths: Vec<&str> = routes().iter().map(|(_, path, _)| *path).collect();
    json!({
        "service": SERVICE,
        "version": "2.0.0",
        "protocol": "v2",
        "program": concat!("marketstream-streamer ", env!("CARGO_PKG_VERSION")),
        "description": "/openapi.json describes all of it",
        "endpoints": paths,
        "tick_types": TickKind::ALL.map(TickKind::as_str),
        "stream_id_format": "{contract_id}_{tick_type}_{timestamp}_{random}",
        "limits": {
            "max_concurrent_streams": MAX_READERS,
            "limit": {"min": LIMIT.start(), "max": LIMIT.end()},
            "timeout_seconds": {"min": TIMEOUT_S.start(), "max": TIMEOUT_S.end(), "default": null},
        },
    })
}

/// `/storage/status`, with true figures, since the process started: ib-stream's messages are ticks. `waiting` is how many
/// the recorder has in its queue.
pub fn storage(picture: &Picture, data_dir: &Path, waiting: usize) -> Value {
    let (storage, uptime) = (&picture.storage, picture.now.mono.as_secs_f64());
    let (received, dropped) = (picture.ticks(), u64::try_from(storage.dropped).unwrap_or(0));
    let written = received.saturating_sub(dropped).saturating_sub(waiting as u64);
    let rate = |count: u64, of: f64| if of > 0.0 { count as f64 / of } else { 0.0 };
    let error = (!storage.writable).then(|| storage.message.as_deref().unwrap_or("writes fail"));
    json!({
        "enabled": true,
        "timestamp": picture.timestamp(),
        "info": {
            "enabled_formats": [FORMAT],
            "queue_sizes": {FORMAT: waiting},
            "message_stats": {"v2_messages": 0, "v3_messages": received, "conversion_errors": 0},
            "backend_count": 1,
            "storage_path": data_dir,
            "v3_only_mode": true,
        },
        "metrics": {
            "timestamp": picture.timestamp(),
            "uptime_seconds": uptime,
            "overall": {
                "messages_received": received,
                "messages_written": written,
                "messages_dropped": dropped,
                "write_rate_per_second": rate(written, uptime),
                "drop_rate": rate(dropped, received as f64),
            },
            "recent_errors": Vec::from_iter(error),
            "health": {"status": if storage.writable { "healthy" } else { "critical" }, "issues": Vec::from_iter(error)},
        },
        "config": {"storage_path": data_dir, "json_enabled": false, "protobuf_enabled": true, "metrics_enabled": true},
    })
}

/// `/time/status`.
pub fn time(picture: &Picture) -> Value {
    let mut answer = json!(picture.time);
    answer["timestamp"] = picture.timestamp().into();
    answer
}
