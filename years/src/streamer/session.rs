//! The API session: made, watched, lost, made again.

use marketstream_crds::{ActionState, FarmState, SocketState, Upstream};

use super::Streamer;
use crate::{
    clock::{MINUTE, Ms, SECOND},
    market::{House, Mask, members},
    world::{Refused, Signal, World},
};

/// A look-up of the contracts comes before the first requests of a session.
const LOOK_UP: Ms = 300;
/// After the end of a session, before the next attempt.
const AFTER_DISCONNECT: Ms = 100;
/// Two probes in a row without an answer.
const PROBES: Ms = 15 * SECOND;
/// A handshake without an answer.
const HANDSHAKE: Ms = 10 * SECOND;
/// Between two attempts with a client ID that is in use; after three comes the next ID.
const ID_PAUSE: Ms = 5 * SECOND;
/// After a notice of return, until what is silent still is asked for again.
const VERIFY: Ms = 40 * SECOND;

impl Streamer {
    /// Takes in what the world says.
    pub fn hear(&mut self, signal: Signal, world: &mut World, now: Ms) {
        match signal {
            Signal::Notice(code, farm) => self.noticed(code, farm, now),
            Signal::Told(streams, code, text) => {
                for index in members(streams) {
                    self.entries[index].running = None;
                    self.refused(index, code, text, now);
                }
            }
            Signal::Closed if self.up() => self.lost(SocketState::Closed, now),
            Signal::Gateway => {
                if self.up() && !world.answers() {
                    self.probe_fails_at.get_or_insert(now + PROBES);
                } else if !self.up() {
                    let retry = if world.manifest.house == House::External { 5 * SECOND } else { SECOND / 2 };
                    self.connect_at = Some(self.connect_at.map_or(now + retry, |at| at.min(now + retry)));
                }
            }
            Signal::Closed | Signal::Died | Signal::Born => {}
        }
    }

    pub(super) fn noticed(&mut self, code: i32, farm: &'static str, now: Ms) {
        match code {
            1100 | 2110 => self.upstream = Some((Upstream::Down, now, None)),
            1101 | 1102 => self.upstream = Some((Upstream::Up, now, Some(code))),
            2103 => drop(self.farms.insert(farm, (FarmState::Broken, now))),
            _ => drop(self.farms.insert(farm, (FarmState::Ok, now))),
        }
        match code {
            1101 => self.resubscribe(Mask::MAX, now),
            1102 | 2104 => (self.verify, self.restored) = (Some((now, now + VERIFY)), Some(now)),
            _ => return,
        }
        // What is back may have kept the canary silent.
        self.hasten(now);
    }

    pub(super) fn lost(&mut self, state: SocketState, now: Ms) {
        self.enter(state, now);
        self.connect_at = Some(now + AFTER_DISCONNECT);
        (self.verify, self.probe_fails_at) = (None, None);
        // The last word about the link stays until the next session tells otherwise.
        self.upstream = self.upstream.filter(|(state, ..)| *state == Upstream::Down);
        self.farms.clear();
        for entry in &mut self.entries {
            (entry.running, entry.wanted_at, entry.canary) = (None, None, false);
            entry.witness.session_lost();
        }
    }

    pub(super) fn enter(&mut self, state: SocketState, now: Ms) {
        if self.socket.state != state {
            (self.socket.state, self.socket.since) = (state, now);
        }
        if state == SocketState::Connected {
            (self.socket.ever_connected, self.socket.down_since) = (true, None);
        } else {
            self.socket.down_since.get_or_insert(now);
        }
    }

    /// Ends the session and makes a new one.
    pub fn reconnect(&mut self, world: &mut World, now: Ms) {
        if self.up() {
            world.own_outage.get_or_insert(now);
        }
        world.disconnect();
        self.lost(SocketState::Closed, now);
    }

    pub(super) fn connect(&mut self, world: &mut World, now: Ms) {
        self.connect_at = None;
        let (state, retry) = match world.connect(self.client_id) {
            Ok(()) => {
                (self.id_refusals, self.provoked, self.upstream) = (0, false, None);
                self.enter(SocketState::Connected, now);
                self.settle(0, ActionState::Done);
                if !self.hasten(now + LOOK_UP) {
                    self.entries.iter_mut().for_each(|entry| entry.wanted_at = Some(now + LOOK_UP));
                }
                return;
            }
            Err(Refused::ClientId) => {
                self.id_refusals += 1;
                if self.id_refusals.is_multiple_of(3) {
                    self.client_id = world.manifest.spec.gateway.client_id.next(self.client_id);
                }
                (SocketState::ClientIdInUse, Some(now + ID_PAUSE))
            }
            // Whether it is answered later is seen at the next attempt.
            Err(Refused::NoHandshake) if self.socket.state == SocketState::NoHandshake => {
                (SocketState::NoHandshake, Some(now + MINUTE))
            }
            Err(Refused::NoHandshake) if self.socket.state == SocketState::ProbeTimeout => {
                // The handshake is awaited first.
                let waited = now - self.socket.since >= HANDSHAKE;
                let state = if waited { SocketState::NoHandshake } else { SocketState::ProbeTimeout };
                (state, Some(now + HANDSHAKE))
            }
            Err(Refused::NoHandshake) => (SocketState::NoHandshake, Some(now + MINUTE)),
            // The world tells when that changes.
            Err(Refused::Closed) => (SocketState::Refused, None),
        };
        self.enter(state, now);
        self.connect_at = retry;
        if state != SocketState::ClientIdInUse {
            self.settle(0, ActionState::Failed);
        }
    }
}
