//! Every tick that was sent: one file per hour of tick time, records of [`RECORD`] bytes, appended in groups.
//!
//! Record, big-endian: second `u32`, lateness `i32` (microseconds from the start of that second to the send), contract
//! id `i32`, connection `u32`, client id `i32`, lower 16 bits of the index `u16`, its upper 5 bits and 3 of the tick type
//! `u8`, exclusive-or of the 23 bytes before `u8`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::market::Stream;
use crate::market::tick::TickType;

/// Size of a record, bytes.
pub const RECORD: usize = 24;

const HOUR_S: i64 = 3_600;

/// Bits of the tick type; above them in its byte are the upper ones of the index.
const TYPE_BITS: u32 = 3;

/// Records of the ticks of some hours, by hour since the epoch.
type Hours = BTreeMap<i64, Vec<u8>>;

/// What was sent to whom, by stream, second and index.
pub type SentTicks = HashMap<(Stream, i64, u32), Vec<SentTo>>;

/// One tick that went out to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Of which stream.
    pub stream: Stream,
    /// Second of the tick, since the epoch.
    pub second: i64,
    /// Position in that second, below 2^21.
    pub index: u32,
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
    /// When the socket took it, microseconds since the epoch.
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
        record[20..22].copy_from_slice(&(self.index as u16).to_be_bytes());
        record[22] = ((self.index >> 16) << TYPE_BITS) as u8 | self.stream.tick.wire() as u8;
        record[23] = checksum(&record);
        record
    }

    fn decode(record: &[u8; RECORD]) -> Option<Self> {
        let word = |at: usize| [record[at], record[at + 1], record[at + 2], record[at + 3]];
        if record[23] != checksum(record) {
            return None;
        }
        let second = i64::from(u32::from_be_bytes(word(0)));
        let kind = i32::from(record[22]) & ((1 << TYPE_BITS) - 1);
        let upper = u32::from(record[22] >> TYPE_BITS);
        Some(Self {
            stream: Stream { con_id: i32::from_be_bytes(word(8)), tick: TickType::from_wire(kind)? },
            second,
            index: upper << 16 | u32::from(u16::from_be_bytes([record[20], record[21]])),
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
    pending: Mutex<Hours>,
    /// Held while files are written, so that groups keep their order and nobody waits for the disk to add a tick.
    writing: Mutex<()>,
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
        Ok(Self { dir: dir.to_owned(), pending: Mutex::default(), writing: Mutex::default() })
    }

    fn pending(&self) -> MutexGuard<'_, Hours> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes ticks that a socket took; [`Self::flush`] brings them to the file.
    pub fn add(&self, sent: &[Sent]) {
        let hour = |tick: &Sent| tick.second.div_euclid(HOUR_S);
        for group in sent.chunk_by(|one, next| hour(one) == hour(next)) {
            let records: Vec<[u8; RECORD]> = group.iter().map(Sent::encode).collect();
            self.pending().entry(hour(&group[0])).or_default().extend_from_slice(records.as_flattened());
        }
    }

    /// Appends what is pending to the files. What cannot be written stays pending.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn flush(&self) -> io::Result<()> {
        let _order = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = std::mem::take(&mut *self.pending());
        while let Some(entry) = taken.first_entry() {
            if let Err(error) = append(&path(&self.dir, *entry.key()), entry.get()) {
                self.put_back(taken);
                return Err(error);
            }
            entry.remove();
        }
        Ok(())
    }

    /// Before what came in the meantime.
    fn put_back(&self, taken: Hours) {
        let mut pending = self.pending();
        for (hour, mut records) in taken {
            let later = pending.entry(hour).or_default();
            records.append(later);
            *later = records;
        }
    }

    /// What was sent of the ticks of the seconds in `from..to`, by stream, second and index.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn sent(&self, from: i64, to: i64) -> io::Result<SentTicks> {
        self.flush()?;
        read(&self.dir, (from, to))
    }
}

/// What the files of a journal say was sent of the ticks of the seconds in `from..to`.
///
/// # Errors
/// When a file cannot be read.
pub fn read(dir: &Path, (from, to): (i64, i64)) -> io::Result<SentTicks> {
    let mut found = SentTicks::new();
    for hour in from.div_euclid(HOUR_S)..=(to - 1).div_euclid(HOUR_S) {
        let bytes = match std::fs::read(path(dir, hour)) {
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

fn path(dir: &Path, hour: i64) -> PathBuf {
    dir.join(format!("{}.sent", hour * HOUR_S))
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

    /// The last index that a record can hold.
    const LAST: u32 = (1 << 21) - 1;

    fn sent(second: i64, index: u32) -> Sent {
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
        journal.add(&[sent(7_199, 0), sent(7_200, LAST)]);
        journal.flush().unwrap();
        let path = dir.path().join("7200.sent");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[1; 7]).unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(path.metadata().unwrap().len(), RECORD as u64);
        journal.add(&[sent(7_201, 1)]);
        let found = journal.sent(7_199, 7_202).unwrap();
        assert_eq!(found.len(), 3);
        for tick in [sent(7_199, 0), sent(7_200, LAST), sent(7_201, 1)] {
            assert_eq!(found[&(tick.stream, tick.second, tick.index)], [tick.to]);
        }
        assert_eq!(journal.sent(7_200, 7_201).unwrap().len(), 1);
    }

    #[test]
    fn what_cannot_be_written_goes_before_what_comes_later() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        // A directory where the file should be.
        std::fs::create_dir(dir.path().join("7200.sent")).unwrap();
        journal.add(&[sent(7_199, 0), sent(7_200, 0)]);
        assert!(journal.flush().is_err());
        journal.add(&[sent(7_200, 1)]);
        assert!(journal.flush().is_err());
        std::fs::remove_dir(dir.path().join("7200.sent")).unwrap();
        journal.flush().unwrap();
        let bytes = std::fs::read(dir.path().join("7200.sent")).unwrap();
        assert_eq!(bytes, [sent(7_200, 0), sent(7_200, 1)].map(|sent| sent.encode()).concat());
        assert_eq!(std::fs::read(dir.path().join("3600.sent")).unwrap(), sent(7_199, 0).encode());
    }

    #[test]
    fn a_damaged_record_is_no_tick() {
        let mut record = sent(5, 5).encode();
        assert_eq!(Sent::decode(&record), Some(sent(5, 5)));
        record[9] ^= 1;
        assert_eq!(Sent::decode(&record), None);
    }
}
