//! Faults: what can be made to go wrong, and what that means for a subscription, a request, a connection or the port.

mod alter;
mod book;
mod garbage;
mod kinds;
mod parse;

pub use alter::Alteration;
pub use book::{Active, FaultBook};
pub use garbage::{Garbage, half_frame};
pub use kinds::{FaultField, FaultKind, KINDS};
pub use parse::FaultError;

use serde::Serialize;

use crate::market::Stream;
use crate::market::tick::TickType;

/// Something that goes wrong: until it is ended, or once (see [`Fault::lasts`]).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Ticks are withheld, and lost.
    Silence {
        /// Of which streams.
        scope: Scope,
        /// What makes a client hear them again.
        cure: Cure,
    },
    /// Prices on the wire are off by an amount.
    WrongPrices {
        /// Of which streams.
        scope: Scope,
        /// What makes a client see the right ones again.
        cure: Cure,
        /// Is added to each price, in the contract's currency.
        offset: f64,
    },
    /// Fields of ticks are 0 on the wire; a time of 0 is the epoch.
    ZeroFields {
        /// Of which streams.
        scope: Scope,
        /// What makes a client see the right ones again.
        cure: Cure,
        /// Which fields.
        fields: Vec<ZeroField>,
    },
    /// New subscriptions get error 10167 and old ticks.
    Delayed {
        /// Of which streams.
        scope: Scope,
        /// How old, seconds.
        by_s: u32,
    },
    /// Nothing listens on the API port.
    Refuse,
    /// Connections are accepted and nothing is answered; those that exist freeze.
    Hang,
    /// Connections are accepted and their handshake is not answered.
    NoHandshake,
    /// Packets are dropped without a reset.
    Blackhole {
        /// Of which connections.
        connections: Connections,
    },
    /// Everything to clients goes through a slow line.
    SlowLink {
        /// Of each connection, bytes a second.
        bytes_per_s: u32,
    },
    /// Another session of the same login has the market data.
    Competing,
    /// New requests for these streams are refused.
    Reject {
        /// For which streams.
        scope: Scope,
        /// Error code.
        code: i32,
        /// Error text.
        text: String,
    },
    /// Questions to the history are refused.
    RejectHistory {
        /// Of which streams.
        scope: Scope,
        /// Error code.
        code: i32,
        /// Error text.
        text: String,
    },
    /// A client id counts as taken.
    ClientIdInUse {
        /// The id.
        client_id: i32,
    },
    /// Once: subscriptions are forgotten without a word.
    LoseSubscriptions {
        /// Of which streams.
        scope: Scope,
        /// Every how many of them; 1 is all.
        every: u32,
    },
    /// Once: each connection gets half a frame and then nothing more, for good.
    HalfFrame,
    /// Once: clients get bytes that the original never sends.
    Garbage {
        /// To subscriptions of which streams.
        scope: Scope,
        /// What kind of bytes.
        what: Garbage,
    },
    /// Once: additional ticks of one stream, all in one second, as fast as the socket takes them.
    Burst {
        /// IBKR's contract id.
        con_id: i32,
        /// Kind of ticks.
        tick: TickType,
        /// How many.
        ticks: u32,
    },
}

impl Fault {
    /// Whether it goes on until it is ended. What happens once is not kept and cannot be ended.
    #[must_use]
    pub fn lasts(&self) -> bool {
        !matches!(self, Self::LoseSubscriptions { .. } | Self::HalfFrame | Self::Garbage { .. } | Self::Burst { .. })
    }

    /// What cures it, for a fault of streams.
    fn cure(&self) -> Option<Cure> {
        match self {
            Self::Silence { cure, .. } | Self::WrongPrices { cure, .. } | Self::ZeroFields { cure, .. } => Some(*cure),
            _ => None,
        }
    }
}

/// Which streams a fault concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those of one contract, or one of them.
    Contract {
        /// IBKR's contract id.
        con_id: i32,
        /// One tick type; all when absent.
        tick: Option<TickType>,
    },
    /// Those of one tick type, of all contracts.
    Tick(TickType),
}

impl Scope {
    /// Whether the stream is in it.
    #[must_use]
    pub fn covers(self, stream: Stream) -> bool {
        match self {
            Self::All => true,
            Self::Contract { con_id, tick } => con_id == stream.con_id && tick.is_none_or(|tick| tick == stream.tick),
            Self::Tick(tick) => tick == stream.tick,
        }
    }
}

/// What ends a fault for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Cure {
    /// A subscription that was requested after the fault began.
    Resubscribe,
    /// A subscription on a connection that was made after the fault began.
    Reconnect,
    /// The next start of the process, or its next login, which end the fault.
    Restart,
    /// Only the end of the fault.
    Never,
}

/// Which connections lose their packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Connections {
    /// Those that exist. They are dead for good, and are reset when the fault ends.
    Old,
    /// Those that are attempted: the connect times out.
    New,
    /// Both.
    All,
}

/// A field of ticks that can be 0 on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZeroField {
    /// Seconds since the epoch.
    Time,
    /// All prices.
    Price,
    /// All sizes.
    Size,
}

/// An answer that a fault makes to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Error code.
    pub code: i32,
    /// Error text.
    pub text: String,
}
