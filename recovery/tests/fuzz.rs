//! Trading hours as no exchange has them.

use jiff::{SignedDuration, Timestamp};
use marketstream_fuzz::{Memory, fuzz};
use marketstream_recovery::hours::{SessionState, TradingHours, named_sessions};

const CORPUS: [&str; 8] = [
    "20261124:0930-20261124:1600;20261125:CLOSED",
    "20261123:1700-20261124:1600;20261124:1700-20261125:1600;20261126:CLOSED",
    "20261124:0930-1200,1300-1600;20261125:0930-1200,1300-1600",
    "20260308:1700-20260309:1600;20261101:1700-20261102:1600",
    "20261124:0000-2400;20261125:0000-20261126:0000",
    "20261124:CLOSED",
    "20261124:0930-20261124:1600,20261124:1630-20261124:2000",
    "",
];
/// A session of some 50 bytes for each of its nine characters or more, twice; and the rules of a time zone.
const MEMORY: Memory = Memory { base: 32 << 10, per_byte: 32 };
const ZONES: [&str; 6] = ["US/Eastern", "America/Chicago", "Asia/Hong_Kong", "MET", "UTC", "Australia/Lord_Howe"];

#[test]
fn hours_are_refused_or_hang_together() {
    let texts = |zone: &str| CORPUS.map(|text| format!("{zone}\n{text}").into_bytes());
    let corpus: Vec<Vec<u8>> = ZONES.into_iter().flat_map(texts).collect();
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    fuzz("trading hours", MEMORY, &corpus, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (zone, text) = text.split_once('\n').unwrap_or(("UTC", &text));
        let Ok(hours) = TradingHours::parse(text, zone) else { return };
        assert!(named_sessions(text, zone).is_ok_and(|sessions| sessions.iter().all(|one| one.since < one.until)));
        for step in 0..60 {
            let now = start + SignedDuration::from_hours(step);
            match hours.at(now) {
                SessionState::Open { since, until } => {
                    assert!(since <= now && now < until);
                    assert!(matches!(hours.at(since), SessionState::Open { .. }));
                    assert!(!matches!(hours.at(until), SessionState::Open { since: next, .. } if next != until));
                }
                SessionState::Closed { until } => {
                    let Some(until) = until else { continue };
                    assert!(now < until);
                }
                SessionState::Unknown => {}
            }
        }
    });
}
