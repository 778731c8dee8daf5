//! `kubectl marketstream`: what a MarketStream does, why, and what comes next.

mod ask;
mod cli;
mod cluster;
mod logs;
mod pod;
mod run;
mod show;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;

/// The answer is no: no gateway answers, or the MarketStream is not healthy. 1 is an error, 2 a wrong command line.
const NO: u8 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run::run(cli::Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NO),
        Err(error) => {
            let text = format!("{error:#}");
            // Programs look for words that stand in one line.
            if io::stderr().is_terminal() {
                eprint!("{}", show::paragraph("error: ", &text));
            } else {
                eprintln!("error: {text}");
            }
            ExitCode::FAILURE
        }
    }
}
