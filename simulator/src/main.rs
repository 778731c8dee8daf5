//! `ib-gateway-sim`: the simulator as a program.

mod cli;
mod run;

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_target(false)
        .init();
    let cli = cli::Cli::parse();
    match cli.command {
        Some(cli::Command::PrepareBtcusd(files)) => run::prepare(&files),
        Some(cli::Command::Serve(serve)) => run::serve(serve).await,
        None => run::serve(cli.serve).await,
    }
}
