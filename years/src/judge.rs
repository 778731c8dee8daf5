//! The state of a stream as the streamer judges it: from its hours, its ticks, its refusal, and what the ordinary
//! market-data line of its contract tells.

use marketstream_crds::{Recovery, Session, StreamState};

use crate::{
    calendar::Session as Hours,
    clock::{Ms, sooner},
    market::{Stream, Tape},
};

/// What the streamer knows of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) first_asked: Option<Ms>,
    pub(crate) last_tick: Option<Ms>,
    pub(crate) refused: bool,
    /// Ticks come when there are any. (Of the world; it decides when the streamer looks, not what it sees.)
    pub(crate) delivering: bool,
    /// The contract's market-data line is up.
    pub(crate) sentinel: bool,
    /// That line told of a trade that did not come.
    pub(crate) missed: bool,
    /// Until when that line said that nothing had to come.
    pub(crate) excused: Option<Ms>,
    /// What that line says of trading.
    pub(crate) halted: bool,
}

/// A stream's state at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) state: StreamState,
    pub(crate) session: Session,
    /// Since when its silence counts.
    pub(crate) silent_from: Option<Ms>,
    /// When to judge again.
    pub(crate) due: Option<Ms>,
}

impl Default for Verdict {
    fn default() -> Self {
        Self { state: StreamState::Pending, session: Session::Unknown, silent_from: None, due: None }
    }
}

pub(crate) fn judge(stream: &Stream, current: Option<Hours>, recovery: &Recovery, seen: Seen, now: Ms) -> Verdict {
    let Some(open) = current.filter(|session| session.open <= now) else {
        let state = if seen.refused { StreamState::Rejected } else { StreamState::Idle };
        let due = current.map(|session| session.open);
        return Verdict { state, session: Session::Closed, silent_from: None, due };
    };
    let grace_end = open.open + recovery.open_grace.get().as_millis() as Ms;
    let ticked = seen.last_tick.is_some_and(|tick| tick >= open.open);
    let counted = seen.first_asked.or(seen.last_tick).map(|from| from.max(grace_end));
    let silent_from = counted.map(|from| seen.last_tick.map_or(from, |tick| tick.max(from)));
    let next_tick = seen.delivering.then(|| stream.tape.next(now + 1, open.close)).flatten();
    let verdict = |state, due: Option<Ms>| Verdict {
        state,
        session: Session::Open,
        silent_from,
        due: sooner(due.filter(|due| *due > now), Some(open.close)),
    };
    if seen.refused {
        return verdict(StreamState::Rejected, next_tick);
    }
    if !ticked && now < grace_end {
        return verdict(StreamState::Idle, sooner(next_tick, Some(grace_end)));
    }
    let Some(mut silent_from) = silent_from else {
        return verdict(StreamState::Pending, None);
    };
    let never = (recovery.zombie_timeout.get().as_millis() as Ms).max(stream.stale_after);
    let stale_after = if seen.last_tick.is_some() { stream.stale_after } else { never };
    if now < silent_from + stale_after {
        let state = if ticked { StreamState::Flowing } else { StreamState::Pending };
        let due = match seen.last_tick.filter(|_| seen.delivering && ticked) {
            // A tick may yet come before that; when it does not is known from the tape alone.
            Some(tick) => {
                let from =
                    if silent_from > tick { stream.tape.next(tick + 1, silent_from + stale_after) } else { Some(tick) };
                from.map_or(Some(silent_from + stale_after), |tick| stream.tape.gap(tick, stale_after, open.close))
            }
            None => sooner(next_tick, Some(silent_from + stale_after)),
        };
        return verdict(state, due);
    }
    if seen.sentinel && seen.halted {
        return verdict(StreamState::Halted, next_tick);
    }
    if seen.sentinel && !seen.missed && matches!(stream.tape, Tape::Thin { .. }) {
        return verdict(StreamState::Quiet, stream.tape.next(now + 1, open.close));
    }
    // What should have come is missing only since it was due.
    silent_from = seen.excused.map_or(silent_from, |until| silent_from.max(until));
    Verdict { silent_from: Some(silent_from), ..verdict(StreamState::Stale, next_tick) }
}
