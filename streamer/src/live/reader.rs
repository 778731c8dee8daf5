//! One reader of one contract: what it wants of the files, then each tick as it comes.

use std::{collections::VecDeque, io, path::Path, sync::Arc};

use futures::future::select_all;
use marketstream_proto::{
    Source, TickKind, TickMessage,
    layout::{HourFile, Part},
};
use tokio::task::JoinHandle;

use super::{Cursor, Hub, Listener, Missed, tail::Tail};
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

/// What a reader wants beside the ticks that come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What was missed behind this: of the kinds that it names, and only if it is of the same contract, which the next
    /// future under the same name is not.
    pub after: Option<Cursor>,
    /// What is stored from this IBKR time on, microseconds since 1970, ticks that were fetched included: of the kinds that
    /// `after` does not name.
    pub from_us: Option<i64>,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    /// A tick out of the files.
    Stored(Arc<TickMessage>),
    /// All that was stored has come: from here on each tick as it is written.
    Live,
    /// A tick that was just written.
    Written(Arc<TickMessage>),
}

/// Reads some kinds of ticks of one contract, each tick once, each kind in the order of its files.
pub struct Reader {
    hub: Arc<Hub>,
    tails: Tails,
    listeners: Vec<Listener>,
    /// A piece of a file that is being read. Kept here, so that nothing is lost when nobody waits for it for a moment.
    reading: Option<JoinHandle<io::Result<Read>>>,
    stored: VecDeque<TickMessage>,
    cursor: Cursor,
}

/// What is left of a file, and the next of its ticks.
type Read = (Tail, Option<Vec<TickMessage>>);

/// What is left of the files.
struct Tails {
    /// Those that have more.
    more: Vec<Tail>,
    /// Those that were read to their end.
    ended: Vec<Tail>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// What was there at the begin.
    Past,
    /// What was written before the reader listened.
    Rest,
    /// The files are done.
    Done,
}

impl Reader {
    /// Reads from now on, and before that what is `wanted`.
    #[must_use]
    pub fn new(hub: Arc<Hub>, data_dir: &Path, con_id: i32, kinds: &[TickKind], wanted: Wanted) -> Self {
        let Wanted { after, from_us } = wanted;
        let cursor = after.filter(|after| after.con_id() == con_id).unwrap_or_else(|| Cursor::new(con_id));
        let parts: &[Part] = if from_us.is_some() { &[Part::Live, Part::Backfill] } else { &[Part::Live] };
        let (mut more, mut listeners) = (Vec::new(), Vec::new());
        for kind in kinds {
            let stream = Recorded { con_id, kind: *kind };
            let first = cursor.first_hour(*kind, parts).map(|hour| (hour, i64::MIN));
            match first.or(from_us.map(|from_us| (HourFile::of_tick(con_id, *kind, from_us).hour, from_us))) {
                Some((hour, from_us)) => more.push(Tail::new(data_dir.to_owned(), stream, parts, hour, from_us)),
                None => listeners.push(hub.listen(stream)),
            }
        }
        let phase = if more.is_empty() { Phase::Done } else { Phase::Past };
        let tails = Tails { more, ended: Vec::new(), phase };
        Self { hub, tails, listeners, reading: None, stored: VecDeque::new(), cursor }
    }

    /// Where the reader is after the last tick that it got.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// What comes next. Cancellation loses nothing.
    ///
    /// # Errors
    /// When there can be nothing more.
    pub async fn next(&mut self) -> Result<Got, Stopped> {
        loop {
            if let Some(tick) = self.stored.pop_front() {
                if self.takes(&tick) {
                    return Ok(Got::Stored(Arc::new(tick)));
                }
            } else if self.tails.phase == Phase::Done {
                let tick = self.hear().await?;
                if self.takes(&tick) {
                    return Ok(Got::Written(tick));
                }
            } else {
                self.catch_up().await?;
                if self.tails.phase == Phase::Done {
                    return Ok(Got::Live);
                }
            }
        }
    }

    /// Whether the reader has not had this tick; now it has.
    fn takes(&mut self, tick: &TickMessage) -> bool {
        let Some(kind) = TickKind::parse(&tick.tt) else { return false };
        // Recordings of other programs have no numbers, and are read once.
        if tick.sequence == 0 {
            return true;
        }
        let part = if tick.source() == Source::Backfill { Part::Backfill } else { Part::Live };
        let hour = HourFile::of_tick(tick.cid, kind, tick.ts).hour;
        let is_new = !self.cursor.has(kind, part, hour, tick.sequence);
        if is_new {
            self.cursor.took(kind, part, hour, tick.sequence);
        }
        is_new
    }

    async fn hear(&mut self) -> Result<Arc<TickMessage>, Stopped> {
        if self.listeners.is_empty() {
            return std::future::pending().await;
        }
        let next = select_all(self.listeners.iter_mut().map(|listener| Box::pin(listener.next())));
        next.await.0.map_err(Stopped::TooSlow)
    }

    /// Reads a piece of the files. At their end it listens, and looks at them once more: what was written before it
    /// listened is there.
    async fn catch_up(&mut self) -> Result<(), Stopped> {
        let reading = match &mut self.reading {
            Some(reading) => reading,
            None => match self.tails.next() {
                // The pool has few threads: many readers take turns, piece by piece.
                Some(mut tail) => {
                    self.reading.insert(tokio::task::spawn_blocking(move || tail.piece().map(|piece| (tail, piece))))
                }
                None => {
                    let streams = self.tails.turn();
                    self.listeners.extend(streams.into_iter().map(|stream| self.hub.listen(stream)));
                    return Ok(());
                }
            },
        };
        let read = reading.await;
        self.reading = None;
        let (tail, piece) = read.map_err(io::Error::other).flatten().map_err(Stopped::Unreadable)?;
        match piece {
            Some(ticks) => {
                self.stored.extend(ticks);
                self.tails.more.push(tail);
            }
            None => self.tails.ended.push(tail),
        }
        Ok(())
    }
}

impl Tails {
    /// The one to read on in: hour by hour, so that kinds stay together.
    fn next(&mut self) -> Option<Tail> {
        let oldest = (0..self.more.len()).min_by_key(|at| (self.more[*at].hour(), self.more[*at].stream().kind))?;
        Some(self.more.swap_remove(oldest))
    }

    /// All are at their end: returns which streams are to be listened to, before they are looked at once more. Nobody
    /// listens earlier, since ticks of one would wait in a queue while another is read.
    fn turn(&mut self) -> Vec<Recorded> {
        if self.phase == Phase::Past {
            self.phase = Phase::Rest;
            self.more.append(&mut self.ended);
            self.more.iter().map(Tail::stream).collect()
        } else {
            self.phase = Phase::Done;
            Vec::new()
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
