//! `timeline`: what happened, the oldest first.

use jiff::Timestamp;
use marketstream_crds::{Incident, MarketStream, MarketStreamStatus};
use serde_json::{Value, json};

use super::{
    Report,
    gaps::{state, text},
    table::table,
    words,
};

/// What `kubectl marketstream timeline` shows: incidents, and the gaps of the streamer's ledger, or why they are not
/// known.
pub(crate) fn timeline(ms: &MarketStream, ledger: Result<&Value, &String>, now: Timestamp) -> Report {
    let empty = MarketStreamStatus::default();
    let status = ms.status.as_ref().unwrap_or(&empty);
    let mut entries: Vec<Entry> = status.history.iter().chain(&status.incidents).flat_map(entries).collect();
    let gaps = ledger.ok().and_then(|ledger| ledger["gaps"].as_array());
    entries.extend(gaps.into_iter().flatten().filter_map(gap));
    entries.sort_by_key(|entry| entry.time);
    let rows: Vec<_> = entries.iter().map(|entry| entry.row(now)).collect();
    let mut text = table(&["TIME", "AGO", "WHERE", "WHAT"], &rows);
    if text.is_empty() {
        text = "Nothing is on record.\n".to_owned();
    }
    if let Err(why) = ledger {
        text.push('\n');
        text.push_str(&words::paragraph("", &format!("Gaps are not shown, since the pod cannot be asked: {why}")));
    }
    let events: Value = entries.iter().map(Entry::json).collect();
    Report { text, json: json!({"events": events, "gapsUnknown": ledger.err()}) }
}

/// One thing that happened.
struct Entry {
    time: Timestamp,
    place: String,
    what: String,
}

impl Entry {
    fn row(&self, now: Timestamp) -> Vec<String> {
        vec![format!("{:.0}", self.time), words::since(self.time, now), self.place.clone(), self.what.clone()]
    }

    fn json(&self) -> Value {
        json!({"time": self.time, "where": self.place, "what": self.what})
    }
}

fn entries(incident: &Incident) -> Vec<Entry> {
    let streams = match incident.streams.as_slice() {
        [] => String::new(),
        [one] => format!(" {one}"),
        [first, others @ ..] => format!(" {first} +{}", others.len()),
    };
    let place = format!("{}{streams}", incident.cause);
    let entry = |time: marketstream_crds::Time, what: String| Entry { time: time.get(), place: place.clone(), what };
    let mut found = vec![entry(incident.since, "began".to_owned())];
    let rungs = incident.rungs.iter();
    found.extend(rungs.map(|rung| entry(rung.time, format!("level {}: {}", rung.level, words::done(rung)))));
    found.extend(incident.recovered_time.map(|time| entry(time, "it recovers".to_owned())));
    found.extend(incident.closed_time.map(|time| entry(time, "closed".to_owned())));
    found
}

/// A gap, at its beginning, or at its end where recording begins.
fn gap(gap: &Value) -> Option<Entry> {
    let (after, before) = (gap["after"].as_i64(), gap["before"].as_i64());
    let length = after.zip(before).map(|(after, before)| words::age((before - after) as f64));
    let length = length.map(|length| format!(" of {length}")).unwrap_or_default();
    Some(Entry {
        time: Timestamp::from_second(after.or(before)?).ok()?,
        place: format!("gap {}/{}", text(gap, "contract"), text(gap, "kind")),
        what: format!("{}{length}, {}", text(gap, "cause"), state(gap)),
    })
}
