//! Each row of the cause table has a scenario, and the README says which.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use marketstream_crds::Cause;

#[test]
fn each_row_of_the_cause_table_has_a_scenario() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let files = fs::read_dir(root.join("tests/scenarios")).unwrap();
    let sources: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    for cause in Cause::ALL {
        let prefix = format!("| `{cause}` | `");
        let rows: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix(&prefix)?.split('`').next()).collect();
        assert!(!rows.is_empty(), "README.md: no row {cause}");
        for scenario in rows {
            let declared = format!("#[tokio::test]\nasync fn {scenario}()");
            assert!(sources.contains(&declared), "{cause}: there is no scenario {scenario}");
        }
        assert!(
            sources.contains(&format!("Cause::{cause}")) || cause == Cause::MarketClosed,
            "{cause} is not asserted"
        );
    }
}
