//! One outage: the data are cut, the ladder climbs, data return, and the status tells the story.

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use marketstream_crds::{Incident, MarketStream, Recovery, conditions::types};

use super::{
    progress::say,
    report::{Recovered, Report, Rung},
};
use crate::{
    feed::Feed,
    simulator::Cure,
    view::{View, levels, newly_closed, rung},
};

/// What a rung may take beyond its threshold before the demo gives up on it, in seconds.
const PATIENCE: u64 = 60;

/// Cuts all data so that `cure` helps, and waits until `level` was reached and data flow again.
pub(super) async fn run(feed: &Feed, cure: Cure, level: u8, report: &mut Report) -> Result<()> {
    let before = feed.flows().await?;
    let recovery = before.spec.recovery.clone();
    let threshold = threshold_s(&recovery, level);
    let trace = feed.trace();
    say(&match cure {
        Cure::Resubscribe => {
            format!("Cutting the data; restarting the streams will help, which is level 2, at {threshold} s")
        }
        Cure::Reconnect => {
            format!("Cutting the data; only a new connection will help, which is level 3, at {threshold} s")
        }
        Cure::Never => format!("Cutting the data; nothing will help, so that level 4 calls a person, at {threshold} s"),
    });
    let fault = feed.simulator().silence_all(cure).await?;
    let limit = threshold as u64 + PATIENCE;
    feed.until(&format!("level {level} is reached"), limit, |ms| reached(ms, &before, level)).await?;
    let mut returned = None;
    if cure == Cure::Never {
        let critical = |ms: &MarketStream| ms.is(types::CRITICAL);
        feed.until("the condition Critical is True", PATIENCE, critical).await?;
        say("Level 4. A person would be called now. Letting the data return");
        returned = Some(Timestamp::now());
        feed.simulator().end(fault).await?;
    }
    feed.until("the incident is closed", 2 * PATIENCE, |ms| closed(ms, &before, level).is_some()).await?;
    let after = feed.flows().await?;
    if cure != Cure::Never {
        feed.simulator().end(fault).await?;
    }
    let incident = closed(&after, &before, level).context("the incident is not in the history")?;
    ensure!(incident.level == level, "level {} was reached, not {level}", incident.level);
    let expected: Vec<u8> = (1..=level).collect();
    ensure!(levels(incident) == expected, "the rungs {:?} fired, not {expected:?}", levels(incident));
    report.rungs.extend(rungs(incident, &recovery, &trace.states())?);
    let recovered = recovered(incident, level, returned)?;
    say(&format!(
        "Data flow again: {:.1} s after {}",
        recovered.seconds,
        match returned {
            Some(_) => "they could return".to_owned(),
            None => format!("level {level} acted"),
        }
    ));
    report.recovered.push(recovered);
    Ok(())
}

fn reached(ms: &MarketStream, before: &MarketStream, level: u8) -> bool {
    ms.level() >= level || closed(ms, before, level).is_some()
}

/// The incident of this outage, once it is closed.
fn closed<'a>(ms: &'a MarketStream, before: &MarketStream, level: u8) -> Option<&'a Incident> {
    newly_closed(ms, before).into_iter().find(|incident| incident.level >= level)
}

fn recovered(incident: &Incident, level: u8, returned: Option<Timestamp>) -> Result<Recovered> {
    let end = incident.recovered_time.context("the incident never recovered")?.get();
    let acted = rung(incident, level).context("the rung is not in the incident")?.time.get();
    let seconds = end.duration_since(returned.unwrap_or(acted)).as_secs_f64();
    Ok(Recovered { after_level: level, seconds })
}

/// Every rung of an incident, with what the streamer reported before it and before the next one.
fn rungs(incident: &Incident, recovery: &Recovery, states: &[MarketStream]) -> Result<Vec<Rung>> {
    let since = incident.since.get();
    // The first state in which a rung stands.
    let first = |count: usize| {
        let stands = |state: &MarketStream| {
            let mut all = state.incidents().iter().chain(state.history());
            all.any(|other| other.id == incident.id && other.rungs.len() >= count)
        };
        states.iter().position(stands)
    };
    let mut rungs = Vec::new();
    for (index, fired) in incident.rungs.iter().enumerate() {
        let begin = first(index + 1).context("a rung was never seen in the status")?;
        let end = first(index + 2).unwrap_or(states.len());
        let before = states[..begin].iter().rev().find_map(View::streamer).context("no report before the rung")?;
        let after = states[begin..end].iter().rev().find_map(View::streamer).context("no report after the rung")?;
        rungs.push(Rung {
            level: fired.level,
            threshold_s: threshold_s(recovery, fired.level),
            fired_after_s: fired.time.get().duration_since(since).as_secs_f64(),
            late_s: fired.time.get().duration_since(fired.due_time.get()).as_secs_f64(),
            client_id_before: before.client_id,
            client_id_after: after.client_id,
            pod_replaced: before.pod_uid != after.pod_uid,
        });
    }
    Ok(rungs)
}

fn threshold_s(recovery: &Recovery, level: u8) -> f64 {
    let threshold = match level {
        1 => recovery.warn_after,
        2 => recovery.restart_streams_after,
        3 => recovery.reset_connection_after,
        _ => recovery.critical_after,
    };
    threshold.get().as_secs_f64()
}
