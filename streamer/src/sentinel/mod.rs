//! The sentinel: one ordinary market-data line for each contract beside its tick-by-tick streams. IBKR allows 100 of
//! these and 5 of those, so it costs nothing that is scarce, and it tells a market in which nothing happens from a stream
//! that has died.
//!
//! [`seen`] folds what the line shows, [`decide`] says what that means for a silent stream, [`wishes`] says which
//! contracts get a line and what is recorded from it, and [`plausible`] which ticks cannot be true. They are pure.
//! [`line`] is the subscription, [`probe`] the question to history when the line is silent too, [`quarantine`] where
//! ticks go that cannot be true.

pub mod activity;
pub mod decide;
pub mod line;
pub mod plausible;
pub mod probe;
pub mod quarantine;
pub mod rt_volume;
pub mod seen;
pub mod wishes;
