//! Expectations that several scenarios share.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ib_gateway_sim::judge::{Counts, Verdict};
use k8s_openapi::api::events::v1::Event;
use marketstream_crds::{
    ActionKind, Incident, MarketStream, Recovery,
    events::{actions, reasons},
};

use crate::{
    events,
    feed::Feed,
    simulator::{Entry, Stream, cancelled, subscribed},
    trace::Trace,
    view::{View, levels, newly_closed, uid},
    wait,
};

/// A rung may fire this much after it was due, in seconds. The budget is one second, which the properties of
/// `recovery` hold on a virtual clock and the demo prints; a machine that starts a dozen pods on two busy cores was
/// seen 3.2 s late, and a rung that waits for a heartbeat or a resync instead of its own moment is later than this.
const LATEST_S: f64 = 20.0;

/// Longest wait for an event: it is written after what it tells of.
const EVENT: Duration = Duration::from_secs(60);

/// These rungs fired, in this order, none before its threshold, none before it was due, none much later.
///
/// # Errors
/// Names the rung that did not.
pub fn rungs(incident: &Incident, recovery: &Recovery, expected: &[u8]) -> Result<()> {
    ensure!(levels(incident) == expected, "the rungs {:?} fired, not {expected:?}: {incident:#?}", levels(incident));
    on_time(incident, recovery)
}

/// No rung of the incident fired before its threshold, none before it was due, none much later.
///
/// # Errors
/// Names the rung that did.
pub fn on_time(incident: &Incident, recovery: &Recovery) -> Result<()> {
    never_early(incident, recovery)?;
    for rung in &incident.rungs {
        let late = rung.time.get().duration_since(rung.due_time.get()).as_secs_f64();
        ensure!(late <= LATEST_S, "level {} fired {late} s after it was due: {incident:#?}", rung.level);
    }
    Ok(())
}

/// No rung of the incident fired before its threshold, none before it was due.
///
/// # Errors
/// Names the rung that did.
pub fn never_early(incident: &Incident, recovery: &Recovery) -> Result<()> {
    for rung in &incident.rungs {
        let threshold = match rung.level {
            1 => recovery.warn_after,
            2 => recovery.restart_streams_after,
            3 => recovery.reset_connection_after,
            _ => recovery.critical_after,
        };
        let level = rung.level;
        let silent = rung.time.get().duration_since(incident.since.get()).as_secs_f64();
        ensure!(silent >= threshold.get().as_secs_f64(), "level {level} fired after {silent} s, before {threshold}");
        ensure!(rung.time >= rung.due_time, "level {level} fired before it was due: {incident:#?}");
    }
    Ok(())
}

/// People were told of each rung of an incident that is over and had one cause, and of its end: by one event each, in this
/// order, and by no other.
///
/// # Errors
/// Shows the events.
pub async fn told(feed: &Feed, incident: &Incident) -> Result<()> {
    let cause = incident.cause.as_str();
    let rungs = incident.rungs.iter().map(|rung| match (rung.action, rung.level) {
        (Some(kind), _) => ["Warning", cause, kind.as_str()],
        (None, 3) => ["Warning", cause, actions::ROLL_REFUSED],
        (None, 4) => ["Warning", reasons::CRITICAL, actions::CRITICAL],
        (None, _) => ["Warning", cause, actions::WARN],
    });
    let expected: Vec<_> = rungs.chain([["Normal", reasons::RECOVERED, actions::CLOSE]]).collect();
    wait::answer("people are told of it", EVENT, async || {
        let mut told = feed.events().await?;
        told.retain(|event| events::time(event) >= incident.since.get());
        let fields =
            |event: &Event| [&event.type_, &event.reason, &event.action].map(|field| field.clone().unwrap_or_default());
        let found: Vec<_> = told.iter().map(fields).collect();
        ensure!(found == expected, "told were {found:?}, not {expected:?}");
        Ok(())
    })
    .await
}

/// The one incident that did anything and was closed since then.
///
/// # Errors
/// When there is none, or more than one.
pub fn one_incident<'a>(now: &'a MarketStream, before: &MarketStream) -> Result<&'a Incident> {
    let closed = newly_closed(now, before);
    ensure!(closed.len() <= 1, "more than one incident: {closed:#?}");
    closed.into_iter().next().context("no incident was closed")
}

/// The condition is True, and its message has all these parts.
///
/// # Errors
/// Shows the condition.
pub fn says(ms: &MarketStream, type_: &str, parts: &[&str]) -> Result<()> {
    let condition = ms.condition(type_).with_context(|| format!("there is no {type_}: {:#?}", ms.status))?;
    ensure!(condition.status == "True", "{condition:#?}");
    ensure!(parts.iter().all(|part| condition.message.contains(part)), "not all of {parts:?} are in {condition:#?}");
    Ok(())
}

/// The recording holds exactly what the market made.
///
/// # Errors
/// Says what is wrong and where.
pub fn complete(verdict: &Verdict) -> Result<()> {
    ensure!(verdict.total.stored > 0, "nothing is stored: {verdict:#?}");
    ensure!(verdict.complete(), "the recording is not what the market made: {verdict:#?}");
    Ok(())
}

/// The recording holds all that was sent, and nothing twice, altered or unknown.
///
/// # Errors
/// Says what is wrong and where.
pub fn lossless(verdict: &Verdict) -> Result<()> {
    ensure!(verdict.total.stored > 0, "nothing is stored: {verdict:#?}");
    ensure!(verdict.lossless(), "the recording is not what was sent: {verdict:#?}");
    Ok(())
}

/// Nothing is twice, altered or unknown in the recording; ticks may be missing.
///
/// # Errors
/// Says what is wrong and where.
pub fn faultless(verdict: &Verdict) -> Result<()> {
    let Counts { stored, doubled, altered, unknown, .. } = verdict.total;
    ensure!(stored > 0, "nothing is stored: {verdict:#?}");
    ensure!(doubled + altered + unknown == 0, "the recording holds more than was sent: {verdict:#?}");
    Ok(())
}

/// No action was decided but these, and the pod is the same.
///
/// # Errors
/// Shows the actions.
pub async fn only(trace: &Trace, feed: &Feed, pod: &str, allowed: &[ActionKind]) -> Result<()> {
    let taken = trace.actions();
    ensure!(taken.iter().all(|(_, kind)| allowed.contains(kind)), "{taken:?} are not all of {allowed:?}");
    ensure!(uid(&feed.pod().await?) == pod, "the pod was replaced");
    Ok(())
}

/// The client left a stream alone: neither a cancellation nor a subscription of it is in that part of the log.
///
/// # Errors
/// Shows the log.
pub fn untouched(log: &[Entry], stream: Stream) -> Result<()> {
    let touched = subscribed(log).contains(&stream) || cancelled(log).contains(&stream);
    ensure!(!touched, "{stream:?} was subscribed or cancelled: {log:#?}");
    Ok(())
}
