//! The brain: trading hours, causes and the ladder. Pure: no I/O, no clock, no async, no Kubernetes client.
//!
//! [`decide`] is the whole of it for the operator: from what is known at one moment ([`View`]) it says what to write, what
//! to do, and when to look again ([`Decision`]). The moment and every constant ([`Policy`]) are arguments, so a decision
//! can be replayed. [`rule`] is the cause table, for those who explain decisions. [`hours`] and [`codes`] also serve the
//! streamer, which asks the same questions earlier.

mod cause;
pub mod codes;
mod decide;
mod health;
pub mod hours;
mod incidents;
mod ladder;
mod notice;
mod policy;
mod resets;
mod rules;
mod view;
mod waits;
mod windows;

pub use decide::{Decision, decide, in_flight};
pub use ladder::level;
pub use notice::Notice;
pub use policy::{MISSED_HEARTBEATS, Policy, Region, Reset};
pub use rules::{Critical, Restart, Rule, rule};
pub use view::{Pod, Report, View};
