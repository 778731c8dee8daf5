//! What was sent and what was asked, on disk: the evidence for every claim about lost ticks.

pub mod altered;
pub mod archive;
pub mod query;
pub mod requests;
pub mod sent;
pub mod settings;
