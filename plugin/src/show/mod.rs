//! Pages about one MarketStream: pure functions of the object and the time.

mod explain;
mod gaps;
mod status;
mod table;
mod timeline;
mod words;

use jiff::Timestamp;
use marketstream_crds::MarketStream;
use serde_json::Value;

pub(crate) use explain::explain;
pub(crate) use gaps::gaps;
pub(crate) use status::{status, well};
pub(crate) use timeline::timeline;
pub(crate) use words::paragraph;

/// One page, for people and for programs.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// Makes a page.
pub(crate) type Make = fn(&MarketStream, Timestamp) -> Report;

#[cfg(test)]
mod tests;
