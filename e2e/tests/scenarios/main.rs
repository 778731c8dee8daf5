//! The scenarios. Each has a namespace and a simulator of its own; run several at once:
//! `cargo test -p marketstream-e2e --features cluster --test scenarios -- --test-threads 6`.

mod bad_input;
mod causes;
mod contracts;
mod delete;
mod external;
mod hours;
mod login;
mod manifests;
mod processes;
mod refusals;
mod reporting;
mod requests;
mod resets;
mod session;
mod silence;
mod start;
mod storage;

use ib_gateway_sim::market::tick::TickType;
use marketstream_e2e::simulator::{SIM, Stream};

/// The stream of quotes of the first test contract, and those that most scenarios have beside it.
const SIM1_QUOTES: Stream = (SIM[0], TickType::BidAsk);
const SIM1_TRADES: Stream = (SIM[0], TickType::Last);
const SIM2_QUOTES: Stream = (SIM[1], TickType::BidAsk);
