//! The true state of everything outside the streamer and the operator. [`course`] is how faults change it, [`truth`] what
//! can be asked about it, [`client`] what the streamer and Kubernetes do to it.

mod client;
mod course;
mod truth;

pub use client::Refused;
pub(crate) use course::DELAYED;

use crate::{
    clock::{Ms, SECOND, sooner},
    dice::noise,
    fault::{Cure, Fault, Kind, Strength},
    gateway::{Gateway, Obstacles, Process},
    market::{Bells, Manifest, Mask},
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
    /// What the session's peer has not received yet, since nothing passes.
    in_transit: Vec<Signal>,
    held: Vec<i32>,
    upcoming: usize,
    key: u64,
    rolls: u64,
}

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
            in_transit: Vec::new(),
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
}
