//! How faults begin, end, and are ended.

use marketstream_crds::LoginState;

use super::{Active, Signal, World};
use crate::{
    clock::{Ms, SECOND},
    fault::{Cure, Fault, Kind, Restored, Strength},
    gateway::Process,
    market::{House, Mask},
};

const TOLD: (i32, &str) = (10197, "No market data during competing live session");
/// What a subscription is told that has delayed data only.
pub(crate) const DELAYED: (i32, &str) =
    (10167, "Requested market data is not subscribed. Displaying delayed market data.");

impl World {
    pub(super) fn begin(&mut self, index: usize, now: Ms) {
        let fault = self.faults[index];
        // What is broken cannot break again.
        let same = |active: &Active| {
            std::mem::discriminant(&active.fault.kind) == std::mem::discriminant(&fault.kind)
                && active.residual.is_none()
                && (active.fault.streams & fault.streams != 0 || fault.streams == 0)
        };
        if !matches!(fault.kind, Kind::Silent) && self.active.iter().any(same) {
            return self.over.push((index, now));
        }
        let told = self.talks();
        let mut active = Active { index, fault, blocking: fault.streams, cure: fault.cure, told, residual: None };
        let up = self.gateway.is_up();
        match fault.kind {
            Kind::Upstream(_) => self.notice(1100, ""),
            Kind::Farm { name, .. } => self.notice(2103, name),
            Kind::Competing { told: true } => self.tell(self.subscribed, TOLD),
            Kind::Crash if up => self.gateway_ends(fault.until, false),
            Kind::Wedged if up => self.gateway_ends(fault.until, false),
            Kind::DailyRestart if up => {
                self.gateway_ends(Some(now + 5 * SECOND), true);
                active.residual = Some(now);
                active.cure = Cure::Deed(Strength::Reconnect);
            }
            Kind::Login if up && self.manifest.house == House::Live => {
                self.drop_session();
                let comes = self.gateway.await_person(now, LoginState::TooManyAttempts);
                active.fault.until = Some(comes);
                self.faults[index].until = Some(comes);
            }
            Kind::Crash | Kind::Wedged | Kind::DailyRestart | Kind::Login => return self.over.push((index, now)),
            Kind::Hang { .. } if !up => return self.over.push((index, now)),
            Kind::Hang { .. } => self.signals.push(Signal::Gateway),
            Kind::IdHeld { ids } if self.session => {
                let pool = self.manifest.spec.gateway.client_id;
                self.held = (0..ids.min(pool.pool)).map(|n| pool.base + n).collect();
                self.drop_session();
            }
            Kind::IdHeld { .. } => return self.over.push((index, now)),
            Kind::Silent | Kind::Corrupt if fault.cure.by(Strength::Resubscribe) => {
                active.blocking &= self.subscribed;
            }
            Kind::Delayed { told: true } => {
                self.tell(self.subscribed & fault.streams, DELAYED);
                self.subscribed &= !fault.streams;
            }
            Kind::NetworkCut => self.signals.push(Signal::Gateway),
            Kind::Refused(refusal) => {
                self.tell(self.subscribed & fault.streams, refusal.answer(index));
                self.subscribed &= !fault.streams;
            }
            Kind::StreamerCrash if self.pod.running.is_some() && !self.node_lost() => self.streamer_dies(),
            Kind::StreamerCrash => return self.over.push((index, now)),
            Kind::NodeLost => {
                self.streamer_dies();
                self.gateway_ends(None, false);
            }
            Kind::Halt => active.blocking = 0,
            _ => {}
        }
        self.active.push(active);
    }

