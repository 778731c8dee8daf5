//! `kubectl marketstream`, as a person runs it.

use std::{ffi::OsString, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::cluster::variable;

/// The variable with the program's path; `make` sets it.
const PROGRAM: &str = "KUBECTL_MARKETSTREAM";

/// The program, in one namespace.
pub struct Plugin {
    program: OsString,
    namespace: String,
}

/// What a call left.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Plugin {
    /// The program of `KUBECTL_MARKETSTREAM`.
    ///
    /// # Errors
    /// When that is not set.
    pub fn new(namespace: &str) -> Result<Self> {
        let program = std::env::var_os(PROGRAM).with_context(|| format!("{PROGRAM} is not set: use make e2e"))?;
        Ok(Self { program, namespace: namespace.to_owned() })
    }

    /// Runs a subcommand.
    ///
    /// # Errors
    /// When it cannot be started. It has time limits of its own.
    pub async fn run(&self, words: &[&str]) -> Result<Outcome> {
        let mut command = Command::new(&self.program);
        command.args(words).args(["--namespace", &self.namespace]);
        if let Some(context) = variable("CONTEXT") {
            command.args(["--context", &context]);
        }
        let done = spawn_blocking(move || command.output()).await?;
        let done = done.with_context(|| format!("starting {}", self.program.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Outcome { code: done.status.code().unwrap_or(-1), output: text(&done.stdout), errors: text(&done.stderr) })
    }

    /// Runs a subcommand that must succeed, for programs.
    ///
    /// # Errors
    /// When it fails, or prints something else than JSON.
    pub async fn json(&self, words: &[&str]) -> Result<Value> {
        let done = self.run(&[words, &["-o", "json"]].concat()).await?;
        ensure!(done.code == 0, "{words:?}: {done:?}");
        serde_json::from_str(&done.output).with_context(|| format!("{words:?}: {done:?}"))
    }
}
