//! The file of a scenario. Everything is checked before anything happens.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{Action, Event, Scenario};
use crate::clock::{Clock, ClockSetting};
use crate::faults::{Fault, KINDS};

/// Most repetitions of one step.
const MAX_TIMES: u32 = 100_000;

/// Ends all faults that a scenario began, whatever their names.
pub(super) const ALL: &str = "all";

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) line: u64,
    pub(super) what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    description: Option<String>,
    seed: Option<u64>,
    rate: Option<Spanned<f64>>,
    always_open: Option<bool>,
    clock: Option<Spanned<ClockFile>>,
    steps: Vec<Spanned<Step>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockFile {
    at: Option<String>,
    speed: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: String,
    every: Option<String>,
    times: Option<u32>,
    name: Option<String>,
    r#for: Option<String>,
    fault: Option<Value>,
    end: Option<String>,
    close_sockets: Option<String>,
    crash: Option<bool>,
    admin: Option<Admin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Admin {
    method: String,
    path: String,
    body: Option<Value>,
}

pub(super) fn parse(text: &str) -> Result<Scenario, Mistake> {
    let options = serde_saphyr::Options { with_snippet: false, ..Default::default() };
    let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        // The message repeats the place at its end; one line is enough for an error.
        let what = error.to_string().lines().next().unwrap_or_default().to_owned();
        let what = what.rsplit_once(" at line ").map_or(what.clone(), |(what, _)| what.to_owned());
        let line = error.location().map_or(1, |location| location.line());
        let line = unknown_field(&what).and_then(|field| line_of(text, line, field)).unwrap_or(line);
        Mistake { line, what }
    })?;
    let mut scenario = Scenario {
        description: file.description,
        seed: file.seed,
        rate: file.rate.as_ref().map(rate).transpose()?,
        always_open: file.always_open,
        clock: file.clock.as_ref().map(clock).transpose()?,
        events: Vec::new(),
        checksum: checksum(text),
    };
    let mut last = Duration::ZERO;
    let mut names = vec![ALL.to_owned()];
    for step in &file.steps {
        let line = step.referenced.line();
        let step = &step.value;
        let fail = |what: String| Mistake { line, what };
        let at = duration("at", &step.at).map_err(fail)?;
        if at < last {
            return Err(fail(format!("at: {} comes before the step above; steps go by time", step.at)));
        }
        last = at;
        let repeated = step.repeated().map_err(fail)?;
        for number in 0..repeated.times {
            let at = at + repeated.every * number;
            let events = step.events(line, number, &names).map_err(fail)?;
            scenario.events.extend(events.into_iter().map(|(later, action)| Event { at: at + later, line, action }));
        }
        names.extend(step.name.clone());
    }
    // Stable: what happens at the same time happens in the order of the file.
    scenario.events.sort_by_key(|event| event.at);
    Ok(scenario)
}

fn unknown_field(what: &str) -> Option<&str> {
    what.strip_prefix("unknown field `")?.split('`').next()
}

/// The line of a field in a mapping that begins in line `from`: of an unknown one, only the mapping's place is told.
fn line_of(text: &str, from: u64, field: &str) -> Option<u64> {
    let begins = |line: &str| {
        let mut words = line.split(|c: char| c.is_whitespace() || "{,".contains(c));
        words.any(|word| word.trim_matches('"').strip_prefix(field).is_some_and(|rest| rest.starts_with([':', '"'])))
    };
    (1..).zip(text.lines()).find(|(number, line)| *number >= from && begins(line)).map(|(number, _)| number)
}

/// How often a step happens, and at which distance.
struct Repeated {
    every: Duration,
    times: u32,
}

impl Step {
    fn repeated(&self) -> Result<Repeated, String> {
        let repeated = match (&self.every, self.times) {
            (None, None) => Repeated { every: Duration::ZERO, times: 1 },
            (Some(every), Some(times)) => Repeated { every: positive("every", every)?, times },
            (Some(_), None) => return Err("times is missing: how often does it happen?".to_owned()),
            (None, Some(_)) => return Err("every is missing: how far apart does it happen?".to_owned()),
        };
        if !(1..=MAX_TIMES).contains(&repeated.times) {
            return Err(format!("times: must be 1 to {MAX_TIMES}"));
        }
        Ok(repeated)
    }

