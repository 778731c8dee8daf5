#![allow(clippy::unwrap_used, reason = "tests only")]

use super::*;

const LIVE: Rules = Rules { max_attempts: 2, unattended: false };
const PAPER: Rules = Rules { max_attempts: 5, unattended: true };
const NOW: i64 = 1_000_000;

/// A run of the gateway that says these things and ends so.
fn life(record: &mut Record, said: &[LoginState], code: i32, rules: Rules) -> Option<Hold> {
    let mut life = record.start();
    for state in said {
        if record.hear(&mut life, *state, rules) {
            break;
        }
    }
    record.end(life, code, rules, NOW).cloned()
}

#[test]
fn failed_logins_are_counted_over_restarts_up_to_the_limit() {
    let mut record = Record::default();
    assert_eq!(life(&mut record, &[LoginState::Failed], 1, LIVE), None);
    // Another process reads what the first one wrote.
    let mut record: Record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
    let hold = life(&mut record, &[LoginState::Failed], 1, LIVE).unwrap();
    assert_eq!((hold.why.as_str(), hold.until_ms), ("2 logins in a row had no success", None));
}

#[test]
fn a_completed_login_begins_the_count_anew() {
    let mut record = Record::default();
    assert_eq!(life(&mut record, &[], 1, LIVE), None);
    assert_eq!(life(&mut record, &[LoginState::SecondFactor, LoginState::Completed], 1, LIVE), None);
    assert_eq!(record.attempts, 0);
    assert_eq!(life(&mut record, &[], 1, LIVE), None);
}

#[test]
fn a_second_factor_that_nobody_confirms_holds_at_once() {
    let mut record = Record::default();
    let hold = life(&mut record, &[LoginState::SecondFactor], 1111 % 256, LIVE).unwrap();
    assert_eq!(hold.why, "nobody confirmed the second factor in time");
    // The same exit code after a completed login is another matter.
    let mut record = Record::default();
    assert_eq!(life(&mut record, &[LoginState::Completed], 1111 % 256, LIVE), None);
}

#[test]
fn a_gateway_that_asks_again_by_itself_is_stopped() {
    let mut record = Record::default();
    let mut one = record.start();
    assert!(!record.hear(&mut one, LoginState::SecondFactor, LIVE));
    assert!(!record.hear(&mut one, LoginState::SecondFactor, LIVE));
    assert!(record.hear(&mut one, LoginState::SecondFactor, LIVE), "a third login is one too many");
    assert!(record.end(one, 143, LIVE, NOW).is_some());
}

#[test]
fn a_lock_out_holds_whatever_the_account() {
    for rules in [LIVE, PAPER] {
        let mut record = Record::default();
        let mut one = record.start();
        assert!(record.hear(&mut one, LoginState::TooManyAttempts, rules));
        assert_eq!(record.end(one, 0, rules, NOW).unwrap().until_ms, None);
    }
}

#[test]
fn a_displaced_login_waits_for_a_person_only_where_it_needs_one() {
    let mut record = Record::default();
    let live = life(&mut record, &[LoginState::Completed, LoginState::ExistingSession], 0, LIVE).unwrap();
    assert_eq!(live.until_ms, None);
    let mut record = Record::default();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let hold = life(&mut record, &[LoginState::ExistingSession], 0, PAPER).unwrap();
        let until = hold.until_ms.unwrap();
        pauses.push((until - NOW) / 60_000);
        assert!(!record.opens("", false, until - 1));
        assert!(record.opens("", false, until));
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60, 60]);
    assert_eq!(record.attempts, 0, "a displacement is no failed login");
}

#[test]
fn a_hold_opens_once_for_each_request_and_for_the_weekly_slot() {
    let mut record = Record::default();
    life(&mut record, &[LoginState::TooManyAttempts], 0, LIVE).unwrap();
    assert!(!record.opens("", false, NOW * 2));
    assert!(record.opens("monday", false, NOW));
    assert_eq!(record.attempts, 0);
    life(&mut record, &[LoginState::TooManyAttempts], 0, LIVE).unwrap();
    assert!(!record.opens("monday", false, NOW), "that request was honoured");
    assert!(record.opens("tuesday", false, NOW));
    life(&mut record, &[LoginState::TooManyAttempts], 0, LIVE).unwrap();
    assert!(record.opens("tuesday", true, NOW));
    assert!(record.opens("tuesday", false, NOW), "what is open stays open");
}
