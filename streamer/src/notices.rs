//! What the gateway's notices say about the link to IBKR and its data farms.

use std::collections::BTreeMap;

use marketstream_crds::{FarmState, Upstream};

/// Farms that are kept; the resource allows 64. IBKR has about twenty.
const MAX_FARMS: usize = 64;

/// The link to IBKR, as far as notices tell. It belongs to one API session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The gateway's link to IBKR.
    pub upstream: Option<Upstream>,
    /// Data farms by name.
    pub farms: BTreeMap<String, FarmState>,
}

/// What a notice asks of the streamer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    None,
    /// IBKR lost all requests (1101): ask for every stream again.
    ResubscribeAll,
    /// A farm or the link is back, and is said to have kept all requests. Often it has not: look whether ticks come.
    Verify,
}

impl Link {
    /// Takes a notice in.
    pub fn apply(&mut self, code: i32, text: &str) -> Demand {
        let farm = match code {
            1100 | 2110 => {
                self.upstream = Some(Upstream::Down);
                return Demand::None;
            }
            1101 => {
                self.upstream = Some(Upstream::Up);
                return Demand::ResubscribeAll;
            }
            1102 => {
                self.upstream = Some(Upstream::Up);
                return Demand::Verify;
            }
            2104 | 2106 | 2158 => FarmState::Ok,
            2103 | 2105 | 2157 => FarmState::Broken,
            2107 | 2108 => FarmState::Inactive,
            2119 => FarmState::Connecting,
            _ => return Demand::None,
        };
        if let Some(name) = farm_name(text)
            && (self.farms.len() < MAX_FARMS || self.farms.contains_key(name))
        {
            let before = self.farms.insert(name.to_owned(), farm);
            if farm == FarmState::Ok && matches!(before, Some(FarmState::Broken | FarmState::Connecting)) {
                return Demand::Verify;
            }
        }
        Demand::None
    }
}

/// The farm's name is what stands behind the last colon: "Market data farm connection is OK:usfarm.nj". 2107 and 2108
/// end in a sentence and a full stop.
fn farm_name(text: &str) -> Option<&str> {
    let name = text.rsplit(':').next()?.trim().trim_end_matches('.');
    let word = !name.is_empty() && name.len() <= 63 && !name.contains(char::is_whitespace);
    (word && name.len() < text.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectivity_to_ibkr() {
        let mut link = Link::default();
        assert_eq!(link.apply(1100, "Connectivity between IB and Trader Workstation has been lost."), Demand::None);
        assert_eq!(link.upstream, Some(Upstream::Down));
        assert_eq!(
            link.apply(1102, "restored - data maintained. All data farms are connected: usfarm"),
            Demand::Verify
        );
        assert_eq!(link.upstream, Some(Upstream::Up));
        link.apply(2110, "Connectivity between Trader Workstation and server is broken.");
        assert_eq!(link.apply(1101, "restored - data lost."), Demand::ResubscribeAll);
        assert_eq!(link.upstream, Some(Upstream::Up));
    }

    #[test]
    fn farms_by_name() {
        let mut link = Link::default();
        link.apply(2104, "Market data farm connection is OK:usfarm.nj");
        link.apply(2103, "Market data farm connection is broken:usfuture");
        link.apply(2108, "Market data farm connection is inactive but should be available upon demand.:usopt");
        link.apply(2119, "Market data farm is connecting:eufarm");
        assert_eq!(link.apply(2104, "Market data farm connection is OK:usfarm.nj"), Demand::None);
        assert_eq!(link.apply(2103, "Market data farm connection is broken:cashfarm"), Demand::None);
        assert_eq!(link.apply(2104, "Market data farm connection is OK:cashfarm"), Demand::Verify);
        link.apply(2104, "no name");
        link.apply(354, "not a farm:x");
        let farms: Vec<_> = link.farms.iter().map(|(name, state)| (name.as_str(), *state)).collect();
        let expected = [
            ("cashfarm", FarmState::Ok),
            ("eufarm", FarmState::Connecting),
            ("usfarm.nj", FarmState::Ok),
            ("usfuture", FarmState::Broken),
            ("usopt", FarmState::Inactive),
        ];
        assert_eq!(farms, expected);
    }
}
