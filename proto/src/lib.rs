//! The tick record of MarketStream: its protobuf message, its framing in files, and where the files lie.
//!
//! The format is version 3 of ib-stream's, whose readers still work on it; see `proto/tick.proto` for the additions.

pub mod framing;
pub mod layout;

#[allow(missing_docs, rustdoc::all, clippy::all, reason = "generated; documented in proto/tick.proto")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/ib_stream.v3.rs"));
}

pub use generated::{Source, TickMessage};

/// A kind of tick, as file names and the field `tt` spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TickKind {
    /// Trades that count for the last price.
    Last,
    /// All trades.
    AllLast,
    /// Best bid and offer.
    BidAsk,
    /// Midpoint of the best bid and offer.
    MidPoint,
    /// Best bid and offer from ordinary market data, which samples.
    QuoteL1,
    /// Trades from ordinary market data (IBKR's RTVolume).
    RtVolume,
}

impl TickKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Last, Self::AllLast, Self::BidAsk, Self::MidPoint, Self::QuoteL1, Self::RtVolume];

    /// The spelling in file names and in `tt`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::AllLast => "all_last",
            Self::BidAsk => "bid_ask",
            Self::MidPoint => "mid_point",
            Self::QuoteL1 => "quote_l1",
            Self::RtVolume => "rtvolume",
        }
    }

    /// Reads that spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

#[cfg(test)]
mod golden_tests;
