//! What a client, the command port and Kubernetes can do to the world.

use super::{Signal, World, course::DELAYED};
use crate::{
    clock::{Ms, SECOND},
    fault::{Kind, Strength},
};

/// What a client meets instead of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing listens.
    Closed,
    /// The port accepts, and nothing answers.
    NoHandshake,
    /// Error 326.
    ClientId,
}

/// Text of a request that is refused while another session has the data.
const COMPETING: (i32, &str) =
    (10189, "Failed to request tick-by-tick data.Trading TWS session is connected from a different IP address");

impl World {
    /// The streamer makes a session.
    ///
    /// # Errors
    /// What it meets instead.
    pub fn connect(&mut self, client_id: i32) -> Result<(), Refused> {
        match () {
            () if self.cut_off() => Err(Refused::Closed),
            () if self.hung() => Err(Refused::NoHandshake),
            () if !self.gateway.is_up() => Err(Refused::Closed),
            () if self.held.contains(&client_id) => Err(Refused::ClientId),
            () => {
                (self.session, self.subscribed, self.own_outage) = (true, 0, None);
                self.cured(Strength::Reconnect);
                for active in self.active.iter_mut().filter(|active| matches!(active.fault.kind, Kind::IdHeld { .. })) {
                    active.blocking = 0;
                }
                self.greet();
                Ok(())
            }
        }
    }

    /// A new session is told what is broken.
    fn greet(&mut self) {
        let broken = self.active.iter_mut().filter(|active| active.residual.is_none());
        let notices = broken.filter_map(|active| {
            active.told = true;
            match active.fault.kind {
                Kind::Upstream(_) => Some(Signal::Notice(2110, "")),
                Kind::Farm { name, .. } => Some(Signal::Notice(2103, name)),
                _ => None,
            }
        });
        let notices: Vec<Signal> = notices.collect();
        self.signals.extend(notices);
    }

    /// The streamer ends its session.
    pub fn disconnect(&mut self) {
        self.forget_session();
        // A gateway that hung for this client only has room for a new one.
        for active in self.active.iter_mut().filter(|active| matches!(active.fault.kind, Kind::Hang { .. })) {
            if active.cure.by(Strength::Reconnect) {
                active.blocking = 0;
            }
        }
    }

    /// The streamer asks for a stream.
    ///
    /// # Errors
    /// IBKR's code and text.
    pub fn request(&mut self, stream: usize) -> Result<(), (i32, &'static str)> {
        let bit = 1 << stream;
        // There are no market data at all for a login that is used elsewhere.
        if self.is(|kind| matches!(kind, Kind::Competing { .. })) {
            return Err(COMPETING);
        }
        let origins = self.active.iter().filter(|active| active.residual.is_none());
        for active in origins {
            match active.fault.kind {
                Kind::Refused(refusal) if active.fault.streams & bit != 0 => return Err(refusal.answer(active.index)),
                Kind::Delayed { .. } if active.fault.streams & bit != 0 => return Err(DELAYED),
                _ => {}
            }
        }
        self.subscribed |= bit;
        for active in self.active.iter_mut().filter(|active| active.cure.by(Strength::Resubscribe)) {
            active.blocking &= !bit;
        }
        Ok(())
    }

    /// The gateway is asked on its command port to restart. Returns whether it will.
    pub fn restart_gateway(&mut self, now: Ms) -> bool {
        if !self.command_port() {
            return false;
        }
        self.cured(Strength::RestartGateway);
        // Some that hang read the command, and hang on.
        if !self.hung() && self.gateway.is_up() {
            self.own_outage.get_or_insert(now);
            self.gateway_ends(Some(now + 30 * SECOND), true);
        }
        true
    }

    /// The pod is deleted, if it is this one.
    pub fn delete_pod(&mut self, uid: u32, now: Ms) {
        if self.pod.uid != uid || self.pod.gone.is_some() || self.node_lost() {
            return;
        }
        let in_order = self.gateway.is_up() && self.command_port();
        self.pod.gone = Some(now + 4 * SECOND + self.drawn(20 * SECOND));
        self.own_outage.get_or_insert(now);
        self.gateway_ends(None, in_order);
        self.streamer_dies();
    }
}
