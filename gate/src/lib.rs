//! The login gate: it starts the gateway in its container, tees its log, counts its logins, and keeps it down rather
//! than locking the user out.
//!
//! [`policy`] decides, without I/O; the rest does what it says. It is one static program, copied into the gateway's
//! container, whatever image that is.

pub mod child;
pub mod cli;
pub mod markers;
pub mod policy;
pub mod pre_stop;
pub mod record;
pub mod report;
pub mod run;
pub mod weekly;
