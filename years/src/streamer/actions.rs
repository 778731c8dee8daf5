//! What the operator asks for.

use marketstream_crds::{Action, ActionKind, ActionState, Upstream};

use super::Streamer;
use crate::{clock::Ms, market::Mask, world::World};

impl Streamer {
    /// Carries an action out.
    pub fn act(&mut self, action: &Action, world: &mut World, now: Ms) {
        self.pending = None;
        let settle = |state| Some((action.id.clone(), state));
        match action.kind {
            ActionKind::RestartStreams if !self.can_ask() => {
                self.acknowledged = settle(ActionState::Failed);
            }
            ActionKind::RestartStreams => {
                let streams = world.manifest.of_keys(&action.streams);
                self.resubscribe(streams, now);
                self.acknowledged = settle(ActionState::Accepted);
                self.pending = Some((action.id.clone(), streams));
            }
            ActionKind::Reconnect => {
                self.acknowledged = settle(ActionState::Accepted);
                self.pending = Some((action.id.clone(), 0));
                self.client_id = action.client_id;
                self.reconnect(world, now);
            }
            ActionKind::RestartGateway => {
                let done = world.restart_gateway(now);
                self.acknowledged = settle(if done { ActionState::Done } else { ActionState::Failed });
            }
            ActionKind::RollPod => {}
        }
    }

    /// An action is read so late that it may be of no use any more.
    pub fn supersede(&mut self, action: &Action) {
        self.acknowledged = Some((action.id.clone(), ActionState::Superseded));
    }

    /// Whether a request could be served.
    pub(crate) fn can_ask(&self) -> bool {
        let away = self.upstream.is_some_and(|(state, ..)| state == Upstream::Down);
        self.up() && self.hold.is_none() && !away
    }

    /// The pending action has done its part for these streams.
    pub(super) fn settle(&mut self, asked: Mask, state: ActionState) {
        let Some((id, streams)) = &mut self.pending else { return };
        *streams &= !asked;
        if *streams == 0 {
            self.acknowledged = Some((id.clone(), state));
            self.pending = None;
        }
    }
}
