//! Every tick that was sent: one file per hour of tick time, records of [`RECORD`] bytes, appended in groups.
//!
//! Record, big-endian: second `u32`, lateness `i32` (microseconds from the start of that second to the send), contract
//! id `i32`, connection `u32`, client id `i32`, index `u16`, tick type `u8`, exclusive-or of the 23 bytes before `u8`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::market::Stream;
use crate::market::tick::TickType;

/// Size of a record, bytes.
pub const RECORD: usize = 24;

const HOUR_S: i64 = 3_600;

/// One tick that went out to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Of which stream.
    pub stream: Stream,
    /// Second of the tick, since the epoch.
    pub second: i64,
    /// Position in that second.
    pub index: u16,
    /// To whom and when.
    pub to: SentTo,
}

/// To whom a tick went, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentTo {
    /// Number of the connection; unique for a state directory.
    pub connection: u32,
    /// Client id of that connection.
    pub client_id: i32,
    /// When it was handed to the socket, microseconds since the epoch.
    pub at_us: i64,
}

impl Sent {
    fn encode(&self) -> [u8; RECORD] {
        let lateness = self.to.at_us - self.second * 1_000_000;
        let mut record = [0; RECORD];
        record[0..4].copy_from_slice(&u32::try_from(self.second).unwrap_or(u32::MAX).to_be_bytes());
        record[4..8].copy_from_slice(&i32::try_from(lateness).unwrap_or(i32::MAX).to_be_bytes());
        record[8..12].copy_from_slice(&self.stream.con_id.to_be_bytes());
        record[12..16].copy_from_slice(&self.to.connection.to_be_bytes());
        record[16..20].copy_from_slice(&self.to.client_id.to_be_bytes());
        record[20..22].copy_from_slice(&self.index.to_be_bytes());
        record[22] = self.stream.tick.wire() as u8;
        record[23] = checksum(&record);
        record
    }

    fn decode(record: &[u8; RECORD]) -> Option<Self> {
        let word = |at: usize| [record[at], record[at + 1], record[at + 2], record[at + 3]];
        if record[23] != checksum(record) {
            return None;
        }
        let second = i64::from(u32::from_be_bytes(word(0)));
        Some(Self {
            stream: Stream { con_id: i32::from_be_bytes(word(8)), tick: TickType::from_wire(i32::from(record[22]))? },
            second,
            index: u16::from_be_bytes([record[20], record[21]]),
            to: SentTo {
                connection: u32::from_be_bytes(word(12)),
                client_id: i32::from_be_bytes(word(16)),
                at_us: second * 1_000_000 + i64::from(i32::from_be_bytes(word(4))),
            },
        })
    }
}

fn checksum(record: &[u8; RECORD]) -> u8 {
    record[..RECORD - 1].iter().fold(0, |sum, byte| sum ^ byte)
}

/// The files of one state directory.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    pending: Mutex<BTreeMap<i64, Vec<u8>>>,
}

impl Journal {
    /// Opens the directory and cuts off what a crash left behind of a record.
    ///
    /// # Errors
    /// When the directory cannot be made, read or repaired.
    pub fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let length = entry.metadata()?.len();
            let torn = length % RECORD as u64;
            if torn != 0 && entry.file_name().to_string_lossy().ends_with(".sent") {
                OpenOptions::new().write(true).open(entry.path())?.set_len(length - torn)?;
            }
        }
        Ok(Self { dir: dir.to_owned(), pending: Mutex::default() })
    }

    fn path(&self, hour: i64) -> PathBuf {
        self.dir.join(format!("{}.sent", hour * HOUR_S))
    }

    /// Notes ticks that were handed to a socket; [`Self::flush`] brings them to the file.
    pub fn add(&self, sent: &[Sent]) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for tick in sent {
            pending.entry(tick.second.div_euclid(HOUR_S)).or_default().extend(tick.encode());
        }
    }

    /// Appends what is pending to the files. What cannot be written stays pending.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn flush(&self) -> io::Result<()> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(entry) = pending.first_entry() {
            append(&self.path(*entry.key()), entry.get())?;
            entry.remove();
        }
        Ok(())
    }

    /// What was sent of the ticks of the seconds in `from..to`, by stream, second and index.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn sent(&self, from: i64, to: i64) -> io::Result<HashMap<(Stream, i64, u16), Vec<SentTo>>> {
        self.flush()?;
        let mut found: HashMap<_, Vec<SentTo>> = HashMap::new();
        for hour in from.div_euclid(HOUR_S)..=(to - 1).div_euclid(HOUR_S) {
            let bytes = match std::fs::read(self.path(hour)) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let records = bytes.as_chunks::<RECORD>().0.iter().filter_map(Sent::decode);
            for sent in records.filter(|sent| (from..to).contains(&sent.second)) {
                found.entry((sent.stream, sent.second, sent.index)).or_default().push(sent.to);
            }
        }
        Ok(found)
    }
}

/// Appends all or nothing: a half-written group would put every later record out of step.
fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    file.write_all(bytes).inspect_err(|_| {
        if let Err(error) = file.set_len(length) {
            tracing::error!(%error, path = %path.display(), "journal: cannot cut off a half-written group");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(second: i64, index: u16) -> Sent {
        Sent {
            stream: Stream { con_id: 265_598, tick: TickType::MidPoint },
            second,
            index,
            to: SentTo { connection: 3, client_id: -7, at_us: second * 1_000_000 + 999_123 },
        }
    }

    #[test]
    fn keeps_ticks_over_a_restart_and_cuts_a_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        // On both sides of a full hour.
        journal.add(&[sent(7_199, 0), sent(7_200, 65_535)]);
        journal.flush().unwrap();
        let path = dir.path().join("7200.sent");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[1; 7]).unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(path.metadata().unwrap().len(), RECORD as u64);
        journal.add(&[sent(7_201, 1)]);
        let found = journal.sent(7_199, 7_202).unwrap();
        assert_eq!(found.len(), 3);
        for tick in [sent(7_199, 0), sent(7_200, 65_535), sent(7_201, 1)] {
            assert_eq!(found[&(tick.stream, tick.second, tick.index)], [tick.to]);
        }
        assert_eq!(journal.sent(7_200, 7_201).unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_record_is_no_tick() {
        let mut record = sent(5, 5).encode();
        assert_eq!(Sent::decode(&record), Some(sent(5, 5)));
        record[9] ^= 1;
        assert_eq!(Sent::decode(&record), None);
    }
}
