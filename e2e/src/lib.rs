//! Scenarios of MarketStream on a real Kubernetes: what the tests and the demo share.
//!
//! Everything here asks the API server and the simulator, never our own logs, and acts as a user would: it applies
//! manifests, reads status, and looks at the stored ticks through the streamer's own command line.

pub mod ballast;
pub mod cluster;
pub mod demo;
pub mod diagnose;
pub mod events;
pub mod expect;
pub mod feed;
pub mod forbidden;
pub mod kill;
pub mod manifest;
pub mod operator;
pub mod outside;
pub mod plugin;
pub mod scenario;
pub mod simulator;
pub mod table;
pub mod ticks;
pub mod trace;
pub mod view;
pub mod volume;
pub mod wait;
