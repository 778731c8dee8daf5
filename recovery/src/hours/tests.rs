//! Trading hours, by purpose.

mod forms;
mod markets;
mod properties;
mod zones;

use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use super::{HoursError, Problem, SessionState, TradingHours, named_sessions};

fn utc(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn hours(text: &str, zone: &str) -> TradingHours {
    TradingHours::parse(text, zone).unwrap_or_else(|error| panic!("{text} in {zone}: {error}"))
}

fn open(since: &str, until: &str) -> SessionState {
    SessionState::Open { since: utc(since), until: utc(until) }
}

fn closed(until: &str) -> SessionState {
    SessionState::Closed { until: Some(utc(until)) }
}

const CLOSED_FOR_GOOD: SessionState = SessionState::Closed { until: None };

/// The sessions of the hours, as pairs of instants.
fn sessions(hours: &TradingHours) -> Vec<(String, String)> {
    hours.sessions.iter().map(|session| (session.since.to_string(), session.until.to_string())).collect()
}

#[track_caller]
fn assert_sessions(text: &str, zone: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(since, until)| (since.to_string(), until.to_string())).collect();
    assert_eq!(sessions(&hours(text, zone)), expected, "{text} in {zone}");
}

#[track_caller]
fn assert_wrong(text: &str, wrong: &str, what: Problem) {
    let error = TradingHours::parse(text, "US/Eastern").expect_err(text);
    assert_eq!(error, HoursError::Part { part: wrong.into(), problem: what }, "{text}");
}
