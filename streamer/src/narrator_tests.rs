use marketstream_crds::{Session, StreamState};
use serde_json::json;

use super::*;
use crate::test_support::{error, snapshot, stream};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

fn recovery(level: u8) -> Recovery {
    let incident = json!({"id": "1", "scope": "Session", "since": "2026-11-24T00:00:00Z", "cause": "Zombie",
        "level": level, "attempts": 1, "lastAction": "RollPod"});
    Recovery { level, incidents: vec![serde_json::from_value(incident).unwrap()], ..Recovery::default() }
}

const FLOWS: &str = "Monitor cycle: socket_connected=True, data_flowing=True";
const SILENT: &str = "Monitor cycle: socket_connected=True, data_flowing=False";
const DOWN: &str = "Monitor cycle: socket_connected=False, data_flowing=False";

#[test]
fn each_change_is_told_at_once_and_what_lasts_each_minute() {
    let (mut narrator, calm) = (Narrator::default(), Recovery::default());
    let flowing = snapshot(true, vec![stream("mnq", StreamState::Flowing)]);
    assert!(narrator.tell(&snapshot(false, Vec::new()), &calm, at(0)).is_empty());
    assert_eq!(texts(&narrator.tell(&flowing, &calm, at(1))), [FLOWS]);
    assert!(narrator.tell(&flowing, &calm, at(60)).is_empty());
    assert_eq!(texts(&narrator.tell(&flowing, &calm, at(61))), [FLOWS]);
    let stale = snapshot(true, vec![stream("mnq", StreamState::Stale)]);
    let conflict = "No Error 10189 (distinguishes from TWS conflict)";
    assert_eq!(texts(&narrator.tell(&stale, &calm, at(62))), [SILENT, conflict]);
    let down = snapshot(false, vec![stream("mnq", StreamState::Stale)]);
    let told = narrator.tell(&down, &calm, at(63));
    assert_eq!(texts(&told), [DOWN, "Connection failure errors: the gateway is gone"]);
    assert_eq!((told[0].level, told[1].level), (Level::INFO, Level::WARN));
    let mut hung = down;
    hung.socket.state = SocketState::NoHandshake;
    assert_eq!(texts(&narrator.tell(&hung, &calm, at(64))), ["Connection timeout errors: the gateway is gone"]);
    // A closed market is no fault.
    let mut closed = stream("mnq", StreamState::Idle);
    closed.session = Session::Closed;
    assert_eq!(texts(&narrator.tell(&snapshot(true, vec![closed]), &calm, at(65))), [FLOWS]);
}

#[test]
fn another_session_is_told_by_its_error() {
    let (mut narrator, calm) = (Narrator::default(), Recovery::default());
    narrator.tell(&snapshot(true, vec![stream("mnq", StreamState::Flowing)]), &calm, at(0));
    let mut refused = stream("mnq", StreamState::Stale);
    refused.error = Some(error(
        10189,
        "Failed to request tick-by-tick data:Trading TWS session is connected from a different IP address",
    ));
    let told = narrator.tell(&snapshot(true, vec![refused.clone()]), &calm, at(1));
    let conflict = "Error 10189: Trading TWS session is connected from a different IP address";
    assert_eq!(texts(&told), [SILENT, conflict]);
    assert_eq!(told[1].level, Level::WARN);
    assert!(narrator.tell(&snapshot(true, vec![refused]), &calm, at(2)).is_empty());
}

#[test]
fn each_rung_has_the_seeds_words_and_level() {
    let mut narrator = Narrator::default();
    let stale = snapshot(true, vec![stream("mnq", StreamState::Stale)]);
    narrator.tell(&stale, &Recovery::default(), at(0));
    for (seconds, rung, level, text) in [
        (90, 1, Level::WARN, "STALE DATA (Level 1): Contract 711280073 (MNQ) - no data for 0:01:30"),
        (180, 2, Level::INFO, "STALE DATA (Level 2): Contract 711280073 (MNQ) - no data for 0:03:00"),
        (300, 3, Level::WARN, "STALE DATA (Level 3): Contract 711280073 (MNQ) - no data for 0:05:00"),
        (90_000, 4, Level::ERROR, "STALE DATA (Level 4): Contract 711280073 (MNQ) - no data for 1 day, 1:00:00"),
    ] {
        let told = narrator.tell(&stale, &recovery(rung), at(seconds));
        assert!(told.contains(&line(level, text)), "{told:?}");
        assert!(narrator.tell(&stale, &recovery(rung), at(seconds)).is_empty());
        let critical = "CRITICAL: Consider service restart - auto-recovery not resolving issue";
        assert_eq!(told.contains(&line(Level::ERROR, critical)), rung == 4);
        // It lasts.
        assert!(texts(&narrator.tell(&stale, &recovery(rung), at(seconds + 60))).len() >= 2);
    }
}

#[test]
fn the_first_session_after_a_replaced_pod_is_the_success_of_that() {
    let mut narrator = Narrator::default();
    let flowing = snapshot(true, vec![stream("mnq", StreamState::Flowing)]);
    assert!(texts(&narrator.tell(&flowing, &recovery(3), at(1))).contains(&RESET_DONE));
    let down = snapshot(false, vec![stream("mnq", StreamState::Stale)]);
    narrator.tell(&down, &recovery(3), at(2));
    assert!(!texts(&narrator.tell(&flowing, &recovery(3), at(3))).contains(&RESET_DONE));
}
