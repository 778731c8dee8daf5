//! The wire: bytes to messages and back. No I/O except reading one frame from a stream.

pub mod answer;
pub mod frame;
pub mod handshake;
pub mod ids;
mod protobuf;
pub mod request;
mod text;
pub mod tick;

/// Messages generated from `proto/`.
#[allow(missing_docs, unreachable_pub)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/gateway.rs"));
}
