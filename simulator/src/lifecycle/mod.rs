//! The life of a gateway: login, restarts, the link to IBKR, farms, other sessions of the user. Pure: each step says what
//! is to be done, and the server does it.

pub mod clocks;
mod commands;
mod competing;
mod config;
mod farms;
mod login;
mod outage;
mod token;
mod upstream;
mod wants;

use std::collections::VecDeque;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use commands::Reply;
pub use competing::{Answers, Competing, CompetingSpec, no_data};
pub use config::{ExistingSession, LifeConfig, Mode, SecondFactor, TimeoutAction};
pub use farms::{Farm, Farms, Kind, Link};
pub use login::Phase;
pub use token::{Token, TokenFile};
pub use upstream::{Restored, UpstreamSpec};
pub use wants::Wants;

use crate::faults::Refusal;
use crate::journal::requests::Event;
use outage::Outage;
use upstream::Upstream;

/// Something for the server to do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A line of IBC's log.
    Line(String),
    /// A line of the request log.
    Log(Event),
    /// A notice to every client.
    Notice(i32, String),
    /// Every subscription ends with this error.
    EndSubscriptions(Refusal),
    /// Every API connection ends.
    CloseSockets,
    /// The token goes into the settings.
    SaveToken(Token),
    /// A token in the settings is used up.
    RemoveToken,
    /// A login has completed.
    LoggedIn,
    /// The process ends.
    Exit(i32),
}

/// What IBKR's servers remember of a user: it outlives the process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// Failed logins in a row.
    pub failed_logins: u32,
    /// No login is possible until then, microseconds since the epoch.
    pub locked_until_us: i64,
    /// Another session of the same user.
    pub competing: Option<Competing>,
}

/// Whether user and password are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// Both.
    Given,
    /// One of them is not.
    Missing,
}

/// What a process finds at its start.
#[derive(Debug)]
pub struct Start {
    /// User and password.
    pub credentials: Credentials,
    /// How long a login takes, microseconds.
    pub login_us: i64,
    /// Of the times in the settings.
    pub zone: TimeZone,
    /// The farms.
    pub farms: Farms,
    /// Of earlier processes.
    pub remembered: Remembered,
    /// Of the settings.
    pub token: Option<Token>,
}

/// The life of one gateway.
#[derive(Debug)]
pub struct Life {
    config: LifeConfig,
    credentials: Credentials,
    login_us: i64,
    zone: TimeZone,
    phase: Phase,
    /// Of the session, or for the next login.
    token: Option<Token>,
    attempts: u32,
    remembered: Remembered,
    upstream: Upstream,
    farms: Farms,
    /// Without data because of another session.
    displaced: Outage,
    clocks: Clocks,
    last_us: i64,
    effects: VecDeque<Effect>,
}

/// When what goes by the clock comes next, microseconds since the epoch.
#[derive(Debug, Clone, Copy, Default)]
struct Clocks {
    restart: Option<i64>,
    logoff: Option<i64>,
    cold: Option<i64>,
    /// With its length.
    reset: Option<(i64, i64)>,
}

impl Life {
    /// A process starts.
    #[must_use]
    pub fn start(config: LifeConfig, start: Start, now_us: i64) -> Self {
        let Start { credentials, login_us, zone, farms, remembered, token } = start;
        let mut life = Self {
            config,
            credentials,
            login_us,
            zone,
            phase: Phase::Failed,
            token,
            attempts: 0,
            remembered,
            upstream: Upstream::default(),
            farms,
            displaced: Outage::default(),
            clocks: Clocks::default(),
            last_us: now_us,
            effects: VecDeque::new(),
        };
        life.set_clocks(now_us);
        life.begin_login(now_us);
        life
    }

    fn set_clocks(&mut self, now_us: i64) {
        let daily = |time: Option<_>| time.and_then(|time| clocks::next_daily(now_us, time, &self.zone));
        self.clocks = Clocks {
            restart: daily(self.config.auto_restart),
            logoff: daily(self.config.auto_logoff),
            cold: self.config.cold_restart.and_then(|time| clocks::next_sunday(now_us, time, &self.zone)),
            reset: self.config.nightly_reset.and_then(|region| clocks::next_reset(now_us, region)),
        };
    }

    /// Does what is due.
    pub fn step(&mut self, now_us: i64) {
        if now_us < self.last_us {
            // The clock was set back.
            self.set_clocks(now_us);
        }
        self.last_us = now_us;
        let due = |at: Option<i64>| at.is_some_and(|at| at <= now_us);
        self.step_login(now_us);
        self.step_upstream(now_us);
        self.step_competing(now_us);
        let Clocks { restart, logoff, cold, reset } = self.clocks;
        if due(restart) || due(logoff) || due(cold) || due(reset.map(|(at, _)| at)) {
            self.set_clocks(now_us);
        }
        if !self.is_up() {
            return;
        }
        if let Some((_, length_us)) = reset.filter(|(at, _)| *at <= now_us) {
            self.lose_upstream(Restored::Kept { honest: true }, true, Some(now_us + length_us));
        }
        if due(logoff) {
            self.line("IBC: Auto logoff: the gateway ends");
            self.exit(0);
        } else if due(cold) {
            self.restart(false, now_us);
        } else if due(restart) {
            self.restart(true, now_us);
        }
    }

    /// What is to be done now, in this order.
    pub fn take_effects(&mut self) -> VecDeque<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whether the API port is open.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up)
    }

    /// What IBKR's servers remember.
    #[must_use]
    pub fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// Where the login stands.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The farms.
    #[must_use]
    pub fn farms(&self) -> &Farms {
        &self.farms
    }

    /// Whether the link to IBKR is up.
    #[must_use]
    pub fn upstream_is_up(&self) -> bool {
        !self.upstream.outage.down
    }

    fn line(&mut self, text: impl Into<String>) {
        self.effects.push_back(Effect::Line(text.into()));
    }

    fn log(&mut self, event: Event) {
        self.effects.push_back(Effect::Log(event));
    }

    /// Clients are told, if there can be any.
    fn notice(&mut self, code: i32, text: impl Into<String>) {
        if self.is_up() {
            self.effects.push_back(Effect::Notice(code, text.into()));
        }
    }

    fn exit(&mut self, code: i32) {
        self.phase = Phase::Exited { code };
        self.log(Event::Exit { code });
        self.effects.push_back(Effect::CloseSockets);
        self.effects.push_back(Effect::Exit(code));
    }
}

#[cfg(test)]
mod tests;
