//! What the streamer reads of the gate: the gateway's log, and where its login stands; and what it asks.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::markers::LoginState;

/// The log's file.
pub const LOG: &str = "gateway.log";

/// Where the login stands: a [`Login`] as JSON.
pub const LOGIN: &str = "login.json";

/// A person's request for a login, written by the streamer; each new content is a new request.
pub const REQUEST: &str = "retry-login";

/// The log is begun anew at this size, bytes; the one before is kept.
const LOG_LIMIT: u64 = 1 << 20;

/// Longest line that is quoted, bytes.
const QUOTE: usize = 400;

/// Where the login stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The last thing that happened to it.
    pub state: LoginState,
    /// When, milliseconds since the epoch by this machine's clock.
    pub at_ms: i64,
    /// The line that says so, or why the gate is closed.
    pub message: String,
    /// Logins without success so far.
    pub attempts: u32,
}

/// The directory that gate and streamer share.
#[derive(Debug)]
pub struct Shared {
    dir: PathBuf,
    log: Mutex<(File, u64)>,
}

impl Shared {
    /// Makes the directory and opens the log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let file = append(&dir)?;
        let length = file.metadata()?.len();
        Ok(Self { dir, log: Mutex::new((file, length)) })
    }

    /// Adds a line to the log. A full or missing directory loses the line, never the gateway.
    pub fn log(&self, line: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.1 > LOG_LIMIT && fs::rename(self.dir.join(LOG), self.dir.join("gateway.log.1")).is_ok() {
            let Ok(file) = append(&self.dir) else { return };
            *log = (file, 0);
        }
        if log.0.write_all(format!("{line}\n").as_bytes()).is_ok() {
            log.1 += line.len() as u64 + 1;
        }
    }

    /// Says where the login stands.
    pub fn login(&self, login: &Login) {
        let mut login = login.clone();
        let mut end = login.message.len().min(QUOTE);
        while !login.message.is_char_boundary(end) {
            end -= 1;
        }
        login.message.truncate(end);
        let partial = self.dir.join("login.partial");
        let written = serde_json::to_vec(&login)
            .map_err(io::Error::other)
            .and_then(|bytes| fs::write(&partial, bytes))
            .and_then(|()| fs::rename(&partial, self.dir.join(LOGIN)));
        if let Err(error) = written {
            eprintln!("marketstream-gate: cannot say where the login stands: {error}");
        }
    }

    /// The last request for a login; empty when there was none.
    #[must_use]
    pub fn request(&self) -> String {
        fs::read_to_string(self.dir.join(REQUEST)).unwrap_or_default().trim().to_owned()
    }
}

fn append(dir: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(dir.join(LOG))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests only")]

    use super::*;

    #[test]
    fn the_log_is_bounded_and_goes_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let line = "x".repeat(1_000);
        let shared = Shared::open(dir.path().to_owned()).unwrap();
        for _ in 0..3_000 {
            shared.log(&line);
        }
        drop(shared);
        let shared = Shared::open(dir.path().to_owned()).unwrap();
        shared.log("last");
        let size = |name: &str| fs::metadata(dir.path().join(name)).unwrap().len();
        assert!(size(LOG) <= LOG_LIMIT + 2_000 && size("gateway.log.1") <= LOG_LIMIT + 2_000);
        assert!(fs::read_to_string(dir.path().join(LOG)).unwrap().ends_with("last\n"));
    }

    #[test]
    fn the_login_reads_back_and_a_long_message_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::open(dir.path().to_owned()).unwrap();
        let login = Login { state: LoginState::SecondFactor, at_ms: 5, message: "ä".repeat(999), attempts: 1 };
        shared.login(&login);
        let read: Login = serde_json::from_slice(&fs::read(dir.path().join(LOGIN)).unwrap()).unwrap();
        assert_eq!((read.state, read.at_ms, read.message.len()), (LoginState::SecondFactor, 5, 400));
        assert_eq!(shared.request(), "");
        fs::write(dir.path().join(REQUEST), "now\n").unwrap();
        assert_eq!(shared.request(), "now");
    }
}
