//! Python packages for tests, pinned with hashes: installed once into the cache directory.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Oldest minor version of Python 3 that the pinned packages support.
const OLDEST_PYTHON: u32 = 11;

/// The directory with the packages of a requirements file: found in this folder of the cache, else installed.
pub fn packages(requirements: &Path, folder: &str) -> PathBuf {
    let version = output(Command::new("python3").args(["-c", "import sys; print(sys.version_info.minor)"]));
    let version = version.unwrap_or_else(|error| panic!("is python3 installed? {error}"));
    let new_enough = version.parse().is_ok_and(|minor: u32| minor >= OLDEST_PYTHON);
    assert!(new_enough, "the Python packages need Python 3.{OLDEST_PYTHON} or newer, not 3.{version}");
    let mut hasher = DefaultHasher::new();
    (fs::read(requirements).unwrap(), &version).hash(&mut hasher);
    let cache = cache().join(folder);
    fs::create_dir_all(&cache).unwrap();
    let packages = cache.join(format!("{:016x}", hasher.finish()));
    // Tests run at the same time.
    let lock = File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    if !packages.exists() {
        let unfinished = cache.join("unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        install(requirements, &unfinished, &cache.join("pip"));
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
            "cannot install the Python packages; is python3-pip or python3-venv installed (`make deps` does it on Debian)? {error}"
        );
    }
}

/// What is downloaded or built for tests outlives a clone.
pub fn cache() -> PathBuf {
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
