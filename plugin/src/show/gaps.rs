//! `gaps`: the streamer's ledger.

use jiff::Timestamp;
use serde_json::Value;

use super::table::table;

/// Longest reason in the table, in characters.
const REASON: usize = 60;

/// The gaps as a table, the oldest first.
pub(crate) fn gaps(ledger: &Value) -> String {
    let rows: Vec<_> = ledger["gaps"].as_array().into_iter().flatten().map(row).collect();
    let text = table(&["ID", "STREAM", "FROM", "TO", "CAUSE", "STATE", "ADDED", "AGREEMENT", "WHY"], &rows);
    if text.is_empty() { "No gap is on record.\n".to_owned() } else { text }
}

fn row(gap: &Value) -> Vec<String> {
    let text = |field: &str| gap[field].as_str().unwrap_or("-").to_owned();
    let time = |field: &str| {
        let second = gap[field].as_i64().and_then(|second| Timestamp::from_second(second).ok());
        second.map_or_else(|| "-".to_owned(), |second| second.to_string())
    };
    let agreement = gap["agreement"].as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
    vec![
        gap["id"].to_string(),
        format!("{}/{}", text("contract"), text("kind")),
        time("after"),
        time("before"),
        text("cause"),
        text("state"),
        gap["added"].to_string(),
        agreement,
        text("reason").chars().take(REASON).collect(),
    ]
}
