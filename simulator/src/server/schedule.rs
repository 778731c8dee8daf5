//! Which ticks of a stream are due, and how far a subscription has come.

use std::collections::HashMap;

use crate::market::burst::BurstTicks;
use crate::market::tick::Tick;
use crate::market::{Market, Stream};

const SECOND_US: i64 = 1_000_000;

/// A place in a stream: every tick up to it is dealt with, sent or lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    at_us: i64,
    /// Ticks that are due at the same time go by their index.
    index: u32,
}

impl Position {
    /// After all ticks that are due by then, microseconds since the epoch.
    pub(super) fn after(at_us: i64) -> Self {
        Self { at_us, index: u32::MAX }
    }

    fn of(tick: &Tick) -> Self {
        Self { at_us: tick.at_us(), index: tick.index }
    }

    /// The first index that is still to come of ticks that are due together.
    fn next_index(self, at_us: i64) -> u32 {
        match self.at_us.cmp(&at_us) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => self.index.saturating_add(1),
            std::cmp::Ordering::Greater => u32::MAX,
        }
    }
}

/// How far a subscription was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// It has all that is due; nothing more is due before then, microseconds since the epoch.
    All {
        /// When the next look is worth while.
        next_us: i64,
    },
    /// A tick that is due was not taken.
    Part {
        /// It is one of a burst.
        burst: bool,
    },
}

/// The ticks of the seconds that are being sent, made once for all who get them.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    usual: HashMap<(Stream, i64), Usual>,
    bursts: HashMap<(Stream, i64), BurstTicks>,
    /// The second in which it was last tidied up.
    tidied_s: i64,
    /// The second that is made already, or being made.
    prepared_s: i64,
}

#[derive(Debug)]
struct Usual {
    ticks: Vec<Tick>,
    /// Since the schedule was last tidied up.
    used: bool,
}

impl Schedule {
    /// Hands out the ticks of a stream that are due by `now_us` and come after `sent`, in order, until one is not taken.
    pub(super) fn serve(
        &mut self,
        market: &Market,
        stream: Stream,
        sent: &mut Position,
        now_us: i64,
        mut put: impl FnMut(&Tick) -> bool,
    ) -> Served {
        let now_s = now_us.div_euclid(SECOND_US);
        for second in sent.at_us.div_euclid(SECOND_US)..=now_s {
            let ticks = self.usual(market, stream, second);
            let first = ticks.partition_point(|tick| Position::of(tick) <= *sent);
            for tick in &ticks[first..] {
                if tick.at_us() > now_us {
                    return Served::All { next_us: tick.at_us() };
                }
                if !put(tick) {
                    return Served::Part { burst: false };
                }
                *sent = Position::of(tick);
            }
            let Some(burst) = self.burst(market, stream, second).filter(|burst| burst.at_us() <= now_us) else {
                continue;
            };
            for tick in burst.from(sent.next_index(burst.at_us())) {
                if !put(&tick) {
                    return Served::Part { burst: true };
                }
                *sent = Position::of(&tick);
            }
            self.bursts.remove(&(stream, second));
        }
        *sent = Position::after(now_us).max(*sent);
        Served::All { next_us: (now_s + 1) * SECOND_US }
    }

    fn usual(&mut self, market: &Market, stream: Stream, second: i64) -> &[Tick] {
        let make = || Usual { ticks: market.usual_ticks(stream, second), used: true };
        let usual = self.usual.entry((stream, second)).or_insert_with(make);
        usual.used = true;
        &usual.ticks
    }

