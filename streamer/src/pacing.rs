//! IBKR's pacing of tick-by-tick requests: one instrument at most once in 15 seconds, and of one type at least.

use std::{collections::HashMap, time::Duration};

use marketstream_crds::TickType;

/// Requests a second over the whole session. IBKR's limit is 50, counted where they arrive: after a pause of half a
/// second, here, there or on the way, half as many come on top. Cancels are not held back either.
pub const REQUESTS_PER_SECOND: u32 = 30;
/// How long nothing is asked for after IBKR has said that it was too much.
pub const RATE_PAUSE: Duration = Duration::from_secs(5);

/// When each instrument and type was last asked for, over all sessions of this process.
#[derive(Debug, Default)]
pub struct Spacing {
    last: HashMap<(i32, TickType), Duration>,
    /// The rule as it is written: one request for an instrument, whatever its type.
    strict: bool,
}

impl Spacing {
    /// The first moment, from `now` on, at which this stream may be asked for.
    #[must_use]
    pub fn earliest(&self, con_id: i32, tick: TickType, spacing: Duration, now: Duration) -> Duration {
        let counts = |(id, kind): &(i32, TickType)| *id == con_id && (self.strict || *kind == tick);
        let last = self.last.iter().filter(|(asked, _)| counts(asked)).map(|(_, at)| *at).max();
        last.map_or(now, |last| now.max(last + spacing))
    }

    /// Notes a request.
    pub fn asked(&mut self, con_id: i32, tick: TickType, now: Duration) {
        self.last.insert((con_id, tick), now);
    }

    /// Whether the last request for this stream came too soon after one for another type of its instrument, or that one
    /// after it, by the rule as it is written.
    #[must_use]
    pub fn is_crowded(&self, con_id: i32, tick: TickType, spacing: Duration) -> bool {
        let Some(asked) = self.last.get(&(con_id, tick)) else { return false };
        let near = |other: Duration| asked.abs_diff(other) < spacing;
        self.last.iter().any(|((id, kind), other)| *id == con_id && *kind != tick && near(*other))
    }

    /// Whether the rule is kept as it is written. Not all gateways insist on it, and waiting costs ticks: so it is kept
    /// only once one did.
    pub fn insist(&mut self, strict: bool) {
        self.strict = strict;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_is_immediate_and_the_next_waits() {
        let (spacing, second) = (Duration::from_secs(15), Duration::from_secs(1));
        let mut requests = Spacing::default();
        assert_eq!(requests.earliest(1, TickType::Last, spacing, second), second);
        requests.asked(1, TickType::Last, second);
        assert_eq!(requests.earliest(1, TickType::Last, spacing, second * 3), second * 16);
        assert_eq!(requests.earliest(1, TickType::BidAsk, spacing, second * 3), second * 3);
        assert_eq!(requests.earliest(2, TickType::Last, spacing, second * 3), second * 3);
        assert_eq!(requests.earliest(1, TickType::Last, spacing, second * 40), second * 40);
        // Once a gateway has insisted, whatever the type.
        requests.insist(true);
        assert_eq!(requests.earliest(1, TickType::BidAsk, spacing, second * 3), second * 16);
        assert_eq!(requests.earliest(2, TickType::BidAsk, spacing, second * 3), second * 3);
    }

    #[test]
    fn requests_for_two_types_of_an_instrument_crowd_each_other() {
        let (spacing, second) = (Duration::from_secs(15), Duration::from_secs(1));
        let mut requests = Spacing::default();
        requests.asked(1, TickType::Last, second);
        requests.asked(2, TickType::BidAsk, second);
        assert!(!requests.is_crowded(1, TickType::Last, spacing) && !requests.is_crowded(1, TickType::BidAsk, spacing));
        requests.asked(1, TickType::BidAsk, second * 15);
        assert!(requests.is_crowded(1, TickType::Last, spacing) && requests.is_crowded(1, TickType::BidAsk, spacing));
        requests.asked(1, TickType::BidAsk, second * 16);
        assert!(!requests.is_crowded(1, TickType::BidAsk, spacing));
    }
}
