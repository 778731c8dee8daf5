//! The Rust crate `ibapi`.
