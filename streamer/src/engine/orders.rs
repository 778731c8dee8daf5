//! The operator's actions, as the engine carries them out.

use std::collections::BTreeSet;

use marketstream_crds::{Action, ActionKind, ActionState};

use super::{Engine, Event};
use crate::{clock::Now, narrator::RESET_DONE, plan::StreamKey};

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
            ActionKind::RestartGateway => self.restart_gateway(action.id.clone()),
            // The operator deletes the pod; nothing is left to do for the process in it.
            ActionKind::RollPod => {}
        }
    }

    fn restart_gateway(&self, action: String) {
        let (place, events) = (self.tools.gateway.clone(), self.events.clone());
        tokio::spawn(async move {
            let outcome = place.restart().await;
            // Nobody listens only when the process ends.
            let _ = events.send(Event::GatewayRestart { action, outcome }).await;
        });
    }

    /// The session ends with the gateway, and the next one is made as after any other end.
    pub(super) fn gateway_restart(&mut self, action: &str, outcome: std::io::Result<String>) {
        let (state, message) = match outcome {
            Ok(answer) if answer.is_empty() => (ActionState::Done, "the gateway was told to restart".to_owned()),
            Ok(answer) => (ActionState::Done, format!("the gateway was told to restart: {answer}")),
            Err(error) => (ActionState::Failed, format!("the gateway's command port: {error}")),
        };
        self.desk.settle(action, state, message);
    }

    /// Passes a person's request for a login on.
    pub(super) fn request_login(&self, request: String) {
        let place = self.tools.gateway.clone();
        tokio::task::spawn_blocking(move || match place.request_login(&request) {
            Ok(()) => {}
            // Somebody else's gateway has no gate.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "the request for a login cannot be passed on"),
        });
    }

    fn restart_streams(&mut self, action: &Action, now: Now) {
        let failed = |engine: &mut Self, reason: &str| {
            engine.desk.settle(&action.id, ActionState::Failed, reason.to_owned());
        };
        if self.client().is_none() {
            return failed(self, "there is no API session; all streams are asked for when one is up");
        }
        if self.link.is_down() {
            return failed(self, "the link to IBKR is down; all streams are looked after when it is back");
        }
        let keys: BTreeSet<StreamKey> = self
            .streams
            .iter()
            .filter(|(key, stream)| (stream.lined || stream.overflow) && action.streams.contains(&key.to_string()))
            .map(|(key, _)| key.clone())
            .collect();
        if keys.is_empty() {
            return failed(self, "none of these streams is in the manifest and has a line to be recorded from");
        }
        match &mut self.hold {
            // All of them would only be refused: one is asked for at once instead.
            Some(hold) => hold.hasten(now.mono),
            None => {
                let mut contracts: Vec<&str> = keys.iter().map(|key| key.contract.as_str()).collect();
                contracts.dedup();
                for con_id in contracts.iter().filter_map(|name| self.contracts.get(*name)?.con_id()) {
                    tracing::info!("Restarting streams for contract {con_id}");
                }
                keys.iter().for_each(|key| self.restart(key, now.mono));
            }
        }
        self.pending = Some((action.id.clone(), keys));
    }

    /// The hold has ended before an action's canary was sent: its streams can be restarted as it says.
    pub(super) fn restart_pending(&mut self, now: Now) {
        let keys = self.pending.as_ref().map(|(_, keys)| keys.clone()).unwrap_or_default();
        keys.iter().for_each(|key| self.restart(key, now.mono));
    }

    /// A stream was asked for, or the line that it is recorded from: during a hold the canary, which is all that can be
    /// done then.
    pub(super) fn asked_for(&mut self, key: &StreamKey) {
        let Some((id, streams)) = &mut self.pending else { return };
        if self.hold.is_some() && !streams.is_empty() {
            let text = format!(
                "another session of this user has the market data; {key} is asked for to see whether it still has"
            );
            self.desk.settle(id, ActionState::Done, text);
            self.pending = None;
            return;
        }
        if streams.remove(key) && streams.is_empty() {
            self.desk.settle(id, ActionState::Done, "the streams are subscribed again".to_owned());
            self.pending = None;
        }
    }

    /// An attempt to connect has ended.
    pub(super) fn settle_reconnect(&mut self, state: ActionState, message: String) {
        if let Some((id, _)) = self.pending.take_if(|(_, streams)| streams.is_empty()) {
            if state == ActionState::Done {
                tracing::info!("{RESET_DONE}");
            }
            self.desk.settle(&id, state, message);
        }
    }
}
