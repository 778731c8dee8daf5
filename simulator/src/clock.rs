//! The gateway's clock: real time, faster, slower, or set. Everything here that has a date reads it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Fastest speed, simulated seconds in a real one.
pub const MAX_SPEED: f64 = 100_000.0;

/// The times that the clock may be set to: what fits the wire's and the journal's 32 bits of seconds.
const RANGE_S: std::ops::RangeInclusive<i64> = 0..=4_294_967_295;

/// A setting of the clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockSetting {
    /// The moment it is at, microseconds since the epoch; the real time when absent.
    pub at_us: Option<i64>,
    /// Simulated seconds in a real second, 0 (stands still) to [`MAX_SPEED`].
    pub speed: f64,
}

impl Default for ClockSetting {
    fn default() -> Self {
        Self { at_us: None, speed: 1.0 }
    }
}

/// Why a clock cannot be set so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClockError {
    /// Not a speed.
    #[error("speed must be 0 to {MAX_SPEED}, not {0}")]
    Speed(f64),
    /// Not a time.
    #[error("the time must lie between 1970 and 2106")]
    Time,
}

/// A clock that can be set while it runs.
#[derive(Debug)]
pub struct Clock(Mutex<Reading>);

/// Where the clock was at a moment, and how fast it goes on.
#[derive(Debug)]
struct Reading {
    /// `None` while the clock is the system's own, so that a step of that one is followed.
    since: Option<(Instant, i64)>,
    speed: f64,
}

impl Reading {
    fn now_us(&self) -> i64 {
        match self.since {
            None => Timestamp::now().as_microsecond(),
            Some((from, at_us)) => at_us + (from.elapsed().as_secs_f64() * self.speed * 1e6) as i64,
        }
    }
}

impl Clock {
    /// A clock that goes from now on.
    ///
    /// # Errors
    /// When the setting is out of range.
    pub fn new(setting: ClockSetting) -> Result<Self, ClockError> {
        let clock = Self(Mutex::new(Reading { since: None, speed: 1.0 }));
        clock.set(setting)?;
        Ok(clock)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment, microseconds since the epoch.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.reading().now_us()
    }

    /// Simulated seconds in a real second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.reading().speed
    }

    /// Sets the moment and the speed. Without a moment and at speed 1 it is the system's clock again.
    ///
    /// # Errors
    /// When the setting is out of range; the clock goes on as before.
    pub fn set(&self, setting: ClockSetting) -> Result<(), ClockError> {
        let ClockSetting { at_us, speed } = setting;
        if !(0.0..=MAX_SPEED).contains(&speed) {
            return Err(ClockError::Speed(speed));
        }
        if at_us.is_some_and(|at| !RANGE_S.contains(&at.div_euclid(1_000_000))) {
            return Err(ClockError::Time);
        }
        let at_us = match at_us {
            None if speed != 1.0 => Some(Timestamp::now().as_microsecond()),
            at_us => at_us,
        };
        *self.reading() = Reading { since: at_us.map(|at| (Instant::now(), at)), speed };
        Ok(())
    }

    /// How much real time passes until a moment of this clock; `None` while it stands still before it.
    #[must_use]
    pub fn until(&self, at_us: i64) -> Option<Duration> {
        let reading = self.reading();
        let left = at_us - reading.now_us();
        match (left, reading.speed) {
            (..=0, _) => Some(Duration::ZERO),
            (_, speed) if speed <= 0.0 => None,
            (left, speed) => Some(Duration::from_secs_f64(left as f64 / 1e6 / speed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_800_000_000_000_000;

    #[test]
    fn goes_at_its_speed_from_where_it_was_set() {
        let clock = Clock::new(ClockSetting { at_us: Some(AT), speed: 0.0 }).unwrap();
        assert_eq!((clock.now_us(), clock.until(AT), clock.until(AT + 1)), (AT, Some(Duration::ZERO), None));
        clock.set(ClockSetting { at_us: Some(AT), speed: 1_000.0 }).unwrap();
        let real = Instant::now();
        std::thread::sleep(Duration::from_millis(20));
        let passed = clock.now_us() - AT;
        assert!(passed >= 20_000_000, "{passed}");
        assert!(passed <= (real.elapsed().as_micros() as i64 + 20_000) * 1_000, "{passed}");
        assert!(clock.until(AT + 3_600_000_000).unwrap() <= Duration::from_millis(3_600));
    }

    #[test]
    fn is_the_system_clock_unless_it_is_set() {
        let clock = Clock::new(ClockSetting::default()).unwrap();
        let before = Timestamp::now().as_microsecond();
        assert!(clock.now_us() >= before);
        clock.set(ClockSetting { at_us: Some(0), speed: 1.0 }).unwrap();
        assert!(clock.now_us() < before);
        clock.set(ClockSetting::default()).unwrap();
        assert!(clock.now_us() >= before);
    }

    #[test]
    fn refuses_what_it_cannot_be() {
        let clock = Clock::new(ClockSetting::default()).unwrap();
        for speed in [-1.0, f64::NAN, f64::INFINITY, 200_000.0] {
            assert!(matches!(clock.set(ClockSetting { at_us: None, speed }), Err(ClockError::Speed(_))), "{speed}");
        }
        for at_us in [-1, i64::MAX] {
            assert_eq!(clock.set(ClockSetting { at_us: Some(at_us), speed: 1.0 }), Err(ClockError::Time));
        }
        assert_eq!(clock.speed().to_bits(), 1.0_f64.to_bits());
    }
}
