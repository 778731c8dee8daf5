//! An IB Gateway for tests: the real wire protocol, faults on demand, and a journal of every tick.
//!
//! [`Simulator`] runs one in this process; [`judge`] tells what a recording of its ticks lacks.

mod admin;
pub mod clock;
pub mod compare;
pub mod config;
pub mod faults;
pub mod history;
mod ibc;
pub mod journal;
pub mod judge;
pub mod lifecycle;
pub mod limits;
pub mod market;
pub mod market_data;
pub mod prepare;
pub mod scenario;
mod server;
pub mod wire;

pub use config::Config;
pub use server::{Simulator, StartError};
