//! From the recorder's thread to the readers' queues.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering, fence},
    },
};

use marketstream_proto::{TickMessage, framing::Reader, layout::HourFile};
use tokio::sync::broadcast;

use crate::backfill::ledger::Recorded;

/// Ticks that wait for the slowest reader of a stream: almost a second of the busiest session ever seen (10,000 a
/// second), and at some 350 bytes each less than 3 MiB.
const QUEUE: usize = 8_192;

/// What the recorder writes, for those who listen.
#[derive(Debug, Default)]
pub struct Hub {
    listeners: AtomicUsize,
    streams: Mutex<HashMap<Recorded, broadcast::Sender<Arc<TickMessage>>>>,
}

impl Hub {
    /// Whether anybody listens to any stream.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        // Pairs with the fence of `listen`: who counts as a listener only after this look at the counter looks at the
        // files after what was written before it.
        fence(Ordering::SeqCst);
        self.listeners.load(Ordering::Relaxed) > 0
    }

    /// How many listen.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }

    /// These framed records were appended to `file`. Called after the write, so that a reader who looks at the file and
    /// listens before that misses nothing.
    pub fn wrote(&self, file: HourFile, records: &[u8]) {
        if !self.is_heard() {
            return;
        }
        let stream = Recorded { con_id: file.con_id, kind: file.kind };
        let Some(sender) = self.streams().get(&stream).cloned() else { return };
        for tick in Reader::new(records).flatten() {
            // The last listener may just have left.
            let _ = sender.send(Arc::new(tick));
        }
    }

    /// Listens to a stream from now on.
    #[must_use]
    pub fn listen(self: &Arc<Self>, stream: Recorded) -> Listener {
        let queue = {
            let mut streams = self.streams();
            self.listeners.fetch_add(1, Ordering::Relaxed);
            streams.entry(stream).or_insert_with(|| broadcast::channel(QUEUE).0).subscribe()
        };
        fence(Ordering::SeqCst);
        Listener { hub: self.clone(), stream, queue: Some(queue) }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<Recorded, broadcast::Sender<Arc<TickMessage>>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue did not hold all ticks: so many are lost to this listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed(pub u64);

/// Hears each tick of one stream, in the order of the files.
#[derive(Debug)]
pub struct Listener {
    hub: Arc<Hub>,
    stream: Recorded,
    /// `None` only while it is dropped.
    queue: Option<broadcast::Receiver<Arc<TickMessage>>>,
}

impl Listener {
    /// Which stream.
    #[must_use]
    pub fn stream(&self) -> Recorded {
        self.stream
    }

    /// The next tick. Cancellation loses nothing.
    ///
    /// # Errors
    /// When ticks were lost to this listener.
    pub async fn next(&mut self) -> Result<Arc<TickMessage>, Missed> {
        let Some(queue) = &mut self.queue else { return std::future::pending().await };
        match queue.recv().await {
            Ok(tick) => Ok(tick),
            Err(broadcast::error::RecvError::Lagged(count)) => Err(Missed(count)),
            // The hub keeps the sender while it has a listener.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut streams = self.hub.streams();
        self.queue = None;
        if streams.get(&self.stream).is_some_and(|sender| sender.receiver_count() == 0) {
            streams.remove(&self.stream);
        }
        self.hub.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use marketstream_proto::{TickKind, framing};

    use super::*;

    const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };

    fn records(sequences: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for sequence in sequences {
            framing::append(&mut bytes, &TickMessage { cid: 7, sequence, ..TickMessage::default() }).unwrap();
        }
        bytes
    }

    fn file(kind: TickKind) -> HourFile {
        HourFile { hour: 0, con_id: 7, kind }
    }

    #[tokio::test]
    async fn each_listener_hears_its_stream_from_then_on() {
        let hub = Arc::new(Hub::default());
        hub.wrote(file(TickKind::Last), &records([1]));
        let (mut one, mut other) = (hub.listen(STREAM), hub.listen(STREAM));
        hub.wrote(file(TickKind::BidAsk), &records([9]));
        hub.wrote(file(TickKind::Last), &records([2, 3]));
        for listener in [&mut one, &mut other] {
            assert_eq!(listener.next().await.map(|tick| tick.sequence), Ok(2));
            assert_eq!(listener.next().await.map(|tick| tick.sequence), Ok(3));
        }
        drop(one);
        assert!(hub.is_heard());
        drop(other);
        assert!(!hub.is_heard() && hub.streams().is_empty());
    }

    #[tokio::test]
    async fn a_listener_that_does_not_listen_is_told_what_it_missed_and_others_miss_nothing() {
        let hub = Arc::new(Hub::default());
        let (mut slow, mut quick) = (hub.listen(STREAM), hub.listen(STREAM));
        let all = QUEUE as u64 + 10;
        for sequence in 1..=all {
            hub.wrote(file(TickKind::Last), &records([sequence]));
            assert_eq!(quick.next().await.map(|tick| tick.sequence), Ok(sequence));
        }
        assert_eq!(slow.next().await, Err(Missed(10)));
    }
}
