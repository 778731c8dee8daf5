//! One hourly file that is being written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use marketstream_proto::{TickMessage, framing, layout::HourFile};

use crate::live::Hub;

/// Appends to one file. Ticks wait in memory until [`flush`](Self::flush).
pub struct HourWriter {
    name: HourFile,
    file: Option<File>,
    /// Length up to the last whole record that is known to be written; `None` before the first opening.
    length: Option<u64>,
    next_sequence: u64,
    waiting: Vec<TickMessage>,
    /// Encoded records whose write failed, or is under way.
    unwritten: Vec<u8>,
    /// How many records stand in `unwritten`.
    records: usize,
    unsynced: bool,
    last_tick: Duration,
}

impl HourWriter {
    pub fn new(name: HourFile) -> Self {
        Self {
            name,
            file: None,
            length: None,
            next_sequence: 1,
            waiting: Vec::new(),
            unwritten: Vec::new(),
            records: 0,
            unsynced: false,
            last_tick: Duration::ZERO,
        }
    }

    pub fn take(&mut self, tick: TickMessage, now: Duration) {
        self.waiting.push(tick);
        self.last_tick = now;
    }

    /// Whether the file can be closed.
    pub fn is_idle(&self, now: Duration, after: Duration) -> bool {
        let held = !self.waiting.is_empty() || self.records > 0 || self.unsynced;
        !held && now.saturating_sub(self.last_tick) > after
    }

    /// Writes what waits, shows it to live readers, and returns how many records that were. After an error everything still waits, and the file
    /// ends in a whole record, or is cut to one when it is opened again.
    pub fn flush(&mut self, data_dir: &Path, live: &Hub) -> io::Result<usize> {
        if self.waiting.is_empty() && self.records == 0 {
            return Ok(0);
        }
        let path = self.name.path().map_err(io::Error::other)?;
        let path = data_dir.join(path);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open(&path).map_err(|error| named(&path, &error))?,
        };
        // Encoded only now, since the sequence goes on from what the file holds.
        for mut tick in self.waiting.drain(..) {
            tick.sequence = self.next_sequence;
            match framing::append(&mut self.unwritten, &tick) {
                Ok(()) => self.next_sequence += 1,
                // Over 64 KiB: no tick is, so there is nothing to keep.
                Err(error) => tracing::error!(%error, "a tick was dropped"),
            }
            self.records += 1;
        }
        if let Err(error) = file.write_all(&self.unwritten) {
            // Part of a record may stand in the file. The handle is given up: opening cuts it to `length`.
            return Err(named(&path, &error));
        }
        self.length = self.length.map(|length| length + self.unwritten.len() as u64);
        live.wrote(self.name, &self.unwritten);
        self.unwritten.clear();
        self.unsynced = true;
        self.file = Some(file);
        Ok(std::mem::take(&mut self.records))
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
            Some(length) if found.kept > length => {
                file.set_len(length)?;
                file.seek(SeekFrom::Start(length))?;
            }
            _ => {
                self.length = Some(found.kept);
                if self.records == 0 {
                    self.next_sequence = found.last_sequence + 1;
                }
            }
        }
        // Makes the file's name as durable as its content will be.
        File::open(&folder)?.sync_all()?;
        Ok(file)
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
