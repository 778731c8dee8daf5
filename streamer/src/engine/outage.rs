//! What may have been lost while the gateway had no link to IBKR, or to a farm of market data, however short that was.

use jiff::Timestamp;
use marketstream_recovery::hours::SessionState;

use super::{Engine, gaps::recorded};
use crate::{
    backfill::ledger::GapCause,
    clock::Now,
    notices::Outage,
    pulse::{EDGE, Pause, Pulse},
};

/// What is less than an [`EDGE`] away from a second.
const EDGE_S: i64 = 1;

/// The seconds of IBKR in which ticks may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lost {
    /// Of the last tick before.
    behind: i64,
    /// Of the first one after, if there is one.
    until: Option<i64>,
}

/// What a stream may have lost in an outage. `None` if it has never ticked, or ticked all the while: a farm's outage is
/// not everybody's, and which stream is on which farm is not told.
fn lost(pulse: &Pulse, outage: Outage) -> Option<Lost> {
    let (last, second) = (pulse.last_tick()?, pulse.last_second()?);
    let watched = pulse.pause_at(outage.since);
    let short = outage.until.saturating_sub(outage.since) < 2 * EDGE;
    if short || last <= outage.since + EDGE {
        // It is silent still, or it is too early to say so. What was under way came behind the loss.
        let under_way = if short || last > outage.since { 2 * EDGE_S } else { 0 };
        // Who stood still hears of all at once, and late.
        let heard_late = |pause: &Pause| short && pause.until + EDGE >= outage.since;
        let pause = watched.or(pulse.last_pause().filter(heard_late));
        let behind = pause.map_or(second, |pause| pause.second).min(second - under_way);
        return Some(Lost { behind, until: None });
    }
    watched.map(|pause| Lost { behind: pause.second, until: Some(pause.next) })
}

impl Engine {
    /// A link is back: what did not come over it is a gap of every stream that may have been on it.
    pub(super) fn outage_ended(&mut self, outage: Outage, now: Now) {
        let began = now.wall.checked_sub(now.mono.saturating_sub(outage.since)).unwrap_or(Timestamp::MIN);
        for (key, stream) in self.streams.iter().filter(|(_, stream)| stream.is_running() && !stream.overflow) {
            let Some(contract) = self.contracts.get(&key.contract) else { continue };
            let hours = contract.hours(key, Now { wall: began, ..now });
            // Nothing was traded all the while.
            if matches!(hours, SessionState::Closed { until } if until.is_none_or(|until| until > now.wall)) {
                continue;
            }
            let (Some(recorded), Some(lost)) = (recorded(&self.contracts, key), lost(&stream.pulse, outage)) else {
                continue;
            };
            self.gaps.open(&key.contract, recorded, Some(lost.behind), GapCause::LinkLost);
            if let Some(until) = lost.until {
                self.gaps.close(recorded, until, now);
            }
        }
        self.watch_outages();
    }

    /// Has the streams remember what the end of an outage will be about.
    pub(super) fn watch_outages(&self) {
        let lost = self.link.lost();
        self.streams.values().for_each(|stream| stream.pulse.watch(&lost));
    }

    /// Ends an outage whose end was not told.
    pub(super) fn look_after_link(&mut self, now: Now) {
        if !self.link.is_down() {
            return;
        }
        let running = self.streams.values().filter(|stream| stream.is_running());
        let last = running.filter_map(|stream| stream.pulse.last_tick()).max();
        if let Some(outage) = last.and_then(|last| self.link.flows(last, now.mono)) {
            tracing::info!("ticks come, so the link to IBKR is back; the gateway has not said so");
            self.outage_ended(outage, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// IBKR's second at the monotonic zero.
    const START: i64 = 1_800_000_000;

    fn at(ms: u64) -> Now {
        let mono = Duration::from_millis(ms);
        Now { mono, wall: Timestamp::from_second(START).unwrap() + mono }
    }

    /// What a stream may have lost that ticked at these milliseconds, and heard that a link was lost and is back at those.
    fn lost_of(ticks: impl IntoIterator<Item = u64>, since: u64, until: u64) -> Option<(i64, Option<i64>)> {
        let pulse = Pulse::default();
        let (since, until) = (at(since).mono, at(until).mono);
        for ms in ticks {
            if at(ms).mono >= since {
                pulse.watch(&[since]);
            }
            pulse.tick(at(ms), at(ms).wall.as_second());
        }
        lost(&pulse, Outage { since, until }).map(|Lost { behind, until }| (behind - START, until.map(|it| it - START)))
    }

    #[test]
    fn a_stream_that_ticked_all_the_while_has_lost_nothing() {
        assert_eq!(lost_of((0..200).map(|step| step * 100), 5_000, 20_000), None);
        assert_eq!(lost_of((0..22).map(|step| step * 900), 5_000, 20_000), None, "a slow one");
        assert_eq!(lost_of([], 5_000, 20_000), None, "it has yet to tick");
        // It rested at other times.
        let ticks = [1_000, 3_000, 3_500, 4_300, 5_200, 6_100, 7_000, 12_000, 15_000];
        assert_eq!(lost_of(ticks, 5_000, 20_000), None);
        // One that ticks now and then rested just then: only that is asked for.
        assert_eq!(lost_of((0..10).map(|step| step * 2_100), 5_000, 20_000), Some((4, Some(6))));
    }

    #[test]
    fn one_that_is_still_silent_has_lost_what_came_behind_its_last_tick() {
        assert_eq!(lost_of([1_000, 4_900], 5_000, 20_000), Some((4, None)));
        assert_eq!(lost_of([1_000, 2_000], 5_000, 20_000), Some((2, None)), "the loss was told late");
        // Ticks that were under way, or not: the second before is looked at, too.
        assert_eq!(lost_of([2_800, 3_700, 4_600, 5_500], 5_000, 20_000), Some((3, None)));
        assert_eq!(lost_of([1_200, 5_500], 5_000, 20_000), Some((1, None)));
    }

    #[test]
    fn one_that_ticks_again_before_the_notice_has_lost_its_pause() {
        assert_eq!(lost_of([4_900, 19_500, 19_600, 19_700], 5_000, 20_000), Some((4, Some(19))));
        assert_eq!(lost_of([4_900, 5_400, 19_500, 19_600], 5_000, 20_000), Some((5, Some(19))));
        assert_eq!(lost_of([3_700, 5_400, 19_500, 19_600], 5_000, 20_000), Some((3, Some(19))));
        // Long before, and then it has paused again.
        assert_eq!(lost_of([4_900, 12_000, 14_000, 16_000], 5_000, 20_000), Some((4, Some(12))));
        // The process stood still, and was told of both at once.
        assert_eq!(lost_of([4_900, 19_990, 20_010], 20_000, 20_000), Some((4, None)));
    }

    #[test]
    fn nobody_is_spared_by_an_outage_of_an_instant() {
        assert_eq!(lost_of((0..100).map(|step| step * 100), 9_500, 9_900), Some((7, None)));
        assert_eq!(lost_of((0..100).map(|step| step * 100), 9_950, 9_950), Some((7, None)));
    }
}
