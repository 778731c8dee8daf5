//! The login gate's files.

use std::{fs, io, path::Path};

use jiff::Timestamp;
use marketstream_crds::LoginState;
use marketstream_gate::report;
use serde::Deserialize;

/// Where the gateway's login stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The last thing that happened to it.
    pub state: LoginState,
    /// When, on this machine's calendar.
    pub at: Timestamp,
    /// The line of the log that says so.
    pub message: String,
}

/// The gate's own form: its states have the names of the resource's.
#[derive(Deserialize)]
struct Written {
    state: LoginState,
    at_ms: i64,
    message: String,
}

impl Login {
    /// What the gate wrote last. Missing or unreadable: unknown.
    pub(super) fn read(shared: &Path) -> Option<Self> {
        let bytes = fs::read(shared.join(report::LOGIN)).ok()?;
        let Written { state, at_ms, message } = serde_json::from_slice(&bytes).ok()?;
        Some(Self { state, at: Timestamp::from_millisecond(at_ms).ok()?, message })
    }
}

/// Writes a request for a login, unless the same one stands there.
pub(super) fn request(shared: &Path, request: &str) -> io::Result<()> {
    let path = shared.join(report::REQUEST);
    if fs::read_to_string(&path).is_ok_and(|known| known == request) {
        return Ok(());
    }
    let partial = shared.join("retry-login.partial");
    fs::write(&partial, request)?;
    fs::rename(partial, path)
}
