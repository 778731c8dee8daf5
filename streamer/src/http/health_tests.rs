//! Each endpoint in each state: the words that it says, and the fields and types that ib-stream's clients read.

use marketstream_crds::{SealingStatus, Session};

use super::{
    super::{background, service},
    *,
};
use crate::{
    clock::Clock,
    drift::Sample,
    facts::ContractFacts,
    seal::instruments::{Instrument, Session as TradingSession},
    test_support::{error, snapshot, stream},
};

/// What has no value before the first tick, while nothing is subscribed, or where ticks are kept for ever.
const UNKNOWN_AT_TIMES: [&str; 4] = ["/last_tick", "/minutes_ago", "/request_id", "/buffer_hours"];

/// Answers that ib-stream gave, and the example of its manual.
const GOLDEN: &str = include_str!("../../tests/fixtures/health.json");

fn picture(session: Snapshot, storage: StorageStatus, recovery: &Recovery) -> Picture {
    let now = Clock::start().now();
    let time = TimeSync::of(&Drift::default(), now.mono);
    Picture::new(session.into(), storage, recovery, &[], time, now, 0)
}

fn writable() -> StorageStatus {
    StorageStatus { writable: true, ..StorageStatus::default() }
}

fn at_level(level: u8) -> Recovery {
    Recovery { level, ..Recovery::default() }
}

/// The golden answer's fields are there with its types; more may be.
fn assert_like(answer: &Value, golden: &Value, place: &str) {
    match golden {
        Value::Object(fields) => {
            let found = answer.as_object().unwrap_or_else(|| panic!("{place} is {answer}, no object"));
            for (name, golden) in fields {
                let answer = found.get(name).unwrap_or_else(|| panic!("{place}/{name} is missing in {answer}"));
                assert_like(answer, golden, &format!("{place}/{name}"));
            }
        }
        Value::Array(items) => {
            let found = answer.as_array().unwrap_or_else(|| panic!("{place} is {answer}, no list"));
            if let (Some(golden), Some(answer)) = (items.first(), found.first()) {
                assert_like(answer, golden, place);
            }
        }
        // What ib-stream itself leaves open, or this program does not know.
        Value::Null => {}
        golden => {
            let unknown = answer.is_null() && UNKNOWN_AT_TIMES.iter().any(|name| place.ends_with(name));
            let same = std::mem::discriminant(golden) == std::mem::discriminant(answer) || unknown;
            assert!(same, "{place} is {answer}, and was {golden} in ib-stream");
        }
    }
}

#[test]
fn every_field_that_ib_streams_clients_read_is_there_in_every_state() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let mut flowing = stream("mnq", StreamState::Flowing);
    flowing.pulse.beat(Clock::start().now());
    flowing.error = Some(error(10189, "x"));
    let sessions = [
        snapshot(true, vec![flowing]),
        snapshot(true, vec![stream("mnq", StreamState::Stale)]),
        snapshot(true, vec![stream("mnq", StreamState::Pending)]),
        snapshot(false, vec![stream("mnq", StreamState::Stale)]),
    ];
    for session in sessions {
        let picture = picture(session, writable(), &at_level(0));
        assert_like(&overall(&picture), &golden["/health"], "/health");
        assert_like(&overall(&picture), &golden["manual"], "the manual's /health");
        assert_like(&system(&picture), &golden["/system/health"], "/system/health");
        let storage = service::storage(&picture, std::path::Path::new("/data"), 0);
        assert_like(&storage, &golden["/storage/status"], "/storage/status");
        assert_like(&service::time(&picture), &golden["/time/status"], "/time/status");
        assert_like(&background::status(&picture), &golden["/background/status"], "/background/status");
        assert_like(&background::health(&picture), &golden["/background/health"], "/background/health");
        assert_like(&background::summary(&picture), &golden["/background/health/summary"], "summary");
        let (status, contract) = background::contract(&picture, "711280073");
        assert_eq!(status, axum::http::StatusCode::OK);
        assert_like(&contract, &golden["/background/health/711280073"], "/background/health/711280073");
        assert_eq!(background::contract(&picture, "mnq").1["contract_id"], 711_280_073);
        for (id, code) in [("1", 404), ("0", 400)] {
            let (status, answer) = background::contract(&picture, id);
            assert_eq!(status.as_u16(), code);
            assert_like(&answer, &golden[format!("/background/health/{id}")], id);
        }
    }
}

