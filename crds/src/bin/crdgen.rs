//! Writes `crds/marketstreams.yaml`, and the chart's copy of it.
//!
//! Usage: `crdgen FILE...` writes each file; `crdgen --check FILE...` fails when one is stale.

use std::{env, fs, process::ExitCode};

use kube::CustomResourceExt;
use marketstream_crds::MarketStream;

const HEADER: &str = "# Generated from crds/src by `make generate`. Do not edit.\n";

fn main() -> ExitCode {
    let (flags, files): (Vec<_>, Vec<_>) = env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let check = flags.iter().any(|flag| flag == "--check");
    let yaml = match serde_saphyr::to_string(&MarketStream::crd()) {
        Ok(yaml) => format!("{HEADER}{yaml}"),
        Err(error) => {
            eprintln!("crdgen: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut result = ExitCode::SUCCESS;
    for file in files {
        if check && fs::read_to_string(&file).ok().as_deref() != Some(&yaml) {
            eprintln!("crdgen: {file} is stale: run `make generate` and commit the result");
            result = ExitCode::FAILURE;
        } else if !check && let Err(error) = fs::write(&file, &yaml) {
            eprintln!("crdgen: {file}: {error}");
            result = ExitCode::FAILURE;
        }
    }
    result
}
