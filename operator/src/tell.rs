//! What people are told of a change: events and metrics.

use kube::{
    Resource,
    runtime::events::{Event, EventType, Recorder},
};
use marketstream_crds::{
    ActionKind, MarketStreamStatus,
    conditions::types,
    events::{actions, reasons},
    names,
};
use marketstream_recovery::Notice;

use crate::{
    conditions::{self, Facts},
    expiring::{self, Ending},
    reconcile::Context,
    restart_stream::Answer,
};

/// The server refuses a note of more than 1 kB.
const MAX_NOTE: usize = 1000;

/// The status as it was, and as it was written.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// Before.
    pub before: &'a MarketStreamStatus,
    /// After.
    pub after: &'a MarketStreamStatus,
}

/// Tells people what changed. A failed event never fails the reconcile.
pub async fn people(context: &Context, facts: &Facts<'_>, asked: &Answer, change: Change<'_>) {
    let Change { before, after } = change;
    if let Some(action) = after.action.as_ref().filter(|action| before.action.as_ref() != Some(action)) {
        context.metrics.acted(action.kind.as_str());
    }
    let decided = facts.decision.iter().flat_map(|decision| decision.notices.iter().cloned());
    for notice in
        decided.chain(stalled(facts, change)).chain(restart(change)).chain(expiring(change)).chain(stream(asked))
    {
        tracing::info!(reason = notice.reason, action = notice.action, "{}", notice.message);
        context.metrics.noticed(notice.reason, notice.action);
        let event = Event {
            type_: if notice.warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.to_owned(),
            note: Some(note(&notice.message)),
            action: notice.action.to_owned(),
            secondary: None,
        };
        // A recorder that lives on would count the second of two events under the note of the first, and ours say for
        // how long, which streams, and in whose words. An event is a transition, so there are few.
        let recorder = Recorder::new(context.client.clone(), context.reporter.clone());
        if let Err(error) = recorder.publish(&event, &facts.ms.object_ref(&())).await {
            tracing::warn!(%error, "an event was not published");
        }
    }
}

fn stalled(facts: &Facts<'_>, change: Change<'_>) -> Option<Notice> {
    let is = |status: &MarketStreamStatus| {
        status.conditions.iter().any(|condition| condition.type_ == types::STALLED && condition.status == "True")
    };
    let problem = (is(change.after) && !is(change.before)).then(|| conditions::stalled_by(facts)).flatten()?;
    Some(Notice { warning: true, reason: problem.reason, action: actions::WAIT, message: problem.message })
}

/// A contract ends, or another one than was told.
fn expiring(change: Change<'_>) -> Option<Notice> {
    let (ending, message) = expiring::told(&change.after.conditions)?;
    let news = expiring::told(&change.before.conditions).is_none_or(|(_, before)| before != message);
    let action = match ending {
        Ending::NothingFollows => actions::WAIT,
        Ending::RollPending => actions::WARN,
    };
    let (warning, reason) = (ending == Ending::NothingFollows, types::CONTRACT_EXPIRING);
    news.then_some(Notice { warning, reason, action, message })
}

fn restart(change: Change<'_>) -> Option<Notice> {
    let restart = change.after.restart.as_ref().filter(|restart| change.before.restart.as_ref() != Some(restart))?;
    Some(Notice {
        warning: false,
        reason: reasons::RESTART_REQUESTED,
        action: ActionKind::RollPod.as_str(),
        message: format!("the annotation {} asks for a new pod ({})", names::ANNOTATION_RESTART, restart.request),
    })
}

fn stream(asked: &Answer) -> Option<Notice> {
    let notice =
        |warning, action, message| Some(Notice { warning, reason: reasons::RESTART_REQUESTED, action, message });
    let annotation = names::ANNOTATION_RESTART_STREAM;
    match asked {
        Answer::Nothing | Answer::Later(_) => None,
        Answer::Refused { why, .. } => notice(true, actions::REFUSE, format!("the annotation {annotation}: {why}")),
        Answer::Accepted { action, .. } => {
            let streams = action.streams.join(", ");
            let message = format!("{streams} is subscribed again, since the annotation {annotation} asks for it");
            notice(false, action.kind.as_str(), message)
        }
    }
}

fn note(message: &str) -> String {
    let mut end = message.len().min(MAX_NOTE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        assert_eq!(note("short"), "short");
        let long = format!("{}ü", "x".repeat(MAX_NOTE - 1));
        assert_eq!(note(&long), "x".repeat(MAX_NOTE - 1));
    }
}
