use marketstream_proto::TickKind;

use super::*;
use crate::{
    backfill::ledger::{GapCause, Ledger, Outcome},
    seal::record::SealedHour,
};

const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };
/// 2026-11-23T00:00:00Z.
const DAY: i64 = 1_795_392_000;
const HOUR: i64 = SECONDS_PER_HOUR;

fn hour(number: i64, live: u64) -> Hour {
    Hour { start: DAY + number * HOUR, live, backfill: 0 }
}

fn at(now: i64, ledger: &Ledger, hours: &[Hour], records: &mut Vec<DayRecord>) -> Plan {
    let policy = Policy { now, patience: 24 * HOUR, gaps: ledger.gaps(), known: &[], zone: &TimeZone::UTC };
    plan(STREAM, hours, &policy, records)
}

fn date() -> Date {
    "2026-11-23".parse().unwrap()
}

/// As the work would have left it.
fn done(records: &mut [DayRecord], hours: &[Hour], complete: bool) {
    for hour in hours {
        let sealed = SealedHour { live: hour.live, backfill: hour.backfill, rows: 1, rev: 1, ..SealedHour::default() };
        records[0].hours.insert(hour.start, sealed);
    }
    records[0].complete = complete;
}

#[test]
fn an_hour_is_sealed_when_it_is_over_and_once() {
    let (ledger, hours, mut records) = (Ledger::default(), [hour(1, 10), hour(2, 10)], Vec::new());
    assert_eq!(at(DAY + 2 * HOUR + SETTLE - 1, &ledger, &hours, &mut records).tasks, []);
    let now = DAY + 2 * HOUR + SETTLE;
    assert_eq!(at(now, &ledger, &hours, &mut records).tasks, [Task::Part(date(), hours[0])]);
    done(&mut records, &hours[..1], false);
    assert_eq!(at(now, &ledger, &hours, &mut records).tasks, []);
    // A straggler.
    let grown = [hour(1, 11), hour(2, 10)];
    assert_eq!(at(now, &ledger, &grown, &mut records).tasks, [Task::Part(date(), grown[0])]);
}

#[test]
fn an_open_gap_holds_its_hours_back_until_it_is_settled_or_too_old() {
    let (mut ledger, mut records) = (Ledger::default(), Vec::new());
    let hours = [hour(1, 10), hour(2, 10), hour(4, 10)];
    ledger.open("a", STREAM, Some(DAY + 2 * HOUR + 5), GapCause::SessionLost);
    let now = DAY + 6 * HOUR;
    let plan = at(now, &ledger, &hours, &mut records);
    assert_eq!((plan.tasks, plan.waiting), (vec![Task::Part(date(), hours[0])], 2));
    ledger.close(STREAM, DAY + 3 * HOUR + 5, 0);
    let plan = at(now, &ledger, &hours, &mut records);
    assert_eq!((plan.tasks.len(), plan.waiting), (2, 1));
    let id = ledger.gaps().last().unwrap().id;
    let old = at(DAY + 27 * HOUR + SETTLE, &ledger, &hours, &mut records);
    assert_eq!((old.tasks, old.waiting), (vec![Task::Day(date())], 0), "older than the patience");
    ledger.settle(id, Outcome::Unfillable("no".to_owned()), 0);
    assert_eq!(at(now, &ledger, &hours, &mut records).tasks.len(), 3);
    // Where the loss began is not known yet: it may be any earlier hour.
    ledger.open("a", STREAM, None, GapCause::ProcessStart);
    assert_eq!(at(now, &ledger, &hours, &mut records).waiting, 3);
}

#[test]
fn a_day_that_is_over_becomes_one_file_and_a_late_fill_writes_it_again() {
    let (ledger, mut records) = (Ledger::default(), Vec::new());
    let hours = [hour(1, 10), hour(23, 10)];
    let before = at(DAY + 24 * HOUR + SETTLE - 1, &ledger, &hours[..1], &mut records);
    assert_eq!(before.tasks, [Task::Part(date(), hours[0])]);
    done(&mut records, &hours[..1], false);
    let now = DAY + 24 * HOUR + SETTLE;
    assert_eq!(at(now, &ledger, &hours, &mut records).tasks, [Task::Day(date())]);
    done(&mut records, &hours, false);
    assert_eq!(at(now, &ledger, &hours, &mut records).tasks, [Task::Day(date())], "parts alone are not the day");
    done(&mut records, &hours, true);
    assert_eq!(at(now, &ledger, &hours, &mut records).tasks, []);
    let filled = [Hour { backfill: 5, ..hours[0] }, hours[1]];
    assert_eq!(at(now, &ledger, &filled, &mut records).tasks, [Task::Day(date())]);
}

#[test]
fn a_day_whose_recordings_are_gone_is_never_written_without_them() {
    let (ledger, mut records) = (Ledger::default(), Vec::new());
    let hours = [hour(1, 10), hour(2, 10)];
    let now = DAY + 30 * HOUR;
    assert_eq!(at(now, &ledger, &hours, &mut records).tasks.len(), 1);
    done(&mut records, &hours, true);
    assert_eq!(at(now, &ledger, &[], &mut records).tasks, [], "retention");
    let filled = [Hour { backfill: 5, ..hours[1] }];
    let plan = at(now, &ledger, &filled, &mut records);
    assert_eq!((plan.tasks, plan.gone), (vec![], vec![date()]));
}

#[test]
fn an_hour_in_which_a_day_ends_has_a_part_in_both() {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(5)).clone();
    let half = jiff::tz::Offset::from_seconds(5 * 3600 + 1800).unwrap();
    assert_ne!(zone, TimeZone::fixed(half));
    let (ledger, mut records) = (Ledger::default(), Vec::new());
    // India's midnight is at half past six in the evening, UTC.
    let hours = [hour(18, 10)];
    let zone = TimeZone::fixed(half);
    let policy = |now| Policy { now, patience: 0, gaps: ledger.gaps(), known: &[], zone: &zone };
    let tasks = plan(STREAM, &hours, &policy(DAY + 18 * HOUR + 2_400), &mut records).tasks;
    assert_eq!(tasks, [], "the first day is over, but not its last hour");
    let tasks = plan(STREAM, &hours, &policy(DAY + 20 * HOUR), &mut records).tasks;
    assert_eq!(tasks, [Task::Day(date()), Task::Part("2026-11-24".parse().unwrap(), hours[0])]);
}
