//! One pass: validate, build and apply the children, decide, write the decision, then carry it out.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use kube::{
    Client, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        controller::Action,
        events::Reporter,
        reflector::{ObjectRef, Store},
    },
};
use marketstream_crds::{
    Disruption, Health, MarketStream, MarketStreamStatus, UpdatePolicy,
    conditions::{reasons, types},
    names,
};
use marketstream_recovery::{Decision, Policy, View, decide};

use crate::{
    apply::{self, Applied},
    build::{self, Settings, Situation},
    conditions::{self, Facts},
    error::Error,
    memory::Memory,
    metrics::Metrics,
    outcome::outcome,
    restart,
    restart_stream::{self, Answer},
    tell::{self, Change},
    validate::{self, Problem},
};

/// A change that no watch told of is found after this time.
const RESYNC: Duration = Duration::from_secs(600);
/// The other owner of a login or of a name goes without an event of ours.
const RIVAL_RETRY: Duration = Duration::from_secs(5);

/// One object that is no valid MarketStream must not stop the watch of all others.
pub type Guarded = DeserializeGuard<MarketStream>;

/// What every reconcile uses.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Who writes events.
    pub reporter: Reporter,
    /// The ladder's constants.
    pub policy: Policy,
    /// The operator's own settings.
    pub settings: Settings,
    /// All MarketStreams.
    pub streams: Store<Guarded>,
    /// Their pods.
    pub pods: Store<Pod>,
    /// Their StatefulSets.
    pub sets: Store<StatefulSet>,
    /// When reports and pods were seen.
    pub memory: Memory,
    /// What was applied.
    pub applied: Applied,
    /// Counts it all.
    pub metrics: Metrics,
}

/// Brings one MarketStream forward. Returns when to look again.
///
/// # Errors
/// When the API server refuses or the object changed meanwhile: nothing was half done that the next pass would not
/// complete.
pub async fn reconcile(ms: &MarketStream, context: &Context) -> Result<Action, Error> {
    if ms.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    // Without these caches every pod would seem to be gone. They end with the process only.
    let _ = (context.pods.wait_until_ready().await, context.sets.wait_until_ready().await);
    let now = Timestamp::now();
    let pod = pod(ms, context, now);
    let mut problem = problem(ms, context);
    // A spec that became invalid does not stop what records by the last valid one.
    let invalid = problem.as_ref().is_some_and(|problem| problem.reason == reasons::INVALID_SPEC);
    let may_run = !ms.spec.suspend && (problem.is_none() || (invalid && pod.is_some()));
    let rival = if may_run && pod.is_none() { ending_rival(ms, context) } else { None };
    let run = may_run && rival.is_none();
    let status = ms.status.clone().unwrap_or_default();
    if status.health.is_none() {
        // It did not run until now: what was reported before tells nothing of its silence.
        context.memory.restart(ms, now);
    }
    let ended = context.memory.ended(ms, outcome(&status, pod.as_ref(), now));
    if let Some((action, outcome)) = status.action.as_ref().zip(ended) {
        context.metrics.ended(action.kind.as_str(), outcome);
    }
    let paused = ms.annotations().get(names::ANNOTATION_PAUSED).is_some_and(|value| value == "true");
    let report = context.memory.report(ms, now);
    let view = View { spec: &ms.spec, status: &status, report, pod: pod.as_ref(), paused };
    let decision = run.then(|| decide(&view, now, &context.policy));
    let asked = decision
        .as_ref()
        .map_or(Answer::Nothing, |decision| restart_stream::answer(ms, &view, decision, now, &context.policy));
    let idle = decision.as_ref().is_none_or(|decision| decision.health == Health::Idle);

    let situation = Situation { run, disruptable: idle || ms.spec.disruption == Disruption::Allow };
    if !invalid {
        let children = build::children(ms, &context.settings, situation)?;
        let refused = context.applied.apply(&context.client, ms, &children).await?;
        problem = problem.or(refused);
    }

    let pending = pod.as_ref().is_some_and(|pod| update_pending(ms, context, pod));
    let fresh = decision.as_ref().is_some_and(|decision| decision.health != Health::Unknown);
    let of_this_pod = |uid: &str| pod.as_ref().is_some_and(|pod| pod.uid == uid);
    let streamer = status.streamer.as_ref().filter(|streamer| fresh && of_this_pod(&streamer.pod_uid));
    let facts = Facts {
        ms,
        problem: problem.as_ref(),
        pod: pod.as_ref(),
        streamer,
        decision: decision.as_ref(),
        update_pending: pending,
        rival: rival.as_deref(),
    };
    let owned = owned(&facts, &asked, &status, now);
    let written = MarketStreamStatus { streamer: None, ..status.clone() };
    if owned != written {
        // Write ahead: what is decided must survive this process before it is done.
        apply::status(&context.client, ms, &owned).await?;
    }
    let done = if let Some(uid) = decision.as_ref().and_then(|decision| decision.delete_pod.as_ref()) {
        apply::delete_pod(&context.client, ms, uid).await
    } else if let Some(pod) = pod.as_ref().filter(|pod| restart::replaces(owned.restart.as_ref(), pod)) {
        apply::delete_pod(&context.client, ms, &pod.uid).await
    } else if let Some(pod) = pod.as_ref().filter(|pod| pending && !pod.deleting && update_now(&facts, idle, now)) {
        apply::delete_pod(&context.client, ms, &pod.uid).await
    } else {
        Ok(())
    };
    if owned != written {
        // After the action: people can wait, data cannot.
        tell::people(context, &facts, &asked, Change { before: &written, after: &owned }).await;
    }
    done?;
    let waits = rival.is_some() || problem.as_ref().is_some_and(has_rival);
    Ok(Action::requeue(next_look(decision.as_ref(), &asked, waits, now)))
}

