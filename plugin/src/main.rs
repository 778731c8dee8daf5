//! `kubectl marketstream`: what a MarketStream does, why, and what comes next.

mod ask;
mod cli;
mod cluster;
mod logs;
mod pod;
mod run;
mod show;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run::run(cli::Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
