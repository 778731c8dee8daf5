//! The text dialect, server versions 157 to 178: a body is fields, each ended by a NUL, the first of them the message's
//! number. An empty field is an absent value.
//!
//! Requests become the same messages, and answers are made of the same, as in the protobuf dialect.

mod decode;
mod encode;
mod fields;

pub(super) use decode::decode;
pub(super) use encode::encode;

#[cfg(test)]
mod tests;
