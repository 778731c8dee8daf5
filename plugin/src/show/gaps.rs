//! `gaps`: the streamer's ledger.

use jiff::Timestamp;
use serde_json::Value;

use super::{table::table, words::age};

/// The gaps as a table, the oldest first.
pub(crate) fn gaps(ledger: &Value) -> String {
    let rows: Vec<_> = ledger["gaps"].as_array().into_iter().flatten().map(row).collect();
    let text = table(&["STREAM", "FROM", "TO", "CAUSE", "STATE"], &rows);
    if text.is_empty() { "No gap is on record.\n".to_owned() } else { text + &eta(ledger) }
}

/// When all that waits is fetched, as far as the streamer can tell.
fn eta(ledger: &Value) -> String {
    let eta = ledger["etaSeconds"].as_f64().map(age);
    eta.map_or_else(String::new, |eta| format!("What waits for IBKR's history is fetched in about {eta}.\n"))
}

fn row(gap: &Value) -> Vec<String> {
    let time = |field: &str| {
        let second = gap[field].as_i64().and_then(|second| Timestamp::from_second(second).ok());
        second.map_or_else(|| "-".to_owned(), |second| second.to_string())
    };
    let stream = format!("{}/{}", text(gap, "contract"), text(gap, "kind"));
    vec![stream, time("after"), time("before"), text(gap, "cause").to_owned(), state(gap)]
}

/// A field of text; `-` where it is absent.
pub(super) fn text<'a>(gap: &'a Value, field: &str) -> &'a str {
    gap[field].as_str().unwrap_or("-")
}

/// What became of it, and why.
pub(super) fn state(gap: &Value) -> String {
    let added = gap["added"].as_u64().filter(|added| *added > 0).map(|added| format!(", {added} ticks added"));
    let agreement = gap["agreement"].as_f64().map(|share| format!(", agreement {:.1} %", share * 100.0));
    let why = gap["reason"].as_str().map(|reason| format!(": {reason}"));
    [Some(text(gap, "state").to_owned()), added, agreement, why].into_iter().flatten().collect()
}
