//! All open files of the recorder, and the rhythm of flush and sync.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, time::Duration};

use marketstream_crds::StorageStatus;
use marketstream_proto::layout::HourFile;
use tokio::sync::watch;

use super::{
    Cadence,
    file::HourWriter,
    queue::{Batch, MAX_BYTES},
};
use crate::{
    clock::Clock,
    live::Hub,
    status::{seconds, text},
};

/// Bytes that are held while the disk refuses them; what comes on top waits in the queue, and is refused there.
const MAX_HELD: usize = MAX_BYTES;
/// Least pause before a refused write is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A file that got nothing for so long is closed; a straggler opens it again.
const CLOSE_AFTER: Duration = Duration::from_secs(90);
/// How long a tick may stay in memory while somebody reads live: short for people, long enough for a burst to be
/// written at once.
const LIVE_FLUSH: Duration = Duration::from_millis(10);
/// Longest sleep, so that the sign of life stays fresh.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Writes ticks to files.
pub struct Writer {
    data_dir: PathBuf,
    cadence: Cadence,
    clock: Clock,
    /// By hour, so that live readers get the end of an hour before the begin of the next.
    files: BTreeMap<HourFile, HourWriter>,
    flush_at: Duration,
    sync_at: Duration,
    /// What the last sync failed with.
    unsynced: Option<String>,
    /// Bytes that are not written.
    held: usize,
    /// Since when writes fail.
    failing: Option<Duration>,
    report: watch::Sender<StorageStatus>,
    live: Arc<Hub>,
}

impl Writer {
    pub fn new(
        data_dir: PathBuf,
        cadence: Cadence,
        clock: Clock,
        report: watch::Sender<StorageStatus>,
        live: Arc<Hub>,
    ) -> Self {
        let now = clock.mono();
        let (flush_at, sync_at) = (now + cadence.flush, now + cadence.sync);
        Self {
            data_dir,
            cadence,
            clock,
            files: BTreeMap::new(),
            flush_at,
            sync_at,
            unsynced: None,
            held: 0,
            failing: None,
            report,
            live,
        }
    }

    pub fn set_cadence(&mut self, cadence: Cadence) {
        let now = self.clock.mono();
        self.cadence = cadence;
        self.flush_at = self.flush_at.min(now + cadence.flush);
        self.sync_at = self.sync_at.min(now + cadence.sync);
    }

    /// How long nothing is due.
    pub fn rest(&self) -> Duration {
        self.flush_at.min(self.sync_at).saturating_sub(self.clock.mono()).min(LONGEST_REST)
    }

    /// Whether more can be held.
    pub fn has_room(&self) -> bool {
        self.held < MAX_HELD
    }

    pub fn take(&mut self, batch: &Batch) {
        let now = self.clock.mono();
        let mut records = batch.records().peekable();
        // Ticks of one stream come in groups: each group finds its file once.
        while let Some((name, _)) = records.peek().copied() {
            let file = self.files.entry(name).or_insert_with(|| HourWriter::new(name));
            file.used(now);
            while let Some((_, body)) = records.next_if(|(next, _)| *next == name) {
                file.take(body);
            }
        }
        self.held += batch.bytes();
    }

    /// Live readers see what is written: while there are any, it is written sooner.
    fn flush_pause(&self) -> Duration {
        if self.live.is_heard() { self.cadence.flush.min(LIVE_FLUSH) } else { self.cadence.flush }
    }

    /// Does what is due. With `much` a flush is; `refused` ticks were not taken so far.
    pub fn turn(&mut self, much: bool, refused: u64) {
        let now = self.clock.mono();
        if now >= self.flush_at || (much && self.failing.is_none()) {
            self.flush_at = now + self.flush_pause();
            let outcome = self.flush();
            if outcome.is_err() {
                self.flush_at = self.flush_at.max(now + RETRY);
            }
            // What was written and cannot be synced is not safe.
            self.report(outcome.and(self.unsynced.clone().map_or(Ok(()), |text| Err(io::Error::other(text)))), refused);
        }
        if now >= self.sync_at {
            self.sync_at = now + self.cadence.sync;
            let outcome = self.sync();
            self.unsynced = outcome.as_ref().err().map(ToString::to_string);
            if let Err(error) = outcome {
                self.report(Err(error), refused);
            }
            self.files.retain(|_, file| !file.is_idle(now, CLOSE_AFTER));
        }
    }

    /// Writes and syncs everything, for the end of the process.
    pub fn finish(&mut self, refused: u64) {
        let outcome = self.flush().and_then(|()| self.sync());
        if let Err(error) = &outcome {
            tracing::error!(%error, bytes = self.held, "the last ticks could not be written");
        }
        self.report(outcome, refused);
    }

    /// Every file is tried, even when one fails; the first error is returned.
    fn flush(&mut self) -> io::Result<()> {
        let mut outcome = Ok(());
        for file in self.files.values_mut() {
            match file.flush(&self.data_dir, &self.live) {
                Ok(written) => self.held -= written,
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    /// As [`flush`](Self::flush).
    fn sync(&mut self) -> io::Result<()> {
        let mut outcome = Ok(());
        for file in self.files.values_mut() {
            outcome = outcome.and(file.sync());
        }
        outcome
    }

    fn report(&mut self, outcome: io::Result<()>, refused: u64) {
        let now = self.clock.mono();
        self.failing = outcome.is_err().then(|| self.failing.unwrap_or(now));
        let status = StorageStatus {
            writable: outcome.is_ok(),
            failing_seconds: self.failing.map_or(0.0, |since| seconds(now.saturating_sub(since))),
            dropped: i64::try_from(refused).unwrap_or(i64::MAX),
            message: outcome.err().map(|error| text(&error.to_string())),
            sealing: None,
        };
        self.report.send_if_modified(|known| {
            if known.writable != status.writable {
                match &status.message {
                    Some(message) => tracing::error!("the data volume refuses writes: {message}"),
                    None => tracing::info!("the data volume takes writes again"),
                }
            }
            let changed = *known != status;
            *known = status;
            changed
        });
    }
}