/// The state of the streams, and what the endpoints say: status, background, data_flowing, contract.
#[test]
fn each_state_has_its_words() {
    let of = |states: &[StreamState]| -> Vec<StreamFacts> {
        states.iter().enumerate().map(|(index, state)| stream(&format!("c{index}"), *state)).collect()
    };
    let mut closed = of(&[StreamState::Idle]);
    closed[0].session = Session::Closed;
    let mut delayed = of(&[StreamState::Pending, StreamState::Flowing]);
    delayed[0].delayed = true;
    let full = StorageStatus { writable: false, message: Some("no space".to_owned()), ..StorageStatus::default() };
    let sealing = SealingStatus { unarchived: 3, message: "refused".to_owned() };
    let unsealed = StorageStatus { sealing: Some(sealing), ..writable() };
    use StreamState::{Flowing, Halted, Idle, Overflow, Pending, Quiet, Rejected, Stale};
    for (session, storage, level, expected) in [
        (snapshot(true, of(&[Flowing])), writable(), 0, ("healthy", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Quiet, Flowing])), writable(), 0, ("healthy", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Quiet])), writable(), 0, ("healthy", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Halted])), writable(), 0, ("healthy", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Idle])), writable(), 0, ("healthy", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Overflow])), writable(), 0, ("healthy", "running", true, "HEALTHY")),
        (snapshot(true, closed.clone()), writable(), 0, ("healthy", "running", true, "OFF_HOURS")),
        (snapshot(true, of(&[Pending])), writable(), 0, ("healthy", "degraded", false, "UNKNOWN")),
        (snapshot(true, of(&[Flowing])), writable(), 1, ("warning", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Flowing])), full, 0, ("warning", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Flowing])), unsealed, 0, ("warning", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Rejected, Flowing])), writable(), 0, ("warning", "running", true, "UNHEALTHY")),
        (snapshot(true, delayed), writable(), 0, ("warning", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Flowing])), writable(), 2, ("degraded", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Flowing])), writable(), 4, ("degraded", "running", true, "HEALTHY")),
        (snapshot(true, of(&[Stale, Flowing])), writable(), 0, ("degraded", "degraded", false, "UNHEALTHY")),
        (snapshot(true, of(&[Stale])), writable(), 1, ("degraded", "degraded", false, "UNHEALTHY")),
        (snapshot(false, of(&[Stale])), writable(), 0, ("degraded", "disconnected", false, "UNHEALTHY")),
        (snapshot(false, closed), writable(), 0, ("degraded", "disconnected", false, "UNHEALTHY")),
        (snapshot(false, Vec::new()), writable(), 0, ("degraded", "disconnected", false, "UNKNOWN")),
    ] {
        let states: Vec<_> = session.streams.iter().map(|stream| stream.state).collect();
        let picture = picture(session, storage, &at_level(level));
        let (health, contracts) = (overall(&picture), background::health(&picture));
        let said = (
            health["status"].as_str().unwrap(),
            health["background_streaming"]["status"].as_str().unwrap(),
            health["background_streaming"]["data_flowing"].as_bool().unwrap(),
            contracts["overall_status"].as_str().unwrap(),
        );
        assert_eq!(said, expected, "{states:?} at level {level}: {health:#}");
        assert_eq!(health["status"] == "healthy", health["issues"] == json!([]), "{health:#}");
        assert_eq!(system(&picture)["system_status"], health["status"]);
        let storage = &service::storage(&picture, std::path::Path::new("/data"), 0)["metrics"]["health"];
        assert_eq!(storage["status"] == "healthy", picture.storage.writable, "{storage}");
        assert_eq!(storage["issues"] == json!([]), picture.storage.writable, "{storage}");
        assert_eq!(health["tws_connected"].as_bool(), Some(picture.connected));
    }
}

