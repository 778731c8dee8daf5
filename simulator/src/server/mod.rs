//! The running simulator: listener, connections, tick pump and admin server around one shared state.

mod connection;
mod core;
mod listener;
mod pump;
mod requests;
mod sessions;
mod simulator;

pub(crate) use self::core::Core;
pub use simulator::{Simulator, StartError};