    fn burst(&mut self, market: &Market, stream: Stream, second: i64) -> Option<&BurstTicks> {
        use std::collections::hash_map::Entry;
        match self.bursts.entry((stream, second)) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(unknown) => Some(unknown.insert(market.burst(stream, second)?)),
        }
    }

    /// Forgets the seconds that nobody needed for a second.
    pub(super) fn tidy(&mut self, now_us: i64) {
        let now_s = now_us.div_euclid(SECOND_US);
        if self.tidied_s != now_s {
            self.tidied_s = now_s;
            self.usual.retain(|_, usual| std::mem::take(&mut usual.used));
        }
    }

    /// Makes the ticks of one stream for the second to come, so that its first tick need not wait for all others.
    pub(super) fn prepare(&mut self, market: &Market, now_us: i64) {
        let next_s = now_us.div_euclid(SECOND_US) + 1;
        // In the second half, when it is known which streams go on.
        if self.prepared_s == next_s || now_us.rem_euclid(SECOND_US) < SECOND_US / 2 {
            return;
        }
        let unmade = |(stream, second): &(Stream, i64)| {
            (*second == next_s - 1 && !self.usual.contains_key(&(*stream, next_s))).then_some(*stream)
        };
        match self.usual.keys().find_map(unmade) {
            Some(stream) => drop(self.usual(market, stream, next_s)),
            None => self.prepared_s = next_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::MarketConfig;
    use crate::market::catalog::FIRST_TEST_CON_ID;
    use crate::market::tick::TickType;

    const SECOND: i64 = 1_793_293_200;
    const STREAM: Stream = Stream { con_id: FIRST_TEST_CON_ID, tick: TickType::BidAsk };

    #[test]
    fn hands_out_each_tick_once_whatever_the_steps() {
        let market = Market::new(MarketConfig { rate: 100.0, ..MarketConfig::default() });
        market.add_burst(STREAM, SECOND * SECOND_US, 777).unwrap();
        let expected: Vec<Tick> = (SECOND..SECOND + 2).flat_map(|s| market.ticks_of_second(STREAM, s)).collect();
        // Steps of time, and ticks taken at each of them.
        for (step_us, room) in [(2_000_000, usize::MAX), (1_000, 50), (3_333, 1_000), (100_000, 60), (999_999, 100)] {
            let mut schedule = Schedule::default();
            let mut sent = Position::after(SECOND * SECOND_US - 1);
            let mut got = Vec::new();
            let mut now = SECOND * SECOND_US;
            // As long again, for what is left where little is taken at once.
            while now < (SECOND + 40) * SECOND_US {
                schedule.tidy(now);
                schedule.prepare(&market, now);
                let mut left = room;
                let until = now.min((SECOND + 2) * SECOND_US - 1);
                schedule.serve(&market, STREAM, &mut sent, until, |tick| {
                    if left > 0 {
                        left -= 1;
                        got.push(tick.clone());
                        return true;
                    }
                    false
                });
                now += step_us;
            }
            assert_eq!(got, expected, "steps of {step_us} us, {room} ticks");
        }
    }

    #[test]
    fn says_when_the_next_tick_is_due_and_what_was_not_taken() {
        let market = Market::new(MarketConfig::default());
        let mut schedule = Schedule::default();
        let first = market.usual_ticks(STREAM, SECOND)[0].at_us();
        let mut sent = Position::after(SECOND * SECOND_US - 1);
        let early = schedule.serve(&market, STREAM, &mut sent, first - 1, |_| panic!("nothing is due"));
        assert_eq!(early, Served::All { next_us: first });
        assert_eq!(schedule.serve(&market, STREAM, &mut sent, first, |_| false), Served::Part { burst: false });
        market.add_burst(STREAM, SECOND * SECOND_US, 5).unwrap();
        let end = SECOND * SECOND_US + 999_999;
        let mut sent = Position::after(end - 1);
        let burst = schedule.serve(&market, STREAM, &mut sent, end, |tick| tick.index < 65_538);
        assert_eq!(burst, Served::Part { burst: true });
        let mut left = 0;
        schedule.serve(&market, STREAM, &mut sent, end, |_| {
            left += 1;
            true
        });
        assert_eq!(left, 3);
    }

    #[test]
    fn what_was_passed_over_is_lost() {
        let market = Market::new(MarketConfig::default());
        market.add_burst(STREAM, SECOND * SECOND_US, 5).unwrap();
        let mut schedule = Schedule::default();
        let end = (SECOND + 1) * SECOND_US - 1;
        let mut sent = Position::after(end);
        let served = schedule.serve(&market, STREAM, &mut sent, end, |_| panic!("it was passed over"));
        assert_eq!(served, Served::All { next_us: end + 1 });
    }
}
