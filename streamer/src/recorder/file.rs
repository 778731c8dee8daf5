//! One hourly file that is being written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use marketstream_proto::{framing, layout::HourFile};

use super::queue::MUCH;
use crate::live::Hub;

/// Appends to one file. Ticks wait in memory until [`flush`](Self::flush).
pub struct HourWriter {
    name: HourFile,
    file: Option<File>,
    /// Length up to the last whole record that is known to be written; `None` before the first opening.
    length: Option<u64>,
    next_sequence: u64,
    /// Bodies of records without a number, one behind the other.
    waiting: Vec<u8>,
    /// How long each of them is.
    lengths: Vec<usize>,
    /// Framed records whose write failed, or is under way.
    unwritten: Vec<u8>,
    /// How many bytes they had as bodies.
    held: usize,
    unsynced: bool,
    last_used: Duration,
}

impl HourWriter {
    pub fn new(name: HourFile) -> Self {
        Self {
            name,
            file: None,
            length: None,
            next_sequence: 1,
            waiting: Vec::new(),
            lengths: Vec::new(),
            unwritten: Vec::new(),
            held: 0,
            unsynced: false,
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
        let held = !self.waiting.is_empty() || !self.unwritten.is_empty() || self.unsynced;
        !held && now.saturating_sub(self.last_used) > after
    }

    /// Writes what waits, shows it to live readers, and returns how many bytes of bodies that were. After an error
    /// everything still waits, and the file ends in a whole record, or is cut to one before the next write.
    pub fn flush(&mut self, data_dir: &Path, live: &Hub) -> io::Result<usize> {
        if self.waiting.is_empty() && self.unwritten.is_empty() {
            return Ok(0);
        }
        let path = self.name.path().map_err(io::Error::other)?;
        let path = data_dir.join(path);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open(&path).map_err(|error| named(&path, &error))?,
        };
        // Numbered only now, since the sequence goes on from what the file holds.
        let mut rest = self.waiting.as_slice();
        for length in self.lengths.drain(..) {
            let (body, behind) = rest.split_at(length);
            framing::append_numbered(&mut self.unwritten, body, self.next_sequence);
            self.next_sequence += 1;
            rest = behind;
        }
        self.held += self.waiting.len();
        self.waiting.clear();
        if let Err(error) = file.write_all(&self.unwritten) {
            // Part of a record may stand in the file. If it cannot be cut off, opening does that.
            self.file = cut(file, self.length).ok();
            return Err(named(&path, &error));
        }
        self.length = self.length.map(|length| length + self.unwritten.len() as u64);
        live.wrote(self.name, &self.unwritten);
        self.unwritten.clear();
        for buffer in [&mut self.waiting, &mut self.unwritten] {
            // After a stall the room that it took is given back.
            buffer.shrink_to(MUCH);
        }
        self.unsynced = true;
        self.file = Some(file);
        Ok(std::mem::take(&mut self.held))
    }

    pub fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_ref().filter(|_| self.unsynced) {
            file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    fn open(&mut self, path: &Path) -> io::Result<File> {
        let folder = path.parent().map(PathBuf::from).unwrap_or_default();
        fs::create_dir_all(&folder)?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let found = framing::repair(&mut file)?;
        if found.cut > 0 {
            tracing::warn!(file = %path.display(), bytes = found.cut, kept = found.records, "a torn tail was cut off");
        }
        match self.length {
            // Whole records of a write that failed half-way would be written twice.
            Some(length) if found.kept > length => file = cut(file, Some(length))?,
            _ => {
                self.length = Some(found.kept);
                if self.unwritten.is_empty() {
                    self.next_sequence = found.last_sequence + 1;
                }
            }
        }
        // Makes the file's name as durable as its content will be.
        File::open(&folder)?.sync_all()?;
        Ok(file)
    }
}

/// The file without what stands behind `length`, ready to be appended to.
fn cut(mut file: File, length: Option<u64>) -> io::Result<File> {
    let length = length.ok_or(io::ErrorKind::NotFound)?;
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    Ok(file)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
