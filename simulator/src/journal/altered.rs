//! Ticks that a fault altered on the wire: one JSON object a line. Rare, so in full.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::judge::Fields;
use crate::market::Stream;
use crate::market::tick::{Tick, TickType};

/// How a tick went to one client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AsSent {
    /// Number of the connection.
    pub connection: u32,
    /// Time on the wire, seconds since the epoch.
    pub time_s: i64,
    /// What it said.
    #[serde(flatten)]
    pub fields: Fields,
}

/// The forms in which ticks were sent, by stream, second and index of what they were.
pub type AlteredTicks = HashMap<(Stream, i64, u32), Vec<AsSent>>;

#[derive(Serialize, Deserialize)]
struct Line {
    con_id: i32,
    tick: TickType,
    second: i64,
    index: u32,
    #[serde(flatten)]
    sent: AsSent,
}

/// The file of one state directory.
#[derive(Debug)]
pub struct AlteredLog {
    path: PathBuf,
    pending: Mutex<Vec<u8>>,
}

impl AlteredLog {
    /// Opens the file, and cuts off a half-written line.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = append(path)?;
        let bytes = std::fs::read(path)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        Ok(Self { path: path.to_owned(), pending: Mutex::default() })
    }

    /// Notes in which form a tick goes to a connection; [`Self::flush`] brings it to the file.
    pub fn add(&self, stream: Stream, connection: u32, tick: &Tick, form: &Tick) {
        let sent = AsSent { connection, time_s: form.second, fields: Fields::from(&form.body) };
        let Stream { con_id, tick: kind } = stream;
        let line = Line { con_id, tick: kind, second: tick.second, index: tick.index, sent };
        match serde_json::to_vec(&line) {
            Ok(mut line) => {
                line.push(b'\n');
                self.pending.lock().unwrap_or_else(PoisonError::into_inner).append(&mut line);
            }
            Err(error) => tracing::error!(%error, "journal of altered ticks"),
        }
    }

    /// Appends what is pending to the file.
    ///
    /// # Errors
    /// When the file cannot be written; what could not stays pending.
    pub fn flush(&self) -> io::Result<()> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if !pending.is_empty() {
            append(&self.path)?.write_all(&pending)?;
            pending.clear();
        }
        Ok(())
    }

    /// See [`read`].
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn ticks(&self, span: (i64, i64)) -> io::Result<AlteredTicks> {
        self.flush()?;
        read(&self.path, span)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// What a file says of the ticks of the seconds in `from..to`; nothing when there is none.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path, (from, to): (i64, i64)) -> io::Result<AlteredTicks> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(AlteredTicks::new()),
        Err(error) => return Err(error),
    };
    let mut found = AlteredTicks::new();
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    for line in lines.filter(|line| (from..to).contains(&line.second)) {
        let stream = Stream { con_id: line.con_id, tick: line.tick };
        found.entry((stream, line.second, line.index)).or_default().push(line.sent);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::tick::Body;

    #[test]
    fn reads_back_what_was_noted_and_cuts_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("altered.jsonl");
        assert!(read(&path, (0, 10)).unwrap().is_empty());
        let stream = Stream { con_id: 5, tick: TickType::MidPoint };
        let tick = Tick { second: 7, offset_us: 1, index: 3, body: Body::Mid(1.5) };
        let form = Tick { second: 0, body: Body::Mid(0.0), ..tick.clone() };
        let log = AlteredLog::open(&path).unwrap();
        log.add(stream, 4, &tick, &form);
        assert_eq!(log.ticks((7, 8)).unwrap().len(), 1);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"con").unwrap();
        AlteredLog::open(&path).unwrap();
        let fields = Fields { mid: Some(0.0), ..Fields::default() };
        let expected = AsSent { connection: 4, time_s: 0, fields };
        assert_eq!(read(&path, (7, 8)).unwrap(), AlteredTicks::from([((stream, 7, 3), vec![expected])]));
        assert!(read(&path, (8, 9)).unwrap().is_empty());
        assert_eq!(std::fs::read(&path).unwrap().last(), Some(&b'\n'));
    }
}
