//! The contracts that are recorded, and when each of their streams truly has something to say.

use marketstream_crds::{MarketStreamSpec, TickType, stream_key};
use serde_json::{Value, json};

use crate::{
    calendar::{Market, Session},
    clock::{MINUTE, Ms, SECOND},
    dice::{Dice, noise},
};

/// A set of streams, one bit each.
pub type Mask = u32;

/// The streams of a set, by their place in the manifest.
pub fn members(mask: Mask) -> impl Iterator<Item = usize> {
    (0..Mask::BITS as usize).filter(move |index| mask & (1 << index) != 0)
}

/// What runs the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum House {
    /// A paper account beside the streamer.
    Paper,
    /// A live account beside the streamer: a full login needs a person.
    Live,
    /// Somebody else's gateway.
    External,
}

/// A contract of the catalogue.
struct Listing {
    name: &'static str,
    con_id: i32,
    market: Market,
    farm: &'static str,
    ticks: &'static [TickType],
    /// Mean time between two ticks of a thin contract; others tick all the time.
    thin: Option<Ms>,
    /// Its own `staleAfter`.
    stale_after: Option<Ms>,
}

const CATALOGUE: [Listing; 6] = [
    Listing {
        name: "mnq",
        con_id: 711_280_073,
        market: Market::Cme,
        farm: "usfuture",
        ticks: &[TickType::BidAsk, TickType::Last],
        thin: None,
        stale_after: None,
    },
    Listing {
        name: "aapl",
        con_id: 265_598,
        market: Market::UsStock,
        farm: "usfarm",
        ticks: &[TickType::Last],
        thin: None,
        stale_after: None,
    },
    Listing {
        name: "hkex",
        con_id: 45_540_211,
        market: Market::HongKong,
        farm: "hfarm",
        ticks: &[TickType::Last],
        thin: None,
        stale_after: None,
    },
    Listing {
        name: "toyota",
        con_id: 14_016_545,
        market: Market::Tokyo,
        farm: "jfarm",
        ticks: &[TickType::BidAsk],
        thin: None,
        stale_after: None,
    },
    Listing {
        name: "btc",
        con_id: 479_624_278,
        market: Market::Always,
        farm: "cashfarm",
        ticks: &[TickType::BidAsk],
        thin: None,
        stale_after: None,
    },
    Listing {
        name: "oats",
        con_id: 500_000_001,
        market: Market::Cme,
        farm: "usfuture",
        ticks: &[TickType::Last],
        thin: Some(90 * SECOND),
        stale_after: Some(15 * MINUTE),
    },
];

/// One stream of the manifest.
#[derive(Debug)]
pub struct Stream {
    /// Name of its contract.
    pub contract: &'static str,
    /// Tick type.
    pub tick: TickType,
    /// `contract/TickType`.
    pub key: String,
    /// The data farm that it comes from.
    pub farm: &'static str,
    /// Silence that counts, in milliseconds.
    pub stale_after: Ms,
    /// When it trades.
    pub sessions: Vec<Session>,
    /// When it ticks.
    pub tape: Tape,
}

/// When a stream ticks while it trades.
#[derive(Clone, Copy, Debug)]
pub enum Tape {
    /// Many times a second.
    Busy,
    /// Now and then.
    Thin {
        /// What makes this tape unlike others.
        key: u64,
        /// Probability of a tick in a slot, out of 2^64.
        chance: u64,
    },
}

/// At most one tick of a thin contract comes in each of these.
const SLOT: Ms = 30 * SECOND;

impl Tape {
    fn thin(key: u64, mean: Ms) -> Self {
        Self::Thin { key, chance: (u64::MAX as f64 * SLOT as f64 / mean as f64) as u64 }
    }

    fn in_slot(key: u64, chance: u64, slot: Ms) -> Option<Ms> {
        let drawn = noise(key, slot as u64);
        (drawn < chance).then(|| slot * SLOT + (noise(drawn, 1) % SLOT as u64) as Ms)
    }

