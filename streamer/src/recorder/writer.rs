//! All open files of the recorder, and the rhythm of flush and sync.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use marketstream_crds::StorageStatus;
use marketstream_proto::layout::HourFile;
use tokio::sync::watch;

use super::{
    Cadence, Doubts,
    file::HourWriter,
    queue::{Batch, MAX_BYTES},
};
use crate::{
    backfill::ledger::Recorded,
    clock::Clock,
    live::Hub,
    status::{seconds, text},
};

/// Bytes that are held for files that the disk refuses, all together. What comes for them on top is refused; other files
/// go on.
const MAX_HELD: usize = MAX_BYTES;
/// Bytes that are held until the disk has confirmed them, however long the manifest lets them wait: five seconds of the
/// busiest session ever seen.
const MAX_UNCONFIRMED: usize = MAX_BYTES / 2;
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
        Self { data_dir, cadence, clock, files: BTreeMap::new(), flush_at, sync_at, failing: None, report, live }
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
    }

    /// Live readers see what is written: while there are any, it is written sooner.
    fn flush_pause(&self) -> Duration {
        if self.live.is_heard() { self.cadence.flush.min(LIVE_FLUSH) } else { self.cadence.flush }
    }

    /// Does what is due, and returns whether anything was. With `much` a flush is.
    pub fn turn(&mut self, much: bool) -> bool {
        let now = self.clock.mono();
        let flush = much || now >= self.flush_at;
        if flush {
            self.flush_at = now + self.flush_pause();
            self.files.values_mut().for_each(|file| file.flush(&self.data_dir, &self.live, now, false));
        }
        let sync = now >= self.sync_at || self.files.values().map(HourWriter::held).sum::<usize>() > MAX_UNCONFIRMED;
        if sync {
            self.sync_at = now + self.cadence.sync;
            self.files.values_mut().for_each(|file| file.sync(now));
            self.files.retain(|_, file| {
                let idle = file.is_idle(now, CLOSE_AFTER);
                if idle {
                    file.close();
                }
                !idle
            });
        }
        flush || sync
    }

    /// Writes and syncs everything, for the end of the process.
    pub fn finish(&mut self) {
        let now = self.clock.mono();
        for file in self.files.values_mut() {
            file.flush(&self.data_dir, &self.live, now, true);
            file.sync(now);
            if let Some(error) = file.failure() {
                tracing::error!(%error, bytes = file.held(), "the last ticks could not be written");
            }
            file.close();
        }
    }

    /// Tells what the disk has not confirmed, and what it has lost.
    pub fn tell(&mut self, doubts: &Doubts) {
        let mut unwritten = BTreeMap::new();
        for (name, file) in &self.files {
            if let Some(from) = file.unwritten_from() {
                // Files are in the order of their hours.
                unwritten.entry(Recorded::from(*name)).or_insert(from);
            }
        }
        let lost = self.files.iter_mut().filter_map(|(name, file)| Some((Recorded::from(*name), file.take_lost()?)));
        doubts.tell(unwritten, lost);
    }

    /// Files that the disk refuses, once they hold too much.
    pub fn overfull(&self) -> BTreeSet<HourFile> {
        let failing = || self.files.iter().filter(|(_, file)| file.failure().is_some());
        let held: usize = failing().map(|(_, file)| file.held()).sum();
        if held < MAX_HELD { BTreeSet::new() } else { failing().map(|(name, _)| *name).collect() }
    }

    /// Reports the state of the volume; `refused` ticks were not taken so far.
    pub fn report(&mut self, refused: u64) {
        let now = self.clock.mono();
        let failure = self.files.values().find_map(HourWriter::failure);
        self.failing = failure.map(|_| self.failing.unwrap_or(now));
        let status = StorageStatus {
            writable: failure.is_none(),
            failing_seconds: self.failing.map_or(0.0, |since| seconds(now.saturating_sub(since))),
            dropped: i64::try_from(refused).unwrap_or(i64::MAX),
            message: failure.map(|error| text(&error.to_string())),
            sealing: None,
            retention: None,
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
