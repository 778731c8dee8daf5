//! The data farms: which there are, what they serve, and what is said of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::outage::Outage;
use crate::market::catalog::Catalog;

/// What a farm serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Live data.
    MarketData,
    /// The history.
    History,
    /// Contract details.
    Definitions,
}

/// How the gateway's link to it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// OK.
    Up,
    /// Not needed so far.
    Inactive,
    /// Being made.
    Connecting,
    /// Broken.
    Down,
}

/// One farm.
#[derive(Debug, Clone, Serialize)]
pub struct Farm {
    /// As notices name it.
    pub name: &'static str,
    /// What it serves.
    pub kind: Kind,
    /// How its link is.
    pub link: Link,
    #[serde(skip)]
    outage: Outage,
}

/// Name, kind, exchanges, and whether the gateway connects to it by itself. Which farm serves which exchange is not
/// documented. An exchange that is not named belongs to the first of a kind.
const FARMS: [(&str, Kind, &[&str], Link); 8] = [
    ("usfuture", Kind::MarketData, &["CME", "CBOT", "NYMEX", "COMEX", "CFE"], Link::Up),
    ("usfarm", Kind::MarketData, &["SMART", "NASDAQ", "NYSE", "ARCA", "BATS", "IEX", "PAXOS"], Link::Up),
    ("cashfarm", Kind::MarketData, &["IDEALPRO"], Link::Inactive),
    ("hfarm", Kind::MarketData, &["SEHK", "HKFE"], Link::Inactive),
    ("jfarm", Kind::MarketData, &["TSEJ", "OSE.JPN"], Link::Inactive),
    ("ushmds", Kind::History, &[], Link::Up),
    ("hkhmds", Kind::History, &["SEHK", "HKFE", "TSEJ", "OSE.JPN"], Link::Inactive),
    ("secdefnj", Kind::Definitions, &[], Link::Up),
];

/// All farms of a login.
#[derive(Debug)]
pub struct Farms {
    farms: Vec<Farm>,
    /// By contract: the places of its market data farm and its history farm.
    of: BTreeMap<i32, (usize, usize)>,
}

impl Farms {
    /// Those that a catalogue needs.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        let farm = |&(name, kind, _, link): &(_, _, _, _)| Farm { name, kind, link, outage: Outage::default() };
        let place = |wanted: Kind, exchange: &str, or: &str| {
            let named = FARMS.iter().position(|(_, kind, served, _)| *kind == wanted && served.contains(&exchange));
            named.or_else(|| FARMS.iter().position(|(name, ..)| *name == or)).unwrap_or(0)
        };
        let of = catalog.contracts().iter().map(|contract| {
            let exchange = contract.exchange;
            let places = (place(Kind::MarketData, exchange, "usfarm"), place(Kind::History, exchange, "ushmds"));
            (contract.con_id, places)
        });
        Self { of: of.collect(), farms: FARMS.iter().map(farm).collect() }
    }

    /// All.
    #[must_use]
    pub fn list(&self) -> &[Farm] {
        &self.farms
    }

    /// Changes a link and says what clients are told; `None` when there is no such farm. When it comes up, subscriptions
    /// of before are `kept` or not.
    pub fn set(&mut self, name: &str, link: Link, kept: bool, now_us: i64) -> Option<(i32, String)> {
        let farm = self.farms.iter_mut().find(|farm| farm.name == name)?;
        let was_up = !farm.outage.down;
        farm.link = link;
        match link {
            Link::Up if was_up => {}
            Link::Up => farm.outage.end(kept, now_us),
            Link::Inactive | Link::Connecting | Link::Down => farm.outage.begin(),
        }
        Some(farm.notice())
    }

    /// A contract's data are wanted: a farm that was not needed so far is connected. Returns what clients are told.
    pub fn want(&mut self, con_id: i32, kind: Kind) -> Vec<(i32, String)> {
        let Some((live, history)) = self.of.get(&con_id).copied() else { return Vec::new() };
        let farm = &mut self.farms[if kind == Kind::History { history } else { live }];
        if farm.link != Link::Inactive {
            return Vec::new();
        }
        farm.link = Link::Connecting;
        let connecting = (farm.kind == Kind::MarketData).then(|| farm.notice());
        farm.link = Link::Up;
        farm.outage.end(true, 0);
        connecting.into_iter().chain([farm.notice()]).collect()
    }

    /// The links to all farms are made anew: what was silent speaks again. Returns what clients are told.
    pub fn reconnect(&mut self) -> Vec<(i32, String)> {
        let mut said = Vec::new();
        for farm in self.farms.iter_mut().filter(|farm| farm.link == Link::Up && farm.kind != Kind::Definitions) {
            farm.outage.heal();
            for link in [Link::Down, Link::Up] {
                farm.link = link;
                said.push(farm.notice());
            }
        }
        said
    }

    /// Whether a farm's fault keeps a contract's ticks from a subscription of that time.
    #[must_use]
    pub fn withholds(&self, con_id: i32, since_us: i64) -> bool {
        self.of.get(&con_id).is_some_and(|(live, _)| self.farms[*live].outage.withholds(since_us))
    }

    /// Whether the farm of that kind that serves a contract is down.
    #[must_use]
    pub fn is_down(&self, con_id: i32, kind: Kind) -> bool {
        match kind {
            Kind::Definitions => self.farms.iter().any(|farm| farm.kind == kind && farm.link == Link::Down),
            _ => self.of.get(&con_id).is_some_and(|(live, history)| {
                let place = if kind == Kind::History { *history } else { *live };
                self.farms[place].link == Link::Down
            }),
        }
    }

    /// What a client is told when it comes: first of the farms that are up, last of those that nobody needs.
    #[must_use]
    pub fn notices(&self) -> Vec<(i32, String)> {
        let mut farms: Vec<&Farm> = self.farms.iter().collect();
        farms.sort_by_key(|farm| farm.link == Link::Inactive);
        farms.into_iter().map(Farm::notice).collect()
    }

    /// The list in the texts of 1101 and 1102.
    #[must_use]
    pub fn text(&self) -> String {
        let named = |up: bool| {
            let farms = self.farms.iter().filter(|farm| farm.link != Link::Inactive && (farm.link == Link::Up) == up);
            farms.map(|farm| farm.name).collect::<Vec<_>>().join("; ")
        };
        match (named(true), named(false)) {
            (up, down) if down.is_empty() => format!(" All data farms are connected: {up}."),
            (up, down) => {
                format!(" The following farms are connected: {up}. The following farms are not connected: {down}.")
            }
        }
    }
}

