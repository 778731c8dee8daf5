//! Fetching again what was lost: gaps, what of IBKR's history fills them, and the requests that this takes.
//!
//! [`ledger`] knows the gaps, [`budget`] when the next request may go out, [`estimate`] how long all of them take,
//! [`pages`] and [`openings`] what to ask next, [`merge`] which of the answers belong into the gap: all pure. [`fetch`] asks, [`store`] reads and writes the files, and [`work`]
//! puts them together for one gap.

pub mod budget;
pub mod estimate;
pub mod fetch;
pub mod ledger;
pub mod merge;
pub mod openings;
pub mod pages;
pub mod store;
pub mod work;
