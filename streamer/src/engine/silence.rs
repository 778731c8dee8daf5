//! What the engine makes of a silent stream, with the help of its contract's market-data line and of history.

use std::time::Duration;

use jiff::Timestamp;
use marketstream_crds::StreamState;

use super::{lines::LineEntry, stream::StreamEntry};
use crate::{
    clock::Now,
    health::Verdict,
    plan::StreamKey,
    sentinel::decide::{Answer, Meaning, Silent, decide},
};

/// What is known beside the stream itself.
pub struct Witnesses<'a> {
    /// The contract's line.
    pub line: Option<&'a LineEntry>,
    /// What history said.
    pub answer: Option<Answer>,
    /// The gateway has lost IBKR: nothing that came before says anything.
    pub upstream_down: bool,
}

/// The verdict with what the witnesses say: the base verdict is of the stream's own facts alone.
pub fn refine(
    key: &StreamKey,
    stream: &mut StreamEntry,
    verdict: Verdict,
    witnesses: &Witnesses<'_>,
    patience: Duration,
    now: Now,
) -> (Verdict, Option<Meaning>) {
    let line = witnesses.line;
    if stream.overflow {
        // Its own refusal is only that there is no tick-by-tick line.
        if let Some(error) = line.and_then(|line| line.refused.as_ref()) {
            stream.error = Some(error.clone());
            return (Verdict { state: StreamState::Rejected, ..verdict }, None);
        }
    }
    match verdict.state {
        StreamState::Flowing if stream.overflow => return (Verdict { state: StreamState::Overflow, ..verdict }, None),
        StreamState::Pending | StreamState::Stale => {}
        _ => return (verdict, None),
    }
    // Live data were there before, or were never to be had.
    if let Some(error) = line.filter(|line| line.is_delayed()).and_then(|line| line.refused.as_ref()) {
        stream.error.get_or_insert_with(|| error.clone());
        return (Verdict { state: StreamState::Rejected, ..verdict }, None);
    }
    let meaning = silent_from(stream, line, now).filter(|_| !witnesses.upstream_down).map(|(from, second)| {
        let seen = line.filter(|line| line.is_running()).map(|line| line.seen.lock());
        let (tick, line, answer) = (key.tick, seen.as_deref(), witnesses.answer);
        decide(&Silent { tick, from, second, patience, line, answer }, now.mono)
    });
    let state = match (verdict.state, meaning) {
        (_, Some(Meaning::Halted)) => StreamState::Halted,
        (StreamState::Stale, Some(Meaning::QuietByLine | Meaning::QuietByHistory)) => StreamState::Quiet,
        (state, _) => state,
    };
    if matches!(state, StreamState::Quiet | StreamState::Halted) {
        // Should data be missed from now on, they were not missed before.
        stream.excused_until = Some(now.mono);
        return (Verdict { state, counted_from: None, ..verdict }, meaning);
    }
    let counted_from = verdict.counted_from.map(|from| from.max(stream.excused_until.unwrap_or_default()));
    (Verdict { state, counted_from, ..verdict }, meaning)
}

/// Since when the stream could have ticked and has not, on the monotonic clock and as IBKR's second. `None` while it is
/// not subscribed.
fn silent_from(stream: &StreamEntry, line: Option<&LineEntry>, now: Now) -> Option<(Duration, i64)> {
    let asked = if stream.overflow { line?.asked()? } else { stream.running_since()? };
    let wall = |at: Duration| second_of(now, at);
    Some(match stream.pulse.last_tick().filter(|tick| *tick >= asked) {
        Some(tick) if stream.overflow => (tick, wall(tick)),
        Some(tick) => (tick, stream.pulse.last_second().unwrap_or_else(|| wall(tick))),
        None => (asked, wall(asked)),
    })
}

/// The calendar's second of a moment of the monotonic clock, as the clocks stand now.
fn second_of(now: Now, at: Duration) -> i64 {
    let ago = now.mono.saturating_sub(at);
    now.wall.checked_sub(ago).unwrap_or(Timestamp::MIN).as_second()
}
