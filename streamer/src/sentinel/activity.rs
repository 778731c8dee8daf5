//! When something happened last, as of a moment that has settled.

use std::{collections::VecDeque, time::Duration};

/// Moments are kept at this distance at least; a line speaks four times a second.
const STEP: Duration = Duration::from_millis(200);
/// Moments that are kept: more than [`SETTLE`](super::decide::SETTLE) is long.
const KEPT: usize = 32;

/// Recent moments of one kind of event, on the monotonic clock.
#[derive(Clone, Debug, Default)]
pub struct Activity(VecDeque<Duration>);

impl Activity {
    /// It happened at `now`.
    pub fn note(&mut self, now: Duration) {
        if self.0.back().is_some_and(|last| now.saturating_sub(*last) < STEP) {
            return;
        }
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// When it happened last, not after `settled`. What is older than what is kept is not known.
    #[must_use]
    pub fn last_before(&self, settled: Duration) -> Option<Duration> {
        self.0.iter().rev().find(|at| **at <= settled).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_last_settled_moment_is_known_however_busy_it_is() {
        let mut activity = Activity::default();
        assert_eq!(activity.last_before(MS(9_000)), None);
        (0..1_000).for_each(|step| activity.note(MS(step * 50)));
        let settled = activity.last_before(MS(45_000)).unwrap();
        assert!(settled <= MS(45_000) && settled + STEP >= MS(45_000), "{settled:?}");
        assert_eq!(activity.last_before(MS(1_000)), None, "forgotten");
        assert!(activity.0.len() <= KEPT);
    }
}
