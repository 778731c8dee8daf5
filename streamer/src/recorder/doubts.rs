//! What the disk has not confirmed, and what it has lost: the recorder says so, the engine keeps it in the ledger of gaps.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::backfill::ledger::Recorded;

/// The state of the recordings on the disk, by stream; each value is the IBKR second of the first tick that is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// From here on ticks are in memory only: the disk has refused them, or has not kept its word. They are written again
    /// and again; should the process end before that succeeds, they are lost.
    pub unwritten: BTreeMap<Recorded, i64>,
    /// From here on ticks were found to be lost.
    pub lost: BTreeMap<Recorded, i64>,
    /// The recorder has ended.
    pub ended: bool,
}

/// Carries it from the recorder to the engine. Bounded by the number of streams.
#[derive(Debug, Default)]
pub struct Doubts {
    trouble: Mutex<Trouble>,
    changed: Notify,
}

impl Doubts {
    /// Returns when there is something new to [`take`](Self::take).
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is unwritten now, and what was lost since the last call.
    #[must_use]
    pub fn take(&self) -> Trouble {
        let mut trouble = self.lock();
        Trouble { lost: std::mem::take(&mut trouble.lost), ..trouble.clone() }
    }

    /// The recorder looked at all its files.
    pub(super) fn tell(&self, unwritten: BTreeMap<Recorded, i64>, lost: impl Iterator<Item = (Recorded, i64)>) {
        let mut trouble = self.lock();
        let before = trouble.clone();
        trouble.unwritten = unwritten;
        for (stream, from) in lost {
            let known = trouble.lost.entry(stream).or_insert(from);
            *known = from.min(*known);
        }
        if *trouble != before {
            self.changed.notify_one();
        }
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
