//! Runs the Python scripts.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::packages::packages;
use crate::support::Gateway;

/// Longest run of a script: it takes some 30 s, most of it waiting for five-second bars and for silence.
const LONGEST: Duration = Duration::from_secs(240);

/// What a script printed, one object a line.
pub struct Report(Vec<Value>);

impl Report {
    /// The lines of a step.
    pub fn all(&self, step: &str) -> Vec<&Value> {
        self.0.iter().filter(|line| line["step"] == step).collect()
    }

    /// The line of a step that is taken once.
    pub fn one(&self, step: &str) -> &Value {
        match self.all(step)[..] {
            [line] => line,
            ref lines => panic!("{step}: {} lines", lines.len()),
        }
    }

    /// The line of a step in which a field has a value.
    pub fn with(&self, step: &str, field: &str, value: &str) -> &Value {
        let lines = self.all(step);
        lines.into_iter().find(|line| line[field] == value).unwrap_or_else(|| panic!("{step}: no {field} {value}"))
    }
}

/// Runs a script against a gateway to its end.
pub async fn run(gateway: &Gateway, script: &str) -> Report {
    let packages =
        tokio::task::spawn_blocking(|| packages(&here().join("requirements.txt"), "python-clients")).await.unwrap();
    let mut python = tokio::process::Command::new("python3");
    python
        .arg("-sB")
        .arg(here().join(script))
        .args([gateway.sim.api_addr().port().to_string(), gateway.sim.admin_addr().port().to_string()])
        .env("PYTHONPATH", packages)
        .kill_on_drop(true)
        .stdin(Stdio::null());
    let output = match tokio::time::timeout(LONGEST, python.output()).await {
        Ok(output) => output.unwrap(),
        Err(_) => panic!("{script} did not end within {LONGEST:?}"),
    };
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let last: Vec<_> = text.lines().rev().filter(|line| !line.contains("\"tick\"")).take(5).collect();
    assert!(
        output.status.success(),
        "{script}: {}\n{log}\nIts last lines, the last one first: {last:#?}",
        output.status
    );
    Report(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// What `settle-guesses.py` prints about a gateway.
pub async fn settle(gateway: &Gateway) -> String {
    let mut python = tokio::process::Command::new("python3");
    python
        .arg("-sB")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("settle-guesses.py"))
        .arg(gateway.sim.api_addr().to_string())
        .kill_on_drop(true)
        .stdin(Stdio::null());
    let output = tokio::time::timeout(LONGEST, python.output()).await.expect("the script ends").unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python")
}
