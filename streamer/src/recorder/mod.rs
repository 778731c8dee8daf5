//! The recorder: a thread of its own that appends ticks to their hourly files, so that a disk that is slow for a moment
//! loses nothing and holds the session up for a second at most, and a broken one never stops it.

mod doubts;
mod file;
mod queue;
mod room;
mod writer;

use std::{
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use marketstream_crds::{Storage, StorageStatus};
use marketstream_proto::TickMessage;
use tokio::sync::watch;

pub use self::doubts::{Doubts, Trouble};
use self::{
    queue::{Batch, MUCH, Queue},
    writer::Writer,
};
use crate::{clock::Clock, facts::Heart, live::Hub};

/// How often the disk is bothered (`spec.storage`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// How long a tick may stay in memory.
    pub flush: Duration,
    /// How long a written tick may wait for the disk's own confirmation.
    pub sync: Duration,
}

impl From<&Storage> for Cadence {
    fn from(storage: &Storage) -> Self {
        Self { flush: storage.flush_interval.get(), sync: storage.sync_interval.get() }
    }
}

/// Where subscriptions put their ticks.
#[derive(Clone, Debug)]
pub struct Feed {
    queue: Arc<Queue>,
    doubts: Arc<Doubts>,
}

impl Feed {
    /// Hands a tick over. Waits only when the recorder is far behind, and then for a second at most. Returns whether it was
    /// taken: it is not when the recorder stays behind or the
    /// disk has refused the tick's file for long, or when the tick has no place in the layout. Whoever hands it over reports
    /// the loss as a gap.
    #[must_use = "a tick that was not taken is a gap"]
    pub fn tick(&self, tick: &TickMessage) -> bool {
        self.queue.push(tick)
    }

    /// Ticks that wait for the recorder.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.ticks()
    }

    /// Changes how often the disk is bothered.
    pub fn cadence(&self, cadence: Cadence) {
        self.queue.set_cadence(cadence);
    }

    /// What the disk has not confirmed, and what it has lost.
    #[must_use]
    pub fn doubts(&self) -> &Doubts {
        &self.doubts
    }

    /// Has the recorder write and sync what has come so far, and end.
    pub fn end(&self) {
        self.queue.stop();
    }
}

/// The running recorder.
#[derive(Debug)]
pub struct Recorder {
    thread: JoinHandle<()>,
    feed: Feed,
    storage: watch::Receiver<StorageStatus>,
    live: Arc<Hub>,
}

impl Recorder {
    /// Starts it on this data directory.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(data_dir: PathBuf, cadence: Cadence, clock: Clock, heart: Arc<Heart>) -> std::io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let doubts = Arc::<Doubts>::default();
        let feed = Feed { queue: queue.clone(), doubts: doubts.clone() };
        let (report, storage) = watch::channel(StorageStatus { writable: true, ..StorageStatus::default() });
        let live = Arc::<Hub>::default();
        let readers = live.clone();
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            let mut writer = Writer::new(data_dir, cadence, clock, report, readers);
            run(&queue, &doubts, &mut writer, &heart);
            doubts.end();
        })?;
        Ok(Self { thread, feed, storage, live })
    }

    /// Where ticks go.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// The state of the volume.
    #[must_use]
    pub fn storage(&self) -> watch::Receiver<StorageStatus> {
        self.storage.clone()
    }

    /// What it writes, for live readers.
    #[must_use]
    pub fn live(&self) -> Arc<Hub> {
        self.live.clone()
    }

    /// Writes and syncs what has come so far, then ends. Blocks as long as the disk takes.
    pub fn stop(self) {
        self.feed.end();
        if self.thread.join().is_err() {
            tracing::error!("the recorder had died");
        }
    }
}

fn run(queue: &Queue, doubts: &Doubts, writer: &mut Writer, heart: &Heart) {
    let mut batch = Batch::default();
    loop {
        heart.beat();
        queue.take(&mut batch, writer.rest());
        if let Some(cadence) = batch.cadence() {
            writer.set_cadence(cadence);
        }
        writer.take(&batch);
        let last = batch.is_last();
        if last {
            writer.finish();
        }
        if last || writer.turn(batch.bytes() >= MUCH) {
            writer.tell(doubts);
            queue.close(writer.overfull());
            // After all that it says is so.
            writer.report(queue.refused());
        }
        if last {
            return;
        }
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