    pub(super) fn expire(&mut self, position: usize, now: Ms) {
        let active = self.active[position];
        let all = self.manifest.all();
        let mut left: (Mask, Strength) = (0, Strength::Resubscribe);
        match active.fault.kind {
            Kind::Upstream(restored) => {
                let (code, lost) = match restored {
                    Restored::Lost => (1101, all),
                    Restored::Kept => (1102, 0),
                    Restored::Lies(lost) => (1102, lost),
                };
                left.0 = lost & self.subscribed;
                self.notice(code, "");
            }
            Kind::Farm { lost, name } => {
                left.0 = lost & self.subscribed;
                self.notice(2104, name);
            }
            Kind::Competing { .. } => left.0 = all,
            Kind::Refused(_) | Kind::Delayed { .. } => left.0 = active.fault.streams & active.blocking,
            Kind::NetworkCut => {
                self.signals.push(Signal::Gateway);
                self.deliver();
                // A session that nobody gave up goes on where it was.
                left = (if self.session { 0 } else { all }, Strength::Reconnect);
            }
            Kind::Crash | Kind::Wedged | Kind::Login | Kind::IdHeld { .. } => {
                self.held.clear();
                left = (all, Strength::Reconnect);
                if active.fault.kind == Kind::Wedged && matches!(self.gateway.process, Process::Down(None)) {
                    self.gateway.process = Process::Down(Some(now));
                }
            }
            Kind::StreamerCrash => {
                left = (all, Strength::Reconnect);
                if self.pod.gone.is_none() && self.pod.running.is_some() && !self.node_lost() {
                    self.signals.push(Signal::Born);
                }
            }
            Kind::NodeLost => {
                left = (all, Strength::Reconnect);
                self.gateway.process = Process::Down(Some(now + 10 * SECOND));
                if self.pod.gone.is_none() {
                    self.pod.running = None;
                    self.pod.starts = now + 15 * SECOND;
                }
            }
            Kind::Hang { .. } => self.signals.push(Signal::Gateway),
            _ => {}
        }
        let active = &mut self.active[position];
        active.residual = Some(now);
        (active.blocking, active.cure) = (left.0, Cure::Deed(left.1));
    }

    /// Faults that are past and stop nothing any more are over.
    pub(super) fn bury(&mut self, now: Ms) {
        let over = &mut self.over;
        self.active.retain(|active| {
            let harmless = active.blocking == 0 && active.fault.streams != 0;
            let ended = match active.residual {
                Some(_) => active.blocking == 0,
                None => harmless && active.fault.kind.stops_data(),
            };
            if ended {
                over.push((active.index, now));
            }
            !ended
        });
    }

    pub(super) fn login_needed(&mut self, now: Ms) {
        let all = self.manifest.all();
        let until = self.gateway.next();
        let fault = Fault { kind: Kind::Login, begin: now, until, streams: all, cure: Cure::Nothing };
        // Behind those to come it would wait for them: it begins here and now.
        self.faults.insert(self.upcoming, fault);
        let index = self.upcoming;
        self.upcoming += 1;
        self.active.push(Active { index, fault, blocking: all, cure: Cure::Nothing, told: true, residual: None });
    }

    pub(super) fn gateway_ends(&mut self, again: Option<Ms>, token: bool) {
        self.gateway.end(again, token);
        self.drop_session();
        self.signals.push(Signal::Gateway);
        // The next process starts afresh.
        self.cured(Strength::RestartGateway);
        self.held.clear();
        let of_process = |active: &&mut Active| {
            use Kind::{Crash, Hang, IdHeld, Login, Wedged};
            matches!(active.fault.kind, Crash | Hang { .. } | Login | Wedged | IdHeld { .. })
        };
        for active in self.active.iter_mut().filter(of_process) {
            active.blocking = 0;
        }
    }

    pub(super) fn drop_session(&mut self) {
        if self.session {
            self.signals.push(Signal::Closed);
        }
        self.forget_session();
    }

    pub(super) fn forget_session(&mut self) {
        (self.session, self.subscribed) = (false, 0);
        self.in_transit.clear();
    }

    pub(super) fn streamer_dies(&mut self) {
        self.forget_session();
        self.signals.push(Signal::Died);
    }

    pub(super) fn notice(&mut self, code: i32, farm: &'static str) {
        if !self.hung() {
            self.send(Signal::Notice(code, farm));
        }
    }

    pub(super) fn tell(&mut self, streams: Mask, (code, text): (i32, &'static str)) {
        if streams != 0 {
            self.send(Signal::Told(streams, code, text));
        }
    }

    /// A message to the client. What is sent while nothing passes comes later, if the session lives.
    fn send(&mut self, signal: Signal) {
        if self.session {
            let way = if self.cut_off() { &mut self.in_transit } else { &mut self.signals };
            way.push(signal);
        }
    }

    /// Something passes again.
    fn deliver(&mut self) {
        if self.session {
            self.active.iter_mut().for_each(|active| active.told = true);
        }
        self.signals.append(&mut self.in_transit);
    }

    /// What an action of this strength ends.
    pub(super) fn cured(&mut self, strength: Strength) {
        for active in self.active.iter_mut().filter(|active| active.cure.by(strength)) {
            active.blocking = 0;
        }
    }
}
