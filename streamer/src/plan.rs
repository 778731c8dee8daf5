//! Which streams a manifest asks for, and which of them get one of the scarce tick-by-tick lines.

use std::{collections::BTreeSet, fmt};

use marketstream_crds::{Contract, Hours, MarketStreamSpec, SecType, TickType};

/// A contract of the manifest and a tick type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// Name of the contract in the manifest.
    pub contract: String,
    /// Tick type.
    pub tick: TickType,
    /// How often the contract had rolled when this stream began: while a future rolls, the old and the new contract
    /// have a stream each.
    pub roll: u32,
}

impl StreamKey {
    /// The same stream of the contract after so many rolls.
    #[must_use]
    pub fn after(&self, rolls: u32) -> Self {
        Self { roll: rolls, ..self.clone() }
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.contract, self.tick.as_str())
    }
}

/// Every stream of the manifest, the most important first: by priority, then by the manifest's order.
#[must_use]
pub fn order(spec: &MarketStreamSpec) -> Vec<StreamKey> {
    let mut contracts: Vec<&Contract> = spec.contracts.iter().collect();
    contracts.sort_by_key(|contract| std::cmp::Reverse(contract.priority));
    let streams = contracts.into_iter().flat_map(|contract| {
        contract.ticks.iter().map(|tick| StreamKey { contract: contract.name.clone(), tick: *tick, roll: 0 })
    });
    streams.collect()
}

/// What a stream could do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Record.
    Able,
    /// Nothing until something changes, such as a permission.
    Out,
    /// Nothing at all: its contract has expired.
    Ended,
}

/// The streams that have one of so many tick-by-tick lines, in their order. Those that are out get what the able ones
/// leave, to be tried now and then; those that have ended get none.
#[must_use]
pub fn lined(order: &[StreamKey], lines: usize, of: impl Fn(&StreamKey) -> Use) -> BTreeSet<StreamKey> {
    let of = &of;
    let those = |wanted: Use| order.iter().filter(move |key| of(key) == wanted);
    those(Use::Able).chain(those(Use::Out)).take(lines).cloned().collect()
}

/// Which of a contract's hours count, once `Auto` is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// `tradingHours` of the contract details.
    Trading,
    /// `liquidHours` of the contract details.
    Liquid,
    /// Day and night.
    Always,
}

/// Resolves `hours` with IBKR's code of the security type, which the contract details tell.
#[must_use]
pub fn calendar(hours: Hours, sec_type: &str) -> Calendar {
    match hours {
        Hours::Trading => Calendar::Trading,
        Hours::Liquid => Calendar::Liquid,
        Hours::Always => Calendar::Always,
        Hours::Auto => {
            let around_the_clock = [SecType::FUT, SecType::CONTFUT, SecType::CASH, SecType::CRYPTO];
            if around_the_clock.iter().any(|kind| kind.as_str() == sec_type) {
                Calendar::Trading
            } else {
                Calendar::Liquid
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::spec;

    #[test]
    fn lines_go_by_priority_and_then_by_the_manifests_order() {
        let spec = spec(serde_json::json!({
            "contracts": [
                {"name": "a", "conId": 1, "ticks": ["Last", "BidAsk"]},
                {"name": "b", "conId": 2, "ticks": ["Last"], "priority": 5},
                {"name": "c", "conId": 3, "ticks": ["Last"]},
            ],
            "gateway": {"external": {"host": "gw"}},
            "limits": {"tickByTick": 3},
        }));
        let order = order(&spec);
        let names = |lined: BTreeSet<StreamKey>| lined.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(lined(&order, 3, |_| Use::Able)), ["a/Last", "a/BidAsk", "b/Last"]);
        assert_eq!(names(lined(&order, 1, |_| Use::Able)), ["b/Last"]);
        // One that cannot use its line leaves it to the next, and gets what is left.
        let b = |using: Use| move |key: &StreamKey| if key.contract == "b" { using } else { Use::Able };
        assert_eq!(names(lined(&order, 3, b(Use::Out))), ["a/Last", "a/BidAsk", "c/Last"]);
        assert_eq!(names(lined(&order, 4, b(Use::Out))).len(), 4);
        assert_eq!(names(lined(&order, 4, b(Use::Ended))), ["a/Last", "a/BidAsk", "c/Last"]);
    }

    #[test]
    fn auto_takes_trading_hours_where_markets_hardly_close() {
        for (sec_type, expected) in [
            ("FUT", Calendar::Trading),
            ("CRYPTO", Calendar::Trading),
            ("STK", Calendar::Liquid),
            ("", Calendar::Liquid),
        ] {
            assert_eq!(calendar(Hours::Auto, sec_type), expected, "{sec_type}");
        }
        assert_eq!(calendar(Hours::Always, "STK"), Calendar::Always);
    }
}
