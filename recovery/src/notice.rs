//! What people are told: events, and the names of steps.

use marketstream_crds::{
    ActionKind, Cause, Incident, Scope, StreamStatus,
    events::{actions, reasons},
};

use crate::{
    ladder::{Act, Refusal, Step, level},
    rules::rule,
    view::View,
};

/// An event for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Warning or Normal.
    pub warning: bool,
    /// Reason, in CamelCase: the cause, `Critical`, `Recovered` or `Superseded`.
    pub reason: &'static str,
    /// What is being done about it, in CamelCase: `Warn`, an action, `RollRefused`, `Critical` or `Close`.
    pub action: &'static str,
    /// The sentence.
    pub message: String,
}

/// What a step is called in status and events.
pub(crate) fn name(step: Step) -> &'static str {
    match (step.act, step.level) {
        (Act::Do(kind), _) => kind.as_str(),
        (Act::RefuseRoll(_), _) => actions::ROLL_REFUSED,
        (Act::Tell, level::CRITICAL) => actions::CRITICAL,
        (Act::Tell, _) => actions::WARN,
    }
}

/// A rung fired.
pub(crate) fn fired(view: &View<'_>, incident: &Incident, step: Step, client_id: i32) -> Notice {
    let seconds = step.due.duration_since(incident.since.get()).as_secs_f64();
    let cause = incident.cause;
    let lacking = match cause {
        Cause::StorageFull | Cause::CorruptData => "data are lost",
        Cause::NotReporting => "no report",
        _ => "no data",
    };
    let doing = match (step.act, step.level) {
        (Act::Do(ActionKind::RestartStreams), _) => "the silent streams are subscribed again".to_owned(),
        (Act::Do(ActionKind::Reconnect), _) => format!("a new session with client ID {client_id} is made"),
        (Act::Do(ActionKind::RestartGateway), _) => "the gateway is restarted in its pod".to_owned(),
        (Act::Do(ActionKind::RollPod), _) => format!("the pod is replaced, and will use client ID {client_id}"),
        (Act::RefuseRoll(Refusal::Budget), _) => "no roll is left for today".to_owned(),
        (Act::RefuseRoll(Refusal::Login), _) => {
            "the pod is not replaced, since the gateway does not answer on its command port and would lose its login"
                .to_owned()
        }
        (Act::Tell, level::CRITICAL) => format!("a person is needed: {}", rule(cause).advice),
        (Act::Tell, _) => "watching".to_owned(),
    };
    Notice {
        warning: true,
        reason: if step.level == level::CRITICAL { reasons::CRITICAL } else { cause.as_str() },
        action: name(step),
        message: format!(
            "Level {}: {}: {lacking} for {seconds:.1}s ({cause}{}): {doing}",
            step.level,
            affected(incident),
            evidence(view, incident)
        ),
    }
}

/// An incident closed.
pub(crate) fn closed(incident: &Incident) -> Notice {
    let (reason, end) = match incident.recovered_time {
        Some(time) => (reasons::RECOVERED, time),
        None => (reasons::SUPERSEDED, incident.closed_time.unwrap_or(incident.since)),
    };
    let seconds = end.get().duration_since(incident.since.get()).as_secs_f64();
    let what = affected(incident);
    Notice {
        warning: false,
        reason,
        action: actions::CLOSE,
        message: format!("{what}: {} ended after {seconds:.1}s, at level {}", incident.cause, incident.level),
    }
}

fn affected(incident: &Incident) -> String {
    match incident.scope {
        Scope::Session => "all streams".to_owned(),
        Scope::Stream => incident.streams.join(", "),
    }
}

/// The words of whoever said it, where there are any.
fn evidence(view: &View<'_>, incident: &Incident) -> String {
    let streamer = view.streamer();
    let socket = || streamer.and_then(|streamer| streamer.socket.message.clone());
    let login = || streamer.and_then(|streamer| streamer.login.as_ref()?.message.clone());
    let concerns = |stream: &&StreamStatus| incident.streams.is_empty() || incident.streams.contains(&stream.key());
    let mut streams = view.streams().iter().filter(concerns);
    let mut error = || {
        let error = streams.find_map(|stream| stream.error.as_ref());
        error.map(|error| format!("{} {}", error.code, error.message))
    };
    let text = match incident.cause {
        Cause::NotReporting => view.pod.and_then(|pod| pod.waiting.clone()),
        Cause::StorageFull => streamer.and_then(|streamer| streamer.storage.message.clone()),
        Cause::AuthRequired => login().or_else(socket),
        Cause::CompetingSession => error().or_else(login),
        Cause::Pacing => {
            let pause = streamer.and_then(|streamer| streamer.pacing.as_ref());
            pause.map(|pause| format!("{} {}", pause.code, pause.message)).or_else(error)
        }
        Cause::NotEntitled | Cause::Capacity | Cause::ContractInvalid => error(),
        Cause::CorruptData => streams.find_map(|stream| Some(stream.corrupt.as_ref()?.message.clone())),
        Cause::ClientIdInUse | Cause::GatewayDown | Cause::GatewayHung => socket(),
        Cause::Unknown => error().or_else(socket),
        Cause::UpstreamDown | Cause::FarmDown | Cause::StreamSilent | Cause::Zombie | Cause::MarketClosed => None,
    };
    text.map(|text| format!(": {text}")).unwrap_or_default()
}
