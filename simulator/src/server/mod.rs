//! The running simulator: listener, connections, tick pump and admin server around one shared state.

mod connection;
mod core;
mod details;
mod dispatch;
mod listener;
mod pump;
mod sessions;
mod simulator;

pub(crate) use self::core::Core;
pub use simulator::{Simulator, StartError};
