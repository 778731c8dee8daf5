//! A time without data, and which subscriptions live through it.

use serde::Serialize;

/// Of all data, or of one farm's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// Nothing flows.
    pub down: bool,
    /// Subscriptions of that time and older never flow again, microseconds since the epoch.
    #[serde(skip)]
    lost_until_us: i64,
}

impl Outage {
    /// Nothing flows from now on.
    pub fn begin(&mut self) {
        self.down = true;
    }

    /// Data flow again: for new subscriptions, and when they are `kept` also for the old ones.
    pub fn end(&mut self, kept: bool, now_us: i64) {
        self.down = false;
        if !kept {
            self.lost_until_us = now_us;
        }
    }

    /// Old subscriptions flow again too.
    pub fn heal(&mut self) {
        self.lost_until_us = 0;
    }

    /// Whether a subscription of that time gets nothing.
    #[must_use]
    pub fn withholds(&self, since_us: i64) -> bool {
        self.down || since_us <= self.lost_until_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_needs_a_new_subscription() {
        let mut outage = Outage::default();
        assert!(!outage.withholds(1));
        outage.begin();
        assert!(outage.withholds(1));
        outage.end(true, 10);
        assert!(!outage.withholds(1));
        outage.begin();
        outage.end(false, 20);
        assert!(outage.withholds(1) && outage.withholds(20) && !outage.withholds(21));
        outage.heal();
        assert!(!outage.withholds(1));
    }
}
