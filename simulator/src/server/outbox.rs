//! Frames on their way from the simulator to one client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::journal::sent::Sent;
use crate::market::tick::Tick;
use crate::wire::handshake::Dialect;
use crate::wire::{frame, tick};

/// Ticks are made while fewer bytes than this wait: enough for one write to be worth its system call, little enough
/// to be made in a millisecond and to stay in a processor's cache.
pub(super) const ROOM: usize = 256 * 1_024;

/// Answers beyond this many waiting bytes close the connection: the client does not read.
const MAX_BYTES: usize = 16 * 1_024 * 1_024;

/// Whole frames, and which ticks are among them.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) bytes: Vec<u8>,
    /// The ticks in the order of their frames. The time of the send is still to come.
    pub(super) ticks: Vec<Sent>,
    /// Where the frame of each of them ends in `bytes`.
    pub(super) ends: Vec<usize>,
}

impl Frames {
    /// Whether more ticks should be made now.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < ROOM
    }

    /// Appends a tick as the client is to see it, and which tick it is.
    pub(super) fn push_tick(&mut self, dialect: Dialect, req_id: i32, sent: Sent, shown: &Tick) {
        tick::append(&mut self.bytes, dialect, req_id, sent.stream.tick, shown);
        self.ticks.push(sent);
        self.ends.push(self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ticks.clear();
        self.ends.clear();
    }
}

/// The frames that wait for a client. One task takes them.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
    /// Told when there is room again for ticks that are due.
    room: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: Frames,
    /// Ticks are due and there was no room for them.
    wanted: bool,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(room: Arc<Notify>) -> Self {
        Self { waiting: Mutex::default(), filled: Notify::new(), room }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a body as a frame; false when too much is waiting.
    #[must_use]
    pub(super) fn push(&self, body: &[u8]) -> bool {
        let mut waiting = self.waiting();
        if waiting.frames.bytes.len() + body.len() > MAX_BYTES {
            return false;
        }
        frame::write(&mut waiting.frames.bytes, body);
        self.filled.notify_one();
        true
    }

    /// Appends bytes that need not be a frame.
    pub(super) fn push_raw(&self, bytes: &[u8]) {
        self.waiting().frames.bytes.extend_from_slice(bytes);
        self.filled.notify_one();
    }

    /// Lets ticks be appended. `more` says that there are others for which no room was left.
    pub(super) fn fill(&self, more: impl FnOnce(&mut Frames) -> bool) {
        let mut waiting = self.waiting();
        waiting.wanted = more(&mut waiting.frames);
        if !waiting.frames.bytes.is_empty() {
            self.filled.notify_one();
        }
    }

    /// No more frames will come.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.filled.notify_one();
    }

    /// Takes all that waits, in exchange for the frames that were taken before. False at the end.
    pub(super) async fn take(&self, spent: &mut Frames) -> bool {
        spent.clear();
        loop {
            {
                let mut waiting = self.waiting();
                if !waiting.frames.bytes.is_empty() {
                    std::mem::swap(&mut waiting.frames, spent);
                    if std::mem::take(&mut waiting.wanted) {
                        self.room.notify_one();
                    }
                    return true;
                }
                if waiting.closed {
                    return false;
                }
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hands_over_whole_frames_in_order_and_then_the_end() {
        let outbox = Outbox::new(Arc::default());
        assert!(outbox.push(b"abcd"));
        assert!(outbox.push(b"ef"));
        outbox.close();
        let mut frames = Frames::default();
        assert!(outbox.take(&mut frames).await);
        assert_eq!(frames.bytes, b"\0\0\0\x04abcd\0\0\0\x02ef");
        assert!(!outbox.take(&mut frames).await);
    }

    #[tokio::test]
    async fn asks_for_more_once_there_is_room() {
        let room = Arc::new(Notify::new());
        let outbox = Outbox::new(room.clone());
        outbox.fill(|frames| {
            frames.bytes.resize(ROOM, 0);
            !frames.has_room()
        });
        let mut frames = Frames::default();
        assert!(outbox.take(&mut frames).await);
        room.notified().await;
    }

    #[test]
    fn takes_no_more_answers_than_it_may() {
        let outbox = Outbox::new(Arc::default());
        let body = vec![0; MAX_BYTES / 2];
        assert!(outbox.push(&body));
        assert!(!outbox.push(&body));
    }
}
