//! `ib-gateway-sim`: the simulator as a program.

mod cli;
mod run;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Lines go to a file or a container's log as often as to a terminal: no colours.
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(false).init();
    let cli = cli::Cli::parse();
    let ended = match cli.command {
        Some(cli::Command::PrepareBtcusd(files)) => run::prepare(&files),
        Some(cli::Command::Serve(serve)) => run::serve(serve).await,
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
