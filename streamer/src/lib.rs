//! The streamer: it keeps one API session with an IB Gateway, records every tick of the manifest's streams, and reports
//! what flows and what does not.
//!
//! [`runtime::Core`] is all of it but Kubernetes: a session thread and a recorder thread, fed with manifests, publishing
//! [`facts::Facts`]. [`kubernetes`] brings manifests and takes reports away, [`http`] shows the same facts to probes and
//! people.

pub mod actions;
pub mod archive;
pub mod backfill;
pub mod canary;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod disk;
pub mod drift;
pub mod engine;
pub mod facts;
pub mod flow;
pub mod gateway;
pub mod health;
pub mod http;
pub mod kubernetes;
pub mod live;
pub mod lock;
pub mod narrator;
pub mod notices;
pub mod pacing;
pub mod plan;
pub mod pulse;
pub mod reach;
pub mod recorder;
pub mod recordings;
pub mod report;
pub mod retry;
pub mod roll;
pub mod run;
pub mod runtime;
pub mod seal;
pub mod sentinel;
pub mod session;
pub mod standalone;
pub mod status;
pub mod store;
pub mod sums;
pub mod ticks;

#[cfg(test)]
mod test_support;
