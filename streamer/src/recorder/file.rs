//! One hourly file that is being written.
//!
//! A record stays in memory until the disk has confirmed it. Linux reports a failed fsync once and forgets the pages: the
//! next one succeeds, and proves nothing. So after a failure the file is cut back to what was confirmed, and everything
//! behind that is written again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use marketstream_proto::{
    framing::{self, Reader},
    layout::{HourFile, MICROS_PER_SECOND},
};

use super::room;
use crate::{disk, live::Hub, sums::Sums};

/// Most room that each buffer of a file keeps, bytes: with 100 streams every KiB counts a hundred times.
const KEPT: usize = 4 * 1024;
/// Least pause before a refused write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Why a file cannot be written.
#[derive(Debug)]
struct Failure {
    retry_at: Duration,
    error: io::Error,
}

/// Appends to one file. Ticks wait in memory until [`flush`](Self::flush), and as copies until [`sync`](Self::sync).
pub struct HourWriter {
    name: HourFile,
    file: Option<File>,
    /// Length up to the last record that the disk has confirmed; `None` before the first opening.
    confirmed: Option<u64>,
    next_sequence: u64,
    /// Bodies of records without a number, one behind the other.
    waiting: Vec<u8>,
    /// How long each of them is.
    lengths: Vec<usize>,
    /// Framed records that are not confirmed.
    framed: Vec<u8>,
    /// How many of its bytes are written.
    written: usize,
    /// How many of its bytes live readers were shown.
    shown: usize,
    /// `None` before the first opening, and when they cannot be written: then nobody will know whether the file changes.
    sums: Option<Sums>,
    failure: Option<Failure>,
    /// IBKR's second of the last tick before a loss that was found.
    lost: Option<i64>,
    last_used: Duration,
}

impl HourWriter {
    pub fn new(name: HourFile) -> Self {
        Self {
            name,
            file: None,
            confirmed: None,
            next_sequence: 1,
            waiting: Vec::new(),
            lengths: Vec::new(),
            framed: Vec::new(),
            written: 0,
            shown: 0,
            sums: None,
            failure: None,
            lost: None,
            last_used: Duration::ZERO,
        }
    }

    /// Ticks come.
    pub fn used(&mut self, now: Duration) {
        self.last_used = now;
    }

    /// A record's body, without its number.
    pub fn take(&mut self, body: &[u8]) {
        self.waiting.extend_from_slice(body);
        self.lengths.push(body.len());
    }

    /// Whether the file can be closed.
    pub fn is_idle(&self, now: Duration, after: Duration) -> bool {
        let held = self.held() > 0 || self.failure.is_some() || self.lost.is_some();
        !held && now.saturating_sub(self.last_used) > after
    }

    /// Bytes of records that the disk has not confirmed.
    pub fn held(&self) -> usize {
        self.waiting.len() + self.framed.len()
    }