#[test]
fn hours_requests_and_retention_are_told_when_they_are_known() {
    let mut flowing = stream("mnq", StreamState::Flowing);
    flowing.request = Some(17);
    let mut session = snapshot(true, vec![flowing]);
    let unknown = background::contract(&picture(session.clone(), writable(), &at_level(0)), "mnq").1;
    assert_eq!((&unknown["trading_hours"], &unknown["metrics"]["buffer_hours"]), (&Value::Null, &Value::Null));

    let now = Clock::start().now().wall.as_second();
    let day = |number: i64, liquid| TradingSession {
        open: now + number * 86_400 - 3_600,
        close: now + number * 86_400 + 3_600,
        date: jiff::civil::date(2026, 11, 24),
        liquid,
    };
    let instrument = Instrument {
        con_id: 711_280_073,
        time_zone: "US/Central".to_owned(),
        sessions: vec![
            day(-1, false),
            day(0, false),
            TradingSession { close: now + 60, ..day(0, true) },
            day(1, false),
        ],
        ..Instrument::default()
    };
    session.contracts = vec![ContractFacts {
        name: "mnq".to_owned(),
        con_id: 711_280_073,
        local_symbol: "MNQZ6".to_owned(),
        expiry: None,
        follows: false,
        next: None,
        instrument: Some(Arc::new(instrument)),
    }];
    session.retention_days = Some(3);
    let picture = picture(session, writable(), &at_level(0));
    let contract = background::contract(&picture, "mnq").1;
    let at = |second: i64| crate::live::envelope::iso(jiff::Timestamp::from_second(second).unwrap());
    assert_eq!(
        contract["trading_hours"],
        json!({"time_zone": "US/Central", "next_open": at(now + 86_400 - 3_600), "next_close": at(now + 3_600)})
    );
    assert_eq!(contract["streams"]["bid_ask"]["request_id"], 17);
    assert_eq!(contract["metrics"]["buffer_hours"], 72);
    assert_eq!(background::status(&picture)["status"]["contracts"]["711280073"]["buffer_hours"], 72);
}

#[test]
fn a_loop_that_stands_still_is_no_health() {
    let session = snapshot(true, vec![stream("mnq", StreamState::Flowing)]);
    let now = Clock::start().now();
    let time = TimeSync::of(&Drift::default(), now.mono);
    let picture = Picture::new(session.into(), writable(), &at_level(0), &["session"], time, now, 0);
    assert_eq!(picture.status, Status::Degraded);
    assert!(picture.issues[0].contains("the session loop stands still"), "{:?}", picture.issues);
}

#[test]
fn while_a_future_rolls_both_of_its_contracts_are_told() {
    let mut streams = Vec::new();
    for (roll, con_id, state) in [(0, 711_280_073, StreamState::Flowing), (1, 730_283_094, StreamState::Stale)] {
        let mut stream = stream("mnq", state);
        (stream.key.roll, stream.con_id) = (roll, Some(con_id));
        streams.push(stream);
    }
    let picture = picture(snapshot(true, streams), writable(), &at_level(0));
    let health = background::health(&picture);
    assert_eq!(health["contracts"]["711280073"]["status"], "HEALTHY");
    assert_eq!(health["contracts"]["730283094"]["status"], "UNHEALTHY");
}

#[test]
fn a_clock_that_is_off_is_told_with_its_precision_and_warned_of_when_it_is_far() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let now = Clock::start().now();
    for (off, status, word) in
        [(0.002, "healthy", "healthy"), (0.3, "healthy", "warning"), (-37.0, "warning", "critical")]
    {
        let drift = Drift::default();
        drift.sample(Sample { at: now.mono, drift: off, precision: 0.001 });
        let session = snapshot(true, vec![stream("mnq", StreamState::Flowing)]);
        let time = TimeSync::of(&drift, now.mono);
        let picture = Picture::new(session.into(), writable(), &at_level(0), &[], time, now, 0);
        let answer = system(&picture);
        assert_like(&answer, &golden["/system/health"], "/system/health");
        let told = &answer["services"]["ib-stream"]["time_sync"];
        let expected = json!({
            "status": word, "drift_ms": off * 1e3, "precision_ms": 1.0, "servers_available": 1, "message": told["message"],
        });
        assert_eq!((told, answer["system_status"].as_str()), (&expected, Some(status)));
        assert!(told["message"].as_str().unwrap().contains("right to 1 ms"), "{told}");
    }
}
