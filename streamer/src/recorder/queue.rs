//! Ticks on their way from the session to the recorder: encoded at once into one buffer, which is bounded in bytes. No
//! tick costs an allocation, and none wakes the recorder unless much waits.

use std::{
    collections::BTreeSet,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use marketstream_proto::{
    TickKind, TickMessage, framing,
    layout::{HourFile, TIMES},
};

use super::{Cadence, room};

/// Bytes that may wait: some 100,000 ticks, ten seconds of the busiest session ever seen (10,000 ticks a second).
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// How long a full queue is waited for. What comes meanwhile waits in the socket's buffers: a disk that is slow for a
/// moment costs no tick. One that takes nothing for longer stands still, and must not hold up the session.
const PATIENCE: Duration = Duration::from_secs(1);
/// When so much waits, it is written before its time: enough for a write to be worth its system call, little enough to
/// stay in a processor's cache.
pub const MUCH: usize = 256 * 1024;

/// What waits, and what it waits for.
#[derive(Debug, Default)]
pub struct Batch {
    /// Which file each record belongs to, and how many of `bodies`' bytes it has.
    heads: Vec<(HourFile, usize)>,
    /// The records, encoded without frame and number.
    bodies: Vec<u8>,
    cadence: Option<Cadence>,
    stop: bool,
}

impl Batch {
    /// The records in the order they came.
    pub fn records(&self) -> impl Iterator<Item = (HourFile, &[u8])> {
        let mut rest = self.bodies.as_slice();
        self.heads.iter().map(move |(file, bytes)| {
            let (body, behind) = rest.split_at(*bytes);
            rest = behind;
            (*file, body)
        })
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> usize {
        self.bodies.len()
    }

    /// A new rhythm, if one was set.
    pub fn cadence(&self) -> Option<Cadence> {
        self.cadence
    }

    /// Whether this is the end.
    pub fn is_last(&self) -> bool {
        self.stop
    }

    fn clear(&mut self) {
        room::empty(&mut self.heads, MUCH / MIN_RECORD);
        room::empty(&mut self.bodies, MUCH);
        self.cadence = None;
        self.stop = false;
    }
}

/// No record of a real tick is smaller, bytes.
const MIN_RECORD: usize = 32;

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    /// Files that nothing is taken for.
    closed: BTreeSet<HourFile>,
    /// A full queue was waited for in vain: until the recorder takes what waits, nobody waits again.
    stalled: bool,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.batch.bodies.len() >= MAX_BYTES
    }
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    emptied: Condvar,
    refused: AtomicU64,
}

