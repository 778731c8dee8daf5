//! Runs the Python scripts. Their packages, pinned with hashes, are installed once into the cache directory.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::Gateway;

/// Longest run of a script: it takes some 30 s, most of it waiting for five-second bars and for silence.
const LONGEST: Duration = Duration::from_secs(240);

/// Oldest minor version of Python 3 that the pinned packages support.
const OLDEST_PYTHON: u32 = 11;

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
    let packages = tokio::task::spawn_blocking(packages).await.unwrap();
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

/// The directory with the packages: found in the cache, else installed.
fn packages() -> PathBuf {
    let requirements = here().join("requirements.txt");
    let version = output(Command::new("python3").args(["-c", "import sys; print(sys.version_info.minor)"]));
    let version = version.unwrap_or_else(|error| panic!("is python3 installed? {error}"));
    let new_enough = version.parse().is_ok_and(|minor: u32| minor >= OLDEST_PYTHON);
    assert!(new_enough, "the Python clients need Python 3.{OLDEST_PYTHON} or newer, not 3.{version}");
    let mut hasher = DefaultHasher::new();
    (fs::read(&requirements).unwrap(), &version).hash(&mut hasher);
    let cache = cache().join("python-clients");
    fs::create_dir_all(&cache).unwrap();
    let packages = cache.join(format!("{:016x}", hasher.finish()));
    // Tests run at the same time.
    let lock = File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    if !packages.exists() {
        let unfinished = cache.join("unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        install(&requirements, &unfinished, &cache.join("pip"));
        fs::rename(unfinished, &packages).unwrap();
    }
    packages
}

/// Installs with pip as it is, or, where Python comes without, with that of a fresh virtual environment. No environment
/// is kept: a plain directory works with both.
fn install(requirements: &Path, target: &Path, environment: &Path) {
    let pip = |python: &Path| {
        output(
            Command::new(python)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--root-user-action",
                    "ignore",
                ])
                .args(["--require-hashes", "--only-binary", ":all:", "--target"])
                .arg(target)
                .arg("--requirement")
                .arg(requirements),
        )
    };
    let own = Path::new("python3");
    let installed = match output(Command::new(own).args(["-m", "pip", "--version"])) {
        Ok(_) => pip(own),
        Err(_) => output(Command::new(own).args(["-m", "venv"]).arg(environment))
            .and_then(|_| pip(&environment.join("bin/python3"))),
    };
    let _ = fs::remove_dir_all(environment);
    if let Err(error) = installed {
        panic!(
            "cannot install the Python clients; is python3-pip or python3-venv installed (`make deps` does it on Debian)? {error}"
        );
    }
}

fn cache() -> PathBuf {
    let given = std::env::var_os("MARKETSTREAM_CACHE").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/marketstream"))
}

/// What a command prints, or why it failed.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