    /// The last tick after `after` and not after `until`.
    #[must_use]
    pub fn last(self, after: Ms, until: Ms) -> Option<Ms> {
        match self {
            Self::Busy => (until > after).then_some(until),
            Self::Thin { key, chance } => {
                let slots = after.div_euclid(SLOT)..=until.div_euclid(SLOT);
                let mut ticks = slots.rev().filter_map(|slot| Self::in_slot(key, chance, slot));
                ticks.find(|tick| *tick <= until).filter(|tick| *tick > after)
            }
        }
    }

    /// The first tick at or after `from` and before `until`.
    #[must_use]
    pub fn next(self, from: Ms, until: Ms) -> Option<Ms> {
        match self {
            Self::Busy => (from < until).then_some(from),
            Self::Thin { key, chance } => {
                let slots = from.div_euclid(SLOT)..=until.div_euclid(SLOT);
                let mut ticks = slots.filter_map(|slot| Self::in_slot(key, chance, slot));
                ticks.find(|tick| *tick >= from).filter(|tick| *tick < until)
            }
        }
    }

    /// When silence has first lasted for `span` after a tick at `last`, all before `until`.
    #[must_use]
    pub fn gap(self, last: Ms, span: Ms, until: Ms) -> Option<Ms> {
        let mut last = last;
        while last + span < until {
            match self.next(last + 1, last + span) {
                Some(tick) if matches!(self, Self::Thin { .. }) => last = tick,
                Some(_) => return None,
                None => return Some(last + span),
            }
        }
        None
    }
}

/// What is recorded in a year, and with what.
#[derive(Debug)]
pub struct Manifest {
    /// What runs the gateway.
    pub house: House,
    /// The resource's spec.
    pub spec: MarketStreamSpec,
    /// Its streams, in the order of the contracts.
    pub streams: Vec<Stream>,
    /// Streams whose contract has an ordinary market-data line beside them.
    pub lined: Mask,
}

impl Manifest {
    /// Draws who records what in a year.
    ///
    /// # Panics
    /// Never: the spec is written by this program.
    #[must_use]
    pub fn draw(dice: &mut Dice, year: i16) -> Self {
        let house = dice.pick(&[House::Paper, House::Paper, House::Live, House::Live, House::External]);
        let mut listings: Vec<&Listing> = CATALOGUE.iter().filter(|_| dice.chance(0.75)).collect();
        if listings.is_empty() {
            listings.push(&CATALOGUE[0]);
        }
        let gateway = match house {
            House::Paper => sidecar("Paper"),
            House::Live => sidecar("Live"),
            House::External => json!({ "external": { "host": "gateway", "ports": [4002] } }),
        };
        let contracts: Vec<Value> = listings.iter().map(|listing| listing.contract()).collect();
        let mut recovery = json!({});
        // Most users keep the default; some ask for another strength of the reset.
        let strength = dice.unit();
        if house == House::Paper && strength < 0.4 {
            recovery["reset"] = json!(if strength < 0.3 { "Stepwise" } else { "Reconnect" });
        }
        let spec = json!({
            "contracts": contracts, "gateway": gateway, "recovery": recovery, "limits": { "tickByTick": 20 },
        });
        let spec: MarketStreamSpec = serde_json::from_value(spec).expect("a spec that this program wrote");
        let default = spec.recovery.stale_after.get().as_millis() as Ms;
        let streams = listings.iter().flat_map(|listing| {
            let key = dice.number();
            listing.ticks.iter().map(move |tick| Stream {
                contract: listing.name,
                tick: *tick,
                key: stream_key(listing.name, *tick),
                farm: listing.farm,
                stale_after: listing.stale_after.unwrap_or(default),
                sessions: listing.market.sessions(year),
                tape: listing.thin.map_or(Tape::Busy, |mean| Tape::thin(key, mean)),
            })
        });
        let streams = streams.collect();
        let mut manifest = Self { house, spec, streams, lined: 0 };
        // The account's lines may be used up elsewhere, by all or all but one.
        manifest.lined = match dice.unit() {
            luck if luck < 0.75 => manifest.all(),
            luck if luck < 0.85 => manifest.of_contract(manifest.streams[0].contract),
            _ => 0,
        };
        manifest
    }

