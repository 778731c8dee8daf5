//! Recordings: lines of JSON, or the folders of a recorder that keeps the tick record of `marketstream-proto`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use marketstream_proto::framing::{FrameError, Reader};
use marketstream_proto::layout::HourFile;
use marketstream_proto::{TickKind, TickMessage};

use super::HOUR_S;
use crate::judge::{Fields, RecordedTick};
use crate::market::tick::TickType;

/// Folders above a file of the layout: year, month, day, hour.
const DEPTH: usize = 4;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Of the file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A line is not a tick.
    #[error("{}, line {line}: {cause}", path.display())]
    Line {
        /// Of the file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// A record is not a tick.
    #[error("{}: {cause}", path.display())]
    Record {
        /// Of the file.
        path: PathBuf,
        /// What is wrong with it.
        cause: FrameError,
    },
    /// A folder holds nothing that could be compared.
    #[error("{}: no files YYYY/MM/DD/HH/CONID_KIND_EPOCH.pb below this folder", .0.display())]
    Empty(PathBuf),
}

/// A recording. Lines are kept in memory, folders are read as they are needed.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    hours: Hours,
}

/// By the hour's first second, since the epoch.
#[derive(Debug)]
enum Hours {
    Lines(BTreeMap<i64, Vec<RecordedTick>>),
    Files(BTreeMap<i64, Vec<PathBuf>>),
}

impl Recording {
    /// Opens a file of lines, one JSON object a tick, or a folder of the layout.
    ///
    /// # Errors
    /// When it cannot be read, is malformed, or is a folder without files of the layout.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let hours = if path.is_dir() {
            let mut files = BTreeMap::new();
            find(path, DEPTH, &mut files).map_err(|cause| RecordingError::Io { path: path.to_owned(), cause })?;
            if files.is_empty() {
                return Err(RecordingError::Empty(path.to_owned()));
            }
            Hours::Files(files)
        } else {
            Hours::Lines(read_lines(path)?)
        };
        Ok(Self { path: path.to_owned(), hours })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its first and its last second, since the epoch.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn span(&self) -> Result<Option<(i64, i64)>, RecordingError> {
        let (first, last) = match &self.hours {
            Hours::Lines(hours) => {
                (hours.first_key_value().map(|hour| *hour.0), hours.last_key_value().map(|hour| *hour.0))
            }
            Hours::Files(hours) => {
                (hours.first_key_value().map(|hour| *hour.0), hours.last_key_value().map(|hour| *hour.0))
            }
        };
        let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
        let seconds = |ticks: Vec<RecordedTick>| ticks.into_iter().map(|tick| tick.time_s);
        Ok(seconds(self.hour(first)?).min().zip(seconds(self.hour(last)?).max()))
    }

    /// The ticks of the hour that begins then, each stream's in its own order.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn hour(&self, hour: i64) -> Result<Vec<RecordedTick>, RecordingError> {
        match &self.hours {
            Hours::Lines(hours) => Ok(hours.get(&hour).cloned().unwrap_or_default()),
            Hours::Files(hours) => {
                let mut ticks = Vec::new();
                for path in hours.get(&hour).into_iter().flatten() {
                    read_records(path, &mut ticks)?;
                }
                Ok(ticks)
            }
        }
    }
}

fn find(folder: &Path, depth: usize, files: &mut BTreeMap<i64, Vec<PathBuf>>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && depth > 0 {
            find(&path, depth - 1, files)?;
        } else if kind.is_file()
            && let Some(file) = HourFile::parse(&path)
        {
            files.entry(file.hour).or_default().push(path);
        }
    }
    Ok(())
}

fn read_lines(path: &Path) -> Result<BTreeMap<i64, Vec<RecordedTick>>, RecordingError> {
    let io = |cause| RecordingError::Io { path: path.to_owned(), cause };
    let mut hours: BTreeMap<i64, Vec<RecordedTick>> = BTreeMap::new();
    for (number, line) in BufReader::new(File::open(path).map_err(io)?).lines().enumerate() {
        let line = line.map_err(io)?;
        if line.trim().is_empty() {
            continue;
        }
        let tick: RecordedTick = serde_json::from_str(&line).map_err(|cause| RecordingError::Line {
            path: path.to_owned(),
            line: number + 1,
            cause,
        })?;
        hours.entry(tick.time_s.div_euclid(HOUR_S) * HOUR_S).or_default().push(tick);
    }
    Ok(hours)
}

/// An incomplete last record is one that is being written.
fn read_records(path: &Path, ticks: &mut Vec<RecordedTick>) -> Result<(), RecordingError> {
    let file = File::open(path).map_err(|cause| RecordingError::Io { path: path.to_owned(), cause })?;
    for record in Reader::new(BufReader::new(file)) {
        match record {
            Ok(message) => ticks.extend(recorded(&message)),
            Err(FrameError::Incomplete { .. }) => {}
            Err(cause) => return Err(RecordingError::Record { path: path.to_owned(), cause }),
        }
    }
    Ok(())
}

fn recorded(message: &TickMessage) -> Option<RecordedTick> {
    let tick = match TickKind::parse(&message.tt)? {
        TickKind::Last => TickType::Last,
        TickKind::AllLast => TickType::AllLast,
        TickKind::BidAsk => TickType::BidAsk,
        TickKind::MidPoint => TickType::MidPoint,
        // Samples of ordinary market data, which the journal of ticks does not have.
        TickKind::QuoteL1 | TickKind::RtVolume => return None,
    };
    let fields = Fields {
        price: message.p,
        size: message.s,
        exchange: message.exchange.clone(),
        conditions: message.conditions.clone(),
        past_limit: message.past_limit,
        unreported: message.upt,
        bid: message.bp,
        ask: message.ap,
        bid_size: message.bs,
        ask_size: message.r#as,
        bid_past_low: message.bpl,
        ask_past_high: message.aph,
        mid: message.mp,
    };
    Some(RecordedTick { con_id: message.cid, tick, time_s: message.ts.div_euclid(1_000_000), fields })
}
