//! When a historical request may go out. IBKR allows 60 in ten minutes for one login, quotes count twice, and the same
//! question not twice in 15 seconds (its pacing rules for historical data). It refuses what is too much for it (162, 420),
//! which may be less: other programs use the same login, and its servers have bad days. So each refusal halves what is
//! allowed, which then grows again.

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

/// Thousandths of the allowed requests that come back every ten minutes after IBKR said that it was too much; and the
/// fewest that are left. So one refusal is forgotten after forty minutes, and any number of them after seventy.
const STEP: u32 = 125;

/// Requests of the last ten minutes. Moments are milliseconds of the process, negative for those of the one before.
#[derive(Debug, Default)]
pub struct Budget {
    /// When, and what it counted.
    spent: VecDeque<(i64, u32)>,
    closed_until: i64,
    /// Thousandths of what is allowed that were taken off at the last refusal.
    cut: u32,
    changed: bool,
}

/// A budget on the volume, in milliseconds since 1970: IBKR counts a login's requests, whichever process sent them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    spent: Vec<(i64, u32)>,
    closed_until: i64,
    #[serde(default)]
    cut: u32,
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
        let closed_for = kept.closed_until.saturating_sub(wall).min(ms(COOL_DOWN));
        let cut = kept.cut.min(1_000 - STEP);
        Self { spent, closed_until: mono.saturating_add(closed_for), cut, changed: false }
    }

    /// What is to be kept, if it changed since this was asked last.
    pub fn take_changes(&mut self, now: Now) -> Option<Kept> {
        let shift = now.wall.as_millisecond() - ms(now.mono);
        let spent = self.spent.iter().map(|(at, cost)| (at + shift, *cost)).collect();
        let closed_until = self.closed_until.saturating_add(shift);
        std::mem::take(&mut self.changed).then_some(Kept { spent, closed_until, cut: self.cut })
    }

    /// What is left of so many requests in ten minutes after IBKR's refusals; one at least.
    #[must_use]
    pub fn left_of(&self, allowed: u32, now: Duration) -> u32 {
        let left = u64::from(allowed) * u64::from(1_000 - self.cut_at(now)) / 1_000;
        u32::try_from(left).unwrap_or(u32::MAX).max(1)
    }

    fn cut_at(&self, now: Duration) -> u32 {
        let steps = ms(now).saturating_sub(self.closed_until).max(0) / ms(WINDOW);
        self.cut.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX).saturating_mul(STEP))
    }

    /// How long so many requests, which count so much, take with `allowed` in ten minutes: at once as far as there is
    /// room, and the rest as those that went out leave the window.
    #[must_use]
    pub fn time_for(&self, requests: u64, count: u64, allowed: u32, now: Duration) -> Duration {
        let allowed = u64::from(self.left_of(allowed, now));
        let recent = self.spent.iter().filter(|(at, _)| at + ms(WINDOW) > ms(now));
        let room = allowed.saturating_sub(recent.map(|(_, cost)| u64::from(*cost)).sum());
        let closed = u64::try_from(self.closed_until.saturating_sub(ms(now))).unwrap_or(0);
        let spaced = requests.saturating_mul(SPACING.as_millis() as u64);
        let waited = count.saturating_sub(room).saturating_mul(WINDOW.as_millis() as u64) / allowed;
        Duration::from_millis(closed.saturating_add(spaced.max(waited)))
    }

    /// The first moment, from `now` on, at which a request of that kind may go out, with `allowed` in ten minutes.
    #[must_use]
    pub fn earliest(&self, kind: TickKind, allowed: u32, now: Duration) -> Duration {
        // Even the smallest budget lets one request through.
        let allowed = self.left_of(allowed, now).max(cost(kind));
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

    /// IBKR says that requests came too fast. What went out before it said so counts once.
    pub fn cool_down(&mut self, now: Duration) {
        if self.closed_until <= ms(now) {
            let left = (1_000 - self.cut_at(now)) / 2;
            self.cut = 1_000 - left.max(STEP);
        }
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
    fn each_refusal_halves_what_is_allowed_and_it_grows_again() {
        let mut budget = Budget::default();
        let left = |budget: &Budget, at: u32| budget.left_of(48, S * at);
        assert_eq!(left(&budget, 0), 48);
        budget.cool_down(S * 1_000);
        // Another request had gone out before.
        budget.cool_down(S * 1_001);
        let open = 1_601;
        let grown = [0, 599, 600, 1_200, 2_400, 9_000].map(|since| left(&budget, open + since));
        assert_eq!(grown, [24, 24, 30, 36, 48, 48]);
        for refusals in 1..20 {
            budget.cool_down(S * 10_000 + COOL_DOWN * refusals);
        }
        let at = S * 10_000 + COOL_DOWN * 20;
        assert_eq!((budget.left_of(48, at), budget.left_of(1, at)), (6, 1));
        // What is left is all that goes out.
        for _ in 0..6 {
            budget.spend(TickKind::Last, at);
        }
        assert_eq!(budget.earliest(TickKind::Last, 48, at), at + WINDOW);
    }

    #[test]
    fn a_cut_outlives_the_process_and_grows_meanwhile() {
        let at = |mono: u32, wall: i64| Now { mono: S * mono, wall: jiff::Timestamp::from_second(wall).unwrap() };
        let mut budget = Budget::default();
        budget.cool_down(S * 100);
        let kept = budget.take_changes(at(100, 10_000)).unwrap();
        let left = |wall: i64| Budget::restored(&kept, at(5, wall)).left_of(48, S * 5);
        // Closed until 10,600; a calendar that was set back makes it no longer.
        assert_eq!([10_300, 11_199, 11_200, 13_000, 0].map(left), [24, 24, 30, 48, 24]);
        let closed = Budget::restored(&kept, at(5, 0)).earliest(TickKind::Last, 48, S * 5);
        assert_eq!(closed, S * 605);
        let never = Budget::restored(&Kept::default(), at(5, 10_000));
        assert_eq!((never.left_of(48, S * 5), never.earliest(TickKind::Last, 48, S * 5)), (48, S * 5));
    }

    #[test]
    fn the_time_for_requests_is_that_of_the_window() {
        let mut budget = Budget::default();
        let time = |budget: &Budget, requests, count| budget.time_for(requests, count, 40, S * 2_000).as_secs();
        assert_eq!(
            [(0, 0), (10, 10), (20, 40), (20, 80), (80, 80)].map(|(requests, count)| time(&budget, requests, count)),
            [0, 5, 10, 600, 600]
        );
        // Half of the window is used, by requests of now.
        for _ in 0..10 {
            budget.spend(TickKind::BidAsk, S * 2_000);
        }
        assert_eq!([time(&budget, 20, 20), time(&budget, 20, 40)], [10, 300]);
        budget.cool_down(S * 2_000);
        assert_eq!(time(&budget, 20, 20), 600 + 600, "and half of it is left after the cool-down");
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
