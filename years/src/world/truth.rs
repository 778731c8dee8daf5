//! What is true at the moment.

use super::{Active, World};
use crate::{
    clock::{HOUR, MINUTE, Ms},
    fault::{Kind, Refusal},
    gateway::Process,
    market::{House, Mask},
};

impl World {
    /// Whether the gateway can tell a client anything.
    #[must_use]
    pub fn talks(&self) -> bool {
        self.session && self.answers()
    }

    /// Whether the gateway answers to whoever reaches it.
    #[must_use]
    pub fn answers(&self) -> bool {
        !self.hung() && !self.cut_off()
    }

    /// Whether the gateway has lost IBKR.
    #[must_use]
    pub fn away(&self) -> bool {
        self.is(|kind| matches!(kind, Kind::Upstream(_)))
    }

    /// Whether nothing passes between the streamer and the gateway.
    #[must_use]
    pub fn cut_off(&self) -> bool {
        self.is(|kind| *kind == Kind::NetworkCut)
    }

    pub(super) fn is(&self, like: impl Fn(&Kind) -> bool) -> bool {
        self.active.iter().any(|active| active.residual.is_none() && like(&active.fault.kind))
    }

    /// Whether the gateway accepts connections and answers nothing.
    #[must_use]
    pub fn hung(&self) -> bool {
        self.gateway.is_up() && self.is_blocking(|kind| matches!(kind, Kind::Hang { .. }))
    }

    pub(super) fn is_blocking(&self, like: impl Fn(&Kind) -> bool) -> bool {
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

    /// Streams whose ticks reach the streamer and cannot be true.
    #[must_use]
    pub fn corrupt(&self) -> Mask {
        if !self.session || !self.gateway.is_up() {
            return 0;
        }
        let is = |active: &&Active| active.fault.kind == Kind::Corrupt;
        let (corrupt, others): (Vec<&Active>, Vec<&Active>) = self.active.iter().partition(is);
        let all = |faults: Vec<&Active>| faults.iter().fold(0, |mask, active| mask | active.blocking);
        self.trading() & self.subscribed & all(corrupt) & !all(others)
    }

    /// Contracts of which IBKR has delayed data only, as their market-data lines tell.
    #[must_use]
    pub fn delayed(&self) -> Mask {
        let like = |active: &&Active| active.residual.is_none() && matches!(active.fault.kind, Kind::Delayed { .. });
        let delayed = self.active.iter().filter(like).fold(0, |mask, active| mask | active.fault.streams);
        if self.talks() { delayed } else { 0 }
    }

    /// Contracts of which an ordinary market-data line would tell what trades: not those whose farm, link or session
    /// is gone.
    #[must_use]
    pub fn sentinels(&self) -> Mask {
        let dead = |kind: &Kind| matches!(kind, Kind::Silent | Kind::Corrupt);
        let deaf = self.active.iter().filter(|active| !dead(&active.fault.kind));
        if self.session { self.manifest.all() & !deaf.fold(0, |mask, active| mask | active.blocking) } else { 0 }
    }

    /// How long the streamer's own retries may take, after the origin of a fault is gone.
    #[must_use]
    pub fn patience(&self, active: &Active) -> Ms {
        match active.fault.kind {
            Kind::Refused(Refusal::Entitlement) | Kind::Delayed { .. } => HOUR + MINUTE,
            Kind::Refused(Refusal::Contract) => 25 * HOUR,
            Kind::Refused(_) => 6 * MINUTE,
            Kind::Competing { .. } => 2 * MINUTE,
            Kind::DailyRestart | Kind::Crash | Kind::Wedged | Kind::NodeLost | Kind::Login => 3 * MINUTE,
            _ => MINUTE,
        }
    }
}