    /// What happens, and how long after the time of the step.
    fn events(&self, line: u64, number: u32, names: &[String]) -> Result<Vec<(Duration, Action)>, String> {
        let now = |action| Ok(vec![(Duration::ZERO, action)]);
        let call = |method: &str, path: String, body: String| Action::Call { method: method.to_owned(), path, body };
        if self.fault.is_none() && (self.r#for.is_some() || self.name.is_some()) {
            return Err("for and name go with fault only".to_owned());
        }
        match (&self.fault, &self.end, &self.close_sockets, self.crash, &self.admin) {
            (Some(fault), None, None, None, None) => self.fault_events(fault, line, number),
            (None, Some(name), None, None, None) => match names.contains(name) {
                true => now(Action::EndNamed { name: name.clone() }),
                false => Err(format!("end: no step above has the name {name}")),
            },
            (None, None, Some(how), None, None) => match how.as_str() {
                "rst" | "fin" => now(call("POST", format!("/sockets/close?how={how}"), String::new())),
                _ => Err("close_sockets: must be rst or fin".to_owned()),
            },
            (None, None, None, Some(true), None) => now(call("POST", "/crash".to_owned(), String::new())),
            (None, None, None, Some(false), None) => Err("crash: must be true".to_owned()),
            (None, None, None, None, Some(admin)) => {
                if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&admin.method.as_str()) {
                    return Err("admin.method: must be one of GET, POST, PUT, PATCH, DELETE".to_owned());
                }
                if !admin.path.starts_with('/') || admin.path.parse::<axum::http::Uri>().is_err() {
                    return Err("admin.path: must begin with / and be a path of the admin port".to_owned());
                }
                let body = admin.body.as_ref().map(Value::to_string).unwrap_or_default();
                now(call(&admin.method, admin.path.clone(), body))
            }
            _ => Err("a step has exactly one of fault, end, close_sockets, crash, admin".to_owned()),
        }
    }

    fn fault_events(&self, fault: &Value, line: u64, number: u32) -> Result<Vec<(Duration, Action)>, String> {
        let fault = Fault::from_json(fault).map_err(|error| match fault.get("kind").and_then(Value::as_str) {
            Some(kind) if KINDS.iter().all(|known| known.kind != kind) => format!("fault.{error}, not {kind}"),
            _ => format!("fault.{error}"),
        })?;
        if self.name.as_deref() == Some(ALL) {
            return Err(format!("name: {ALL} means all faults"));
        }
        let handle = format!("{line}.{number}");
        let lasts = fault.lasts();
        let begin = Action::Begin { handle: handle.clone(), name: self.name.clone(), fault };
        let mut events = vec![(Duration::ZERO, begin)];
        if let Some(text) = &self.r#for {
            let length = positive("for", text)?;
            if !lasts {
                return Err("for: this fault happens once".to_owned());
            }
            if self.every.as_ref().is_some_and(|every| duration("every", every).is_ok_and(|every| every <= length)) {
                return Err("for: must be shorter than every".to_owned());
            }
            events.push((length, Action::End { handle }));
        }
        Ok(events)
    }
}

fn duration(field: &str, text: &str) -> Result<Duration, String> {
    let parsed: Option<SignedDuration> = text.parse().ok();
    let parsed = parsed.and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| format!("{field}: {text} is no duration; write for example 500ms, 10s or 1m30s"))
}

fn positive(field: &str, text: &str) -> Result<Duration, String> {
    let duration = duration(field, text)?;
    if duration.is_zero() { Err(format!("{field}: must be more than 0")) } else { Ok(duration) }
}

fn rate(rate: &Spanned<f64>) -> Result<f64, Mistake> {
    if rate.value > 0.0 && rate.value <= 1e6 {
        return Ok(rate.value);
    }
    Err(Mistake { line: rate.referenced.line(), what: "rate: must be more than 0 and at most 1000000".to_owned() })
}

fn clock(clock: &Spanned<ClockFile>) -> Result<ClockSetting, Mistake> {
    let fail = |what: String| Mistake { line: clock.referenced.line(), what };
    let at_us = match &clock.value.at {
        None => None,
        Some(text) => {
            let at: Result<Timestamp, _> = text.parse();
            let bad = |_| fail(format!("clock.at: {text} is no time; write for example 2026-11-24T14:30:00Z"));
            Some(at.map_err(bad)?.as_microsecond())
        }
    };
    let setting = ClockSetting { at_us, speed: clock.value.speed.unwrap_or(1.0) };
    Clock::new(setting).map_err(|error| fail(format!("clock: {error}")))?;
    Ok(setting)
}

fn checksum(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
