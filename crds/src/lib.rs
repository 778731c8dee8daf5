//! The `MarketStream` resource (`marketstream.io/v1alpha1`): its types with their CEL rules, defaults and bounds, and
//! every name that the operator, the streamer and their users must agree on.
//!
//! `crds/marketstreams.yaml` is generated from these types (`make generate`).

pub mod check;
pub mod conditions;
pub mod duration;
pub mod events;
pub mod names;
mod schema;
mod spec;
mod status;
mod time;

pub use duration::Duration;
pub use spec::*;
pub use status::*;
pub use time::Time;
