//! Which contracts get a market-data line, and what is recorded from it. Pure.

use std::collections::BTreeMap;

use marketstream_crds::TickType;

use crate::plan::StreamKey;

/// Which trades are recorded from a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trades {
    /// Those that are reported as the last one.
    Reported,
    /// All.
    All,
}

impl Trades {
    /// IBKR's number of the generic tick that tells of them.
    #[must_use]
    pub const fn generic_tick(self) -> &'static str {
        match self {
            Self::Reported => "375",
            Self::All => "233",
        }
    }
}

/// What is recorded from a line. Without either it only watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Bid and offer.
    pub quotes: bool,
    /// Trades.
    pub trades: Option<Trades>,
}

impl Wish {
    fn add(&mut self, tick: TickType) {
        match tick {
            TickType::BidAsk | TickType::MidPoint => self.quotes = true,
            TickType::Last => self.trades = self.trades.max(Some(Trades::Reported)),
            TickType::AllLast => self.trades = Some(Trades::All),
        }
    }
}

/// The lines by contract. `order` is all streams, the most important first; those that `overflow` are recorded from
/// their contract's line, so those contracts come first when there are not enough `lines`.
#[must_use]
pub fn wishes(order: &[StreamKey], overflow: impl Fn(&StreamKey) -> bool, lines: usize) -> BTreeMap<String, Wish> {
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    let (needed, other): (Vec<&StreamKey>, Vec<&StreamKey>) = order.iter().partition(|key| overflow(key));
    for (key, recorded) in needed.into_iter().map(|key| (key, true)).chain(other.into_iter().map(|key| (key, false))) {
        if wishes.len() >= lines && !wishes.contains_key(&key.contract) {
            continue;
        }
        let wish = wishes.entry(key.contract.clone()).or_default();
        if recorded {
            wish.add(key.tick);
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(contract: &str, tick: TickType) -> StreamKey {
        StreamKey { contract: contract.to_owned(), tick, roll: 0 }
    }

    #[test]
    fn overflowing_streams_get_their_lines_first() {
        let order = [
            key("a", TickType::Last),
            key("b", TickType::BidAsk),
            key("c", TickType::MidPoint),
            key("c", TickType::Last),
            key("c", TickType::AllLast),
        ];
        let names = |lines| wishes(&order, |key| key.contract == "c", lines).into_keys().collect::<Vec<_>>();
        assert_eq!(names(1), ["c"]);
        assert_eq!(names(2), ["a", "c"]);
        assert_eq!(names(9), ["a", "b", "c"]);
        assert!(names(0).is_empty());
        let all = wishes(&order, |key| key.contract == "c", 9);
        assert_eq!(all["c"], Wish { quotes: true, trades: Some(Trades::All) });
        assert_eq!(all["a"], Wish::default());
        let one = wishes(&order, |known| *known == key("c", TickType::Last), 9);
        assert_eq!(one["c"], Wish { quotes: false, trades: Some(Trades::Reported) });
    }
}
