//! What may have been lost while the gateway had no link to IBKR, or to a farm of market data, however short that was.

use std::time::Duration;

use jiff::Timestamp;
use marketstream_recovery::hours::SessionState;

use super::{Engine, gaps::recorded};
use crate::{backfill::ledger::GapCause, clock::Now, facts::Pulse, notices::Outage};

/// Ticks and notices overtake each other by less than this: they reach us on different ways.
const EDGE: Duration = Duration::from_secs(1);
const EDGE_S: i64 = 1;

/// IBKR's second behind which ticks of a stream may have been lost in an outage. `None` if it has never ticked, or has
/// ticked while the outage lasted: a farm's outage is not everybody's, and which stream is on which farm is not told.
fn lost_behind(pulse: &Pulse, outage: Outage) -> Option<i64> {
    let (last, second) = (pulse.last_tick()?, pulse.last_second()?);
    let paused = pulse.last_pause().filter(|pause| pause.since <= outage.since + EDGE);
    if let Some(pause) = paused.filter(|pause| pause.until + EDGE >= outage.until) {
        return pause.second;
    }
    // Too short to say who has ticked on.
    if outage.until.saturating_sub(outage.since) < 2 * EDGE {
        return Some(second - 2 * EDGE_S);
    }
    let under_way = if last > outage.since { 2 * EDGE_S } else { 0 };
    (last <= outage.since + EDGE).then_some(second - under_way)
}

impl Engine {
    /// A link is back: what did not come over it is a gap of every stream that may have been on it.
    pub(super) fn doubt_outage(&mut self, outage: Outage, now: Now) {
        let began = now.wall.checked_sub(now.mono.saturating_sub(outage.since)).unwrap_or(Timestamp::MIN);
        for (key, stream) in self.streams.iter().filter(|(_, stream)| stream.is_running() && !stream.overflow) {
            let Some(contract) = self.contracts.get(&key.contract) else { continue };
            let hours = contract.hours(key, Now { wall: began, ..now });
            // Nothing was traded all the while.
            if matches!(hours, SessionState::Closed { until } if until.is_none_or(|until| until > now.wall)) {
                continue;
            }
            let (recorded, behind) = (recorded(&self.contracts, key), lost_behind(&stream.pulse, outage));
            if let (Some(recorded), Some(behind)) = (recorded, behind) {
                self.gaps.open(&key.contract, recorded, Some(behind), GapCause::LinkLost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IBKR's second at the monotonic zero.
    const START: i64 = 1_800_000_000;

    fn at(ms: u64) -> Now {
        let mono = Duration::from_millis(ms);
        Now { mono, wall: Timestamp::from_second(START).unwrap() + mono }
    }

    /// What may be lost of a stream that ticked at these milliseconds, in seconds, when the outage lasted so long.
    fn behind(ticks: impl IntoIterator<Item = u64>, since: u64, until: u64) -> Option<i64> {
        let pulse = Pulse::default();
        for ms in ticks {
            pulse.tick(at(ms), at(ms).wall.as_second());
        }
        let outage = Outage { since: at(since).mono, until: at(until).mono };
        lost_behind(&pulse, outage).map(|second| second - START)
    }

    #[test]
    fn a_stream_that_ticked_all_the_while_has_lost_nothing() {
        assert_eq!(behind((0..300).map(|step| step * 100), 5_000, 20_000), None);
        assert_eq!(behind((0..30).map(|second| second * 1_000), 5_000, 20_000), None, "a slow one");
        assert_eq!(behind([], 5_000, 20_000), None, "it has yet to tick");
    }

    #[test]
    fn one_that_is_still_silent_has_lost_what_came_behind_its_last_tick() {
        assert_eq!(behind([1_000, 4_900], 5_000, 20_000), Some(4));
        assert_eq!(behind([1_000, 2_000], 5_000, 20_000), Some(2), "the loss was told late");
        // Ticks that were under way, or not: the second before is looked at, too.
        assert_eq!(behind([1_000, 1_900, 2_800, 3_700, 4_600, 5_500], 5_000, 20_000), Some(3));
    }

    #[test]
    fn one_that_ticks_again_before_the_notice_has_lost_its_pause() {
        assert_eq!(behind([4_900, 19_500, 19_600, 19_700], 5_000, 20_000), Some(4));
        assert_eq!(behind([4_900, 5_400, 19_500, 19_600], 5_000, 20_000), Some(5));
        // The process stood still, and was told of both at once.
        assert_eq!(behind([4_900, 19_990, 20_010], 20_000, 20_000), Some(4));
        // That was another pause.
        assert_eq!(behind([1_000, 3_000, 3_500, 4_300, 5_200, 6_100, 7_000, 7_900, 8_800], 5_000, 9_500), None);
    }

    #[test]
    fn nobody_is_spared_by_an_outage_of_an_instant() {
        assert_eq!(behind((0..100).map(|step| step * 100), 9_500, 9_900), Some(7));
        assert_eq!(behind((0..100).map(|step| step * 100), 9_950, 9_950), Some(7));
    }
}
