//! What clients did: one JSON object per line, appended at once.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::faults::Fault;
use crate::market::Stream;
use crate::market::burst::Burst;
use crate::market::tick::TickType;

/// One line of the log.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// Number of the connection; unique for a state directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// Client id of the connection, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<i32>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The process started.
    Start {
        /// Of this program.
        version: &'static str,
    },
    /// The process ended in good order.
    Stop,
    /// The login was refused: the API port stays closed.
    LoginFailed,
    /// A socket was accepted.
    Accept {
        /// Address of the client.
        peer: String,
    },
    /// A session began: handshake and client id are done.
    Connect {
        /// Server version agreed on.
        server_version: i32,
    },
    /// The socket is gone.
    Disconnect {
        /// Why, in words.
        reason: String,
    },
    /// A subscription began.
    Subscribe {
        /// Request id.
        req_id: i32,
        /// IBKR's contract id.
        con_id: i32,
        /// Tick type.
        tick: TickType,
    },
    /// A subscription ended by the client's wish.
    Cancel {
        /// Request id.
        req_id: i32,
        /// IBKR's contract id.
        con_id: i32,
        /// Tick type.
        tick: TickType,
    },
    /// An error was sent.
    Error {
        /// Request id; -1 when of the session.
        req_id: i32,
        /// Error code.
        code: i32,
        /// Error text.
        text: String,
    },
    /// Contract details were asked for.
    ContractDetails {
        /// Request id.
        req_id: i32,
        /// How many contracts were found.
        found: usize,
    },
    /// Ticks were added to a stream.
    Burst(Burst),
    /// History was asked for.
    History {
        /// Request id.
        req_id: i32,
        /// IBKR's contract id.
        con_id: i32,
        /// Which.
        what: String,
    },
    /// A market data line, or bars by the clock, began.
    Feed {
        /// Request id.
        req_id: i32,
        /// IBKR's contract id.
        con_id: i32,
        /// Which.
        what: &'static str,
    },
    /// It ended by the client's wish.
    CancelFeed {
        /// Request id.
        req_id: i32,
    },
    /// A step of the scenario was carried out.
    ScenarioStep {
        /// Line in the scenario's file.
        line: u64,
        /// Call of the admin port.
        call: String,
        /// What it answered: a status of HTTP.
        status: u16,
    },
    /// The gateway tries to log in.
    LoginAttempt {
        /// How many there were without success, this one included.
        attempt: u32,
        /// With the token of a soft restart.
        token: bool,
    },
    /// The second factor of a login.
    SecondFactor {
        /// `initiated`, `confirmed` or `timed_out`.
        state: &'static str,
    },
    /// A login has completed.
    LoggedIn {
        /// By the token of a soft restart.
        token: bool,
    },
    /// The token of the login was saved.
    TokenSaved,
    /// The gateway starts again in its process.
    Restart {
        /// With its token.
        soft: bool,
    },
    /// IBC was sent a command.
    Command {
        /// The command.
        command: String,
    },
    /// The gateway ends by itself.
    Exit {
        /// The process' exit code.
        code: i32,
    },
    /// A fault began.
    FaultBegin {
        /// Its id.
        id: u64,
        /// What goes wrong.
        fault: Fault,
    },
    /// A fault was ended.
    FaultEnd {
        /// Its id.
        id: u64,
    },
}

/// The log of one state directory.
#[derive(Debug)]
pub struct RequestLog {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    streams: BTreeSet<Stream>,
}

/// What the log says of earlier processes; other fields are not needed again.
#[derive(Deserialize)]
struct Known {
    event: String,
    connection: Option<u32>,
    con_id: Option<i32>,
    tick: Option<TickType>,
    at_ms: i64,
}

impl RequestLog {
    /// Opens the log, cuts off a half-written line, and returns it with the first connection number not yet used.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<(Self, u32)> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = std::fs::read(path)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        file.flush()?;
        let known: Vec<Known> = lines(&bytes[..whole]).filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let next = known.iter().filter_map(|entry| entry.connection).max().unwrap_or(0) + 1;
        let streams = subscribed(&known);
        Ok((Self { path: path.to_owned(), inner: Mutex::new(Inner { file, streams }) }, next))
    }

    /// Appends a line. A log that cannot be written stops nothing: the failure is logged.
    pub fn add(&self, entry: &Entry) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::Subscribe { con_id, tick, .. } = entry.event {
            inner.streams.insert(Stream { con_id, tick });
        }
        let written = serde_json::to_vec(entry).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            inner.file.write_all(&line)
        });
        if let Err(error) = written {
            tracing::error!(%error, path = %self.path.display(), "request log: cannot write");
        }
    }

    /// Every stream that was ever subscribed.
    #[must_use]
    pub fn streams(&self) -> BTreeSet<Stream> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).streams.clone()
    }

    /// The lines from that time on (milliseconds since the epoch), as they are in the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn since(&self, since_ms: i64) -> io::Result<Vec<u8>> {
        let bytes = std::fs::read(&self.path)?;
        let wanted = |line: &&[u8]| serde_json::from_slice::<Known>(line).is_ok_and(|entry| entry.at_ms >= since_ms);
        let mut out = Vec::new();
        for line in lines(&bytes).filter(wanted) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        Ok(out)
    }
}

/// Every burst that a log knows of.
///
/// # Errors
/// When the file cannot be read.
pub fn bursts(path: &Path) -> io::Result<Vec<Burst>> {
    let bytes = std::fs::read(path)?;
    let known =
        lines(&bytes).filter(|line| serde_json::from_slice(line).is_ok_and(|entry: Known| entry.event == "burst"));
    Ok(known.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Every stream that a log says was ever subscribed.
///
/// # Errors
/// When the file cannot be read.
pub fn streams(path: &Path) -> io::Result<BTreeSet<Stream>> {
    let bytes = std::fs::read(path)?;
    let known: Vec<Known> = lines(&bytes).filter_map(|line| serde_json::from_slice(line).ok()).collect();
    Ok(subscribed(&known))
}

fn subscribed(known: &[Known]) -> BTreeSet<Stream> {
    let begun = known.iter().filter(|entry| entry.event == "subscribe");
    begun.filter_map(|entry| Some(Stream { con_id: entry.con_id?, tick: entry.tick? })).collect()
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_streams_and_connections_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("requests.jsonl");
        let (log, next) = RequestLog::open(&path).unwrap();
        assert_eq!(next, 1);
        let subscribe = Event::Subscribe { req_id: 9, con_id: 5, tick: TickType::BidAsk };
        log.add(&Entry { at_ms: 10, connection: Some(4), client_id: Some(7), event: subscribe });
        log.add(&Entry { at_ms: 20, connection: None, client_id: None, event: Event::Stop });
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at_ms\":3").unwrap();
        let (log, next) = RequestLog::open(&path).unwrap();
        assert_eq!(next, 5);
        assert_eq!(log.streams().into_iter().collect::<Vec<_>>(), [Stream { con_id: 5, tick: TickType::BidAsk }]);
        assert_eq!(log.since(20).unwrap(), b"{\"at_ms\":20,\"event\":\"stop\"}\n");
        let all = String::from_utf8(log.since(0).unwrap()).unwrap();
        let first = all.lines().next().unwrap();
        assert_eq!(
            first,
            r#"{"at_ms":10,"connection":4,"client_id":7,"event":"subscribe","req_id":9,"con_id":5,"tick":"BidAsk"}"#
        );
    }
}
