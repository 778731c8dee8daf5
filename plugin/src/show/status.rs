//! `status`: streams, incidents, and what happens next.

use std::fmt::Write;

use jiff::Timestamp;
use kube::ResourceExt;
use marketstream_crds::{Health, Incident, MarketStream, MarketStreamStatus, StreamStatus};
use serde_json::{Value, json};

use super::{Report, explain::standing, table::table, words};

/// Whether all is as it should be: data flow, or none have to.
pub(crate) fn well(ms: &MarketStream) -> bool {
    let health = ms.status.as_ref().and_then(|status| status.health);
    matches!(health, Some(Health::Healthy | Health::Idle))
}

/// What `kubectl marketstream status` shows.
pub(crate) fn status(ms: &MarketStream, now: Timestamp) -> Report {
    let empty = MarketStreamStatus::default();
    let status = ms.status.as_ref().unwrap_or(&empty);
    let mut text = words::paragraph("", &summary(ms, status, now));
    let standing = standing(ms, status);
    for line in standing.iter().chain(&told(status)) {
        text.push_str(&words::paragraph("  ", line));
    }
    if let Some(action) = last_action(status, now) {
        text.push_str(&words::paragraph("  ", &format!("last action: {action}")));
    }
    let streams = status.streamer.as_ref().map_or(&[][..], |streamer| &streamer.streams);
    let rows: Vec<_> = streams.iter().map(row).collect();
    let header = ["STREAM", "STATE", "SESSION", "SILENT", "RESTARTS", "REFUSED WITH"];
    section(&mut text, &table(&header, &rows));
    let rows: Vec<_> = status.incidents.iter().map(|incident| incident_row(incident, now)).collect();
    section(&mut text, &table(&["INCIDENT", "SINCE", "LEVEL", "STREAMS", "NEXT", "WHEN"], &rows));
    let json = json!({
        "name": ms.name_any(),
        "namespace": ms.namespace(),
        "health": status.health,
        "level": status.level,
        "cause": status.cause,
        "clientId": status.client_id,
        "conditions": unusual(status).map(Unusual::json).collect::<Vec<_>>(),
        "streamer": status.streamer,
        "incidents": status.incidents,
        "action": status.action,
    });
    Report { text, json }
}

fn section(text: &mut String, table: &str) {
    if !table.is_empty() {
        let _ = write!(text, "\n{table}");
    }
}

fn summary(ms: &MarketStream, status: &MarketStreamStatus, now: Timestamp) -> String {
    let mut parts = vec![format!("{}/{}", ms.namespace().unwrap_or_default(), ms.name_any())];
    let none = if ms.spec.suspend { "suspended" } else { "not started" };
    parts.push(status.health.map_or(none, Health::as_str).to_owned());
    parts.push(format!("level {}", status.level.unwrap_or(0)));
    parts.extend(status.cause.map(|cause| cause.to_string()));
    if let Some(streamer) = &status.streamer {
        parts.push(format!("{} streams flow", streamer.summary));
        let tick = streamer.last_tick_time.map(|tick| format!("last tick {} ago", words::since(tick.get(), now)));
        parts.extend(tick);
        parts.push(format!("client ID {}", streamer.client_id));
        parts.extend(streamer.socket.endpoint.clone());
    }
    parts.join(", ")
}

/// What was done last, by whom it was wanted, and what came of it.
fn last_action(status: &MarketStreamStatus, now: Timestamp) -> Option<String> {
    let action = status.action.as_ref()?;
    let streams = if action.streams.is_empty() { String::new() } else { format!(" of {}", action.streams.join(", ")) };
    let ack = status.streamer.as_ref().and_then(|streamer| streamer.action.as_ref()).filter(|ack| ack.id == action.id);
    let came = ack.map(|ack| {
        let message = ack.message.as_ref().map(|message| format!(", {message}")).unwrap_or_default();
        format!(": {:?}{message}", ack.state)
    });
    let ago = words::since(action.issued_at.get(), now);
    Some(format!("{}{streams}, {ago} ago{}", action.kind.as_str(), came.unwrap_or_default()))
}

/// A condition that a person should read.
struct Unusual<'a> {
    type_: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

impl Unusual<'_> {
    /// Its name, and its status where that is not True.
    fn name(&self) -> String {
        let is = if self.status == "True" { String::new() } else { format!(" is {}", self.status) };
        format!("{}{is}", self.type_)
    }

    fn json(self) -> Value {
        json!({"type": self.type_, "status": self.status, "reason": self.reason, "message": self.message})
    }
}

/// The conditions that are not as in good times, those that say the same together.
fn told(status: &MarketStreamStatus) -> Vec<String> {
    let mut told: Vec<(Vec<String>, String)> = Vec::new();
    for condition in unusual(status) {
        let says = format!("({}): {}", condition.reason, condition.message);
        match told.iter_mut().find(|(_, known)| *known == says) {
            Some((names, _)) => names.push(condition.name()),
            None => told.push((vec![condition.name()], says)),
        }
    }
    told.into_iter().map(|(names, says)| format!("{} {says}", names.join(", "))).collect()
}

/// The conditions that are not as in good times.
fn unusual(status: &MarketStreamStatus) -> impl Iterator<Item = Unusual<'_>> {
    use marketstream_crds::conditions::types::{
        BACKFILLED, CONNECTED, DATA_FLOWING, MARKET_OPEN, READY, STORAGE_READY,
    };
    // MarketOpen is no fault either way; the others are good news when they are True.
    let good = [READY, CONNECTED, DATA_FLOWING, STORAGE_READY, BACKFILLED];
    let worth = move |type_: &str, status: &str| match type_ {
        MARKET_OPEN => false,
        type_ if good.contains(&type_) => status != "True",
        _ => status == "True",
    };
    status.conditions.iter().filter(move |condition| worth(&condition.type_, &condition.status)).map(|condition| {
        Unusual {
            type_: &condition.type_,
            status: &condition.status,
            reason: &condition.reason,
            message: &condition.message,
        }
    })
}

fn row(stream: &StreamStatus) -> Vec<String> {
    let refused = stream.error.as_ref().map(|error| format!("{}: {}", error.code, error.message));
    vec![
        stream.key(),
        format!("{:?}", stream.state),
        format!("{:?}", stream.session),
        words::age(stream.silent_seconds),
        stream.restarts.to_string(),
        refused.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn incident_row(incident: &Incident, now: Timestamp) -> Vec<String> {
    let streams = match incident.streams.as_slice() {
        [] => "all".to_owned(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    };
    let closing = incident.recovered_time.map(|since| format!("data flow for {}", words::since(since.get(), now)));
    vec![
        incident.cause.to_string(),
        words::since(incident.since.get(), now),
        incident.level.to_string(),
        streams,
        closing.or_else(|| incident.next_action.clone()).unwrap_or_else(|| "-".to_owned()),
        incident.next_action_time.map_or_else(|| "-".to_owned(), |due| words::when(due.get(), now)),
    ]
}