/// The pod of another MarketStream that ends and has the login of `ms` until then.
fn ending_rival(ms: &MarketStream, context: &Context) -> Option<String> {
    let pods = context.pods.state();
    validate::login_held(ms, pods.iter().map(AsRef::as_ref))
}

/// Problems that end with another object, whose events go to its own MarketStream.
fn has_rival(problem: &Problem) -> bool {
    [reasons::LOGIN_IN_USE, reasons::NAME_IN_USE].contains(&problem.reason)
}

fn problem(ms: &MarketStream, context: &Context) -> Option<Problem> {
    let all = context.streams.state();
    validate::problem(ms, all.iter().filter_map(|guarded| guarded.0.as_ref().ok()))
}

/// The pod of the StatefulSet, if it is really of this MarketStream.
fn pod(ms: &MarketStream, context: &Context, now: Timestamp) -> Option<marketstream_recovery::Pod> {
    let key = ObjectRef::new(&names::pod(&ms.name_any())).within(&ms.namespace().unwrap_or_default());
    let pod = context.pods.get(&key)?;
    let ours = pod.labels().get(names::LABEL_NAME).is_some_and(|name| *name == ms.name_any());
    ours.then(|| context.memory.pod(&pod, now))
}

/// Whether the pod runs another template than the StatefulSet's. (Under OnDelete `currentRevision` never advances.)
fn update_pending(ms: &MarketStream, context: &Context, seen: &marketstream_recovery::Pod) -> bool {
    let namespace = ms.namespace().unwrap_or_default();
    let set = context.sets.get(&ObjectRef::new(&ms.name_any()).within(&namespace));
    let pod = context.pods.get(&ObjectRef::new(&names::pod(&ms.name_any())).within(&namespace));
    let Some((set, pod)) = set.zip(pod).filter(|(_, pod)| pod.uid().as_deref() == Some(seen.uid.as_str())) else {
        return false;
    };
    let status = set.status.as_ref();
    let settled = status.and_then(|status| status.observed_generation) == set.metadata.generation;
    let target = status.and_then(|status| status.update_revision.as_ref());
    settled && target.is_some() && pod.labels().get("controller-revision-hash") != target
}

/// Whether a pending template may replace the pod now. A pod that never had a session has nothing to lose.
fn update_now(facts: &Facts<'_>, idle: bool, now: Timestamp) -> bool {
    let update = facts.ms.spec.update;
    // Only its own report, or a container that never ran, shows that; a silent pod may be recording.
    let never_ran = facts.pod.is_some_and(|pod| pod.running.is_none());
    let never_up = never_ran || facts.streamer.is_some_and(|streamer| !streamer.socket.ever_connected);
    let waited = facts.ms.status.as_ref().is_some_and(|status| {
        status.conditions.iter().filter(|condition| condition.type_ == types::UPDATE_PENDING).any(|condition| {
            now.duration_since(condition.last_transition_time.0).unsigned_abs() >= update.max_wait.get()
        })
    });
    never_up || update.policy == UpdatePolicy::Immediate || idle || waited
}

/// Everything in status that the operator owns.
fn owned(facts: &Facts<'_>, asked: &Answer, before: &MarketStreamStatus, now: Timestamp) -> MarketStreamStatus {
    let conditions = conditions::conditions(facts, now);
    let restart = restart::requested(facts.ms, facts.pod);
    let stream_restart = asked.request().map(str::to_owned).or_else(|| before.stream_restart.clone());
    let observed_generation = facts.ms.metadata.generation;
    match facts.decision {
        Some(decision) => MarketStreamStatus {
            observed_generation,
            health: Some(decision.health),
            level: Some(decision.level),
            cause: decision.cause,
            client_id: Some(decision.client_id),
            incidents: decision.incidents.clone(),
            history: decision.history.clone(),
            action: match asked {
                Answer::Accepted { action, .. } => Some(action.clone()),
                Answer::Nothing | Answer::Later(_) | Answer::Refused { .. } => decision.action.clone(),
            },
            recent_rolls: decision.recent_rolls.clone(),
            restart,
            stream_restart,
            conditions,
            streamer: None,
        },
        // Nothing runs: nothing is wrong with the data, and the budgets stay.
        None => MarketStreamStatus {
            observed_generation,
            level: Some(0),
            client_id: before.client_id,
            history: before.history.clone(),
            recent_rolls: before.recent_rolls.clone(),
            restart,
            stream_restart,
            conditions,
            ..MarketStreamStatus::default()
        },
    }
}

fn next_look(decision: Option<&Decision>, asked: &Answer, waits: bool, now: Timestamp) -> Duration {
    if waits {
        return RIVAL_RETRY;
    }
    let later = match asked {
        Answer::Later(time) => Some(*time),
        Answer::Nothing | Answer::Refused { .. } | Answer::Accepted { .. } => None,
    };
    let due = decision.and_then(|decision| decision.look_again).into_iter().chain(later).min();
    due.map_or(RESYNC, |due| due.duration_since(now).unsigned_abs().min(RESYNC))
}

/// A reconcile of what the API server holds, which may not be a valid MarketStream at all.
///
/// # Errors
/// As [`reconcile`].
pub async fn reconcile_guarded(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    match &guarded.0 {
        Ok(ms) => reconcile(ms, &context).await,
        Err(invalid) => {
            // Only an object that was stored before the CRD's rules can be this wrong; it waits for its owner.
            tracing::warn!(name = invalid.metadata.name, error = %invalid.error, "not a valid MarketStream");
            Ok(Action::await_change())
        }
    }
}
