//! Actions of the operator: each is carried out once, in its time, and only by the pod that it is meant for.

use std::time::{Duration, Instant};

use marketstream_crds::{Action, ActionKind, ActionState, ActionStatus};
use marketstream_recovery::MISSED_HEARTBEATS;

/// How long the resource was out of reach. Each of the streamer's own reports comes back as a change of it, so a long
/// silence is a cut, and an action that is read after one is as old as the cut may be: the data may flow long since.
/// The clocks of the operator and of this node may differ, so the action's own stamps do not tell its age.
#[derive(Debug)]
pub struct Contact {
    heard: Instant,
    known: Option<String>,
    late: Option<String>,
}

impl Contact {
    /// Nothing has been read before `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { heard: now, known: None, late: None }
    }

    /// The resource was read. Returns whether its action came too late: after a silence as long as the time it had.
    pub fn hear(&mut self, action: Option<&Action>, report_interval: Duration, now: Instant) -> bool {
        let silence = now.saturating_duration_since(std::mem::replace(&mut self.heard, now));
        let Some(action) = action else { return false };
        if self.known.as_deref() != Some(&action.id) {
            let time = action.deadline.get().duration_since(action.issued_at.get()).unsigned_abs();
            let late = silence >= time.max(report_interval * MISSED_HEARTBEATS);
            self.late = late.then(|| action.id.clone());
            self.known = Some(action.id.clone());
        }
        self.late.as_deref() == Some(&action.id)
    }
}

/// Keeps account of actions.
#[derive(Debug)]
pub struct Desk {
    pod_uid: String,
    /// Whether the resource has been read since the process started.
    opened: bool,
    seen: Option<String>,
    acknowledged: Option<ActionStatus>,
}

impl Desk {
    /// For the pod with this UID.
    #[must_use]
    pub fn new(pod_uid: String) -> Self {
        Self { pod_uid, opened: false, seen: None, acknowledged: None }
    }

    /// What the status says of the last action.
    #[must_use]
    pub fn acknowledged(&self) -> Option<&ActionStatus> {
        self.acknowledged.as_ref()
    }

    /// Whether the resource has been read. A report before that would erase an acknowledgement of the process before.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opened
    }

    /// Reads `status.action` and `status.streamer.action`, and returns the action that is to be carried out now. What
    /// stands there when the process starts was meant for an earlier process, and what comes `late` for another time.
    pub fn receive(
        &mut self,
        action: Option<&Action>,
        late: bool,
        acknowledged: Option<&ActionStatus>,
    ) -> Option<Action> {
        let first = !std::mem::replace(&mut self.opened, true);
        let action = action.filter(|action| self.seen.as_deref() != Some(&action.id))?;
        self.seen = Some(action.id.clone());
        if first {
            let settled = acknowledged
                .filter(|ack| ack.id == action.id && matches!(ack.state, ActionState::Done | ActionState::Failed));
            self.acknowledged = Some(
                settled
                    .cloned()
                    .unwrap_or_else(|| superseded(action, "the streamer started after this action was decided")),
            );
            return None;
        }
        if action.pod_uid != self.pod_uid || action.kind == ActionKind::RollPod {
            return None;
        }
        if late {
            tracing::warn!(action = action.id, kind = ?action.kind, "an action came too late, and is left undone");
            let text = "it was read after a cut from the API server that was longer than the time it had";
            self.acknowledged = Some(superseded(action, text));
            return None;
        }
        self.acknowledged = Some(ActionStatus { id: action.id.clone(), state: ActionState::Accepted, message: None });
        Some(action.clone())
    }

    /// Settles an action, unless a newer one has taken its place.
    pub fn settle(&mut self, id: &str, state: ActionState, message: String) {
        if let Some(ack) = self.acknowledged.as_mut().filter(|ack| ack.id == id) {
            tracing::info!(action = id, ?state, "{message}");
            (ack.state, ack.message) = (state, Some(crate::status::text(&message)));
        }
    }
}

