//! One reader of one contract: what it missed from the files, then each tick as it comes.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::future::select_all;
use marketstream_proto::{
    TickKind, TickMessage,
    layout::{HourFile, SECONDS_PER_HOUR},
};

use super::{Cursor, Hub, Listener, Missed, files::piece};
use crate::backfill::ledger::Recorded;

/// Why a reader gets no more.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// It did not keep up.
    #[error("this reader is too slow: {} ticks did not wait for it; read on from the last id", .0.0)]
    TooSlow(Missed),
    /// A file cannot be read.
    #[error("the stored ticks cannot be read: {0}")]
    Unreadable(io::Error),
}

/// Reads some kinds of ticks of one contract, each tick once, each kind in the order of its files.
#[derive(Debug)]
pub struct Reader {
    hub: Arc<Hub>,
    tails: Vec<Tail>,
    listeners: Vec<Listener>,
    waiting: VecDeque<Arc<TickMessage>>,
    cursor: Cursor,
}

/// The files of one kind, and how far each is read.
#[derive(Debug)]
struct Tail {
    data_dir: PathBuf,
    stream: Recorded,
    offsets: BTreeMap<i64, u64>,
    done: bool,
}

impl Reader {
    /// Reads from now on, or from behind `after`: kinds that it does not name are read from now on, and so is another
    /// contract than its own, such as the next future under the same name. `now_s` is the present, in seconds since 1970.
    #[must_use]
    pub fn new(
        hub: Arc<Hub>,
        data_dir: &Path,
        con_id: i32,
        kinds: &[TickKind],
        after: Option<Cursor>,
        now_s: i64,
    ) -> Self {
        let mut reader = Self {
            hub,
            tails: Vec::new(),
            listeners: Vec::new(),
            waiting: VecDeque::new(),
            cursor: after.filter(|after| after.con_id() == con_id).unwrap_or_else(|| Cursor::new(con_id)),
        };
        for kind in kinds {
            let stream = Recorded { con_id, kind: *kind };
            match reader.cursor.first_hour(*kind) {
                Some(first) => reader.tails.push(Tail::new(data_dir.to_owned(), stream, first, now_s)),
                None => reader.listeners.push(reader.hub.listen(stream)),
            }
        }
        reader
    }

    /// Where the reader is after the last tick that it got.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The next tick.
    ///
    /// # Errors
    /// When there can be no next one.
    pub async fn next(&mut self) -> Result<Arc<TickMessage>, Stopped> {
        loop {
            let tick = match self.waiting.pop_front() {
                Some(tick) => tick,
                None if self.tails.is_empty() => self.hear().await?,
                None => {
                    self.catch_up().await?;
                    continue;
                }
            };
            let Some(kind) = TickKind::parse(&tick.tt) else { continue };
            let hour = HourFile::of_tick(tick.cid, kind, tick.ts).hour;
            if !self.cursor.has(kind, hour, tick.sequence) {
                self.cursor.took(kind, hour, tick.sequence);
                return Ok(tick);
            }
        }
    }

    async fn hear(&mut self) -> Result<Arc<TickMessage>, Stopped> {
        if self.listeners.is_empty() {
            return std::future::pending().await;
        }
        let next = select_all(self.listeners.iter_mut().map(|listener| Box::pin(listener.next())));
        next.await.0.map_err(Stopped::TooSlow)
    }

    /// Reads a piece of what was missed. At the end of the files it listens, and looks at the files once more: what was
    /// written before it listened is there.
    async fn catch_up(&mut self) -> Result<(), Stopped> {
        let Some(mut tail) = self.tails.pop() else { return Ok(()) };
        // The pool has few threads: many readers take turns, piece by piece.
        let read = tokio::task::spawn_blocking(move || tail.piece().map(|ticks| (tail, ticks))).await;
        let (mut tail, ticks) = read.map_err(io::Error::other).flatten().map_err(Stopped::Unreadable)?;
        let end = ticks.is_empty();
        self.waiting.extend(ticks.into_iter().map(Arc::new));
        if !end {
            self.tails.push(tail);
        } else if !tail.done {
            tail.done = true;
            self.listeners.push(self.hub.listen(tail.stream));
            self.tails.push(tail);
        }
        Ok(())
    }
}

impl Tail {
    fn new(data_dir: PathBuf, stream: Recorded, first: i64, now_s: i64) -> Self {
        // A clock that goes ahead of ours may put a tick into the next hour already.
        let hours = (first..=now_s + SECONDS_PER_HOUR).step_by(SECONDS_PER_HOUR as usize);
        Self { data_dir, stream, offsets: hours.map(|hour| (hour, 0)).collect(), done: false }
    }

    /// The next ticks, the oldest hour first; none at the end of the files.
    fn piece(&mut self) -> io::Result<Vec<TickMessage>> {
        for (hour, offset) in &mut self.offsets {
            let file = HourFile { hour: *hour, con_id: self.stream.con_id, kind: self.stream.kind };
            let path = self.data_dir.join(file.path().map_err(io::Error::other)?);
            loop {
                let piece = piece(&path, *offset, |_| true)?;
                *offset = piece.next;
                if !piece.ticks.is_empty() {
                    return Ok(piece.ticks);
                }
                if piece.end {
                    break;
                }
            }
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
