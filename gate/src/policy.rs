//! Whether the gateway may start, and what its end means. Pure.
//!
//! A full login of a live account asks a person for the second factor, and repeated ones lock the user out
//! (ibeam's and IBC's issues), so what is counted is logins without success, over restarts of container and pod.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::markers::LoginState;

/// First pause before an unattended login is tried again after another session displaced it.
const FIRST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Exit codes of IBC for a second factor that nobody confirmed: 1111 as a shell sees it, modulo 256.
const SECOND_FACTOR_TIMED_OUT: i32 = 1111 % 256;

/// What survives the process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Logins without success since the last one with it.
    pub attempts: u32,
    /// Displacements since the last login with success.
    pub displaced: u32,
    /// Why the gateway is kept down.
    pub held: Option<Hold>,
    /// The last request for a login that was honoured.
    pub honoured: String,
}

/// Why the gateway is kept down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// In words, for the log and the resource.
    pub why: String,
    /// Since when, milliseconds since the epoch.
    pub since_ms: i64,
    /// When it ends by itself, milliseconds since the epoch; otherwise a person ends it, or the weekly slot.
    pub until_ms: Option<i64>,
}

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Logins without success before the gateway stays down, at least 1.
    pub max_attempts: u32,
    /// A login needs no person.
    pub unattended: bool,
}

/// One run of the gateway, as far as its log tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Life {
    completed: bool,
    displaced: bool,
    locked: bool,
    second_factors: u32,
}

impl Record {
    /// The gateway is about to start: written down before it does.
    pub fn start(&mut self) -> Life {
        self.attempts = self.attempts.saturating_add(1);
        Life::default()
    }

    /// The log says something. Returns whether the gateway must be stopped now.
    #[must_use]
    pub fn hear(&mut self, life: &mut Life, state: LoginState, rules: Rules) -> bool {
        match state {
            LoginState::Completed => {
                *life = Life { completed: true, ..Life::default() };
                self.attempts = 0;
                self.displaced = 0;
            }
            LoginState::SecondFactor => {
                life.second_factors += 1;
                // The first belongs to the start, which was counted; a gateway that asks again by itself logs in again.
                if life.second_factors > 1 {
                    self.attempts = self.attempts.saturating_add(1);
                }
            }
            LoginState::TooManyAttempts => life.locked = true,
            LoginState::ExistingSession => life.displaced = true,
            LoginState::Started | LoginState::FullAuthentication | LoginState::Failed | LoginState::Held => {}
        }
        life.locked || self.attempts > rules.max_attempts
    }

    /// The gateway ended. Returns the hold, or `None` when it may start again.
    pub fn end(&mut self, life: Life, code: i32, rules: Rules, now_ms: i64) -> Option<&Hold> {
        let Rules { max_attempts, unattended } = rules;
        let hold = |why: String, pause: Option<Duration>| {
            let until_ms = pause.map(|pause| now_ms.saturating_add_unsigned(pause.as_millis() as u64));
            Some(Hold { why, since_ms: now_ms, until_ms })
        };
        self.held = if life.locked {
            hold("IBKR says that there were too many failed login attempts".to_owned(), None)
        } else if life.displaced && unattended {
            // Not a failed login, and harmless to try again: the gateway leaves the session to the other.
            self.attempts = self.attempts.saturating_sub(u32::from(!life.completed));
            let pause = FIRST_PAUSE.saturating_mul(1 << self.displaced.min(10)).min(LONGEST_PAUSE);
            self.displaced = self.displaced.saturating_add(1);
            hold("another session of the same user is active".to_owned(), Some(pause))
        } else if life.displaced {
            hold("another session of the same user displaced this one".to_owned(), None)
        } else if !life.completed && code == SECOND_FACTOR_TIMED_OUT && !unattended {
            hold("nobody confirmed the second factor in time".to_owned(), None)
        } else if self.attempts >= max_attempts {
            hold(format!("{} logins in a row had no success", self.attempts), None)
        } else {
            None
        };
        self.held.as_ref()
    }

    /// Whether the hold ends now: by its time, by a person's new request, or by the weekly slot since it began. It is
    /// ended, and the count begins anew.
    pub fn opens(&mut self, request: &str, slot: bool, now_ms: i64) -> bool {
        let Some(hold) = &self.held else { return true };
        let asked = !request.is_empty() && request != self.honoured;
        let over = hold.until_ms.is_some_and(|until| now_ms >= until);
        if asked || slot {
            self.attempts = 0;
            self.displaced = 0;
        }
        if asked {
            request.clone_into(&mut self.honoured);
        }
        let opens = asked || slot || over;
        if opens {
            self.held = None;
        }
        opens
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
