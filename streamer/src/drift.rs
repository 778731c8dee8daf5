//! How far this machine's clock is from IBKR's. Ticks are kept with both times, so whoever reads them must know.
//!
//! Two measures. The gateway tells its time in milliseconds: the answer was given between the question and its arrival,
//! so it is right to half of the way there and back. And ticks carry IBKR's second: none comes before it happened, so
//! the least delay of many is the drift and the shortest way, at most; since seconds are whole it is up to a second
//! more where ticks are few, and tells a clock that is slow at once.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

/// Answers that are compared: the one that came fastest is the most exact, as NTP's clock filter has it.
const KEPT: usize = 8;
/// Answers that are this old say nothing of a clock that may have been set meanwhile.
const HOLDS: Duration = Duration::from_secs(120);
/// Ticks of so long are compared with each other; the window before counts, too.
const WINDOW: Duration = Duration::from_secs(60);
/// A clock that is off by less is a good one, seconds: NTP keeps it well below, and ib-stream called it acceptable.
const GOOD: f64 = 0.05;
/// From here on received times contradict IBKR's seconds.
const WARN: f64 = 1.0;
/// No tick came.
const NONE: i64 = i64::MAX;

/// One answer of the gateway's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it came, on the monotonic clock.
    pub at: Duration,
    /// This machine's clock minus the gateway's, seconds.
    pub drift: f64,
    /// The drift is right to this many seconds.
    pub precision: f64,
}

impl Sample {
    /// Of a question at `asked` whose answer `told` came at `at` on the monotonic clock, when the calendar said `wall`.
    #[must_use]
    pub fn new(asked: Duration, at: Duration, wall: Timestamp, told: Timestamp) -> Self {
        /// The gateway cuts its time off at a millisecond.
        const UNIT: f64 = 0.001;
        let way = at.saturating_sub(asked).as_secs_f64();
        let late = wall.duration_since(told).as_secs_f64();
        Self { at, drift: late - (way + UNIT) / 2.0, precision: f64::midpoint(way, UNIT) }
    }
}

/// What is measured, shared by those who measure with those who tell.
#[derive(Debug)]
pub struct Drift {
    answers: Mutex<Answers>,
    /// Least delay of the ticks of this window, microseconds.
    least: AtomicI64,
    /// The same of the window before.
    least_before: AtomicI64,
}

#[derive(Debug, Default)]
struct Answers {
    samples: VecDeque<Sample>,
    window_began: Duration,
}

impl Default for Drift {
    fn default() -> Self {
        Self { answers: Mutex::default(), least: AtomicI64::new(NONE), least_before: AtomicI64::new(NONE) }
    }
}

impl Drift {
    /// The gateway told its time.
    pub fn sample(&self, sample: Sample) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.samples.len() >= KEPT {
            answers.samples.pop_front();
        }
        answers.samples.push_back(sample);
        if sample.at >= answers.window_began + WINDOW {
            answers.window_began = sample.at;
            self.least_before.store(self.least.swap(NONE, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// A tick came so many microseconds after the begin of its second; before it, when negative.
    pub fn tick(&self, delay_us: i64) {
        self.least.fetch_min(delay_us, Ordering::Relaxed);
    }

    /// The most exact of the gateway's latest answers.
    #[must_use]
    pub fn gateway(&self, now: Duration) -> Option<Sample> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = answers.samples.iter().filter(|sample| sample.at + HOLDS > now);
        fresh.min_by(|one, other| one.precision.total_cmp(&other.precision)).copied()
    }

    /// Least delay of a tick behind its second in the last one or two minutes, seconds; `None` when none came.
    #[must_use]
    pub fn least_delay(&self) -> Option<f64> {
        let [now, before] = [&self.least, &self.least_before].map(|least| least.load(Ordering::Relaxed));
        Some(now.min(before)).filter(|least| *least != NONE).map(|least| least as f64 / 1e6)
    }

    /// What is to be said of it.
    #[must_use]
    pub fn verdict(&self, now: Duration) -> Verdict {
        // A tick from the future is proof, however exact the gateway's clock is known.
        let slow = self.least_delay().map_or(0.0, |least| (-least).max(0.0));
        let Some(sample) = self.gateway(now) else {
            return if slow > WARN { Verdict::Far } else { Verdict::Unknown };
        };
        let certain = (sample.drift.abs() - sample.precision).max(slow);
        match certain {
            certain if certain > WARN => Verdict::Far,
            certain if certain > GOOD => Verdict::Off,
            _ => Verdict::Good,
        }
    }
}

/// How good this machine's clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was measured lately.
    Unknown,
    /// As far as can be told, it is right.
    Good,
    /// It is certainly off by more than 50 ms.
    Off,
    /// It is certainly off by more than a second, so that received times contradict IBKR's.
    Far,
}

impl Verdict {
    /// ib-stream's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "healthy",
            Self::Off => "warning",
            Self::Far => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(f64) -> Duration = Duration::from_secs_f64;