    /// What the last write or sync failed with, until one succeeds.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref().map(|failure| &failure.error)
    }

    /// While writes fail: IBKR's second of the first tick that is held.
    pub fn unwritten_from(&self) -> Option<i64> {
        self.failure.as_ref()?;
        let first = |framed: &[u8]| Reader::new(framed).next()?.ok();
        let waiting = || {
            let mut framed = Vec::new();
            framing::append_numbered(&mut framed, self.waiting.get(..*self.lengths.first()?)?, self.next_sequence);
            first(&framed)
        };
        first(&self.framed).or_else(waiting).map(|tick| tick.ts.div_euclid(MICROS_PER_SECOND))
    }

    /// IBKR's second of the last tick before a loss that was found since the last call.
    pub fn take_lost(&mut self) -> Option<i64> {
        self.lost.take()
    }

    /// Writes what waits, and shows it to live readers. A file that fails is left alone for a moment, unless it is `urgent`.
    pub fn flush(&mut self, data_dir: &Path, live: &Hub, now: Duration, urgent: bool) {
        if self.failure.as_ref().is_some_and(|failure| now < failure.retry_at && !urgent) {
            return;
        }
        let outcome = self.write(data_dir, live);
        let written = outcome.is_ok();
        self.note(outcome, now);
        // Whether it is well again only the disk can say.
        if written && self.failure.is_some() {
            self.sync(now);
        }
    }

    /// Has the disk confirm what was written.
    pub fn sync(&mut self, now: Duration) {
        if self.written == 0 {
            return;
        }
        let Some(file) = &self.file else { return };
        match file.sync_data() {
            Ok(()) => {
                self.confirmed = self.confirmed.map(|length| length + self.written as u64);
                if let Some(mut sums) = self.sums.take() {
                    sums.add(&self.framed[..self.written]);
                    let outcome = sums.write();
                    self.sums = self.told(outcome).map(|()| sums);
                }
                room::drain(&mut self.framed, self.written, KEPT);
                self.shown = self.shown.saturating_sub(self.written);
                self.written = 0;
                if self.held() == 0 {
                    self.failure = None;
                }
            }
            Err(error) => {
                self.write_again();
                self.note(Err(error), now);
            }
        }
    }

    /// Writes the checksum of the rest: nothing more comes for now.
    pub fn close(&mut self) {
        if let Some(outcome) = self.sums.take().map(Sums::close) {
            self.told(outcome);
        }
    }

    /// Checksums that cannot be written are no reason not to record.
    fn told<T>(&self, outcome: io::Result<T>) -> Option<T> {
        outcome.inspect_err(|error| tracing::warn!(file = ?self.name, %error, "no checksums of this file")).ok()
    }

    fn note(&mut self, outcome: io::Result<()>, now: Duration) {
        if let Err(error) = outcome {
            let name = self.name.path().map(|path| path.display().to_string()).unwrap_or_default();
            let error = io::Error::new(error.kind(), format!("{name}: {error}"));
            self.failure = Some(Failure { retry_at: now + RETRY, error });
        }
    }

    /// Nothing behind the confirmed length can be relied on: it is cut off, and written again. If it cannot be cut off,
    /// opening does that.
    fn write_again(&mut self) {
        self.written = 0;
        self.file = self.file.take().and_then(|file| cut(file, self.confirmed?).ok());
    }

    fn write(&mut self, data_dir: &Path, live: &Hub) -> io::Result<()> {
        if self.waiting.is_empty() && self.written == self.framed.len() {
            return Ok(());
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open(data_dir)?,
        };
        // Numbered only now, since the sequence goes on from what the file holds.
        let mut rest = self.waiting.as_slice();
        for length in &self.lengths {
            let (body, behind) = rest.split_at(*length);
            framing::append_numbered(&mut self.framed, body, self.next_sequence);
            self.next_sequence += 1;
            rest = behind;
        }
        room::empty(&mut self.waiting, KEPT);
        room::empty(&mut self.lengths, KEPT / size_of::<usize>());
        let outcome = file.write_all(&self.framed[self.written..]);
        self.file = Some(file);
        if outcome.is_err() {
            // Part of a record may stand in the file.
            self.write_again();
            return outcome;
        }
        self.written = self.framed.len();
        live.wrote(self.name, &self.framed[self.shown..]);
        self.shown = self.framed.len();
        Ok(())
    }

    fn open(&mut self, data_dir: &Path) -> io::Result<File> {
        let path = data_dir.join(self.name.path().map_err(io::Error::other)?);
        let folder = path.parent().unwrap_or(data_dir);
        disk::create_folders(folder)?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        // What was cut off after a failure is ours, and still in memory.
        if let Some(length) = self.confirmed.filter(|length| file.metadata().is_ok_and(|known| known.len() >= *length))
        {
            return cut(file, length);
        }
        let found = framing::repair(&mut file)?;
        if found.kept == 0 {
            // Makes the file's name as durable as its content will be. If that fails the name must not stay: a second
            // sync that succeeds would prove nothing.
            disk::sync_folder(folder).inspect_err(|_| _ = fs::remove_file(&path))?;
        }
        if found.cut > 0 || self.confirmed.is_some() {
            let (file, records, bytes) = (path.display(), found.records, found.cut);
            tracing::warn!(%file, records, bytes, "the file has lost its end; what is whole stays");
            self.lost = Some(found.last_ts.map_or(self.name.hour, |ts| ts.div_euclid(MICROS_PER_SECOND)));
        }
        if self.confirmed.is_none() {
            self.next_sequence = found.last_sequence + 1;
        }
        self.confirmed = Some(found.kept);
        self.sums = self.told(Sums::resume(&path, found.kept));
        Ok(file)
    }
}

/// The file without what stands behind `length`, ready to be appended to.
fn cut(mut file: File, length: u64) -> io::Result<File> {
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    Ok(file)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
