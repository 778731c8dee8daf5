use jiff::{SignedDuration, Timestamp};

use super::*;

const THRESHOLDS: Thresholds = Thresholds {
    stale_after: Duration::from_secs(60),
    never_after: Duration::from_secs(120),
    open_grace: Duration::from_secs(120),
};
const MS: Duration = Duration::from_millis(1);

/// A virtual clock: the process started at `1_795_000_000` on the calendar.
fn at(mono: Duration) -> Now {
    let start = Timestamp::from_second(1_795_000_000).unwrap();
    Now { mono, wall: start + SignedDuration::try_from(mono).unwrap() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A session from `since` to `until`, in seconds from the start of the process.
fn open(since: i64, until: i64) -> SessionState {
    let start = at(Duration::ZERO).wall;
    SessionState::Open {
        since: start + SignedDuration::from_secs(since),
        until: start + SignedDuration::from_secs(until),
    }
}

fn facts(hours: SessionState) -> Facts {
    Facts { first_asked: Some(seconds(10)), last_tick: None, refused: false, hours }
}

const LONG_OPEN: (i64, i64) = (-40_000, 40_000);

#[test]
fn pending_until_the_first_tick_and_stale_without_one() {
    let facts = facts(open(LONG_OPEN.0, LONG_OPEN.1));
    let verdict = judge(&facts, &THRESHOLDS, at(seconds(11)));
    assert_eq!((verdict.state, verdict.due), (StreamState::Pending, Some(seconds(130))));
    assert_eq!(judge(&facts, &THRESHOLDS, at(seconds(130) - MS)).state, StreamState::Pending);
    let verdict = judge(&facts, &THRESHOLDS, at(seconds(130)));
    assert_eq!(verdict.state, StreamState::Stale);
    assert_eq!(silence(verdict.counted_from, None, seconds(130)), seconds(120));
}

#[test]
fn flowing_becomes_stale_exactly_at_stale_after() {
    let facts = Facts { last_tick: Some(seconds(500)), ..facts(open(LONG_OPEN.0, LONG_OPEN.1)) };
    let verdict = judge(&facts, &THRESHOLDS, at(seconds(500)));
    assert_eq!((verdict.state, verdict.due), (StreamState::Flowing, Some(seconds(560))));
    assert_eq!(judge(&facts, &THRESHOLDS, at(seconds(560) - MS)).state, StreamState::Flowing);
    let verdict = judge(&facts, &THRESHOLDS, at(seconds(560)));
    assert_eq!(verdict.state, StreamState::Stale);
    assert_eq!(silence(verdict.counted_from, facts.last_tick, seconds(561)), seconds(61));
    let heard = Facts { last_tick: Some(seconds(600)), ..facts };
    assert_eq!(judge(&heard, &THRESHOLDS, at(seconds(600))).state, StreamState::Flowing);
}

#[test]
fn nothing_counts_before_anything_was_asked() {
    let facts = Facts { first_asked: None, ..facts(open(LONG_OPEN.0, LONG_OPEN.1)) };
    let verdict = judge(&facts, &THRESHOLDS, at(seconds(9_000)));
    assert_eq!((verdict.state, verdict.counted_from), (StreamState::Pending, None));
    assert_eq!(silence(verdict.counted_from, None, seconds(9_000)), Duration::ZERO);
}

#[test]
fn a_closed_session_is_idle_and_the_next_one_has_its_grace() {
    let start = at(Duration::ZERO).wall;
    let closed = SessionState::Closed { until: Some(start + SignedDuration::from_secs(1_000)) };
    let yesterday = Facts { last_tick: Some(seconds(400)), ..facts(closed) };
    let verdict = judge(&yesterday, &THRESHOLDS, at(seconds(900)));
    assert_eq!((verdict.state, verdict.session), (StreamState::Idle, Session::Closed));
    assert_eq!(
        (verdict.due, silence(verdict.counted_from, yesterday.last_tick, seconds(900))),
        (Some(seconds(1_000)), Duration::ZERO)
    );

    let opened = Facts { hours: open(1_000, 20_000), ..yesterday };
    let verdict = judge(&opened, &THRESHOLDS, at(seconds(1_000)));
    assert_eq!((verdict.state, verdict.due), (StreamState::Idle, Some(seconds(1_120))));
    let verdict = judge(&opened, &THRESHOLDS, at(seconds(1_120)));
    assert_eq!((verdict.state, verdict.due), (StreamState::Pending, Some(seconds(1_180))));
    let verdict = judge(&opened, &THRESHOLDS, at(seconds(1_180)));
    assert_eq!(verdict.state, StreamState::Stale);
    assert_eq!(silence(verdict.counted_from, opened.last_tick, seconds(1_180)), seconds(60));

    let heard = Facts { last_tick: Some(seconds(1_003)), ..opened };
    let verdict = judge(&heard, &THRESHOLDS, at(seconds(1_004)));
    assert_eq!((verdict.state, verdict.due), (StreamState::Flowing, Some(seconds(1_180))));
}

#[test]
fn the_close_is_due_before_a_later_staleness() {
    let facts = Facts { last_tick: Some(seconds(500)), ..facts(open(LONG_OPEN.0, 530)) };
    assert_eq!(judge(&facts, &THRESHOLDS, at(seconds(501))).due, Some(seconds(530)));
}

#[test]
fn unknown_hours_count_at_any_time() {
    let facts = facts(SessionState::Unknown);
    let verdict = judge(&facts, &THRESHOLDS, at(seconds(130)));
    assert_eq!((verdict.state, verdict.session), (StreamState::Stale, Session::Unknown));
}

#[test]
fn a_session_that_never_ends_has_no_grace() {
    let facts = facts(SessionState::Open { since: Timestamp::MIN, until: Timestamp::MAX });
    assert_eq!(judge(&facts, &THRESHOLDS, at(seconds(11))).state, StreamState::Pending);
    assert_eq!(judge(&facts, &THRESHOLDS, at(seconds(130))).state, StreamState::Stale);
}

#[test]
fn a_refusal_stands_until_it_is_lifted_and_its_silence_counts() {
    let facts = Facts { refused: true, ..facts(open(LONG_OPEN.0, LONG_OPEN.1)) };
    let verdict = judge(&facts, &THRESHOLDS, at(seconds(40)));
    assert_eq!(verdict.state, StreamState::Rejected);
    assert_eq!(silence(verdict.counted_from, None, seconds(40)), seconds(30));
}

#[test]
fn a_thin_contract_has_its_own_patience() {
    let patient = Thresholds { stale_after: seconds(600), never_after: seconds(600), ..THRESHOLDS };
    let facts = Facts { last_tick: Some(seconds(500)), ..facts(open(LONG_OPEN.0, LONG_OPEN.1)) };
    assert_eq!(judge(&facts, &patient, at(seconds(1_099))).state, StreamState::Flowing);
    assert_eq!(judge(&facts, &patient, at(seconds(1_100))).state, StreamState::Stale);
}
