//! Simulated years: markets, a gateway with faults, a streamer's view of it, a ladder that acts, and an oracle that
//! judges it by the true causes. Everything is a function of a seed, on virtual time.

pub mod brain;
pub mod calendar;
pub mod clock;
pub mod dice;
pub mod draw;
pub mod fault;
mod flow;
pub mod gateway;
mod judge;
pub mod market;
pub mod naive;
pub mod operator;
pub mod oracle;
pub mod report;
mod rules;
pub mod streamer;
pub mod summary;
pub mod tally;
pub mod trace;
pub mod world;
pub mod year;
