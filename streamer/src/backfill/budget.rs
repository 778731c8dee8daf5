//! When a historical request may go out. IBKR allows 60 in ten minutes for one login, quotes count twice, and the same
//! question not twice in 15 seconds (its pacing rules for historical data).

use std::{collections::VecDeque, time::Duration};

use marketstream_proto::TickKind;

/// The window that IBKR counts in.
const WINDOW: Duration = Duration::from_secs(600);

/// Least distance of two requests: fewer than six in two seconds are allowed for one contract, and nothing hurries.
pub const SPACING: Duration = Duration::from_millis(500);

/// How long nothing is asked after IBKR said that it was too much.
pub const COOL_DOWN: Duration = Duration::from_secs(600);

/// Requests of the last ten minutes.
#[derive(Debug, Default)]
pub struct Budget {
    /// When, and what it counted.
    spent: VecDeque<(Duration, u32)>,
    closed_until: Duration,
}

/// What a request for ticks of that kind counts.
#[must_use]
pub fn cost(kind: TickKind) -> u32 {
    match kind {
        TickKind::BidAsk | TickKind::QuoteL1 => 2,
        TickKind::Last | TickKind::AllLast | TickKind::MidPoint | TickKind::RtVolume => 1,
    }
}

/// What of so many requests in ten minutes is backfill's, and what the probes' of silent streams: one in five.
#[must_use]
pub const fn shares(allowed: u32) -> (u32, u32) {
    let probes = allowed / 5;
    (allowed - probes, probes)
}

impl Budget {
    /// The first moment, from `now` on, at which a request of that kind may go out, with `allowed` in ten minutes.
    #[must_use]
    pub fn earliest(&self, kind: TickKind, allowed: u32, now: Duration) -> Duration {
        // Even the smallest budget lets one request through.
        let allowed = allowed.max(cost(kind));
        let mut earliest = now.max(self.closed_until);
        if let Some((last, _)) = self.spent.back() {
            earliest = earliest.max(*last + SPACING);
        }
        // The oldest must leave the window until there is room.
        let mut used: u32 = self.spent.iter().map(|(_, cost)| cost).sum();
        for (at, spent) in &self.spent {
            let leaves = *at + WINDOW;
            if leaves <= earliest {
                used -= spent;
            } else if used + cost(kind) > allowed {
                earliest = leaves;
                used -= spent;
            }
        }
        earliest
    }

    /// A request went out.
    pub fn spend(&mut self, kind: TickKind, now: Duration) {
        self.spent.retain(|(at, _)| *at + WINDOW > now);
        self.spent.push_back((now, cost(kind)));
    }

    /// IBKR says that requests came too fast.
    pub fn cool_down(&mut self, now: Duration) {
        self.closed_until = now + COOL_DOWN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn quotes_count_twice_and_the_window_slides() {
        let mut budget = Budget::default();
        for at in [0, 1, 2] {
            budget.spend(TickKind::Last, S * at);
        }
        assert_eq!(budget.earliest(TickKind::Last, 4, S * 3), S * 3);
        assert_eq!(budget.earliest(TickKind::BidAsk, 5, S * 3), S * 3);
        assert_eq!(budget.earliest(TickKind::BidAsk, 4, S * 3), S * 600, "one must leave");
        assert_eq!(budget.earliest(TickKind::BidAsk, 3, S * 3), S * 601, "two must leave");
        assert_eq!(budget.earliest(TickKind::Last, 3, S * 700), S * 700);
    }

    #[test]
    fn one_request_in_five_is_the_probes() {
        assert_eq!([1, 4, 5, 50, 60].map(shares), [(1, 0), (4, 0), (4, 1), (40, 10), (48, 12)]);
    }

    #[test]
    fn requests_keep_their_distance_and_a_cool_down_is_kept() {
        let mut budget = Budget::default();
        budget.spend(TickKind::Last, S);
        assert_eq!(budget.earliest(TickKind::Last, 50, S), S + SPACING);
        budget.cool_down(S * 2);
        assert_eq!(budget.earliest(TickKind::Last, 50, S * 3), S * 2 + COOL_DOWN);
    }

    #[test]
    fn never_more_than_allowed_in_any_ten_minutes() {
        let mut budget = Budget::default();
        let (mut now, mut sent) = (Duration::ZERO, Vec::new());
        for number in 0..500 {
            let kind = if number % 3 == 0 { TickKind::BidAsk } else { TickKind::Last };
            now = budget.earliest(kind, 50, now);
            budget.spend(kind, now);
            sent.push((now, cost(kind)));
        }
        for (from, _) in &sent {
            let used: u32 =
                sent.iter().filter(|(at, _)| at >= from && *at < *from + WINDOW).map(|(_, cost)| cost).sum();
            assert!(used <= 50, "{used} from {from:?}");
        }
    }
}
