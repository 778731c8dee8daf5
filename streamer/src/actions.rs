//! Actions of the operator: each is carried out once, and only by the pod that it is meant for.

use marketstream_crds::{Action, ActionKind, ActionState, ActionStatus};

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
    /// stands there when the process starts was meant for an earlier process.
    pub fn receive(&mut self, action: Option<&Action>, acknowledged: Option<&ActionStatus>) -> Option<Action> {
        let first = !std::mem::replace(&mut self.opened, true);
        let action = action.filter(|action| self.seen.as_deref() != Some(&action.id))?;
        self.seen = Some(action.id.clone());
        if first {
            let settled = acknowledged
                .filter(|ack| ack.id == action.id && matches!(ack.state, ActionState::Done | ActionState::Failed));
            self.acknowledged = Some(settled.cloned().unwrap_or_else(|| ActionStatus {
                id: action.id.clone(),
                state: ActionState::Superseded,
                message: Some("the streamer started after this action was decided".to_owned()),
            }));
            return None;
        }
        if action.pod_uid != self.pod_uid || action.kind == ActionKind::RollPod {
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
        assert_eq!(desk.receive(None, None), None);
        let reconnect = action("1", ActionKind::Reconnect, "uid");
        assert_eq!(desk.receive(Some(&reconnect), None), Some(reconnect.clone()));
        assert_eq!(state(&desk), Some(("1".to_owned(), ActionState::Accepted)));
        assert_eq!(desk.receive(Some(&reconnect), None), None);
        desk.settle("0", ActionState::Failed, "another".to_owned());
        desk.settle("1", ActionState::Done, "done".to_owned());
        assert_eq!(state(&desk), Some(("1".to_owned(), ActionState::Done)));
    }

    #[test]
    fn another_pods_actions_and_rolls_are_not_ours() {
        let mut desk = Desk::new("uid".to_owned());
        desk.receive(None, None);
        assert_eq!(desk.receive(Some(&action("1", ActionKind::Reconnect, "old")), None), None);
        assert_eq!(desk.receive(Some(&action("2", ActionKind::RollPod, "uid")), None), None);
        assert_eq!(state(&desk), None);
    }

    #[test]
    fn what_stands_there_at_the_start_is_superseded_unless_it_was_settled() {
        let found = action("1", ActionKind::Reconnect, "uid");
        let mut desk = Desk::new("uid".to_owned());
        assert_eq!(desk.receive(Some(&found), None), None);
        assert_eq!(state(&desk), Some(("1".to_owned(), ActionState::Superseded)));

        for (was, becomes) in [
            (ActionState::Done, ActionState::Done),
            (ActionState::Failed, ActionState::Failed),
            (ActionState::Accepted, ActionState::Superseded),
        ] {
            let known = ActionStatus { id: "1".to_owned(), state: was, message: None };
            let mut desk = Desk::new("uid".to_owned());
            assert_eq!(desk.receive(Some(&found), Some(&known)), None);
            assert_eq!(state(&desk), Some(("1".to_owned(), becomes)));
        }
    }
}
