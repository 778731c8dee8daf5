//! `explain`: why something, or nothing, is being done.

use jiff::Timestamp;
use kube::ResourceExt;
use marketstream_crds::{
    Cause, Incident, MarketStream, MarketStreamStatus,
    conditions::types::{DATA_FLOWING, STALLED},
    names,
};
use marketstream_recovery::rule;
use serde_json::{Value, json};

use super::{Report, words};

/// What `kubectl marketstream explain` shows.
pub(crate) fn explain(ms: &MarketStream, now: Timestamp) -> Report {
    let empty = MarketStreamStatus::default();
    let status = ms.status.as_ref().unwrap_or(&empty);
    let incidents: Vec<_> = status.incidents.iter().map(|incident| Explained::of(incident, now)).collect();
    let mut reasons = halted(ms, status);
    reasons.extend(standing(ms, status));
    if incidents.is_empty() {
        reasons.push(quiet(status));
    }
    let mut text = String::new();
    reasons.iter().for_each(|reason| text.push_str(&words::paragraph("", reason)));
    incidents.iter().for_each(|incident| text.push_str(&incident.text()));
    let json = json!({"reasons": reasons, "incidents": incidents.iter().map(Explained::json).collect::<Vec<_>>()});
    Report { text, json }
}

/// What only a person ends. It has conditions, too.
fn halted(ms: &MarketStream, status: &MarketStreamStatus) -> Vec<String> {
    let suspended = ms.spec.suspend.then(|| "Nothing runs: spec.suspend is true.".to_owned());
    let stalled = status.conditions.iter().find(|condition| condition.type_ == STALLED && condition.status == "True");
    let stalled = stalled.map(|stalled| format!("It waits for a person ({}): {}", stalled.reason, stalled.message));
    suspended.into_iter().chain(stalled).collect()
}

/// What keeps recovery from acting and has no condition.
pub(super) fn standing(ms: &MarketStream, status: &MarketStreamStatus) -> Vec<String> {
    let mut reasons = Vec::new();
    if ms.annotations().get(names::ANNOTATION_PAUSED).is_some_and(|value| value == "true") {
        reasons.push(format!("Recovery only watches: the annotation {} is \"true\".", names::ANNOTATION_PAUSED));
    }
    if status.observed_generation != ms.metadata.generation {
        reasons.push("The operator has not seen this generation of the spec yet.".to_owned());
    }
    reasons
}

/// Why there is no incident.
fn quiet(status: &MarketStreamStatus) -> String {
    let flowing = status.conditions.iter().find(|condition| condition.type_ == DATA_FLOWING);
    match (status.health, flowing) {
        (Some(health), Some(flowing)) => format!("No incident is open. {}: {}.", health.as_str(), flowing.message),
        _ => "No incident is open, and nothing is known of the data yet.".to_owned(),
    }
}

/// An incident in words.
struct Explained {
    what: String,
    /// The facts that speak for the cause, and what a person can do.
    evidence: &'static str,
    advice: &'static str,
    done: Vec<String>,
    next: String,
}

impl Explained {
    fn of(incident: &Incident, now: Timestamp) -> Self {
        let streams = if incident.streams.is_empty() { "all streams".to_owned() } else { incident.streams.join(", ") };
        let since = words::since(incident.since.get(), now);
        let done = incident.rungs.iter().map(|rung| {
            let after = words::age(rung.time.get().duration_since(incident.since.get()).as_secs_f64());
            format!("level {} after {after}: {}", rung.level, words::done(rung))
        });
        Self {
            what: format!("{}: {streams}, since {} ({since})", incident.cause, incident.since),
            evidence: rule(incident.cause).evidence,
            advice: rule(incident.cause).advice,
            done: done.collect(),
            next: next(incident, now),
        }
    }

    fn text(&self) -> String {
        let mut text = words::paragraph("", &self.what) + &words::paragraph("  seen  ", self.evidence);
        self.done.iter().for_each(|done| text.push_str(&words::paragraph("  done  ", done)));
        text.push_str(&words::paragraph("  next  ", &self.next));
        text + &words::paragraph("  you   ", self.advice)
    }

    fn json(&self) -> Value {
        json!({"what": self.what, "evidence": self.evidence, "advice": self.advice, "done": self.done, "next": self.next})
    }
}

fn next(incident: &Incident, now: Timestamp) -> String {
    let good = match incident.cause {
        Cause::NotReporting => "the pod reports",
        Cause::StorageFull => "the volume takes writes",
        _ => "data flow",
    };
    if let Some(since) = incident.recovered_time {
        return format!("{good} again for {}; the incident closes when that lasts", words::since(since.get(), now));
    }
    match (&incident.next_action, incident.next_action_time) {
        (Some(action), Some(due)) => format!("{action}, {}, unless {good} before", words::when(due.get(), now)),
        (Some(action), None) => action.clone(),
        (None, _) => format!("nothing more that this cause allows; it closes by itself when {good}"),
    }
}
