//! The state of a stream, as a function of a few facts and the time. Nothing is remembered, so nothing can be forgotten:
//! a resubscription of ours cannot reset the silence, only a tick can.

use std::time::Duration;

use marketstream_crds::{Session, StreamState};
use marketstream_recovery::hours::SessionState;

use crate::clock::Now;

/// When silence becomes a fault (`spec.recovery`, with the contract's own `staleAfter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// After the last tick.
    pub stale_after: Duration,
    /// After the first request, while nothing ever came: `max(zombieTimeout, staleAfter)`.
    pub never_after: Duration,
    /// Silence does not count for this long after a session opens.
    pub open_grace: Duration,
}

/// What is known of a stream. Times are on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// When anything was first asked of the gateway for this stream.
    pub first_asked: Option<Duration>,
    /// When its last tick came.
    pub last_tick: Option<Duration>,
    /// The gateway refused it and it has not been heard since.
    pub refused: bool,
    /// What its hours say.
    pub hours: SessionState,
}

/// The state of a stream at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Its state.
    pub state: StreamState,
    /// Whether its session is open.
    pub session: Session,
    /// From when its silence counts, unless a tick came later, on the monotonic clock; `None` while it does not.
    pub counted_from: Option<Duration>,
    /// When the state changes next if no tick comes, on the monotonic clock.
    pub due: Option<Duration>,
}

impl Verdict {
    /// Of a stream whose contract trades no more.
    pub const EXPIRED: Self =
        Self { state: StreamState::Expired, session: Session::Closed, counted_from: None, due: None };
}

/// For how long data that should have come did not.
#[must_use]
pub fn silence(counted_from: Option<Duration>, last_tick: Option<Duration>, now: Duration) -> Duration {
    counted_from.map_or(Duration::ZERO, |from| now.saturating_sub(last_tick.map_or(from, |tick| tick.max(from))))
}

/// Judges a stream.
#[must_use]
pub fn judge(facts: &Facts, thresholds: &Thresholds, now: Now) -> Verdict {
    let (session, opened, closes) = match facts.hours {
        SessionState::Open { since, until } => (Session::Open, Some(now.mono_of(since)), Some(now.mono_of(until))),
        SessionState::Closed { until } => {
            let state = if facts.refused { StreamState::Rejected } else { StreamState::Idle };
            let due = until.map(|until| now.mono_of(until));
            return Verdict { state, session: Session::Closed, counted_from: None, due };
        }
        // Without hours silence counts at any time: better a warning too many than a silence that nobody sees.
        SessionState::Unknown => (Session::Unknown, None, None),
    };
    let ticked = facts.last_tick.is_some_and(|tick| opened.is_none_or(|opened| tick >= opened));
    // A session that was open when the process started has had its grace, if it opened long enough before.
    let grace_end = match facts.hours {
        SessionState::Open { since, .. } => {
            let open_for = now.wall.duration_since(since);
            let open_for = if open_for.is_negative() { Duration::ZERO } else { open_for.unsigned_abs() };
            Some((now.mono + thresholds.open_grace).saturating_sub(open_for))
        }
        _ => None,
    };
    let counted_from = facts.first_asked.or(facts.last_tick).map(|from| grace_end.map_or(from, |end| end.max(from)));
    let verdict = |state, due: Option<Duration>| Verdict {
        state,
        session,
        counted_from,
        due: [due, closes].into_iter().flatten().min(),
    };

    if facts.refused {
        return verdict(StreamState::Rejected, None);
    }
    if let Some(end) = grace_end.filter(|end| !ticked && now.mono < *end) {
        return verdict(StreamState::Idle, Some(end));
    }
    let Some(from) = counted_from else {
        return verdict(StreamState::Pending, None);
    };
    let silent_from = facts.last_tick.map_or(from, |tick| tick.max(from));
    let stale_at =
        silent_from + if facts.last_tick.is_some() { thresholds.stale_after } else { thresholds.never_after };
    if now.mono >= stale_at {
        verdict(StreamState::Stale, None)
    } else {
        verdict(if ticked { StreamState::Flowing } else { StreamState::Pending }, Some(stale_at))
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
