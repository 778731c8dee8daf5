//! The operator's actions, as the engine carries them out.

use std::collections::BTreeSet;

use marketstream_crds::{Action, ActionKind, ActionState};

use super::Engine;
use crate::{clock::Now, plan::StreamKey};

impl Engine {
    pub(super) fn carry_out(&mut self, action: &Action, now: Now) {
        tracing::info!(action = action.id, kind = ?action.kind, streams = ?action.streams, "carrying out an action");
        self.pending = None;
        match action.kind {
            ActionKind::RestartStreams => self.restart_streams(action, now),
            ActionKind::Reconnect => {
                let spec = self.spec.as_ref().map(|spec| spec.gateway.client_id);
                if let (Some(pool), Some(ids)) = (spec, &mut self.ids) {
                    ids.update(pool, Some(action.client_id));
                }
                self.end_session(now);
                self.pending = Some((action.id.clone(), BTreeSet::new()));
            }
            ActionKind::RestartGateway => {
                let reason = "the gateway's command port is not known to this streamer".to_owned();
                self.desk.settle(&action.id, ActionState::Failed, reason);
            }
            // The operator deletes the pod; nothing is left to do for the process in it.
            ActionKind::RollPod => {}
        }
    }

    fn restart_streams(&mut self, action: &Action, now: Now) {
        let failed = |engine: &mut Self, reason: &str| {
            engine.desk.settle(&action.id, ActionState::Failed, reason.to_owned());
        };
        if self.client().is_none() {
            return failed(self, "there is no API session; all streams are asked for when one is up");
        }
        if self.hold.is_some() {
            return failed(
                self,
                "another session of this user has the market data; all streams are asked for when it ends",
            );
        }
        let keys: BTreeSet<StreamKey> = self
            .streams
            .iter()
            .filter(|(key, stream)| stream.lined && action.streams.contains(&key.to_string()))
            .map(|(key, _)| key.clone())
            .collect();
        if keys.is_empty() {
            return failed(self, "none of these streams is in the manifest and has a tick-by-tick line");
        }
        keys.iter().for_each(|key| self.restart(key, now.mono));
        self.pending = Some((action.id.clone(), keys));
    }

    /// A stream was asked for.
    pub(super) fn asked_for(&mut self, key: &StreamKey) {
        let Some((id, streams)) = &mut self.pending else { return };
        if streams.remove(key) && streams.is_empty() {
            self.desk.settle(id, ActionState::Done, "the streams are subscribed again".to_owned());
            self.pending = None;
        }
    }

    /// An attempt to connect has ended.
    pub(super) fn settle_reconnect(&mut self, state: ActionState, message: String) {
        if let Some((id, _)) = self.pending.take_if(|(_, streams)| streams.is_empty()) {
            self.desk.settle(&id, state, message);
        }
    }
}
