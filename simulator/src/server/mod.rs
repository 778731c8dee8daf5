//! The running simulator: listener, connections, tick pump and admin server around one shared state.

mod connection;
mod core;
mod effects;
mod full_port;
mod life;
mod lines;
mod listener;
mod outbox;
mod pump;
mod queries;
mod requests;
mod schedule;
mod sessions;
mod simulator;

pub(crate) use self::core::Core;
pub(crate) use self::effects::BeginError;
pub use simulator::{Simulator, StartError};
