//! The login: its dialogs, its second factor, what comes after it.

use serde::Serialize;

use super::{Credentials, Effect, ExistingSession, Life, Mode, SecondFactor, TimeoutAction, Token};
use crate::journal::requests::Event;

/// Failed logins in a row that lock the user out. A guess: five were reported.
const MOST_FAILED: u32 = 5;

/// How long a user is locked out, microseconds. A guess.
const LOCKED_US: i64 = 15 * 60 * 1_000_000;

/// How long IBC waits for the login dialog, microseconds.
const DIALOG_US: i64 = 60 * 1_000_000;

/// IBC's exit codes, as a shell sees them: 1111, nobody confirmed the second factor, and 1112, no login dialog came.
const SECOND_FACTOR_TIMED_OUT: i32 = 1111 % 256;
const NO_DIALOG: i32 = 1112 % 256;

/// Where the login stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// The process starts again.
    Restarting {
        /// Until then, microseconds since the epoch.
        until_us: i64,
    },
    /// The login is under way.
    LoggingIn {
        /// Until then, microseconds since the epoch.
        until_us: i64,
    },
    /// The login dialog does not come.
    NoDialog {
        /// IBC waits until then, microseconds since the epoch.
        until_us: i64,
    },
    /// Somebody must confirm the second factor.
    SecondFactor {
        /// Until then, microseconds since the epoch.
        until_us: i64,
    },
    /// Another session exists, and a person must decide.
    ExistingSession,
    /// The login was refused. The process stays as it is.
    Failed,
    /// The login has completed.
    Up,
    /// The process ends.
    Exited {
        /// Its exit code.
        code: i32,
    },
}

impl Life {
    /// The gateway has started and shows its login dialog.
    pub(super) fn begin_login(&mut self, now_us: i64) {
        match self.token {
            Some(_) => self.line("autorestart file found: full authentication will not be required"),
            None => self.line("autorestart file not found: full authentication will be required"),
        }
        self.attempts += 1;
        let attempt = self.attempts;
        self.line(format!("IBC: Login attempt: {attempt}"));
        self.log(Event::LoginAttempt { attempt, token: self.token.is_some() });
        if self.config.login_hangs {
            self.phase = Phase::NoDialog { until_us: now_us + DIALOG_US };
        } else if self.credentials == Credentials::Missing {
            self.fail("TWS_USERID or TWS_PASSWORD is missing; the API port stays closed");
        } else {
            self.phase = Phase::LoggingIn { until_us: now_us + self.login_us };
        }
    }

    pub(super) fn step_login(&mut self, now_us: i64) {
        match self.phase {
            Phase::Restarting { until_us } if until_us <= now_us => self.begin_login(now_us),
            Phase::LoggingIn { until_us } if until_us <= now_us => self.check_password(now_us),
            Phase::SecondFactor { until_us } if until_us <= now_us => self.second_factor_timed_out(now_us),
            Phase::NoDialog { until_us } if until_us <= now_us => {
                self.line("IBC: Login dialog was not displayed in time");
                self.exit(NO_DIALOG);
            }
            Phase::ExistingSession if self.remembered.competing.is_none() => self.authenticate(now_us),
            _ => {}
        }
    }

    fn check_password(&mut self, now_us: i64) {
        if now_us < self.remembered.locked_until_us {
            return self.locked_out(now_us);
        }
        if self.config.wrong_password {
            self.remembered.failed_logins += 1;
            if self.remembered.failed_logins >= MOST_FAILED {
                self.remembered = super::Remembered {
                    failed_logins: 0,
                    locked_until_us: now_us + LOCKED_US,
                    ..self.remembered.clone()
                };
                return self.locked_out(now_us);
            }
            return self.fail("the user name or the password is not valid");
        }
        let Some(other) = self.remembered.competing.as_ref().filter(|other| other.takes_login()) else {
            return self.authenticate(now_us);
        };
        let other_is_primary = other.is_primary();
        self.line("IBC: detected dialog entitled: Existing session detected");
        match self.config.existing_session {
            ExistingSession::Manual => self.phase = Phase::ExistingSession,
            ExistingSession::Primary | ExistingSession::PrimaryOverride if !other_is_primary => {
                self.line("IBC: Existing session detected: this session continues");
                self.end_competing(now_us);
                self.authenticate(now_us);
            }
            _ => {
                self.line("IBC: Existing session detected: this session ends");
                self.exit(0);
            }
        }
    }

