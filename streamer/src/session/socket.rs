//! The API session's state as the status tells it.

use std::time::Duration;

use jiff::Timestamp;
use marketstream_crds::SocketState;

use super::{endpoints::Endpoint, failure::Failure};
use crate::clock::Now;

/// Tracks the session through its ups and downs.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// State of the session.
    pub state: SocketState,
    /// Since when, on the calendar.
    pub since: Timestamp,
    /// Connected, or tried last.
    pub endpoint: Option<Endpoint>,
    /// Whether a session has been up in the life of this process.
    pub ever_connected: bool,
    /// What the last attempt failed with.
    pub message: Option<String>,
    /// Since when there is no session; `None` while there is one.
    pub down_since: Option<Duration>,
}

impl Socket {
    /// Before the first attempt.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            state: SocketState::Connecting,
            since: now.wall,
            endpoint: None,
            ever_connected: false,
            message: None,
            down_since: Some(now.mono),
        }
    }

    /// Whether there is a session.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == SocketState::Connected
    }

    /// The handshake is done.
    pub fn connected(&mut self, endpoint: Endpoint, now: Now) {
        tracing::info!(%endpoint, "the API session is up");
        self.state = SocketState::Connected;
        // Another session than before, though none was lost in between: the ladder asks for one at its level 3.
        self.since = now.wall;
        self.endpoint = Some(endpoint);
        self.ever_connected = true;
        self.message = None;
        self.down_since = None;
    }

    /// A session ended, or a round of attempts failed.
    pub fn failed(&mut self, failure: &Failure, endpoint: Option<Endpoint>, now: Now) {
        if self.state != failure.state {
            tracing::warn!(from = ?self.state, to = ?failure.state, "{}", failure.message);
        }
        self.enter(failure.state, now);
        self.endpoint = endpoint.or(self.endpoint.take());
        self.message = Some(failure.message.clone());
        self.down_since.get_or_insert(now.mono);
    }

    fn enter(&mut self, state: SocketState, now: Now) {
        if self.state != state {
            self.state = state;
            self.since = now.wall;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_follows_another_at_once_is_up_since_its_own_handshake() {
        let at = |second: u64| Now {
            mono: Duration::from_secs(second),
            wall: Timestamp::UNIX_EPOCH + Duration::from_secs(second),
        };
        let endpoint = || Endpoint { host: "127.0.0.1".to_owned(), port: 4002 };
        let mut socket = Socket::new(at(0));
        socket.connected(endpoint(), at(1));
        socket.connected(endpoint(), at(60));
        assert_eq!((socket.state, socket.since), (SocketState::Connected, at(60).wall));
    }
}
