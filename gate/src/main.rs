//! `marketstream-gate`: see the library.

use std::process::ExitCode;

use clap::Parser;
use marketstream_gate::{
    cli::{Cli, Command},
    pre_stop, run,
};

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Install { to } => run::install(&to).map(|()| 0),
        Command::Run(run) => run::run(&run),
        Command::PreStop(stop) => {
            pre_stop::pre_stop(&stop);
            Ok(0)
        }
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("marketstream-gate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
