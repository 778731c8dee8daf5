//! Settings of the login and of everything that goes by a clock.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::civil::Time;

use super::clocks::Region;

/// Kind of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A login needs no second factor.
    Paper,
    /// A login needs a second factor or a token.
    Live,
}

/// Who confirms the second factor of a live login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// There is none.
    Off,
    /// Somebody does, at once.
    Auto,
    /// `POST /login/confirm`.
    Manual,
}

/// What happens when nobody has confirmed the second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutAction {
    /// The process ends.
    Exit,
    /// The gateway starts again, in this process.
    Restart,
}

/// What the gateway does about another session of the same user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingSession {
    /// Waits for a person.
    Manual,
    /// Takes the session and keeps it.
    Primary,
    /// Takes the session at its login, and leaves it to whoever comes later.
    PrimaryOverride,
    /// Leaves the session to the other.
    Secondary,
}

/// Settings of the login and of everything that goes by a clock.
#[derive(Debug, Clone)]
pub struct LifeConfig {
    /// Kind of account.
    pub mode: Mode,
    /// Of a live login.
    pub second_factor: SecondFactor,
    /// How long it may take, seconds.
    pub second_factor_s: u32,
    /// What happens then.
    pub second_factor_timeout: TimeoutAction,
    /// Before that, the gateway logs in again by itself.
    pub relogin_after_timeout: bool,
    /// The password is not the user's.
    pub wrong_password: bool,
    /// The login dialog never comes.
    pub login_hangs: bool,
    /// Another session of the same user.
    pub existing_session: ExistingSession,
    /// Time of the daily restart, in [`Config::time_zone`](crate::Config::time_zone).
    pub auto_restart: Option<Time>,
    /// Time of the daily log-off, which ends the process.
    pub auto_logoff: Option<Time>,
    /// Time of the restart with a full login on Sundays.
    pub cold_restart: Option<Time>,
    /// How long the API port is closed in a restart, seconds.
    pub restart_s: u32,
    /// Whose nightly resets there are.
    pub nightly_reset: Option<Region>,
    /// Whether a subscription flows again after a farm was down, or only a new one does.
    pub farm_keeps_subscriptions: bool,
    /// Where the login's token is kept; the state directory when absent.
    pub settings_dir: Option<PathBuf>,
    /// Where IBC's commands are taken.
    pub command_port: Option<SocketAddr>,
}

impl Default for LifeConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Paper,
            second_factor: SecondFactor::Manual,
            second_factor_s: 180,
            second_factor_timeout: TimeoutAction::Exit,
            relogin_after_timeout: false,
            wrong_password: false,
            login_hangs: false,
            existing_session: ExistingSession::Primary,
            auto_restart: None,
            auto_logoff: None,
            cold_restart: None,
            restart_s: 45,
            nightly_reset: None,
            farm_keeps_subscriptions: false,
            settings_dir: None,
            command_port: None,
        }
    }
}
