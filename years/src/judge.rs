//! The state of a stream as the streamer judges it by the stream's own facts: its hours, its ticks, its refusal. What a
//! silence means is for its witnesses to say.

use marketstream_crds::{Recovery, Session, StreamState};

use crate::{
    calendar::Session as Hours,
    clock::{HOUR, Ms, sooner},
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
    /// So long before a silence counts somebody is asked about it.
    pub(crate) lead: Ms,
}

/// A stream's state at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) state: StreamState,
    pub(crate) session: Session,
    /// Since when its silence counts.
    pub(crate) silent_from: Option<Ms>,
    /// When that silence makes it stale, or did.
    pub(crate) stale_at: Option<Ms>,
    /// When its session closes.
    pub(crate) closes: Ms,
    /// When to judge again.
    pub(crate) due: Option<Ms>,
}

impl Default for Verdict {
    fn default() -> Self {
        Self {
            state: StreamState::Pending,
            session: Session::Unknown,
            silent_from: None,
            stale_at: None,
            closes: 0,
            due: None,
        }
    }
}

/// A silence that comes later is looked for later.
const AHEAD: Ms = HOUR;

pub(crate) fn judge(stream: &Stream, current: Option<Hours>, recovery: &Recovery, seen: Seen, now: Ms) -> Verdict {
    let Some(open) = current.filter(|session| session.open <= now) else {
        let state = if seen.refused { StreamState::Rejected } else { StreamState::Idle };
        let due = current.map(|session| session.open);
        return Verdict { state, due, session: Session::Closed, ..Verdict::default() };
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
        stale_at: None,
        closes: open.close,
        due: sooner(due.filter(|due| *due > now), Some(open.close)),
    };
    if seen.refused {
        return verdict(StreamState::Rejected, next_tick);
    }
    if !ticked && now < grace_end {
        return verdict(StreamState::Idle, sooner(next_tick, Some(grace_end)));
    }
    let Some(silent_from) = silent_from else {
        return verdict(StreamState::Pending, None);
    };
    let never = (recovery.zombie_timeout.get().as_millis() as Ms).max(stream.stale_after);
    let stale_after = if seen.last_tick.is_some() { stream.stale_after } else { never };
    let stale_at = silent_from + stale_after;
    if now >= stale_at {
        return Verdict { stale_at: Some(stale_at), ..verdict(StreamState::Stale, next_tick) };
    }
    let state = if ticked { StreamState::Flowing } else { StreamState::Pending };
    let asked_at = stale_at - seen.lead;
    let due = match seen.last_tick.filter(|_| seen.delivering && ticked) {
        _ if now >= asked_at => Some(stale_at),
        // A tick may yet come before that; when it does not is known from the tape alone.
        Some(tick) => {
            let from = if silent_from > tick { stream.tape.next(tick + 1, asked_at) } else { Some(tick) };
            let thin = matches!(stream.tape, Tape::Thin { .. });
            let horizon = if thin { open.close.min(now + AHEAD) } else { open.close };
            let gap = |tick| stream.tape.gap(tick, stale_after - seen.lead, horizon).unwrap_or(horizon);
            Some(from.map_or(asked_at, gap))
        }
        None => sooner(next_tick, Some(asked_at)),
    };
    Verdict { stale_at: Some(stale_at), ..verdict(state, due) }
}