fn superseded(action: &Action, message: &str) -> ActionStatus {
    ActionStatus { id: action.id.clone(), state: ActionState::Superseded, message: Some(message.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(id: &str, kind: ActionKind, pod_uid: &str) -> Action {
        let time = jiff::Timestamp::UNIX_EPOCH.into();
        Action {
            id: id.to_owned(),
            incident: "i".to_owned(),
            kind,
            streams: Vec::new(),
            client_id: 852,
            pod_uid: pod_uid.to_owned(),
            issued_at: time,
            deadline: time,
        }
    }

    fn state(desk: &Desk) -> Option<(String, ActionState)> {
        desk.acknowledged().map(|ack| (ack.id.clone(), ack.state))
    }

    #[test]
    fn a_new_action_for_this_pod_is_carried_out_once() {
        let mut desk = Desk::new("uid".to_owned());
        assert_eq!(desk.receive(None, false, None), None);
        let reconnect = action("1", ActionKind::Reconnect, "uid");
        assert_eq!(desk.receive(Some(&reconnect), false, None), Some(reconnect.clone()));
        assert_eq!(state(&desk), Some(("1".to_owned(), ActionState::Accepted)));
        assert_eq!(desk.receive(Some(&reconnect), false, None), None);
        desk.settle("0", ActionState::Failed, "another".to_owned());
        desk.settle("1", ActionState::Done, "done".to_owned());
        assert_eq!(state(&desk), Some(("1".to_owned(), ActionState::Done)));
    }

    #[test]
    fn what_is_read_after_a_cut_that_was_longer_than_its_time_is_left_undone() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let interval = Duration::from_secs(15);
        let lasting = |id: &str, seconds: i64| {
            let issued = jiff::Timestamp::UNIX_EPOCH;
            let deadline = (issued + jiff::SignedDuration::from_secs(seconds)).into();
            Action { deadline, ..action(id, ActionKind::RestartStreams, "uid") }
        };
        let mut contact = Contact::new(start);
        assert!(!contact.hear(None, interval, at(15)));
        assert!(!contact.hear(Some(&lasting("1", 60)), interval, at(70)));
        // One that was known before the cut was carried out before it.
        assert!(!contact.hear(Some(&lasting("1", 60)), interval, at(7_000)));
        let mut again = Contact::new(start);
        assert!(again.hear(Some(&lasting("1", 60)), interval, at(60)));
        assert!(again.hear(Some(&lasting("1", 60)), interval, at(61)), "it stays late, however often it is read");
        assert!(!again.hear(Some(&lasting("2", 60)), interval, at(62)), "the next one is another matter");
        // Reports that are rare by choice are no cut.
        assert!(!Contact::new(start).hear(Some(&lasting("1", 60)), Duration::from_secs(60), at(170)));

        let mut desk = Desk::new("uid".to_owned());
        desk.receive(None, false, None);
        let reset = action("1", ActionKind::Reconnect, "uid");
        assert_eq!(desk.receive(Some(&reset), true, None), None);
        assert_eq!(state(&desk), Some(("1".to_owned(), ActionState::Superseded)));
        assert_eq!(desk.receive(Some(&reset), true, None), None);
    }

    #[test]
    fn another_pods_actions_and_rolls_are_not_ours() {
        let mut desk = Desk::new("uid".to_owned());
        desk.receive(None, false, None);
        assert_eq!(desk.receive(Some(&action("1", ActionKind::Reconnect, "old")), false, None), None);
        assert_eq!(desk.receive(Some(&action("2", ActionKind::RollPod, "uid")), false, None), None);
        assert_eq!(state(&desk), None);
    }

    #[test]
    fn what_stands_there_at_the_start_is_superseded_unless_it_was_settled() {
        let found = action("1", ActionKind::Reconnect, "uid");
        let mut desk = Desk::new("uid".to_owned());
        assert_eq!(desk.receive(Some(&found), false, None), None);
        assert_eq!(state(&desk), Some(("1".to_owned(), ActionState::Superseded)));

        for (was, becomes) in [
            (ActionState::Done, ActionState::Done),
            (ActionState::Failed, ActionState::Failed),
            (ActionState::Accepted, ActionState::Superseded),
        ] {
            let known = ActionStatus { id: "1".to_owned(), state: was, message: None };
            let mut desk = Desk::new("uid".to_owned());
            assert_eq!(desk.receive(Some(&found), false, Some(&known)), None);
            assert_eq!(state(&desk), Some(("1".to_owned(), becomes)));
        }
    }
}
