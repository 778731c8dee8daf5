//! When a historical request may go out. IBKR allows 60 in ten minutes for one login, quotes count twice, and the same
//! question not twice in 15 seconds (its pacing rules for historical data).

use std::{collections::VecDeque, time::Duration};

use marketstream_proto::TickKind;
use serde::{Deserialize, Serialize};

use crate::clock::Now;

/// The window that IBKR counts in.
const WINDOW: Duration = Duration::from_secs(600);

/// Least distance of two requests: fewer than six in two seconds are allowed for one contract, and nothing hurries.
pub const SPACING: Duration = Duration::from_millis(500);

/// How long nothing is asked after IBKR said that it was too much.
pub const COOL_DOWN: Duration = Duration::from_secs(600);

/// Requests of the last ten minutes. Moments are milliseconds of the process, negative for those of the one before.
#[derive(Debug, Default)]
pub struct Budget {
    /// When, and what it counted.
    spent: VecDeque<(i64, u32)>,
    closed_until: i64,
    changed: bool,
}

/// A budget on the volume, in milliseconds since 1970: IBKR counts a login's requests, whichever process sent them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    spent: Vec<(i64, u32)>,
    closed_until: i64,
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

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Budget {
    /// What another process left, by the clocks of `now`. A calendar that was set back makes nothing newer than now.
    #[must_use]
    pub fn restored(kept: &Kept, now: Now) -> Self {
        let (mono, wall) = (ms(now.mono), now.wall.as_millisecond());
        let spent = kept.spent.iter().map(|(at, cost)| (mono + (at - wall).min(0), *cost)).collect();
        let closed_for = (kept.closed_until - wall).clamp(0, ms(COOL_DOWN));
        Self { spent, closed_until: mono + closed_for, changed: false }
    }

    /// What is to be kept, if it changed since this was asked last.
    pub fn take_changes(&mut self, now: Now) -> Option<Kept> {
        let shift = now.wall.as_millisecond() - ms(now.mono);
        let spent = self.spent.iter().map(|(at, cost)| (at + shift, *cost)).collect();
        std::mem::take(&mut self.changed).then_some(Kept { spent, closed_until: self.closed_until + shift })
    }

    /// The first moment, from `now` on, at which a request of that kind may go out, with `allowed` in ten minutes.
    #[must_use]
    pub fn earliest(&self, kind: TickKind, allowed: u32, now: Duration) -> Duration {
        // Even the smallest budget lets one request through.
        let allowed = allowed.max(cost(kind));
        let mut earliest = ms(now).max(self.closed_until);
        if let Some((last, _)) = self.spent.back() {
            earliest = earliest.max(last + ms(SPACING));
        }
        // The oldest must leave the window until there is room.
        let mut used: u32 = self.spent.iter().map(|(_, cost)| cost).sum();
        for (at, spent) in &self.spent {
            let leaves = at + ms(WINDOW);
            if leaves <= earliest {
                used -= spent;
            } else if used + cost(kind) > allowed {
                earliest = leaves;
                used -= spent;
            }
        }
        Duration::from_millis(u64::try_from(earliest).unwrap_or(0))
    }

    /// A request went out.
    pub fn spend(&mut self, kind: TickKind, now: Duration) {
        let now = ms(now);
        self.spent.retain(|(at, _)| at + ms(WINDOW) > now);
        self.spent.push_back((now, cost(kind)));
        self.changed = true;
    }

    /// IBKR says that requests came too fast.
    pub fn cool_down(&mut self, now: Duration) {
        self.closed_until = ms(now + COOL_DOWN);
        self.changed = true;
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
    fn another_process_goes_on_with_what_the_login_has_asked() {
        let at = |mono: u64, wall: i64| Now {
            mono: S * u32::try_from(mono).unwrap(),
            wall: jiff::Timestamp::from_second(wall).unwrap(),
        };
        let mut budget = Budget::default();
        assert_eq!(budget.take_changes(at(1, 10_001)), None);
        budget.spend(TickKind::BidAsk, S * 100);
        budget.spend(TickKind::Last, S * 200);
        let kept = budget.take_changes(at(201, 10_201)).unwrap();
        assert_eq!(budget.take_changes(at(202, 10_202)), None);
        // 50 s later another process starts: the quotes leave the window in 450 s, the trades in 550 s.
        let restored = Budget::restored(&kept, at(0, 10_250));
        assert_eq!(restored.earliest(TickKind::Last, 3, S), S * 450);
        assert_eq!(restored.earliest(TickKind::BidAsk, 2, S), S * 550);
        // The calendar was set back by an hour in between.
        assert_eq!(Budget::restored(&kept, at(0, 6_600)).earliest(TickKind::Last, 3, S), S * 600);
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
