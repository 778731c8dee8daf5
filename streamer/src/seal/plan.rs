//! What is to be sealed now. Pure.

use std::collections::BTreeMap;

use jiff::{civil::Date, tz::TimeZone};

use super::{
    days::{Day, Sessions, day_of},
    record::DayRecord,
};
use crate::backfill::ledger::{Gap, Recorded};

pub(super) const SECONDS_PER_HOUR: i64 = 3600;
/// Ticks arrive a little late, and the recorder closes its file after 90 seconds without one.
const SETTLE: i64 = 120;

/// The recordings of one hour: its start in seconds since 1970, and the lengths of its files in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// Start.
    pub start: i64,
    /// Of the live file; 0 without one.
    pub live: u64,
    /// Of the backfill file; 0 without one.
    pub backfill: u64,
}

/// What decides when an hour can be sealed.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The present, seconds since 1970.
    pub now: i64,
    /// For how long an open gap holds its hours back, seconds; 0 when nothing is fetched anyway.
    pub patience: i64,
    /// The gaps of the stream.
    pub gaps: &'a [Gap],
    /// The days whose sessions are known.
    pub known: &'a [Sessions],
    /// The exchange's time zone.
    pub zone: &'a TimeZone,
}

impl Policy<'_> {
    /// Whether nothing more is expected of an hour.
    fn is_settled(&self, start: i64) -> bool {
        let end = start + SECONDS_PER_HOUR;
        if self.now < end + SETTLE {
            return false;
        }
        self.now >= end + self.patience || !self.waits(start)
    }

    /// Whether history may still add to an hour, or tell how far what it gave can be trusted.
    #[must_use]
    pub fn waits(&self, start: i64) -> bool {
        self.gaps.iter().any(|gap| gap.waits_for(start, start + SECONDS_PER_HOUR))
    }
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Write the file of an hour of this day.
    Part(Date, Hour),
    /// Write the file of the whole day, in place of its hours' or its older one.
    Day(Date),
}

/// What is to be done for a stream.
#[derive(Debug, Default)]
pub struct Plan {
    /// In order of time.
    pub tasks: Vec<Task>,
    /// Hours that are over and wait for their gaps.
    pub waiting: usize,
    /// Days that changed, and cannot be written again since recordings of theirs are gone.
    pub gone: Vec<Date>,
}

/// The hours of a day.
#[must_use]
pub fn hours_of(day: Day, hours: &[Hour]) -> Vec<Hour> {
    hours.iter().filter(|hour| hour.start < day.to && hour.start + SECONDS_PER_HOUR > day.from).copied().collect()
}

/// Plans a stream's sealing, and adds records of days that have none yet. `hours` are all recordings from some time on,
/// `records` all days that end after it.
#[must_use]
pub fn plan(stream: Recorded, hours: &[Hour], policy: &Policy<'_>, records: &mut Vec<DayRecord>) -> Plan {
    for hour in hours {
        let mut second = hour.start;
        while second < hour.start + SECONDS_PER_HOUR {
            second = enter(second, stream, policy, records);
        }
    }
    let mut plan = Plan::default();
    for record in records.iter() {
        plan_day(record, &hours_of(record.day(), hours), policy, &mut plan);
    }
    plan
}

/// Makes sure that the day of a second has a record with it, and returns where that day ends.
fn enter(second: i64, stream: Recorded, policy: &Policy<'_>, records: &mut Vec<DayRecord>) -> i64 {
    let fixed: Vec<Day> = records.iter().map(DayRecord::day).collect();
    let day = day_of(second, policy.known, policy.zone, &fixed);
    match records.iter_mut().find(|record| record.date == day.date) {
        Some(record) => (record.from, record.to) = (day.from, day.to),
        None => records.push(DayRecord::new(stream, day)),
    }
    records.sort_by_key(|record| record.from);
    day.to
}

fn plan_day(record: &DayRecord, hours: &[Hour], policy: &Policy<'_>, plan: &mut Plan) {
    let is_sealed = |hour: &Hour| {
        record.hours.get(&hour.start).is_some_and(|sealed| sealed.is_current(hour, policy.waits(hour.start)))
    };
    let is_over = |hour: &&Hour| policy.now >= hour.start + SECONDS_PER_HOUR + SETTLE;
    let (due, waiting): (Vec<Hour>, Vec<Hour>) =
        hours.iter().filter(is_over).filter(|hour| !is_sealed(hour)).partition(|hour| policy.is_settled(hour.start));
    plan.waiting += waiting.len();
    // The hour in which the day ends must be over, too.
    let end = record.to.saturating_add(SECONDS_PER_HOUR - 1);
    let over = policy.now >= (end - end.rem_euclid(SECONDS_PER_HOUR)).saturating_add(SETTLE) && waiting.is_empty();
    if due.is_empty() && (record.complete || !over || hours.is_empty()) {
        return;
    }
    if !over && !record.complete {
        plan.tasks.extend(due.into_iter().map(|hour| Task::Part(record.date, hour)));
        return;
    }
    if !over {
        return;
    }
    let here: BTreeMap<i64, &Hour> = hours.iter().map(|hour| (hour.start, hour)).collect();
    if record.hours.iter().any(|(start, sealed)| sealed.rows > 0 && !here.contains_key(start)) {
        plan.gone.push(record.date);
    } else {
        plan.tasks.push(Task::Day(record.date));
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
