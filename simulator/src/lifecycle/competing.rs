//! Another session of the same user, which has the market data or takes the whole login.

use serde::{Deserialize, Serialize};

use super::upstream::Restored;
use super::{Effect, ExistingSession, Life, Wants};
use crate::faults::Refusal;

const OTHER_ADDRESS: &str = "Trading TWS session is connected from a different IP address";

/// The error of subscriptions while another session has the market data.
#[must_use]
pub fn no_data() -> Refusal {
    Refusal { code: 10197, text: "No market data during competing live session".to_owned() }
}

/// How long the login takes that wins the session back, microseconds. A guess.
const RELOGIN_US: i64 = 5_000_000;

/// What requests get meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// Subscriptions end with 10197, new ones get 10189 or 10197, questions to the history 162.
    #[default]
    Codes,
    /// Subscriptions end with 10197, new ones are accepted and get no data.
    Accepted,
    /// There are no data, and no code either.
    Silence,
}

/// Another session, as the admin port takes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompetingSpec {
    /// What requests get.
    #[serde(default)]
    pub answers: Answers,
    /// It takes the login, not only the market data.
    #[serde(default)]
    pub takes_login: bool,
    /// It is the primary session, which a login of this gateway does not displace.
    #[serde(default)]
    pub primary: bool,
    /// It ends by itself after so many seconds.
    #[serde(default)]
    pub for_s: Option<f64>,
    /// It goes and comes back each so many seconds.
    #[serde(default)]
    pub flaps_s: Option<f64>,
    /// Whether subscriptions that did not end go on afterwards.
    #[serde(default)]
    pub keeps_subscriptions: bool,
}

/// Another session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Competing {
    spec: CompetingSpec,
    /// It has the data now; one that flaps has them half of the time.
    here: bool,
    ends_us: Option<i64>,
    turns_us: Option<i64>,
}

impl Competing {
    pub(super) fn takes_login(&self) -> bool {
        self.spec.takes_login && self.here
    }

    pub(super) fn is_primary(&self) -> bool {
        self.spec.primary
    }
}

fn us(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

impl Life {
    /// Another session of the user begins.
    pub fn begin_competing(&mut self, spec: CompetingSpec, now_us: i64) {
        self.remembered.competing = Some(Competing {
            spec,
            here: true,
            ends_us: spec.for_s.map(|seconds| now_us + us(seconds)),
            turns_us: spec.flaps_s.map(|seconds| now_us + us(seconds)),
        });
        self.arrive(spec, now_us);
    }

    fn arrive(&mut self, spec: CompetingSpec, now_us: i64) {
        if !self.is_up() {
            return;
        }
        self.displaced.begin();
        if spec.answers != Answers::Silence {
            self.effects.push_back(Effect::EndSubscriptions(no_data()));
        }
        if spec.takes_login {
            self.lose_login(spec, now_us);
        }
    }

    /// The login is another's. IBC always asks for it back; the setting decides what comes of that.
    fn lose_login(&mut self, spec: CompetingSpec, now_us: i64) {
        self.line("IBC: detected dialog entitled: Re-login is required");
        self.line("IBC: Re-login to session");
        self.line("IBC: detected dialog entitled: Existing session detected");
        match self.config.existing_session {
            ExistingSession::Primary if !spec.primary => {
                self.lose_upstream(Restored::Lost, true, Some(now_us + RELOGIN_US));
                // One that flaps takes it again at its next turn.
                if spec.flaps_s.is_none() {
                    self.end_competing(now_us);
                } else {
                    self.depart(now_us);
                }
            }
            ExistingSession::Manual => self.lose_upstream(Restored::Lost, true, None),
            _ => {
                self.line("IBC: Existing session detected: this session ends");
                self.exit(0);
            }
        }
    }

    /// The other session ends, and whether there was one.
    pub fn end_competing(&mut self, now_us: i64) -> bool {
        let Some(ended) = self.remembered.competing else { return false };
        self.depart(now_us);
        self.remembered.competing = None;
        if ended.takes_login() && self.config.existing_session == ExistingSession::Manual {
            self.set_upstream_back(now_us);
        }
        true
    }

    fn depart(&mut self, now_us: i64) {
        if let Some(other) = &mut self.remembered.competing {
            other.here = false;
            let kept = other.spec.keeps_subscriptions;
            self.displaced.end(kept, now_us);
        }
    }

    pub(super) fn step_competing(&mut self, now_us: i64) {
        let Some(other) = self.remembered.competing else { return };
        if other.ends_us.is_some_and(|at| at <= now_us) {
            self.end_competing(now_us);
        } else if let (Some(turn_us), Some(each)) = (other.turns_us, other.spec.flaps_s)
            && turn_us <= now_us
        {
            if let Some(other) = &mut self.remembered.competing {
                other.turns_us = Some(now_us + us(each));
                other.here = !other.here;
            }
            if other.here { self.depart(now_us) } else { self.arrive(other.spec, now_us) }
        } else if other.here && !self.displaced.down && self.is_up() {
            // It was there before this login.
            self.displaced.begin();
        }
    }

    /// A person answers the dialog after the other has gone.
    fn set_upstream_back(&mut self, now_us: i64) {
        if self.is_up() {
            self.lose_upstream(Restored::Lost, true, Some(now_us + RELOGIN_US));
        }
    }

    pub(super) fn competing_refusal(&self, wants: Wants) -> Option<Refusal> {
        self.remembered.competing.filter(|other| other.here && other.spec.answers == Answers::Codes)?;
        let refusal = |code, text: String| Some(Refusal { code, text });
        match wants {
            Wants::TickByTick => refusal(10189, format!("Failed to request tick-by-tick data:{OTHER_ADDRESS}")),
            Wants::MarketData => Some(no_data()),
            Wants::History => refusal(162, format!("Historical Market Data Service error message:{OTHER_ADDRESS}")),
            Wants::Details => None,
        }
    }
}
