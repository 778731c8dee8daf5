//! The brain: trading hours, causes and the ladder. Pure: no I/O, no clock, no async, no Kubernetes client.
//!
//! [`decide`] is the whole of it for the operator: from what is known at one moment it says what to write, what to do,
//! and when to look again. [`hours`] and [`codes`] also serve the streamer.

mod cause;
pub mod codes;
mod decide;
pub mod hours;
mod incidents;
pub mod ladder;
mod policy;
mod view;

pub use decide::{Decision, Notice, decide};
pub use policy::Policy;
pub use view::{Pod, Report, View};
