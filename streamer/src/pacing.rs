//! IBKR's pacing of tick-by-tick requests: one instrument and type at most once in 15 seconds.

use std::{collections::HashMap, time::Duration};

use marketstream_crds::TickType;

/// Requests a second over the whole session. IBKR's limit is 50; the rest is left to cancels, which are not held back.
pub const REQUESTS_PER_SECOND: u32 = 45;

/// When each instrument and type was last asked for, over all sessions of this process.
#[derive(Debug, Default)]
pub struct Spacing {
    last: HashMap<(i32, TickType), Duration>,
}

impl Spacing {
    /// The first moment, from `now` on, at which this stream may be asked for.
    #[must_use]
    pub fn earliest(&self, con_id: i32, tick: TickType, spacing: Duration, now: Duration) -> Duration {
        self.last.get(&(con_id, tick)).map_or(now, |last| now.max(*last + spacing))
    }

    /// Notes a request.
    pub fn asked(&mut self, con_id: i32, tick: TickType, now: Duration) {
        self.last.insert((con_id, tick), now);
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
    }
}
