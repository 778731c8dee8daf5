//! Faults: what can be made to go wrong, and what that means for a subscription, a request or the listener.

mod book;
mod parse;

pub use book::{Active, FaultBook};
pub use parse::FaultError;

use serde::Serialize;

use crate::market::Stream;
use crate::market::tick::TickType;

/// Something that goes wrong until it is ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Ticks are withheld, and lost.
    Silence {
        /// Of which streams.
        scope: Scope,
        /// What makes a client hear them again.
        cure: Cure,
    },
    /// Nothing listens on the API port.
    Refuse,
    /// Connections are accepted and nothing is answered; those that exist freeze.
    Hang,
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
    /// A client id counts as taken.
    ClientIdInUse {
        /// The id.
        client_id: i32,
    },
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
}

impl Scope {
    /// Whether the stream is in it.
    #[must_use]
    pub fn covers(self, stream: Stream) -> bool {
        match self {
            Self::All => true,
            Self::Contract { con_id, tick } => con_id == stream.con_id && tick.is_none_or(|tick| tick == stream.tick),
        }
    }
}

/// What ends a silence for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Cure {
    /// A subscription that was requested after the silence began.
    Resubscribe,
    /// A subscription on a connection that was made after the silence began.
    Reconnect,
    /// Only the end of the fault.
    Never,
}

/// An answer that a fault makes to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Error code.
    pub code: i32,
    /// Error text.
    pub text: String,
}
