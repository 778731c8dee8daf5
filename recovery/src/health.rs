//! Health in one word.

use jiff::Timestamp;
use marketstream_crds::{Health, SocketState, StreamState};

use crate::{policy::Policy, view::View};

/// Streams in these states lack nothing.
const WELL: [StreamState; 6] = [
    StreamState::Flowing,
    StreamState::Quiet,
    StreamState::Halted,
    StreamState::Overflow,
    StreamState::Idle,
    StreamState::Expired,
];
/// From streams in these states nothing is expected.
const IDLE: [StreamState; 2] = [StreamState::Idle, StreamState::Expired];

/// The health of the collection.
pub(crate) fn health(view: &View<'_>, policy: &Policy, now: Timestamp) -> Health {
    let Some(streamer) = view.streamer().filter(|_| now < view.overdue(policy.missed_heartbeats)) else {
        return Health::Unknown;
    };
    if streamer.socket.state != SocketState::Connected {
        return Health::Disconnected;
    }
    let all = |states: &[StreamState]| streamer.streams.iter().all(|stream| states.contains(&stream.state));
    // Delayed data are not the data that were asked for, and what cannot be written is lost.
    let amiss = !streamer.storage.writable || streamer.streams.iter().any(|stream| stream.delayed);
    match () {
        () if all(&IDLE) => Health::Idle,
        () if all(&WELL) && !amiss => Health::Healthy,
        () => Health::Degraded,
    }
}
