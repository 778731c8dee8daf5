//! `ib-gateway-sim`: the simulator as a program.

mod cli;
mod run;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Exit code when a comparison cannot be made: 1 is the one of an inequality, as of `diff`.
const CANNOT_COMPARE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Lines go to a file or a container's log as often as to a terminal: no colours.
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(false).init();
    let cli = cli::Cli::parse();
    let ended = match cli.command {
        Some(cli::Command::PrepareBtcusd(files)) => run::prepare(&files),
        Some(cli::Command::CheckScenario { file }) => run::check_scenario(&file),
        // It waits for files and for another process.
        Some(cli::Command::Compare(options)) => match tokio::task::block_in_place(|| run::compare(&options)) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("ib-gateway-sim: {error:#}");
                return ExitCode::from(CANNOT_COMPARE);
            }
        },
        Some(cli::Command::Serve(serve)) => run::serve(*serve).await,
        None => run::serve(cli.serve).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ib-gateway-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}