impl Queue {
    /// Appends a tick. False if it was refused: the queue is full, the tick's file takes nothing, or the layout has no
    /// place for it.
    pub fn push(&self, tick: &TickMessage) -> bool {
        let pushed = TickKind::parse(&tick.tt)
            .filter(|_| TIMES.contains(&tick.ts))
            .is_some_and(|kind| self.append(HourFile::of_tick(tick.cid, kind, tick.ts), tick));
        if !pushed {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        pushed
    }

    fn append(&self, file: HourFile, tick: &TickMessage) -> bool {
        let mut waiting = self.lock();
        if waiting.closed.contains(&file) {
            return false;
        }
        if waiting.is_full() && !waiting.stalled {
            let outcome = self.emptied.wait_timeout_while(waiting, PATIENCE, |waiting| waiting.is_full());
            waiting = outcome.unwrap_or_else(PoisonError::into_inner).0;
            waiting.stalled = waiting.is_full();
        }
        if waiting.is_full() {
            return false;
        }
        let batch = &mut waiting.batch;
        let before = batch.bodies.len();
        let Ok(bytes) = framing::encode_unnumbered(&mut batch.bodies, tick) else { return false };
        batch.heads.push((file, bytes));
        if before < MUCH && before + bytes >= MUCH {
            self.filled.notify_one();
        }
        true
    }

    pub fn set_cadence(&self, cadence: Cadence) {
        self.lock().batch.cadence = Some(cadence);
        self.filled.notify_one();
    }

    pub fn stop(&self) {
        self.lock().batch.stop = true;
        self.filled.notify_one();
    }

    /// From now on nothing is taken for these files, and for no others.
    pub fn close(&self, files: BTreeSet<HourFile>) {
        self.lock().closed = files;
    }

    /// Ticks that were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Ticks that wait.
    pub fn ticks(&self) -> usize {
        self.lock().batch.heads.len()
    }

    /// Takes all that waits into `batch`, after at most `rest`, sooner when much waits.
    pub fn take(&self, batch: &mut Batch, rest: Duration) {
        batch.clear();
        let idle = |waiting: &mut Waiting| {
            let batch = &waiting.batch;
            !batch.stop && batch.cadence.is_none() && batch.bodies.len() < MUCH
        };
        let outcome = self.filled.wait_timeout_while(self.lock(), rest, idle);
        let mut waiting = outcome.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::swap(&mut waiting.batch, batch);
        waiting.stalled = false;
        self.emptied.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick() -> TickMessage {
        TickMessage { ts: 1_795_467_600_000_000, cid: 7, tt: "last".to_owned(), p: Some(1.0), ..TickMessage::default() }
    }

    #[test]
    fn a_full_queue_refuses_and_counts_and_takes_again_when_it_was_emptied() {
        let queue = Queue::default();
        let mut taken = 0_u64;
        while queue.push(&tick()) {
            taken += 1;
        }
        let bytes = queue.lock().batch.bytes();
        assert!((MAX_BYTES..MAX_BYTES + 100).contains(&bytes), "{bytes}");
        assert_eq!(queue.refused(), 1);
        let mut batch = Batch::default();
        queue.take(&mut batch, Duration::ZERO);
        assert_eq!(batch.records().count() as u64, taken);
        assert!(queue.push(&tick()));
        // Two batches take turns, and each gives back what it did not need in its last one.
        for _ in 0..4 {
            queue.take(&mut batch, Duration::ZERO);
        }
        let room = batch.bodies.capacity() + queue.lock().batch.bodies.capacity();
        assert!(room < MUCH, "the room of a stall is given back: {room}");
    }

    #[test]
    fn a_full_queue_waits_for_a_recorder_that_is_slow_for_a_moment() {
        let queue = Queue::default();
        while !queue.lock().is_full() {
            assert!(queue.push(&tick()));
        }
        std::thread::scope(|scope| {
            scope.spawn(|| queue.take(&mut Batch::default(), Duration::ZERO));
            assert!(queue.push(&tick()) && queue.refused() == 0);
        });
        assert_eq!(queue.ticks(), 1);
    }

    #[test]
    fn what_the_layout_has_no_place_for_is_refused() {
        let queue = Queue::default();
        for wrong in [
            TickMessage { tt: "quotes".to_owned(), ..tick() },
            TickMessage { ts: -1, ..tick() },
            TickMessage { ts: TIMES.end, ..tick() },
            TickMessage { exchange: Some("x".repeat(framing::MAX_RECORD_BYTES)), ..tick() },
        ] {
            assert!(!queue.push(&wrong));
        }
        assert_eq!((queue.refused(), queue.ticks()), (4, 0));
    }

    #[test]
    fn a_file_that_takes_nothing_holds_up_no_other() {
        let queue = Queue::default();
        let next_hour = TickMessage { ts: tick().ts + 3_600_000_000, ..tick() };
        queue.close([HourFile::of_tick(7, TickKind::Last, tick().ts)].into());
        assert_eq!((queue.push(&tick()), queue.push(&next_hour), queue.refused()), (false, true, 1));
        queue.close(BTreeSet::new());
        assert!(queue.push(&tick()));
    }

    #[test]
    fn orders_wake_the_recorder_at_once() {
        let queue = Queue::default();
        let mut batch = Batch::default();
        let long = Duration::from_secs(600);
        queue.set_cadence(Cadence { flush: long, sync: long });
        queue.take(&mut batch, long);
        assert_eq!(batch.cadence().map(|cadence| cadence.flush), Some(long));
        queue.stop();
        queue.take(&mut batch, long);
        assert!(batch.is_last());
    }
}
