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

/// The answer is no: no gateway answers, or the MarketStream is not healthy. 1 is an error, 2 a wrong command line.
const NO: u8 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run::run(cli::Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NO),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
