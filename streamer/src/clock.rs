//! The two clocks: a monotonic one, by which silence is measured, and the calendar, which trading hours speak of.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    /// Time since the process started. Never goes back.
    pub mono: Duration,
    /// Calendar time. An administrator or NTP may move it.
    pub wall: Timestamp,
}

impl Now {
    /// The monotonic time of a calendar time, as the clocks stand now. What lies before the start of the process
    /// becomes the start.
    #[must_use]
    pub fn mono_of(&self, wall: Timestamp) -> Duration {
        let ahead = wall.duration_since(self.wall);
        if ahead.is_negative() {
            self.mono.saturating_sub(ahead.unsigned_abs())
        } else {
            self.mono.saturating_add(ahead.unsigned_abs())
        }
    }
}

/// Reads both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Of the calendar, ahead of this machine's.
    ahead: SignedDuration,
    /// Milliseconds that were left out.
    skipped: &'static AtomicU64,
}

/// The machine's own clocks leave nothing out.
static NOTHING: AtomicU64 = AtomicU64::new(0);

impl Clock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now(), ahead: SignedDuration::ZERO, skipped: &NOTHING }
    }

    /// A clock whose calendar is ahead of this machine's: for a gateway that lives on another day. It can
    /// [`skip`](Self::skip) time, for which it keeps a few bytes for good.
    #[must_use]
    pub fn ahead_by(ahead: SignedDuration) -> Self {
        Self { origin: Instant::now(), ahead, skipped: Box::leak(Box::default()) }
    }

    /// Leaves time out: both clocks go on as if so much had passed, to the millisecond. Timers that run are not woken.
    ///
    /// # Panics
    /// When these are the machine's own clocks.
    pub fn skip(&self, by: Duration) {
        assert!(!std::ptr::eq(self.skipped, &raw const NOTHING), "the machine's clocks cannot skip");
        self.skipped.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn skipped(&self) -> Duration {
        Duration::from_millis(self.skipped.load(Ordering::Relaxed))
    }

    /// Both clocks at this moment.
    #[must_use]
    pub fn now(&self) -> Now {
        let ahead = self.ahead.saturating_add(SignedDuration::try_from(self.skipped()).unwrap_or(SignedDuration::MAX));
        Now { mono: self.mono(), wall: Timestamp::now().saturating_add(ahead).unwrap_or(Timestamp::MAX) }
    }

    /// The monotonic clock alone.
    #[must_use]
    pub fn mono(&self) -> Duration {
        self.origin.elapsed() + self.skipped()
    }

    /// The runtime's own form of a monotonic time, for its timers.
    #[must_use]
    pub fn instant(&self, mono: Duration) -> tokio::time::Instant {
        // Beyond what the clock can express there is nothing to wait for; a day is as good as never.
        let at = self
            .origin
            .checked_add(mono.saturating_sub(self.skipped()))
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
        tokio::time::Instant::from_std(at)
    }
}
