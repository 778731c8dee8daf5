//! Sealed files hold what was recorded: all of it, once, unchanged, whatever reads them, and whatever interrupts the
//! sealing; and the archive holds the same files.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod archive;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod damage;
mod data;
mod form;
mod holding;
mod memory;
#[path = "../../../simulator/tests/clients/packages.rs"]
mod packages;
mod query;
mod readers;
mod retention;
mod s3;
#[path = "../server/mod.rs"]
mod server;
