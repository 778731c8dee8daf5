//! The true state of everything outside the streamer and the operator, and how faults change it.

use marketstream_crds::LoginState;

use crate::{
    clock::{HOUR, MINUTE, Ms, SECOND, sooner},
    dice::noise,
    fault::{Cure, Fault, Kind, Refusal, Restored, Strength},
    gateway::{Gateway, Obstacles, Process},
    market::{Bells, House, Manifest, Mask},
};

/// What the streamer hears of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    /// A notice of the session, with the farm that it names.
    Notice(i32, &'static str),
    /// Running subscriptions end with an error.
    Told(Mask, i32, &'static str),
    /// The gateway closes the session.
    Closed,
    /// The gateway's processes come and go, or a session can be had again.
    Gateway,
    /// The streamer's process ends.
    Died,
    /// The streamer's process starts.
    Born,
}

/// A fault that is under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Active {
    /// Which fault of the year.
    pub index: usize,
    /// The fault.
    pub fault: Fault,
    /// The streams whose data it stops now.
    pub blocking: Mask,
    /// What ends it now.
    pub cure: Cure,
    /// A client was told of it.
    pub told: bool,
    /// What it left behind: its origin is gone, and requests, a session or a start are still missing.
    pub residual: Option<Ms>,
}

/// The pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Counts the pods of the year.
    pub uid: u32,
    /// Since when its streamer runs.
    pub running: Option<Ms>,
    /// When it is gone, while it is being deleted.
    pub gone: Option<Ms>,
    starts: Ms,
}

/// Times in which outages are expected.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    /// Starts of IBKR's nightly resets.
    pub resets: Vec<Ms>,
    /// Starts of IBKR's weekend resets.
    pub weekends: Vec<Ms>,
    /// The gateway's daily restarts.
    pub restarts: Vec<Ms>,
}

/// Everything outside of the streamer and the operator.
#[derive(Debug)]
pub struct World {
    /// Who records what.
    pub manifest: Manifest,
    /// The faults so far and to come; logins that need a person join them as they happen.
    pub faults: Vec<Fault>,
    /// Those under way.
    pub active: Vec<Active>,
    /// Those that have ended, and when.
    pub over: Vec<(usize, Ms)>,
    /// The gateway.
    pub gateway: Gateway,
    /// The pod.
    pub pod: Pod,
    /// Which markets are open.
    pub bells: Bells,
    /// Times in which outages are expected.
    pub windows: Windows,
    /// What the streamer has not heard yet.
    pub signals: Vec<Signal>,
    /// Since when an action of ours keeps the data away: a new session is not up yet.
    pub own_outage: Option<Ms>,
    session: bool,
    subscribed: Mask,
    held: Vec<i32>,
    upcoming: usize,
    key: u64,
    rolls: u64,
}

/// Text of a request that is refused while another session has the data.
const COMPETING: (i32, &str) =
    (10189, "Failed to request tick-by-tick data.Trading TWS session is connected from a different IP address");
const TOLD: (i32, &str) = (10197, "No market data during competing live session");

impl World {
    /// A pod that runs and a gateway that is up, at the start of the year.
    #[must_use]
    pub fn new(manifest: Manifest, faults: Vec<Fault>, windows: Windows, expiries: Vec<Ms>, key: u64, now: Ms) -> Self {
        let gateway = Gateway::new(manifest.house, noise(key, 1), expiries, now);
        Self {
            manifest,
            faults,
            active: Vec::new(),
            over: Vec::new(),
            gateway,
            bells: Bells::default(),
            windows,
            pod: Pod { uid: 1, running: Some(now), gone: None, starts: now },
            signals: vec![Signal::Born],
            own_outage: None,
            session: false,
            subscribed: 0,
            held: Vec::new(),
            upcoming: 0,
            key,
            rolls: 0,
        }
    }

    /// When something changes by itself.
    #[must_use]
    pub fn next(&self) -> Option<Ms> {
        let ends = self.active.iter().filter(|active| active.residual.is_none()).map(|active| active.fault.until);
        let begins = self.faults.get(self.upcoming).map(|fault| fault.begin);
        let starts = self.pod.running.is_none() && !self.node_lost();
        let pod = sooner(self.pod.gone, starts.then_some(self.pod.starts));
        ends.fold(sooner(sooner(begins, self.gateway.next()), pod), sooner).map(|next| next.min(self.bells.next))
    }