    fn wall(seconds: f64) -> Timestamp {
        Timestamp::from_microsecond(1_795_467_600_000_000 + (seconds * 1e6) as i64).unwrap()
    }

    #[test]
    fn an_answer_is_right_to_half_of_its_way() {
        // Asked at 10.0 s, answered 40 ms later; the gateway said its time somewhere in between, and is 3 s behind.
        for told_after in [0.0, 0.02, 0.04] {
            let told = Timestamp::from_millisecond(wall(10.0 + told_after - 3.0).as_millisecond()).unwrap();
            let sample = Sample::new(S(10.0), S(10.04), wall(10.04), told);
            assert!((sample.drift - 3.0).abs() <= sample.precision + 1e-9, "{sample:?}");
            assert!((sample.precision - 0.0205).abs() < 1e-9);
        }
    }

    #[test]
    fn the_fastest_of_the_latest_answers_counts() {
        let drift = Drift::default();
        assert_eq!((drift.gateway(S(0.0)), drift.verdict(S(0.0))), (None, Verdict::Unknown));
        let sample = |at: f64, drift: f64, precision: f64| Sample { at: S(at), drift, precision };
        drift.sample(sample(1.0, 0.3, 0.001));
        for at in 2..10 {
            drift.sample(sample(f64::from(at), 0.02, 0.01 * f64::from(at)));
        }
        assert_eq!(drift.gateway(S(9.0)), Some(sample(2.0, 0.02, 0.02)), "the first one is forgotten");
        assert_eq!(drift.gateway(S(200.0)), None, "all are too old");
    }

    #[test]
    fn ticks_tell_a_slow_clock_and_their_window_slides() {
        let drift = Drift::default();
        let answer = |at: f64| drift.sample(Sample { at: S(at), drift: 0.0, precision: 5.0 });
        assert_eq!(drift.least_delay(), None);
        drift.tick(900_000);
        drift.tick(40_000);
        drift.tick(500_000);
        assert_eq!(drift.least_delay(), Some(0.04));
        answer(61.0);
        drift.tick(-2_500_000);
        assert_eq!((drift.least_delay(), drift.verdict(S(61.0))), (Some(-2.5), Verdict::Far));
        answer(122.0);
        assert_eq!(drift.least_delay(), Some(-2.5));
        answer(183.0);
        assert_eq!((drift.least_delay(), drift.verdict(S(183.0))), (None, Verdict::Good));
    }

    #[test]
    fn only_what_is_certain_is_said() {
        for (off, precision, verdict) in [
            (0.02, 0.001, Verdict::Good),
            (-0.06, 0.02, Verdict::Good),
            (0.06, 0.001, Verdict::Off),
            (-1.2, 0.3, Verdict::Off),
            (-37.0, 0.3, Verdict::Far),
            (37.0, 0.3, Verdict::Far),
        ] {
            let drift = Drift::default();
            drift.sample(Sample { at: S(1.0), drift: off, precision });
            assert_eq!(drift.verdict(S(2.0)), verdict, "{off} {precision}");
        }
    }
}
