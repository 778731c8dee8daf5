//! The generic tick list of a market data request: which ticks it wants beside the usual ones.

use std::collections::BTreeSet;

/// Shortable shares.
pub const SHORTABLE: i32 = 236;

/// All trades with the day's volume.
pub const RT_VOLUME: i32 = 233;

/// The same of reported trades only.
pub const RT_TRADE_VOLUME: i32 = 375;

/// Numbers that the original knows. Most say nothing here, as they do there when there is nothing to say.
const KNOWN: [i32; 30] = [
    100,
    101,
    104,
    105,
    106,
    107,
    125,
    162,
    165,
    221,
    225,
    232,
    RT_VOLUME,
    SHORTABLE,
    258,
    292,
    293,
    294,
    295,
    318,
    RT_TRADE_VOLUME,
    411,
    456,
    460,
    577,
    586,
    587,
    588,
    595,
    619,
];

/// The ticks that a request wants beside the usual ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GenericTicks(BTreeSet<i32>);

/// A list that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Incorrect generic tick list of {list}. Legal ones are: {}", legal())]
pub struct GenericError {
    list: String,
}

fn legal() -> String {
    KNOWN.map(|number| number.to_string()).join(",")
}

impl GenericTicks {
    /// Reads a list such as `233,236`. What follows a colon (news providers) does not matter.
    ///
    /// # Errors
    /// When an entry is not one of the numbers that the original knows.
    pub fn read(list: &str) -> Result<Self, GenericError> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty() && *entry != "mdoff");
        let number = |entry: &str| entry.split(':').next()?.parse().ok().filter(|number| KNOWN.contains(number));
        let numbers: Option<BTreeSet<i32>> = entries.map(number).collect();
        numbers.map(Self).ok_or_else(|| GenericError { list: list.to_owned() })
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn wants(&self, number: i32) -> bool {
        self.0.contains(&number)
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists() {
        let ticks = GenericTicks::read("233, 236,292:BRFG+DJNL").unwrap();
        assert!(ticks.wants(RT_VOLUME) && ticks.wants(SHORTABLE) && ticks.wants(292) && !ticks.wants(375));
        assert!(GenericTicks::read("").unwrap().is_empty());
        for bad in ["999", "233,x", "233;236"] {
            let error = GenericTicks::read(bad).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("Incorrect generic tick list of {bad}. Legal ones are: 100,101")),
                "{error}"
            );
        }
    }
}