    /// Lets happen what is due.
    pub fn step(&mut self, now: Ms) {
        self.bells.step(&self.manifest, now);
        while let Some(position) = self
            .active
            .iter()
            .position(|active| active.residual.is_none() && active.fault.until.is_some_and(|until| until <= now))
        {
            self.expire(position, now);
        }
        while self.faults.get(self.upcoming).is_some_and(|fault| fault.begin <= now) {
            self.upcoming += 1;
            self.begin(self.upcoming - 1, now);
        }
        self.step_pod(now);
        if self.gateway.next().is_some_and(|at| at <= now) {
            let needs_person = self.gateway.step(now, self.obstacles());
            if needs_person {
                self.login_needed(now);
            }
            self.signals.push(Signal::Gateway);
        }
        self.bury(now);
    }

    fn obstacles(&self) -> Obstacles {
        let until = |like: fn(&Kind) -> bool| {
            let origins = self.active.iter().filter(|active| active.residual.is_none() && like(&active.fault.kind));
            origins.filter_map(|active| active.fault.until).max()
        };
        Obstacles {
            upstream: until(|kind| matches!(kind, Kind::Upstream(_))),
            competing: until(|kind| matches!(kind, Kind::Competing { .. })),
        }
    }

    fn step_pod(&mut self, now: Ms) {
        if self.pod.gone.is_some_and(|gone| gone <= now) {
            let starts = now + 3 * SECOND + self.drawn(6 * SECOND);
            self.pod = Pod { uid: self.pod.uid + 1, running: None, gone: None, starts };
            self.gateway.process = Process::Down(Some(starts));
            self.cured(Strength::RollPod);
        }
        if self.pod.running.is_none() && self.pod.starts <= now && !self.node_lost() {
            self.pod.running = Some(now);
            self.signals.push(Signal::Born);
        }
    }

    fn drawn(&mut self, below: Ms) -> Ms {
        self.rolls += 1;
        (noise(self.key, self.rolls) % below as u64) as Ms
    }

