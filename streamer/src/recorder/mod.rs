//! The recorder: a thread of its own that appends ticks to their hourly files, so that a slow disk never holds up the
//! session, and a broken one never stops it.

mod file;
mod writer;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use marketstream_crds::{Storage, StorageStatus};
use marketstream_proto::TickMessage;
use tokio::sync::watch;

use self::writer::Writer;
use crate::{clock::Clock, facts::Heart, live::Hub};

/// Ticks that may wait for the recorder: ten seconds of the busiest session ever seen (10,000 ticks a second), and at
/// some 300 bytes each well within the pod's memory.
const MAX_QUEUED: usize = 100_000;

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

enum Order {
    Tick(TickMessage),
    Cadence(Cadence),
    Stop,
}

/// Where subscriptions put their ticks.
#[derive(Clone, Debug)]
pub struct Feed {
    orders: mpsc::Sender<Order>,
    queued: Arc<AtomicUsize>,
    overflow: Arc<AtomicUsize>,
}

impl Feed {
    /// Hands a tick over, without waiting. When the recorder is far behind, the tick is dropped and counted.
    pub fn tick(&self, tick: TickMessage) {
        if self.queued.load(Ordering::Relaxed) >= MAX_QUEUED {
            self.overflow.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.queued.fetch_add(1, Ordering::Relaxed);
        if self.orders.send(Order::Tick(tick)).is_err() {
            // The recorder thread has died, which the liveness probe reports.
            self.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ticks that wait for the recorder.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Changes how often the disk is bothered.
    pub fn cadence(&self, cadence: Cadence) {
        // A dead recorder needs no cadence.
        let _ = self.orders.send(Order::Cadence(cadence));
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
        let (orders, inbox) = mpsc::channel();
        let feed = Feed { orders, queued: Arc::default(), overflow: Arc::default() };
        let (report, storage) = watch::channel(StorageStatus { writable: true, ..StorageStatus::default() });
        let (queued, overflow) = (feed.queued.clone(), feed.overflow.clone());
        let live = Arc::<Hub>::default();
        let readers = live.clone();
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            let mut writer = Writer::new(data_dir, cadence, clock, report, overflow, readers);
            run(&inbox, &queued, &mut writer, &heart);
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
        let _ = self.feed.orders.send(Order::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the recorder had died");
        }
    }
}

fn run(inbox: &mpsc::Receiver<Order>, queued: &AtomicUsize, writer: &mut Writer, heart: &Heart) {
    loop {
        heart.beat();
        let mut order = match inbox.recv_timeout(writer.rest()) {
            Ok(order) => Some(order),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => Some(Order::Stop),
        };
        // A whole burst is taken before the clock is looked at, but never so much that a flush is late for long.
        for _ in 0..1_000 {
            match order {
                Some(Order::Tick(tick)) => {
                    queued.fetch_sub(1, Ordering::Relaxed);
                    writer.take(tick);
                }
                Some(Order::Cadence(cadence)) => writer.set_cadence(cadence),
                Some(Order::Stop) => return writer.finish(),
                None => break,
            }
            order = inbox.try_recv().ok();
        }
        writer.turn();
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
