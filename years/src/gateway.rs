//! The gateway's process and its login, as they truly are.

use marketstream_crds::LoginState;

use crate::{
    clock::{MINUTE, Ms, SECOND},
    dice::noise,
    market::House,
};

/// What the process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Logged in; the API port answers.
    Up,
    /// Starts, or tries to log in, until then.
    Booting(Ms),
    /// Waits for a person, who comes then.
    Person(Ms),
    /// Does not run; it starts then, or when somebody replaces it.
    Down(Option<Ms>),
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    house: House,
    key: u64,
    /// What its process does.
    pub process: Process,
    /// The last marker of its log, and since when.
    pub login: (LoginState, Ms),
    /// Full logins that a person had to confirm.
    pub logins: u32,
    token: bool,
    signed_in: Ms,
    expiries: Vec<Ms>,
    starts: u64,
}

/// What stands in the way of a login.
#[derive(Clone, Copy, Debug, Default)]
pub struct Obstacles {
    /// The link to IBKR is down until then.
    pub upstream: Option<Ms>,
    /// Another session of the user has the login until then.
    pub competing: Option<Ms>,
}

/// A login after its obstacle is gone.
const LOGIN: Ms = 20 * SECOND;

impl Gateway {
    /// One that is up since `now`.
    #[must_use]
    pub fn new(house: House, key: u64, expiries: Vec<Ms>, now: Ms) -> Self {
        Self {
            house,
            key,
            process: Process::Up,
            login: (LoginState::Completed, now),
            logins: 0,
            token: false,
            signed_in: now,
            expiries,
            starts: 0,
        }
    }

    /// Ends the process; it starts again at `again`. `token`: it ended in order, and kept its login.
    pub fn end(&mut self, again: Option<Ms>, token: bool) {
        // One that had not logged in yet has not used its token.
        self.token = token || (self.token && matches!(self.process, Process::Booting(_)));
        self.process = Process::Down(again);
    }

    /// Whether the API port answers (unless the process hangs).
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.process == Process::Up
    }

    /// A person must act now: a login that needs them begins. Returns when they will have.
    pub fn await_person(&mut self, now: Ms, marker: LoginState) -> Ms {
        self.starts += 1;
        // From two minutes to twelve hours, each order of magnitude alike: people sleep.
        let drawn = noise(self.key, self.starts) as f64 / u64::MAX as f64;
        let comes = now + ((2 * MINUTE) as f64 * 360_f64.powf(drawn)) as Ms;
        self.process = Process::Person(comes);
        self.login = (marker, now);
        self.logins += 1;
        comes
    }

    /// When something changes by itself.
    #[must_use]
    pub fn next(&self) -> Option<Ms> {
        match self.process {
            Process::Up => None,
            Process::Booting(until) | Process::Person(until) => Some(until),
            Process::Down(until) => until,
        }
    }

    /// Lets it go on. Returns whether a login now waits for a person.
    pub fn step(&mut self, now: Ms, obstacles: Obstacles) -> bool {
        match self.process {
            Process::Down(Some(at)) if at <= now => {
                self.starts += 1;
                let boot = 30 * SECOND + (noise(self.key, self.starts) % (50 * SECOND as u64)) as Ms;
                self.process = Process::Booting(now + boot);
                self.login = (LoginState::Started, now);
            }
            Process::Booting(until) if until <= now => return self.log_in(now, obstacles),
            Process::Person(until) if until <= now => {
                self.process = Process::Booting(now + LOGIN);
                self.login = (LoginState::Started, now);
                (self.token, self.signed_in) = (true, now);
            }
            _ => {}
        }
        false
    }

    fn log_in(&mut self, now: Ms, obstacles: Obstacles) -> bool {
        if let Some(until) = obstacles.competing.filter(|_| self.house != House::External) {
            // It yields: it ends, and tries again when the other session has.
            self.process = Process::Booting(until.max(now) + LOGIN);
            self.login = (LoginState::ExistingSession, now);
            return false;
        }
        if let Some(until) = obstacles.upstream {
            self.process = Process::Booting(until.max(now) + LOGIN);
            return false;
        }
        let expired = self.expiries.iter().any(|expiry| (self.signed_in..now).contains(expiry));
        if self.house == House::Live && (!self.token || expired) {
            self.await_person(now, LoginState::SecondFactor);
            return true;
        }
        self.process = Process::Up;
        self.login = (LoginState::Completed, now);
        self.signed_in = now;
        false
    }
}
