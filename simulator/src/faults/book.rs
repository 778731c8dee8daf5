//! The faults in force, kept in a file so that a restarted process still has them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::{Alteration, Connections, Cure, Fault, Refusal};
use crate::market::Stream;

/// A fault in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Active {
    /// Names it, never used again.
    pub id: u64,
    /// When it began, microseconds since the epoch.
    pub since_us: i64,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

impl Active {
    /// Whether a client that is not cured has it: by its subscription's and its connection's begin.
    fn lasts_for(&self, cure: Cure, subscribed_us: i64, connected_us: i64) -> bool {
        match cure {
            Cure::Resubscribe => subscribed_us <= self.since_us,
            Cure::Reconnect => connected_us <= self.since_us,
            Cure::Restart | Cure::Never => true,
        }
    }
}

/// All faults in force.
#[derive(Debug)]
pub struct FaultBook {
    path: PathBuf,
    next_id: u64,
    active: BTreeMap<u64, Active>,
}

impl FaultBook {
    /// Reads the file; a missing one means no faults.
    ///
    /// # Errors
    /// When it cannot be read or is not such a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut book = Self { path: path.to_owned(), next_id: 1, active: BTreeMap::new() };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(book),
            Err(error) => return Err(error),
        };
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "faults.json: not a list of faults");
        let value: Value = serde_json::from_slice(&text)?;
        book.next_id = value["next_id"].as_u64().ok_or_else(bad)?;
        for entry in value["faults"].as_array().ok_or_else(bad)? {
            let mut fields = entry.as_object().cloned().ok_or_else(bad)?;
            let id = fields.remove("id").and_then(|id| id.as_u64()).ok_or_else(bad)?;
            let since_us = fields.remove("since_us").and_then(|since| since.as_i64()).ok_or_else(bad)?;
            let fault = Fault::from_json(&Value::Object(fields)).map_err(io::Error::other)?;
            book.active.insert(id, Active { id, since_us, fault });
        }
        book.login()?;
        Ok(book)
    }

    /// A new login ends what only a restart cures, and says what that was.
    ///
    /// # Errors
    /// When the file cannot be written; the faults are ended all the same.
    pub fn login(&mut self) -> io::Result<Vec<u64>> {
        self.end_all(|active| active.fault.cure() == Some(Cure::Restart))
    }

    fn save(&self) -> io::Result<()> {
        let value = serde_json::json!({"next_id": self.next_id, "faults": self.list()});
        let partial = self.path.with_extension("partial");
        std::fs::write(&partial, serde_json::to_vec_pretty(&value)?)?;
        std::fs::rename(partial, &self.path)
    }

    /// All, in the order of their ids.
    #[must_use]
    pub fn list(&self) -> Vec<Active> {
        self.active.values().cloned().collect()
    }

    /// Begins a fault and returns its id. One that happens once has an id and is not kept.
    ///
    /// # Errors
    /// When the file cannot be written; the fault is in force all the same.
    pub fn begin(&mut self, fault: Fault, now_us: i64) -> io::Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        if fault.lasts() {
            self.active.insert(id, Active { id, since_us: now_us, fault });
        }
        self.save()?;
        Ok(id)
    }

    /// Ends one fault, or all of them, and returns which.
    ///
    /// # Errors
    /// When the file cannot be written; the faults are ended all the same.
    pub fn end(&mut self, id: Option<u64>) -> io::Result<Vec<u64>> {
        self.end_all(|active| id.is_none_or(|id| id == active.id))
    }

    fn end_all(&mut self, ends: impl Fn(&Active) -> bool) -> io::Result<Vec<u64>> {
        let ended: Vec<u64> = self.active.values().filter(|active| ends(active)).map(|active| active.id).collect();
        if !ended.is_empty() {
            self.active.retain(|id, _| !ended.contains(id));
            self.save()?;
        }
        Ok(ended)
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.active.values().map(|active| &active.fault)
    }

    /// Whether the API port is open.
    #[must_use]
    pub fn listens(&self) -> bool {
        !self.faults().any(|fault| *fault == Fault::Refuse)
    }

    /// Whether nothing is answered.
    #[must_use]
    pub fn frozen(&self) -> bool {
        self.faults().any(|fault| *fault == Fault::Hang)
    }

    /// Whether handshakes are answered.
    #[must_use]
    pub fn handshakes(&self) -> bool {
        !self.faults().any(|fault| *fault == Fault::NoHandshake)
    }

    /// Whether packets of connections that exist are dropped.
    #[must_use]
    pub fn drops_old(&self) -> bool {
        self.drops(Connections::New)
    }

    /// Whether packets of new connections are dropped.
    #[must_use]
    pub fn drops_new(&self) -> bool {
        self.drops(Connections::Old)
    }

    fn drops(&self, not: Connections) -> bool {
        self.faults().any(|fault| matches!(fault, Fault::Blackhole { connections } if *connections != not))
    }

    /// How fast the line to each client is, bytes a second; `None` when it is not slowed down.
    #[must_use]
    pub fn bytes_per_s(&self) -> Option<u32> {
        let speed = |fault: &Fault| match fault {
            Fault::SlowLink { bytes_per_s } => Some(*bytes_per_s),
            _ => None,
        };
        self.faults().filter_map(speed).min()
    }

    /// How old the data of a new subscription is, seconds; `None` when it is live.
    #[must_use]
    pub fn delay_s(&self, stream: Stream) -> Option<u32> {
        let delay = |fault: &Fault| match fault {
            Fault::Delayed { scope, by_s } if scope.covers(stream) => Some(*by_s),
            _ => None,
        };
        self.faults().filter_map(delay).max()
    }

    /// Whether a client id counts as taken.
    #[must_use]
    pub fn holds_client_id(&self, id: i32) -> bool {
        self.faults().any(|fault| *fault == Fault::ClientIdInUse { client_id: id })
    }

    /// Whether a tick is withheld from a subscription of that age, on a connection of that age (microseconds since the
    /// epoch).
    #[must_use]
    pub fn withholds(&self, stream: Stream, subscribed_us: i64, connected_us: i64) -> bool {
        self.active.values().any(|active| match &active.fault {
            Fault::Hang => true,
            Fault::Silence { scope, cure } => {
                scope.covers(stream) && active.lasts_for(*cure, subscribed_us, connected_us)
            }
            _ => false,
        })
    }

    /// What is wrong with the ticks of a subscription of that age, on a connection of that age (microseconds since the
    /// epoch); `None` when nothing is.
    #[must_use]
    pub fn alteration(&self, stream: Stream, subscribed_us: i64, connected_us: i64) -> Option<Alteration> {
        let mut altered: Option<Alteration> = None;
        for active in self.active.values() {
            match &active.fault {
                Fault::WrongPrices { scope, cure, offset }
                    if scope.covers(stream) && active.lasts_for(*cure, subscribed_us, connected_us) =>
                {
                    altered.get_or_insert_default().offset += offset;
                }
                Fault::ZeroFields { scope, cure, fields }
                    if scope.covers(stream) && active.lasts_for(*cure, subscribed_us, connected_us) =>
                {
                    altered.get_or_insert_default().zero(fields);
                }
                _ => {}
            }
        }
        altered
    }

    /// The answer to a new tick-by-tick request, when a fault makes one.
    #[must_use]
    pub fn refusal(&self, stream: Stream) -> Option<Refusal> {
        self.faults().find_map(|fault| match fault {
            Fault::Competing => Some(Refusal {
                code: 10189,
                text:
                    "Failed to request tick-by-tick data:Trading TWS session is connected from a different IP address"
                        .to_owned(),
            }),
            fault => rejection(fault, stream),
        })
    }

    /// The answer to a new request for a market data line, which shows what the stream does, when a fault makes one.
    #[must_use]
    pub fn line_refusal(&self, stream: Stream) -> Option<Refusal> {
        self.faults().find_map(|fault| rejection(fault, stream))
    }

    /// The answer to a question about a stream's past, when a fault makes one.
    #[must_use]
    pub fn history_refusal(&self, stream: Stream) -> Option<Refusal> {
        self.faults().find_map(|fault| match fault {
            Fault::RejectHistory { scope, code, text } if scope.covers(stream) => {
                Some(Refusal { code: *code, text: text.clone() })
            }
            _ => None,
        })
    }
}

fn rejection(fault: &Fault, stream: Stream) -> Option<Refusal> {
    match fault {
        Fault::Reject { scope, code, text } if scope.covers(stream) => {
            Some(Refusal { code: *code, text: text.clone() })
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