    /// All streams.
    #[must_use]
    pub fn all(&self) -> Mask {
        (1 << self.streams.len()) - 1
    }

    /// The streams of a farm.
    #[must_use]
    pub fn of_farm(&self, farm: &str) -> Mask {
        self.of(|stream| stream.farm == farm)
    }

    /// The streams of a contract.
    #[must_use]
    pub fn of_contract(&self, contract: &str) -> Mask {
        self.of(|stream| stream.contract == contract)
    }

    /// The streams with these keys.
    #[must_use]
    pub fn of_keys(&self, keys: &[String]) -> Mask {
        self.of(|stream| keys.contains(&stream.key))
    }

    fn of(&self, like: impl Fn(&Stream) -> bool) -> Mask {
        self.streams.iter().enumerate().filter(|(_, stream)| like(stream)).map(|(index, _)| 1 << index).sum()
    }
}

/// Which markets are open, as time goes by.
#[derive(Debug, Default)]
pub struct Bells {
    sessions: Vec<usize>,
    /// Streams whose session is open.
    pub open: Mask,
    /// Streams whose session has been open for the grace that the user gives it.
    pub settled: Mask,
    /// When this changes next.
    pub next: Ms,
}

impl Bells {
    /// Lets time go by. It never goes back.
    pub fn step(&mut self, manifest: &Manifest, now: Ms) {
        if now < self.next {
            return;
        }
        let grace = manifest.spec.recovery.open_grace.get().as_millis() as Ms;
        self.sessions.resize(manifest.streams.len(), 0);
        (self.open, self.settled, self.next) = (0, 0, Ms::MAX);
        for (index, stream) in manifest.streams.iter().enumerate() {
            let current = &mut self.sessions[index];
            while stream.sessions.get(*current).is_some_and(|session| session.close <= now) {
                *current += 1;
            }
            let Some(session) = stream.sessions.get(*current) else { continue };
            let settles = session.open + grace;
            let changes = [session.open, settles, session.close];
            self.next = changes.into_iter().filter(|at| *at > now).fold(self.next, Ms::min);
            self.open |= Mask::from(session.open <= now) << index;
            self.settled |= Mask::from(settles <= now) << index;
        }
    }

    /// The session of a stream, or its next one.
    #[must_use]
    pub fn session(&self, manifest: &Manifest, stream: usize) -> Option<Session> {
        manifest.streams[stream].sessions.get(*self.sessions.get(stream)?).copied()
    }
}

fn sidecar(mode: &str) -> Value {
    json!({ "sidecar": { "image": "gateway", "credentialsSecretRef": { "name": "ibkr" }, "tradingMode": mode } })
}

impl Listing {
    fn contract(&self) -> Value {
        let ticks: Vec<&str> = self.ticks.iter().map(|tick| tick.as_str()).collect();
        let mut contract = json!({ "name": self.name, "conId": self.con_id, "ticks": ticks });
        if let Some(stale_after) = self.stale_after {
            contract["staleAfter"] = json!(format!("{}s", stale_after / SECOND));
        }
        contract
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thin_tape_is_the_same_from_both_sides() {
        let tape = Tape::thin(7, 90 * SECOND);
        let (mut at, mut ticks) = (0, 0);
        while let Some(tick) = tape.next(at, 24 * 60 * MINUTE) {
            assert_eq!(tape.last(tick - 1, tick), Some(tick));
            assert_eq!(tape.next(tick, tick + 1), Some(tick));
            at = tick + 1;
            ticks += 1;
        }
        assert!((800..1120).contains(&ticks), "{ticks} ticks a day");
        let first = tape.next(0, MINUTE * 60).unwrap();
        let gap = tape.gap(first, 5 * MINUTE, 24 * 60 * MINUTE).unwrap();
        assert_eq!(tape.last(gap - 5 * MINUTE, gap), None);
        assert_eq!(Tape::Busy.gap(0, SECOND, MINUTE), None);
    }
}
