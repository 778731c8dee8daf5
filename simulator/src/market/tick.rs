//! Ticks as the market makes them, before they go on a wire.

use serde::{Deserialize, Serialize};

/// The four kinds of tick-by-tick data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TickType {
    /// Trades, without those that are not reported to the tape.
    Last,
    /// All trades.
    AllLast,
    /// Changes of the best bid and offer.
    BidAsk,
    /// Changes of the middle between them.
    MidPoint,
}

impl TickType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Last, Self::AllLast, Self::BidAsk, Self::MidPoint];

    /// Name in requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "Last",
            Self::AllLast => "AllLast",
            Self::BidAsk => "BidAsk",
            Self::MidPoint => "MidPoint",
        }
    }

    /// The kind with that name in requests.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Number in answers, 1 to 4.
    #[must_use]
    pub fn wire(self) -> i32 {
        match self {
            Self::Last => 1,
            Self::AllLast => 2,
            Self::BidAsk => 3,
            Self::MidPoint => 4,
        }
    }

    /// The kind with that number in answers.
    #[must_use]
    pub fn from_wire(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.wire() == number)
    }
}

/// One tick. Together with its stream, `second` and `index` identify it for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Seconds since the epoch: the time that goes on the wire.
    pub second: i64,
    /// When in that second, microseconds, 0 to 999,999.
    pub offset_us: u32,
    /// Position among the ticks of its stream in that second, from 0; those of a burst count from
    /// [`super::burst::FIRST_INDEX`]. Below 2^21, which is what the journal has room for.
    pub index: u32,
    /// What it says.
    pub body: Body,
}

impl Tick {
    /// When it is due, microseconds since the epoch.
    #[must_use]
    pub fn at_us(&self) -> i64 {
        self.second * 1_000_000 + i64::from(self.offset_us)
    }
}

/// What a tick says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Of Last and AllLast.
    Trade(Trade),
    /// Of BidAsk.
    Quote(Quote),
    /// Of MidPoint: the price.
    Mid(f64),
}

/// A trade.
#[derive(Debug, Clone, PartialEq)]
pub struct Trade {
    /// In the contract's currency.
    pub price: f64,
    /// In contracts, shares or coins.
    pub size: f64,
    /// Where it was made.
    pub exchange: &'static str,
    /// Sale conditions; mostly empty.
    pub conditions: &'static str,
    /// Beyond the price limit.
    pub past_limit: bool,
    /// Not reported to the tape: seen by AllLast only.
    pub unreported: bool,
}

/// A best bid and offer.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// Best bid, in the contract's currency.
    pub bid: f64,
    /// Best offer, in the contract's currency.
    pub ask: f64,
    /// Size at the bid.
    pub bid_size: f64,
    /// Size at the offer.
    pub ask_size: f64,
    /// The bid is below the day's low.
    pub bid_past_low: bool,
    /// The offer is above the day's high.
    pub ask_past_high: bool,
}
