//! The streamer's program.

use std::process::ExitCode;

use clap::Parser;
use marketstream_streamer::{cli::Cli, run};

fn main() -> ExitCode {
    match run::main(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("marketstream-streamer: {error:#}");
            ExitCode::FAILURE
        }
    }
}
