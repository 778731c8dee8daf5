//! While another session of the same user has the market data, one stream at a time is asked for: the canary. Its
//! first tick says that the data are ours again. Asking for all streams would only earn refusals for each.

use std::{collections::BTreeMap, time::Duration};

use crate::plan::StreamKey;

/// Pause between two canaries, so that the first data come within 35 s of the other session's end.
const PAUSE: Duration = Duration::from_secs(30);
/// After this time the other session is a long one, and the pause doubles.
const PATIENT_AFTER: Duration = Duration::from_secs(15 * 60);
const PATIENT_PAUSE: Duration = Duration::from_secs(60);

/// The hold during a competing session.
#[derive(Debug)]
pub struct Canary {
    since: Duration,
    due: Duration,
    turn: u32,
    /// In which turn each stream was tried last.
    tried: BTreeMap<StreamKey, u32>,
}

impl Canary {
    /// The hold begins with a refusal at `now`, so the first canary comes a pause later.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self { since: now, due: now + PAUSE, turn: 0, tried: BTreeMap::new() }
    }

    /// When the next canary is due.
    #[must_use]
    pub fn due(&self) -> Duration {
        self.due
    }

    /// A new API session may have ended the hold, or what is back may tell of its end: try at once, the first candidate
    /// again.
    pub fn restart(&mut self, now: Duration) {
        self.due = now;
        self.tried.clear();
    }

    /// Try at once.
    pub fn hasten(&mut self, now: Duration) {
        self.due = now;
    }

    /// Picks the next canary among streams that may be asked for now, in the order in which they should tell, rotating
    /// over the instruments: one of them may be silent for reasons of its own. The next turn is set in any case.
    pub fn pick<'a>(&mut self, candidates: &'a [StreamKey], now: Duration) -> Option<&'a StreamKey> {
        self.due = now + if now.saturating_sub(self.since) < PATIENT_AFTER { PAUSE } else { PATIENT_PAUSE };
        let last = |contract: &str| {
            let turns = self.tried.iter().filter(|(key, _)| key.contract == contract);
            turns.map(|(_, turn)| *turn).max()
        };
        // The first of those whose last turn is the longest ago.
        let picked = candidates.iter().min_by_key(|key| (last(&key.contract), self.tried.get(key)))?;
        self.turn = self.turn.saturating_add(1);
        self.tried.insert(picked.clone(), self.turn);
        Some(picked)
    }
}

#[cfg(test)]
mod tests {
    use marketstream_crds::TickType;

    use super::*;

    fn key(contract: &str, tick: TickType) -> StreamKey {
        StreamKey { contract: contract.to_owned(), tick, roll: 0 }
    }

    #[test]
    fn it_rotates_over_the_instruments_and_then_their_types() {
        let streams = [key("a", TickType::Last), key("a", TickType::BidAsk), key("b", TickType::Last)];
        let mut canary = Canary::new(Duration::ZERO);
        let picked: Vec<_> = (0..5).map(|_| canary.pick(&streams, canary.due()).unwrap().to_string()).collect();
        assert_eq!(picked, ["a/Last", "b/Last", "a/BidAsk", "b/Last", "a/Last"]);
        assert!(canary.pick(&[], Duration::ZERO).is_none());
        // One that may be asked for only now has no turns to make up for.
        let more = [streams.as_slice(), &[key("c", TickType::Last)]].concat();
        let picked: Vec<_> = (0..4).map(|_| canary.pick(&more, canary.due()).unwrap().to_string()).collect();
        assert_eq!(picked, ["c/Last", "b/Last", "a/BidAsk", "c/Last"]);
        canary.restart(Duration::from_secs(7));
        assert_eq!(canary.pick(&streams, canary.due()).unwrap().to_string(), "a/Last", "a new session begins anew");
    }

    #[test]
    fn every_30_seconds_and_after_15_minutes_every_minute() {
        let streams = [key("a", TickType::Last)];
        let mut canary = Canary::new(Duration::ZERO);
        let mut times = Vec::new();
        while canary.due() < Duration::from_secs(20 * 60) {
            let now = canary.due();
            times.push(now.as_secs());
            canary.pick(&streams, now);
        }
        assert_eq!(times[..3], [30, 60, 90]);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == if pair[0] < 900 { 30 } else { 60 }), "{times:?}");
        assert_eq!(times.last(), Some(&1140));
    }
}
