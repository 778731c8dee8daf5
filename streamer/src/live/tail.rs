//! What is stored of one stream, from some moment to the end of its files, which may still grow.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    path::PathBuf,
};

use marketstream_proto::{
    TickMessage,
    layout::{HourFile, Part, SECONDS_PER_HOUR},
};

use sync_wrapper::SyncWrapper;

use super::{Stored, files};
use crate::{backfill::ledger::Recorded, recordings, seal::record};

/// Hours whose recordings may grow after they were read: at the turn of an hour a tick of the old one may follow one of
/// the new.
const GROWING: usize = 2;

/// Reads one stream, hour by hour.
pub struct Tail {
    data_dir: PathBuf,
    stream: Recorded,
    parts: &'static [Part],
    /// Ticks before this IBKR time are passed over, in microseconds since 1970.
    from_us: i64,
    /// The first hour that was not looked for yet.
    next: i64,
    /// Hours of which something is stored, the next one first.
    hours: VecDeque<i64>,
    /// Wrapped, since what reads a sealed file cannot be looked at by two threads; nobody does.
    reading: Option<(i64, SyncWrapper<Stored>)>,
    /// How far the last recordings were read.
    ends: BTreeMap<i64, u64>,
}

impl Tail {
    /// From the hour `first` (seconds since 1970) on: these parts of it.
    pub fn new(data_dir: PathBuf, stream: Recorded, parts: &'static [Part], first: i64, from_us: i64) -> Self {
        let (hours, reading, ends) = (VecDeque::new(), None, BTreeMap::new());
        Self { data_dir, stream, parts, from_us, next: first, hours, reading, ends }
    }

    /// Which stream.
    pub fn stream(&self) -> Recorded {
        self.stream
    }

    /// The hour that is being read, or comes next.
    pub fn hour(&self) -> i64 {
        let reading = self.reading.as_ref().map(|(hour, _)| *hour);
        reading.or(self.hours.front().copied()).unwrap_or(self.next)
    }

    /// The next ticks, possibly none, the oldest hour first; `None` at the end of what is stored. It can be asked again: then for what
    /// was written since.
    ///
    /// # Errors
    /// When anything that is stored cannot be read.
    pub fn piece(&mut self) -> io::Result<Option<Vec<TickMessage>>> {
        let from_us = self.from_us;
        loop {
            if let Some((hour, stored)) = &mut self.reading {
                let stored = stored.get_mut();
                match stored.piece(|tick| tick.ts >= from_us)? {
                    Some(ticks) => return Ok(Some(ticks)),
                    None => {
                        self.ends.insert(*hour, stored.recorded());
                        self.reading = None;
                        while self.ends.len() > GROWING {
                            self.ends.pop_first();
                        }
                    }
                }
            } else if let Some(hour) = self.hours.pop_front() {
                self.reading =
                    Some((hour, SyncWrapper::new(Stored::open(&self.data_dir, self.file(hour), self.parts)?)));
            } else if !self.look()? {
                return self.grown();
            }
        }
    }

    fn file(&self, hour: i64) -> HourFile {
        HourFile { hour, con_id: self.stream.con_id, kind: self.stream.kind }
    }

    /// Looks for hours; whether there are more.
    fn look(&mut self) -> io::Result<bool> {
        let of_stream = |file: &HourFile| (file.con_id, file.kind) == (self.stream.con_id, self.stream.kind);
        let recorded = recordings::find(&self.data_dir, self.next, of_stream)?;
        let mut hours: BTreeSet<i64> = recorded.into_iter().map(|(file, ..)| file.hour).collect();
        let days = record::days(&self.data_dir, self.stream, self.next)?;
        let sealed = days.iter().filter(|day| !day.deleted).flat_map(|day| &day.hours);
        hours.extend(sealed.filter(|(_, hour)| hour.rows > 0).map(|(hour, _)| *hour));
        self.hours = hours.split_off(&self.next).into_iter().collect();
        if let Some(last) = self.hours.back() {
            self.next = last + SECONDS_PER_HOUR;
        }
        Ok(!self.hours.is_empty())
    }

    /// What was appended to the recordings that were read last.
    fn grown(&mut self) -> io::Result<Option<Vec<TickMessage>>> {
        let hours: Vec<i64> = self.ends.keys().copied().collect();
        for hour in hours {
            let path = self.data_dir.join(self.file(hour).path().map_err(io::Error::other)?);
            let from_us = self.from_us;
            let Some(end) = self.ends.get_mut(&hour) else { continue };
            let piece = files::piece(&path, *end, |tick| tick.ts >= from_us)?;
            *end = piece.next;
            if !piece.end || !piece.ticks.is_empty() {
                return Ok(Some(piece.ticks));
            }
        }
        Ok(None)
    }
}
