//! The MarketStream operator: spec to child objects; status to recovery decision to action.
//!
//! A pass is [`reconcile`]: validate (pure), build (pure), apply, decide (pure, in `recovery`), write, act.

pub mod apply;
pub mod args;
pub mod build;
pub mod children;
pub mod conditions;
pub mod controller;
pub mod error;
mod expiring;
pub mod http;
pub mod leader;
pub mod memory;
pub mod metrics;
mod outcome;
pub mod reconcile;
mod restart;
mod restart_stream;
pub mod run;
mod tell;
pub mod validate;
