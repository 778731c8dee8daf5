//! The beat of a stream: its last tick, and its pauses as far as they may tell of a loss.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use crate::clock::Now;

/// The beat of one stream, written by its subscription on every tick and read by everybody else.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Monotonic microseconds of the last tick, plus one; 0 before the first.
    last_mono: AtomicU64,
    /// Calendar microseconds of the last tick.
    last_wall: AtomicI64,
    /// IBKR's second of the last tick; 0 before the first.
    last_second: AtomicI64,
    ticks: AtomicU64,
    corrupt: AtomicU64,
    /// Monotonic microseconds of the last tick that cannot be true, plus one; 0 before the first.
    corrupt_mono: AtomicU64,
    corrupt_reason: Mutex<String>,
    delayed: AtomicBool,
    /// Microseconds without a tick that the engine calls a silence; 0 before it has said so.
    patience: AtomicU64,
    pauses: Mutex<Pauses>,
    /// Whether the engine wants to hear of the next tick: in most states a tick changes nothing.
    pub alert: AtomicBool,
}

/// A pause of a stream for so long is remembered: what the gateway says of a link that it had lost may be about it.
const NOTABLE: Duration = Duration::from_secs(1);

/// Ticks and notices overtake each other by less than this: they reach us on different ways.
pub const EDGE: Duration = Duration::from_secs(1);

/// What is remembered of the times without ticks.
#[derive(Debug, Default)]
struct Pauses {
    last: Option<Pause>,
    /// Moments at which a link was lost that is not back, and the pause in which each of them lies.
    watched: Vec<(Duration, Option<Pause>)>,
    /// The first one since the engine asked last that was as long as a silence.
    silence: Option<Pause>,
}

/// A time without ticks that a tick has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When the tick before it came, on the monotonic clock.
    pub since: Duration,
    /// IBKR's second of that tick, since 1970.
    pub second: i64,
    /// When the tick came that ended it, on the monotonic clock.
    pub until: Duration,
    /// IBKR's second of that tick, since 1970.
    pub next: i64,
}

impl Pauses {
    fn note(&mut self, pause: Pause) {
        self.last = Some(pause);
        // One tick that was under way makes two pauses of one.
        for (_, known) in self.watched.iter_mut().filter(|(at, _)| pause.since <= *at + EDGE && pause.until >= *at) {
            let Pause { since, second, .. } = known.unwrap_or(pause);
            *known = Some(Pause { since, second, ..pause });
        }
    }
}

impl Pulse {
    /// A tick-by-tick tick came and was kept, with IBKR's second. Returns whether the engine wants to hear of it, as it
    /// always does when the tick has ended a silence: that must not depend on whether somebody looked while it lasted.
    pub fn tick(&self, now: Now, second: i64) -> bool {
        let since = self.last_tick().unwrap_or(now.mono);
        let length = now.mono.saturating_sub(since);
        let patience = Duration::from_micros(self.patience.load(Ordering::Relaxed));
        let silent = !patience.is_zero() && length >= patience;
        if (silent || length >= NOTABLE)
            && let Some(before) = self.last_second()
        {
            let pause = Pause { since, second: before, until: now.mono, next: second };
            let mut pauses = self.pauses();
            pauses.note(pause);
            if silent {
                pauses.silence.get_or_insert(pause);
            }
        }
        self.at_second(second);
        self.beat(now) || silent
    }

    /// After how long without ticks it is silent: its `staleAfter`.
    pub fn expect(&self, patience: Duration) {
        self.patience.store(u64::try_from(patience.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The first silence that has ended since this was asked last.
    pub fn take_silence(&self) -> Option<Pause> {
        self.pauses().silence.take()
    }

    /// The last pause that was longer than a second.
    pub fn last_pause(&self) -> Option<Pause> {
        self.pauses().last
    }

    /// At these moments links were lost that are not back.
    pub fn watch(&self, lost: &[Duration]) {
        let pauses = &mut *self.pauses();
        pauses.watched.retain(|(at, _)| lost.contains(at));
        let new = lost.iter().filter(|at| pauses.watched.iter().all(|(known, _)| known != *at));
        let new: Vec<_> = new.map(|at| (*at, None)).collect();
        pauses.watched.extend(new);
    }

    /// The pause in which a watched moment lies, if it has ended.
    pub fn pause_at(&self, lost: Duration) -> Option<Pause> {
        self.pauses().watched.iter().find(|(at, _)| *at == lost)?.1
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tick came and was kept. Returns whether the engine wants to hear of it.
    pub fn beat(&self, now: Now) -> bool {
        self.flows(now);
        self.ticks.fetch_add(1, Ordering::Relaxed);
        // Only the engine sets it, so what is not set need not be cleared.
        self.alert.load(Ordering::Relaxed) && self.alert.swap(false, Ordering::Relaxed)
    }

    /// A tick came.
    pub fn flows(&self, now: Now) {
        self.last_mono.store(stamp(now), Ordering::Relaxed);
        self.last_wall.store(now.wall.as_microsecond(), Ordering::Relaxed);
    }

    /// IBKR's second of the tick that comes.
    pub fn at_second(&self, second: i64) {
        self.last_second.store(second, Ordering::Relaxed);
    }

    /// IBKR's second of the last tick, since 1970.
    #[must_use]
    pub fn last_second(&self) -> Option<i64> {
        Some(self.last_second.load(Ordering::Relaxed)).filter(|second| *second > 0)
    }

    /// A tick came that cannot be true, for this reason, and was put aside.
    pub fn corrupt(&self, now: Now, reason: &str) {
        reason.clone_into(&mut self.corrupt_reason.lock().unwrap_or_else(PoisonError::into_inner));
        self.corrupt.fetch_add(1, Ordering::Relaxed);
        self.corrupt_mono.store(stamp(now), Ordering::Relaxed);
    }

    /// When the last one came that cannot be true, on the monotonic clock, and what was wrong with it.
    #[must_use]
    pub fn last_corrupt(&self) -> Option<(Duration, String)> {
        let at = self.corrupt_mono.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_micros)?;
        Some((at, self.corrupt_reason.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// IBKR says whether it sends delayed data.
    pub fn delayed(&self, delayed: bool) {
        self.delayed.store(delayed, Ordering::Relaxed);
    }

    /// Whether the data are delayed.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        self.delayed.load(Ordering::Relaxed)
    }

    /// When the last tick came, on the monotonic clock.
    #[must_use]
    pub fn last_tick(&self) -> Option<Duration> {
        self.last_mono.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_micros)
    }

    /// When the last tick came, on the calendar.
    #[must_use]
    pub fn last_tick_time(&self) -> Option<Timestamp> {
        self.last_tick().and_then(|_| Timestamp::from_microsecond(self.last_wall.load(Ordering::Relaxed)).ok())
    }

    /// Ticks so far.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Ticks so far that cannot be true.
    #[must_use]
    pub fn corrupt_ticks(&self) -> u64 {
        self.corrupt.load(Ordering::Relaxed)
    }
}

fn stamp(now: Now) -> u64 {
    u64::try_from(now.mono.as_micros()).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_pulse_alerts_once() {
        let (clock, pulse) = (Clock::start(), Pulse::default());
        assert_eq!((pulse.last_tick(), pulse.last_tick_time()), (None, None));
        assert!(!pulse.beat(clock.now()));
        pulse.alert.store(true, Ordering::Relaxed);
        assert!(pulse.beat(clock.now()) && !pulse.beat(clock.now()));
        assert_eq!(pulse.ticks(), 3);
        assert!(pulse.last_tick().is_some() && pulse.last_tick_time().is_some());
    }
}
