//! recovery
pub mod codes;
pub mod hours;