impl Farm {
    fn notice(&self) -> (i32, String) {
        let (code, text) = match (self.kind, self.link) {
            (Kind::MarketData, Link::Down) => (2103, "Market data farm connection is broken:"),
            (Kind::MarketData, Link::Up) => (2104, "Market data farm connection is OK:"),
            (Kind::History, Link::Down) => (2105, "HMDS data farm connection is broken:"),
            (Kind::History, Link::Up) => (2106, "HMDS data farm connection is OK:"),
            (Kind::History, Link::Inactive | Link::Connecting) => {
                (2107, "HMDS data farm connection is inactive but should be available upon demand.")
            }
            (Kind::MarketData, Link::Inactive) => {
                (2108, "Market data farm connection is inactive but should be available upon demand.")
            }
            (Kind::MarketData, Link::Connecting) => (2119, "Market data farm is connecting:"),
            (Kind::Definitions, Link::Up) => (2158, "Sec-def data farm connection is OK:"),
            (Kind::Definitions, _) => (2157, "Sec-def data farm connection is broken:"),
        };
        (code, format!("{text}{}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MNQ: i32 = 711_280_073;
    const AAPL: i32 = 265_598;
    const TENCENT: i32 = 900_700;

    fn farms() -> Farms {
        Farms::of(&Catalog::on(jiff::civil::date(2026, 11, 24)))
    }

    #[test]
    fn one_farm_is_one_set_of_exchanges() {
        let mut farms = farms();
        assert_eq!(farms.set("usfuture", Link::Down, false, 10).unwrap().0, 2103);
        assert!(farms.withholds(MNQ, 20) && !farms.withholds(AAPL, 5));
        assert_eq!(farms.set("usfuture", Link::Up, false, 30).unwrap().0, 2104);
        assert!(farms.withholds(MNQ, 20) && !farms.withholds(MNQ, 31));
        farms.reconnect();
        assert!(!farms.withholds(MNQ, 20));
        farms.set("ushmds", Link::Down, false, 40);
        assert!(farms.is_down(AAPL, Kind::History) && !farms.is_down(TENCENT, Kind::History));
        assert_eq!(farms.set("moonfarm", Link::Down, false, 10), None);
    }

    #[test]
    fn a_farm_that_nobody_needs_is_inactive_until_somebody_does() {
        let mut farms = farms();
        let codes = |said: Vec<(i32, String)>| said.into_iter().map(|(code, _)| code).collect::<Vec<_>>();
        assert_eq!(codes(farms.notices()), [2104, 2104, 2106, 2158, 2108, 2108, 2108, 2107]);
        assert_eq!(codes(farms.want(TENCENT, Kind::MarketData)), [2119, 2104]);
        assert!(farms.want(TENCENT, Kind::MarketData).is_empty());
        assert!(!farms.withholds(TENCENT, 1));
        assert!(farms.text().starts_with(" All data farms are connected: usfuture; usfarm; hfarm; ushmds"));
        farms.set("usfarm", Link::Down, false, 1);
        assert!(farms.text().ends_with("not connected: usfarm."), "{}", farms.text());
    }
}
