//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::weekly::WeeklyLogin;

/// Starts the gateway in its container and counts its logins.
#[derive(Debug, Parser)]
#[command(name = "marketstream-gate", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies this program to where the gateway's container finds it.
    Install {
        /// The copy.
        to: PathBuf,
    },
    /// Runs the gateway.
    Run(Run),
    /// Before the container stops: lets the streamer finish, then has the gateway save its login.
    PreStop(PreStop),
}

/// Settings of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Directory that the streamer reads: the log, and where the login stands.
    #[arg(long)]
    pub shared: PathBuf,
    /// Directory that survives the pod: the count of logins.
    #[arg(long)]
    pub state: PathBuf,
    /// Logins without success before the gateway stays down.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub max_login_attempts: u32,
    /// A login needs no person, so one that another session displaced may be tried again.
    #[arg(long)]
    pub unattended: bool,
    /// When a person is there to confirm a login: "Sunday 02:00", in the zone of TZ.
    #[arg(long)]
    pub weekly_login: Option<WeeklyLogin>,
    /// Settings template of the image in which IBC's command port is switched on, where it exists.
    #[arg(long)]
    pub ibc_template: Option<PathBuf>,
    /// IBC's command port, on loopback.
    #[arg(long)]
    pub command_port: Option<u16>,
    /// The gateway's own command.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Settings of `pre-stop`.
#[derive(Debug, Args)]
pub struct PreStop {
    /// The streamer's port: while it is open, the streamer still records.
    #[arg(long)]
    pub streamer: SocketAddr,
    /// IBC's command port.
    #[arg(long)]
    pub command_port: SocketAddr,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let run = ["marketstream-gate", "run", "--shared", "/s", "--state", "/t", "--max-login-attempts", "2"];
        let full = [&run[..], &["--weekly-login", "Sunday 02:00", "--", "run.sh", "-x"]].concat();
        let Command::Run(parsed) = Cli::try_parse_from(full).map(|cli| cli.command).unwrap_or_else(|e| panic!("{e}"))
        else {
            panic!("not run")
        };
        assert_eq!(parsed.command, ["run.sh", "-x"]);
        assert!(Cli::try_parse_from(run).is_err(), "a command is required");
        assert!(Cli::try_parse_from([&run[..], &["--weekly-login", "Someday", "--", "x"]].concat()).is_err());
    }
}
