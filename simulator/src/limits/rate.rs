//! Messages of one client in a second.

use std::collections::VecDeque;

use super::{AboveRate, LimitsConfig};
use crate::faults::Refusal;

/// The breach that ends the connection.
const LAST_BREACH: u32 = 3;

const SECOND_US: i64 = 1_000_000;

/// What happens to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is served.
    Serve,
    /// It is served at this time, microseconds since the epoch.
    Wait(i64),
    /// It gets this error instead.
    Reject(Refusal),
    /// It gets this error, and the connection ends.
    Close(Refusal),
}

/// The messages of one client in the last second.
#[derive(Debug, Default)]
pub struct Rate {
    times_us: VecDeque<i64>,
    breaches: u32,
}

impl Rate {
    /// A message comes. One that is rejected counts towards the rate: it was received.
    pub fn message(&mut self, limits: &LimitsConfig, now_us: i64) -> Verdict {
        let most = limits.messages_per_s as usize;
        if most == 0 {
            return Verdict::Serve;
        }
        // A clock that was set back must not lock a client out.
        self.times_us.retain(|at| (now_us - SECOND_US + 1..=now_us + SECOND_US).contains(at));
        let at_us = match limits.above_rate {
            AboveRate::Queue if self.times_us.len() >= most => self.times_us[self.times_us.len() - most] + SECOND_US,
            _ => now_us,
        };
        self.times_us.push_back(at_us);
        if at_us > now_us {
            return Verdict::Wait(at_us);
        }
        if self.times_us.len() <= most || limits.above_rate == AboveRate::Queue {
            return Verdict::Serve;
        }
        self.breaches += 1;
        let (received, breaches) = (self.times_us.len(), self.breaches);
        let refusal = Refusal {
            code: 100,
            text: format!("Max rate of messages per second has been exceeded:max={most} rec={received} ({breaches})"),
        };
        if breaches < LAST_BREACH { Verdict::Reject(refusal) } else { Verdict::Close(refusal) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_800_000_000_000_000;

    #[test]
    fn the_third_message_above_the_rate_ends_the_connection() {
        let mut rate = Rate::default();
        for _ in 0..50 {
            assert_eq!(rate.message(&LimitsConfig::IBKR, AT), Verdict::Serve);
        }
        assert!(matches!(rate.message(&LimitsConfig::IBKR, AT + 1), Verdict::Reject(refusal) if refusal.code == 100));
        assert_eq!(rate.message(&LimitsConfig::IBKR, AT + SECOND_US), Verdict::Serve);
        for _ in 0..48 {
            assert_eq!(rate.message(&LimitsConfig::IBKR, AT + SECOND_US), Verdict::Serve);
        }
        assert!(matches!(rate.message(&LimitsConfig::IBKR, AT + SECOND_US), Verdict::Reject(_)));
        match rate.message(&LimitsConfig::IBKR, AT + SECOND_US) {
            Verdict::Close(refusal) => assert!(refusal.text.ends_with("max=50 rec=52 (3)"), "{}", refusal.text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_queue_lets_through_as_many_each_second() {
        let limits = LimitsConfig { above_rate: AboveRate::Queue, messages_per_s: 2, ..LimitsConfig::OFF };
        let mut rate = Rate::default();
        assert_eq!(rate.message(&limits, AT), Verdict::Serve);
        assert_eq!(rate.message(&limits, AT), Verdict::Serve);
        assert_eq!(rate.message(&limits, AT + 5), Verdict::Wait(AT + SECOND_US));
        assert_eq!(rate.message(&limits, AT + SECOND_US), Verdict::Serve);
        assert_eq!(rate.message(&limits, AT + SECOND_US), Verdict::Wait(AT + 2 * SECOND_US));
        assert_eq!(Rate::default().message(&LimitsConfig::OFF, AT), Verdict::Serve);
    }
}
