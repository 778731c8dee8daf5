//! After a farm or the link to IBKR has come back, or another session has ended: do ticks come again, as we are told?

use std::{collections::BTreeMap, time::Duration};

use marketstream_recovery::hours::SessionState;

use super::{Engine, streams::AFTER_CANCEL};
use crate::{clock::Now, plan::StreamKey};

/// Notices come in bursts; the last one counts.
const SETTLE: Duration = Duration::from_secs(10);
/// A farm that comes and goes does not postpone the look for longer than this.
const LONGEST_SETTLE: Duration = Duration::from_secs(40);
/// What has not ticked within this time of an open market is asked for again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be looked at since something was restored.
#[derive(Debug, Default)]
pub struct Verification {
    streams: BTreeMap<StreamKey, Unproven>,
    lines: BTreeMap<String, Unproven>,
}

/// Nothing has come since something was restored. On the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Unproven {
    /// When that was told first.
    first: Duration,
    /// When it was told last.
    last: Duration,
}

/// What came of a look.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Data come, or it is to be asked for in any case.
    Done,
    /// It is too early to say; when the next look is due, if that is known.
    Later(Option<Duration>),
    /// It is to be asked for again.
    Silent,
}

impl Unproven {
    /// Looks at what has spoken last at `spoken`, and was asked for at `asked` if its subscription runs.
    fn look(&mut self, spoken: Option<Duration>, asked: Option<Duration>, hours: SessionState, now: Now) -> Look {
        let since = |moment: Duration| spoken.is_some_and(|spoken| spoken >= moment);
        if since(self.last) {
            return Look::Done;
        }
        let opened = match hours {
            SessionState::Open { since, .. } => now.mono_of(since),
            SessionState::Closed { until } => return Look::Later(until.map(|until| now.mono_of(until) + PATIENCE)),
            SessionState::Unknown => Duration::ZERO,
        };
        let from = opened.max(asked.unwrap_or_default());
        let due = self.due(from);
        if now.mono < due {
            return Look::Later(Some(due));
        }
        if asked.is_none() {
            return Look::Done;
        }
        // It has spoken between two notices, and the last one was a moment ago.
        if since(self.last.min(now.mono.saturating_sub(PATIENCE))) {
            self.first = self.last;
            return Look::Later(Some(self.due(from)));
        }
        Look::Silent
    }

    /// `from` is since when it could have spoken.
    fn due(self, from: Duration) -> Duration {
        let settled = (self.last + SETTLE).min(self.first.max(from) + LONGEST_SETTLE);
        settled.max(from) + PATIENCE
    }
}

/// Notes that something was restored.
fn doubt<K: Ord>(known: &mut BTreeMap<K, Unproven>, key: K, now: Duration) {
    known.entry(key).or_insert(Unproven { first: now, last: now }).last = now;
}

impl Engine {
    /// Something was restored at `now`.
    pub(super) fn verify_later(&mut self, now: Duration) {
        self.restored = Some(now);
        self.doubt_silent(now);
    }

    /// Data are to be had since `now`: what stays silent is asked for again.
    pub(super) fn doubt_silent(&mut self, now: Duration) {
        self.streams.keys().for_each(|key| doubt(&mut self.verify.streams, key.clone(), now));
        self.lines.keys().for_each(|name| doubt(&mut self.verify.lines, name.clone(), now));
    }

