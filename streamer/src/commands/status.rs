//! `status`: what a running streamer says of itself.

use std::fmt::Write;

use marketstream_crds::{Health, Incident, StreamStatus, StreamerStatus};
use serde::Deserialize;

use super::{WIDTH, age, table};

/// What `/v1/status` answers.
#[derive(Debug, Deserialize)]
struct Status {
    streamer: StreamerStatus,
    recovery: Recovery,
}

/// The part of recovery's word that people need.
#[derive(Debug, Deserialize)]
struct Recovery {
    level: u8,
    health: Option<Health>,
    incidents: Vec<Incident>,
    refused: Option<String>,
}

/// The answer of `/v1/status` as a page for people, no line longer than a terminal is wide.
///
/// # Errors
/// When it is not such an answer.
pub fn page(answer: &str) -> Result<String, serde_json::Error> {
    let Status { streamer, recovery } = serde_json::from_str(answer)?;
    let mut lines = vec![format!(
        "{}: {}, level {}, {} streams flow",
        streamer.pod,
        recovery.health.map_or("as the operator says", Health::as_str),
        recovery.level,
        streamer.summary,
    )];
    let endpoint = streamer.socket.endpoint.as_deref().unwrap_or("no gateway yet");
    lines.push(format!("session: {:?}, {endpoint}, client ID {}", streamer.socket.state, streamer.client_id));
    lines.extend(streamer.socket.message.as_ref().map(|message| format!("  {message}")));
    if !streamer.storage.writable {
        let message = streamer.storage.message.as_deref().unwrap_or("a write failed");
        lines.push(format!("storage: {message}"));
    }
    if let Some(gaps) = streamer.gaps {
        lines.push(format!(
            "gaps: {} open, {} filled, {} approximate, {} unfillable",
            gaps.open, gaps.filled, gaps.approximate, gaps.unfillable
        ));
        lines.extend(gaps.eta_seconds.map(|eta| format!("  what waits for history is fetched in about {eta} s")));
    }
    lines.extend(recovery.refused.as_ref().map(|problem| format!("a newer manifest is refused: {problem}")));
    let mut page = String::new();
    for line in lines {
        let line: String = line.chars().take(WIDTH).collect();
        let _ = writeln!(page, "{line}");
    }
    let rows: Vec<Vec<String>> = streamer.streams.iter().map(row).collect();
    let _ =
        write!(page, "\n{}", table(&["STREAM", "STATE", "SESSION", "LAST TICK", "RESTARTS", "REFUSED WITH"], &rows));
    if !recovery.incidents.is_empty() {
        let rows: Vec<Vec<String>> = recovery.incidents.iter().map(incident).collect();
        let _ = write!(page, "\n{}", table(&["INCIDENT", "LEVEL", "SINCE", "STREAMS", "NEXT"], &rows));
    }
    Ok(page)
}

fn row(stream: &StreamStatus) -> Vec<String> {
    vec![
        stream.key(),
        format!("{:?}", stream.state),
        format!("{:?}", stream.session),
        stream.last_tick_seconds.map_or_else(|| "-".to_owned(), age),
        stream.restarts.to_string(),
        stream.error.as_ref().map_or_else(|| "-".to_owned(), |error| format!("{} {}", error.code, error.message)),
    ]
}

fn incident(incident: &Incident) -> Vec<String> {
    let streams = match incident.streams.as_slice() {
        [] => "all".to_owned(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    };
    vec![
        incident.cause.to_string(),
        incident.level.to_string(),
        incident.since.to_string(),
        streams,
        incident.next_action.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_matters_is_on_the_page_and_it_fits_a_terminal() {
        let now = "2026-11-24T12:00:00.000Z";
        let answer = json!({
            "streamer": {
                "pod": "desk", "podUID": "1", "clientId": 852, "heartbeatTime": now, "summary": "1/2", "flowing": 1,
                "total": 2,
                "socket": {"state": "Connected", "endpoint": "127.0.0.1:4002", "since": now, "downSeconds": 0,
                    "everConnected": true},
                "streams": [
                    {"contract": "mnq", "tick": "BidAsk", "state": "Flowing", "silentSeconds": 0, "lastTickSeconds": 0.2,
                        "since": now, "session": "Open", "restarts": 1},
                    {"contract": "mnq", "tick": "Last", "state": "Rejected", "silentSeconds": 9, "since": now,
                        "session": "Open", "restarts": 0,
                        "error": {"code": 354, "message": "x".repeat(300), "time": now, "ageSeconds": 1}},
                ],
                "storage": {"writable": false, "dropped": 3, "message": "No space left on device"},
                "gaps": {"open": 1, "filled": 2, "approximate": 3, "unfillable": 4, "etaSeconds": 90},
            },
            "recovery": {
                "level": 2, "health": "Degraded", "own": true, "history": [], "refused": "spec.contracts: no",
                "incidents": [{"id": "i", "scope": "Stream", "since": now, "cause": "NotEntitled", "level": 2,
                    "attempts": 0, "streams": ["mnq/Last", "mes/Last"], "nextAction": "Critical"}],
            },
        });
        let page = page(&answer.to_string()).unwrap();
        for line in [
            "desk: Degraded, level 2, 1/2 streams flow",
            "session: Connected, 127.0.0.1:4002, client ID 852",
            "storage: No space left on device",
            "gaps: 1 open, 2 filled, 3 approximate, 4 unfillable",
            "  what waits for history is fetched in about 90 s",
            "a newer manifest is refused: spec.contracts: no",
            "STREAM       STATE      SESSION   LAST TICK   RESTARTS   REFUSED WITH",
            "mnq/BidAsk   Flowing    Open      0s          1          -",
            "NotEntitled   2       2026-11-24T12:00:00.000Z   mnq/Last +1   Critical",
        ] {
            assert!(page.lines().any(|known| known == line), "{line}\n{page}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
    }
}
