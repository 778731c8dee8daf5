//! `crds/marketstreams.yaml`, and the chart's copy of it, are what the types say. `make generate` writes them.

use std::{env, fs, path::PathBuf};

use kube::CustomResourceExt;
use marketstream_crds::MarketStream;

const HEADER: &str = "# Generated from crds/src by `make generate`. Do not edit.\n";
const FILES: [&str; 2] = ["crds/marketstreams.yaml", "charts/marketstream/files/marketstreams.yaml"];

#[test]
fn the_generated_files_are_up_to_date() {
    let yaml = format!("{HEADER}{}", serde_saphyr::to_string(&MarketStream::crd()).unwrap());
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in FILES {
        let path = root.join(file);
        if env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&path, &yaml).unwrap();
        }
        let current = fs::read_to_string(&path).unwrap_or_default();
        assert!(current == yaml, "{file} is stale: run `make generate` and commit the result");
    }
}
