//! `timeline`: what happened, the oldest first.

use jiff::Timestamp;
use marketstream_crds::{Incident, MarketStream, MarketStreamStatus, Time};
use serde_json::json;

use super::{Report, table::table, words};

/// What `kubectl marketstream timeline` shows.
pub(crate) fn timeline(ms: &MarketStream, now: Timestamp) -> Report {
    let empty = MarketStreamStatus::default();
    let status = ms.status.as_ref().unwrap_or(&empty);
    let mut entries: Vec<Entry> = status.history.iter().chain(&status.incidents).flat_map(entries).collect();
    entries.sort_by_key(|entry| entry.time);
    let rows: Vec<_> = entries.iter().map(|entry| entry.row(now)).collect();
    let text = table(&["TIME", "AGO", "INCIDENT", "WHAT"], &rows);
    let text = if text.is_empty() { "No incident is on record.\n".to_owned() } else { text };
    let json = entries.iter().map(|e| json!({"time": e.time, "incident": e.incident, "what": e.what})).collect();
    Report { text, json }
}

/// One thing that happened.
struct Entry {
    time: Time,
    incident: String,
    what: String,
}

impl Entry {
    fn row(&self, now: Timestamp) -> Vec<String> {
        vec![self.time.to_string(), words::since(self.time.get(), now), self.incident.clone(), self.what.clone()]
    }
}

fn entries(incident: &Incident) -> Vec<Entry> {
    let streams = match incident.streams.as_slice() {
        [] => String::new(),
        [one] => format!(" {one}"),
        [first, others @ ..] => format!(" {first} +{}", others.len()),
    };
    let entry = |time: Time, what: String| Entry { time, incident: format!("{}{streams}", incident.cause), what };
    let mut found = vec![entry(incident.since, "data stopped".to_owned())];
    found.extend(incident.rungs.iter().map(|rung| {
        let action = rung.action.map(|action| format!(": {}", action.as_str())).unwrap_or_default();
        entry(rung.time, format!("level {}{action}", rung.level))
    }));
    found.extend(incident.recovered_time.map(|time| entry(time, "data flow again".to_owned())));
    found.extend(incident.closed_time.map(|time| entry(time, "closed".to_owned())));
    found
}
