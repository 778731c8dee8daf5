//! The API session with the gateway: where it is, how to reach it, what is asked for in it.

pub mod connect;
pub mod details;
pub mod endpoints;
pub mod failure;
pub mod matching;
pub mod probe;
pub mod socket;
pub mod subscription;
pub mod volumes;
