//! Flags and variables of the login, of restarts and resets.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ib_gateway_sim::lifecycle::clocks::{Region, read_time};
use ib_gateway_sim::lifecycle::{ExistingSession, LifeConfig, Mode, SecondFactor, TimeoutAction};
use jiff::civil::Time;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SecondFactorArg {
    /// The account has none.
    Off,
    /// Somebody confirms at once.
    Auto,
    /// POST /login/confirm on the admin port.
    Manual,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RegionArg {
    Off,
    /// North America.
    Na,
    /// Europe.
    Eu,
    /// Asia and Pacific.
    Apac,
}

/// Variables of the common gateway image that change nothing here.
const IGNORED: [&str; 15] = [
    "READ_ONLY_API",
    "ALLOW_BLIND_TRADING",
    "BYPASS_WARNING",
    "TWOFA_EXIT_INTERVAL",
    "TWOFA_DEVICE",
    "TWS_MASTER_CLIENT_ID",
    "TWS_ACCEPT_INCOMING",
    "SAVE_TWS_SETTINGS",
    "CUSTOM_CONFIG",
    "JAVA_HEAP_SIZE",
    "VNC_SERVER_PASSWORD",
    "SSH_TUNNEL",
    "START_SCRIPTS",
    "X_SCRIPTS",
    "IBC_SCRIPTS",
];

/// The login, restarts and resets. Variables without `IB_SIM` are those of the common gateway image.
#[derive(Debug, Args)]
pub(super) struct Life {
    /// Who confirms the second factor of a live login.
    #[arg(long, env = "IB_SIM_SECOND_FACTOR", value_enum, default_value = "manual")]
    second_factor: SecondFactorArg,
    /// Seconds in which it must be confirmed.
    #[arg(long, env = "IB_SIM_SECOND_FACTOR_TIMEOUT", default_value_t = 180)]
    second_factor_timeout: u32,
    /// When it was not: exit, with code 87, or restart.
    #[arg(long, env = "TWOFA_TIMEOUT_ACTION", default_value = "exit", hide = true)]
    twofa_timeout_action: String,
    /// When it was not, log in again first: yes or no.
    #[arg(long, env = "RELOGIN_AFTER_TWOFA_TIMEOUT", default_value = "no", hide = true)]
    relogin_after_twofa_timeout: String,
    /// The password that is right; another one fails, and five in a row lock the user out.
    #[arg(long, env = "IB_SIM_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// The login dialog never comes: exit code 88 after a minute.
    #[arg(long)]
    login_hangs: bool,
    /// What to do about another session of the user: manual, primary, primaryoverride or secondary.
    #[arg(long, env = "EXISTING_SESSION_DETECTED_ACTION", default_value = "primary")]
    existing_session: String,
    /// Time of the daily restart, as 11:59 PM.
    #[arg(long, env = "AUTO_RESTART_TIME", value_parser = time)]
    auto_restart_time: Option<OptionalTime>,
    /// Time of the daily log-off, which ends the process.
    #[arg(long, env = "AUTO_LOGOFF_TIME", value_parser = time)]
    auto_logoff_time: Option<OptionalTime>,
    /// Time of the restart with a full login, on Sundays.
    #[arg(long, env = "TWS_COLD_RESTART", value_parser = time)]
    cold_restart_time: Option<OptionalTime>,
    /// Seconds for which the API port is closed in a restart.
    #[arg(long, env = "IB_SIM_RESTART_SECONDS", default_value_t = 45)]
    restart_seconds: u32,
    /// Nightly resets of IBKR's servers: 1100, and 1102 one to three minutes later.
    #[arg(long, env = "IB_SIM_NIGHTLY_RESET", value_enum, default_value = "off")]
    nightly_reset: RegionArg,
    /// Subscriptions go on after their farm was down.
    #[arg(long, env = "IB_SIM_FARMS_KEEP_SUBSCRIPTIONS", num_args = 0..=1, default_missing_value = "true", default_value_t = false)]
    farms_keep_subscriptions: bool,
    /// Port for IBC's commands, on the loopback address; 7462 by convention. Off when absent.
    #[arg(long, env = "IBC_COMMAND_PORT")]
    command_port: Option<u16>,
}

/// A time, or none where a variable is empty.
#[derive(Debug, Clone, Copy)]
struct OptionalTime(Option<Time>);

fn time(text: &str) -> Result<OptionalTime, String> {
    if text.trim().is_empty() { Ok(OptionalTime(None)) } else { read_time(text).map(|time| OptionalTime(Some(time))) }
}

impl Life {
    /// What they mean. Tells which variables of the common image change nothing.
    pub(super) fn config(&self, mode: Mode, settings_dir: Option<PathBuf>) -> LifeConfig {
        for name in IGNORED.into_iter().filter(|name| std::env::var_os(name).is_some()) {
            tracing::debug!(name, "this variable changes nothing in the simulator");
        }
        let moment = |time: Option<OptionalTime>| time.and_then(|OptionalTime(time)| time);
        let is = |text: &str, expected: &str| text.trim().eq_ignore_ascii_case(expected);
        LifeConfig {
            mode,
            second_factor: match self.second_factor {
                SecondFactorArg::Off => SecondFactor::Off,
                SecondFactorArg::Auto => SecondFactor::Auto,
                SecondFactorArg::Manual => SecondFactor::Manual,
            },
            second_factor_s: self.second_factor_timeout,
            second_factor_timeout: if is(&self.twofa_timeout_action, "restart") {
                TimeoutAction::Restart
            } else {
                TimeoutAction::Exit
            },
            relogin_after_timeout: is(&self.relogin_after_twofa_timeout, "yes"),
            wrong_password: self.password.as_ref().is_some_and(|right| super::password().as_ref() != Some(right)),
            login_hangs: self.login_hangs,
            existing_session: match self.existing_session.trim().to_ascii_lowercase().as_str() {
                "manual" => ExistingSession::Manual,
                "primary" | "" => ExistingSession::Primary,
                "primaryoverride" => ExistingSession::PrimaryOverride,
                // As IBC takes anything else.
                _ => ExistingSession::Secondary,
            },
            auto_restart: moment(self.auto_restart_time),
            auto_logoff: moment(self.auto_logoff_time),
            cold_restart: moment(self.cold_restart_time),
            restart_s: self.restart_seconds,
            nightly_reset: match self.nightly_reset {
                RegionArg::Off => None,
                RegionArg::Na => Some(Region::NorthAmerica),
                RegionArg::Eu => Some(Region::Europe),
                RegionArg::Apac => Some(Region::AsiaPacific),
            },
            farm_keeps_subscriptions: self.farms_keep_subscriptions,
            settings_dir,
            command_port: self.command_port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        }
    }
}
