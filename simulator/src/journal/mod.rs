//! What was sent and what was asked, on disk: the evidence for every claim about lost ticks.

pub mod query;
pub mod requests;
pub mod sent;