    fn authenticate(&mut self, now_us: i64) {
        let resumed = self.token.take().filter(|token| token.is_valid(now_us));
        self.effects.push_back(Effect::RemoveToken);
        match (self.config.mode, self.config.second_factor) {
            _ if resumed.is_some() => self.complete(resumed.map_or(now_us, |token| token.login_us), true, now_us),
            (Mode::Paper, _) | (_, SecondFactor::Off) => self.complete(now_us, false, now_us),
            (Mode::Live, who) => {
                self.line("IBC: Second Factor Authentication initiated");
                self.log(Event::SecondFactor { state: "initiated" });
                let until_us = now_us + i64::from(self.config.second_factor_s) * 1_000_000;
                self.phase = Phase::SecondFactor { until_us };
                if who == SecondFactor::Auto {
                    self.confirm(now_us);
                }
            }
        }
    }

    /// A person confirms the second factor, and whether one was asked for.
    pub fn confirm(&mut self, now_us: i64) -> bool {
        let asked = matches!(self.phase, Phase::SecondFactor { .. });
        if asked {
            self.line("IBC: Second Factor Authentication confirmed");
            self.log(Event::SecondFactor { state: "confirmed" });
            self.complete(now_us, false, now_us);
        }
        asked
    }

    fn second_factor_timed_out(&mut self, now_us: i64) {
        self.line("IBC: Second Factor Authentication timed out");
        self.log(Event::SecondFactor { state: "timed_out" });
        if self.config.relogin_after_timeout || self.config.second_factor_timeout == TimeoutAction::Restart {
            self.begin_login(now_us);
        } else {
            self.line(format!("IBC returned exit status {SECOND_FACTOR_TIMED_OUT}"));
            self.exit(SECOND_FACTOR_TIMED_OUT);
        }
    }

    fn complete(&mut self, login_us: i64, resumed: bool, now_us: i64) {
        self.token = Some(Token { login_us });
        self.attempts = 0;
        self.remembered.failed_logins = 0;
        self.phase = Phase::Up;
        self.log(Event::LoggedIn { token: resumed });
        self.line("IBC: Login has completed");
        self.line("IBC: Configuration tasks completed");
        self.effects.push_back(Effect::LoggedIn);
        self.link_made(now_us);
    }

    fn fail(&mut self, why: &str) {
        self.phase = Phase::Failed;
        self.line(format!("IBC: Login failed: {why}"));
        self.log(Event::LoginFailed);
    }

    fn locked_out(&mut self, now_us: i64) {
        let left_s = (self.remembered.locked_until_us - now_us) / 1_000_000;
        self.fail(&format!(
            "Too many failed login attempts. Please wait {left_s} seconds before attempting to re-login"
        ));
    }

    /// The gateway starts again: with its token, or with a full login.
    pub(super) fn restart(&mut self, soft: bool, now_us: i64) {
        self.log(Event::Restart { soft });
        self.line(if soft { "IBC: Auto-restart in progress" } else { "IBC: Cold restart in progress" });
        if soft {
            self.save_token();
        } else {
            self.token = None;
            self.effects.push_back(Effect::RemoveToken);
        }
        self.phase = Phase::Restarting { until_us: now_us + i64::from(self.config.restart_s) * 1_000_000 };
        self.effects.push_back(Effect::CloseSockets);
    }

    /// Only a login that has completed has a token.
    pub(super) fn save_token(&mut self) {
        if let Some(token) = self.token.filter(|_| self.is_up()) {
            self.effects.push_back(Effect::SaveToken(token));
            self.log(Event::TokenSaved);
        }
    }
}
