//! The seed's second channel, beside the socket: do data come?

use marketstream_crds::{Session, StreamState};

use crate::facts::StreamFacts;

/// What all streams together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whether everything flows that should flow now: with every session closed nothing should, so it is true then, as
    /// the condition `DataFlowing` is.
    pub data: bool,
    /// Whether any session is open; `None` if no stream's hours are known.
    pub open: Option<bool>,
}

impl Flow {
    /// Of these streams.
    #[must_use]
    pub fn of(streams: &[StreamFacts], connected: bool) -> Self {
        let any = |wanted: &[StreamState]| streams.iter().any(|stream| wanted.contains(&stream.state));
        let due = any(&[StreamState::Pending, StreamState::Rejected]);
        let flows = any(&[StreamState::Flowing, StreamState::Overflow]);
        let sessions = |session: Session| streams.iter().any(|stream| stream.session == session);
        Self {
            data: connected && !any(&[StreamState::Stale]) && (flows || !due),
            open: match (sessions(Session::Open), sessions(Session::Closed)) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            },
        }
    }
}