    fn begin(&mut self, index: usize, now: Ms) {
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
            Kind::Silent if fault.cure.by(Strength::Resubscribe) => active.blocking &= self.subscribed,
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

    fn expire(&mut self, position: usize, now: Ms) {
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
            Kind::Refused(_) => left.0 = active.fault.streams & active.blocking,
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
    fn bury(&mut self, now: Ms) {
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

    fn login_needed(&mut self, now: Ms) {
        let all = self.manifest.all();
        let until = self.gateway.next();
        let fault = Fault { kind: Kind::Login, begin: now, until, streams: all, cure: Cure::Nothing };
        // Behind those to come it would wait for them: it begins here and now.
        self.faults.insert(self.upcoming, fault);
        let index = self.upcoming;
        self.upcoming += 1;
        self.active.push(Active { index, fault, blocking: all, cure: Cure::Nothing, told: true, residual: None });
    }

    fn gateway_ends(&mut self, again: Option<Ms>, token: bool) {
        self.gateway.end(again, token);
        self.drop_session();
        self.signals.push(Signal::Gateway);
        // The next process starts afresh.
        self.cured(Strength::RestartGateway);
        self.held.clear();
        let of_process = |active: &&mut Active| {
            matches!(active.fault.kind, Kind::Hang { .. } | Kind::Login | Kind::Wedged | Kind::IdHeld { .. })
        };
        for active in self.active.iter_mut().filter(of_process) {
            active.blocking = 0;
        }
    }

    fn drop_session(&mut self) {
        if self.session {
            self.signals.push(Signal::Closed);
        }
        (self.session, self.subscribed) = (false, 0);
    }

    fn streamer_dies(&mut self) {
        (self.session, self.subscribed) = (false, 0);
        self.signals.push(Signal::Died);
    }

    fn notice(&mut self, code: i32, farm: &'static str) {
        if self.talks() {
            self.signals.push(Signal::Notice(code, farm));
        }
    }

    fn tell(&mut self, streams: Mask, (code, text): (i32, &'static str)) {
        if streams != 0 && self.session {
            self.signals.push(Signal::Told(streams, code, text));
        }
    }

    /// What an action of this strength ends.
    fn cured(&mut self, strength: Strength) {
        for active in self.active.iter_mut().filter(|active| active.cure.by(strength)) {
            active.blocking = 0;
        }
    }

    /// Whether the gateway can tell a client anything.
    #[must_use]
    pub fn talks(&self) -> bool {
        self.session && !self.hung()
    }

    fn is(&self, like: impl Fn(&Kind) -> bool) -> bool {
        self.active.iter().any(|active| active.residual.is_none() && like(&active.fault.kind))
    }

    /// Whether the gateway accepts connections and answers nothing.
    #[must_use]
    pub fn hung(&self) -> bool {
        self.gateway.is_up() && self.is_blocking(|kind| matches!(kind, Kind::Hang { .. }))
    }

    fn is_blocking(&self, like: impl Fn(&Kind) -> bool) -> bool {
        self.active.iter().any(|active| active.blocking != 0 && active.residual.is_none() && like(&active.fault.kind))
    }

    /// Whether the gateway answers on its command port.
    #[must_use]
    pub fn command_port(&self) -> bool {
        let deaf = self.hung() && self.is_blocking(|kind| matches!(kind, Kind::Hang { command: false }));
        !deaf && !matches!(self.gateway.process, Process::Down(_)) && self.manifest.house != House::External
    }

    /// Whether the pod reaches the API server.
    #[must_use]
    pub fn reports_arrive(&self) -> bool {
        !self.is(|kind| matches!(kind, Kind::ApiCut | Kind::NodeLost))
    }

    /// Whether the pod's node is gone.
    #[must_use]
    pub fn node_lost(&self) -> bool {
        self.is(|kind| *kind == Kind::NodeLost)
    }

    /// By how much reports are late.
    #[must_use]
    pub fn lateness(&self) -> Ms {
        let late = self.active.iter().filter_map(|active| match active.fault.kind {
            Kind::LateReports { by } => Some(by),
            _ => None,
        });
        late.max().unwrap_or(0)
    }

    /// Whether the operator runs.
    #[must_use]
    pub fn operator_runs(&self) -> bool {
        !self.is(|kind| *kind == Kind::OperatorDown)
    }

    /// How far the streamer's clock is off.
    #[must_use]
    pub fn clock_error(&self) -> Ms {
        let off = self.active.iter().filter_map(|active| match active.fault.kind {
            Kind::ClockOff { by } => Some(by),
            _ => None,
        });
        off.sum()
    }

    /// Whether the data volume takes writes.
    #[must_use]
    pub fn writable(&self) -> bool {
        !self.is(|kind| *kind == Kind::DiskFull)
    }

    /// Whether a farm is known to be broken.
    #[must_use]
    pub fn farm_broken(&self) -> bool {
        self.is(|kind| matches!(kind, Kind::Farm { .. }))
    }

    /// Whether requests pause, since they came too fast.
    #[must_use]
    pub fn pacing(&self) -> bool {
        self.is(|kind| *kind == Kind::Refused(Refusal::Pacing))
    }

    /// Streams whose trading is halted.
    #[must_use]
    pub fn halted(&self) -> Mask {
        let halts = self.active.iter().filter(|active| active.fault.kind == Kind::Halt);
        halts.fold(0, |mask, active| mask | active.fault.streams)
    }

    /// Streams whose data some fault stops.
    #[must_use]
    pub fn blocked(&self) -> Mask {
        self.active.iter().fold(0, |mask, active| mask | active.blocking)
    }

    /// Streams that trade.
    #[must_use]
    pub fn trading(&self) -> Mask {
        self.bells.open & !self.halted()
    }

    /// Streams that should flow: in their session, past the grace after its opening.
    #[must_use]
    pub fn expected(&self) -> Mask {
        self.bells.settled & !self.halted()
    }

    /// Streams whose ticks reach the streamer, when there are any.
    #[must_use]
    pub fn delivering(&self) -> Mask {
        if !self.session || !self.gateway.is_up() {
            return 0;
        }
        self.trading() & self.subscribed & !self.blocked()
    }

    /// Contracts of which an ordinary market-data line would tell what trades: not those whose farm, link or session
    /// is gone.
    #[must_use]
    pub fn sentinels(&self) -> Mask {
        let deaf = self.active.iter().filter(|active| active.fault.kind != Kind::Silent);
        if self.session { self.manifest.all() & !deaf.fold(0, |mask, active| mask | active.blocking) } else { 0 }
    }

    /// The streamer makes a session.
    ///
    /// # Errors
    /// What it meets instead.
    pub fn connect(&mut self, client_id: i32) -> Result<(), Refused> {
        match () {
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
        (self.session, self.subscribed) = (false, 0);
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
        let origins = self.active.iter().filter(|active| active.residual.is_none());
        for active in origins {
            match active.fault.kind {
                Kind::Competing { .. } => return Err(COMPETING),
                Kind::Refused(refusal) if active.fault.streams & bit != 0 => return Err(refusal.answer(active.index)),
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

    /// How long the streamer's own retries may take, after the origin of a fault is gone.
    #[must_use]
    pub fn patience(&self, active: &Active) -> Ms {
        match active.fault.kind {
            Kind::Refused(Refusal::Entitlement) => HOUR + MINUTE,
            Kind::Refused(Refusal::Contract) => 25 * HOUR,
            Kind::Refused(_) => 6 * MINUTE,
            Kind::Competing { .. } => 2 * MINUTE,
            Kind::DailyRestart | Kind::Crash | Kind::Wedged | Kind::NodeLost | Kind::Login => 3 * MINUTE,
            _ => MINUTE,
        }
    }
}

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
