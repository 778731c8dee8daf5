use marketstream_crds::{SocketState, SocketStatus, StorageStatus};

use super::*;

const HEARTBEAT: Duration = Duration::from_secs(15);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn status(state: SocketState, down_seconds: f64) -> StreamerStatus {
    let time = jiff::Timestamp::UNIX_EPOCH.into();
    StreamerStatus {
        pod: "demo-0".to_owned(),
        pod_uid: "uid".to_owned(),
        client_id: 851,
        heartbeat_time: time,
        last_tick_time: None,
        summary: "0/0".to_owned(),
        flowing: 0,
        total: 0,
        socket: SocketStatus { state, endpoint: None, since: time, down_seconds, ever_connected: false, message: None },
        upstream: None,
        farms: Default::default(),
        command_port: None,
        login: None,
        pacing: None,
        streams: Vec::new(),
        storage: StorageStatus::default(),
        contracts: Vec::new(),
        gaps: None,
        action: None,
    }
}

#[test]
fn the_first_report_and_a_transition_are_written_at_once() {
    let (mut schedule, up, down) =
        (Schedule::default(), status(SocketState::Connected, 0.0), status(SocketState::Refused, 0.0));
    assert_eq!(schedule.due(&up, HEARTBEAT), Duration::ZERO);
    schedule.wrote(&up, seconds(10));
    assert_eq!(schedule.due(&up, HEARTBEAT), seconds(25));
    // At second 20 this is long past: at once.
    assert_eq!(schedule.due(&down, HEARTBEAT), seconds(11));
}

#[test]
fn growth_alone_is_no_transition() {
    let mut schedule = Schedule::default();
    schedule.wrote(&status(SocketState::Refused, 1.0), seconds(10));
    let later = StreamerStatus {
        heartbeat_time: jiff::Timestamp::MAX.into(),
        last_tick_time: Some(jiff::Timestamp::MAX.into()),
        summary: "1/1".to_owned(),
        ..status(SocketState::Refused, 99.0)
    };
    assert_eq!(schedule.due(&later, HEARTBEAT), seconds(25));
}

#[test]
fn failures_back_off_and_a_success_ends_that() {
    let (mut schedule, up) = (Schedule::default(), status(SocketState::Connected, 0.0));
    let mut pauses = Vec::new();
    for _ in 0..7 {
        schedule.failed(seconds(100));
        pauses.push((schedule.due(&up, HEARTBEAT) - seconds(100)).as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    schedule.wrote(&up, seconds(200));
    assert_eq!(schedule.due(&up, HEARTBEAT), seconds(215));
}