    /// Asks again for streams and lines that have been silent since, each when its market has been open for long enough.
    /// Returns when the next look is due.
    pub(super) fn verify_if_due(&mut self, now: Now) -> Option<Duration> {
        let (mut next, mut silent, mut silent_lines) = (None::<Duration>, Vec::new(), Vec::new());
        let mut later = |at: Option<Duration>| {
            next = next.into_iter().chain(at).min();
            true
        };
        let (streams, lines, contracts) = (&self.streams, &self.lines, &self.contracts);
        self.verify.streams.retain(|key, unproven| {
            let (Some(stream), Some(contract)) = (streams.get(key), contracts.get(&key.contract)) else { return false };
            let (ticked, asked, hours) = (stream.pulse.last_tick(), stream.running_since(), contract.hours(key, now));
            match unproven.look(ticked, asked, hours, now) {
                Look::Done => false,
                Look::Later(at) => later(at),
                Look::Silent => {
                    silent.push(key.clone());
                    false
                }
            }
        });
        self.verify.lines.retain(|name, unproven| {
            let (Some(line), Some(contract)) = (lines.get(name), contracts.get(name)) else { return false };
            let spoken = line.seen.lock().last_frame;
            match unproven.look(spoken, line.asked(), contract.current_hours(now), now) {
                Look::Done => false,
                Look::Later(at) => later(at),
                Look::Silent => {
                    silent_lines.push(name.clone());
                    false
                }
            }
        });
        for name in silent_lines {
            tracing::info!(contract = name, "its market-data line is silent since the data are back; asking again");
            self.lines.get_mut(&name).into_iter().for_each(|line| line.restart(now.mono + AFTER_CANCEL));
        }
        for key in silent {
            tracing::info!(stream = %key, "silent since the data are back; asking for it again");
            self.restart(&key, now.mono);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(second: u64) -> Now {
        let mono = Duration::from_secs(second);
        Now { mono, wall: Timestamp::from_second(1_800_000_000).unwrap() + mono }
    }

    /// A session from one second to another.
    fn session(opens: u64, closes: u64, now: u64) -> SessionState {
        let (since, until) = (at(opens).wall, at(closes).wall);
        if now < opens {
            SessionState::Closed { until: Some(since) }
        } else if now < closes {
            SessionState::Open { since, until }
        } else {
            SessionState::Closed { until: None }
        }
    }

    /// In which second a stream is asked for again that was asked for at 5 s, and what becomes of it if it is not, when
    /// things are restored at these seconds and the session has these bounds.
    fn asked_again(restored: &[u64], ticks: &[u64], (opens, closes): (u64, u64)) -> Result<u64, Look> {
        let mut known = BTreeMap::new();
        for second in 0..2_000 {
            let now = at(second);
            if restored.contains(&second) {
                doubt(&mut known, (), now.mono);
            }
            let Some(unproven) = known.get_mut(&()) else { continue };
            let last = ticks.iter().filter(|tick| **tick <= second).max().map(|tick| Duration::from_secs(*tick));
            let hours = session(opens, closes, second);
            match unproven.look(last, Some(Duration::from_secs(5)), hours, now) {
                Look::Silent => return Ok(second),
                Look::Later(Some(due)) => assert!(due > now.mono, "{restored:?} at {second}"),
                Look::Later(None) => {}
                Look::Done => {
                    known.clear();
                }
            }
        }
        Err(if known.is_empty() { Look::Done } else { Look::Later(None) })
    }

    const ALWAYS: (u64, u64) = (0, 10_000);

    #[test]
    fn what_is_silent_for_30_s_after_the_notices_have_settled_is_asked_for_again() {
        assert_eq!(asked_again(&[100], &[99], ALWAYS), Ok(140));
        assert_eq!(asked_again(&[100, 103, 109], &[], ALWAYS), Ok(149));
        assert_eq!(asked_again(&[100], &[130], ALWAYS), Err(Look::Done));
        // It has ticked, and the link was lost again.
        assert_eq!(asked_again(&[100, 110], &[105], ALWAYS), Ok(150));
    }

    #[test]
    fn only_an_open_market_counts() {
        assert_eq!(asked_again(&[100], &[], (500, 1_000)), Ok(530));
        assert_eq!(asked_again(&[100], &[510], (500, 1_000)), Err(Look::Done));
        assert_eq!(asked_again(&[100], &[], (99, 1_000)), Ok(140), "it had opened just before");
        assert_eq!(asked_again(&[100], &[], (108, 1_000)), Ok(140));
        assert_eq!(asked_again(&[100], &[], (125, 1_000)), Ok(155));
        assert_eq!(asked_again(&[100], &[], (0, 120)), Err(Look::Later(None)), "it waits for the next session");
        // Notices of a night do not shorten the patience of the morning.
        let night: Vec<u64> = (100..=500).step_by(20).collect();
        assert_eq!(asked_again(&night, &[], (500, 1_000)), Ok(540));
    }

    #[test]
    fn a_farm_that_comes_and_goes_does_not_postpone_it_without_end() {
        let flaps: Vec<u64> = (100..1_000).step_by(20).collect();
        assert_eq!(asked_again(&flaps, &[], ALWAYS), Ok(170));
        // As long as it ticks now and then, it is alive.
        let ticks: Vec<u64> = (100..1_100).step_by(25).collect();
        assert_eq!(asked_again(&flaps, &ticks, ALWAYS), Err(Look::Done));
    }

    #[test]
    fn what_does_not_run_is_asked_for_in_any_case() {
        let mut unproven = Unproven { first: at(100).mono, last: at(100).mono };
        let hours = session(0, 1_000, 200);
        assert_eq!(unproven.look(None, None, hours, at(139)), Look::Later(Some(at(140).mono)));
        let asked = Some(at(120).mono);
        assert_eq!(
            unproven.look(None, asked, hours, at(149)),
            Look::Later(Some(at(150).mono)),
            "it was asked for late"
        );
        assert_eq!(unproven.look(None, asked, hours, at(150)), Look::Silent);
        assert_eq!(unproven.look(None, None, hours, at(140)), Look::Done);
    }
}
