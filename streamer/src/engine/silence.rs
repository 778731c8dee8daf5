//! What the engine makes of a silent stream, with the help of its contract's market-data line and of history.

use std::time::Duration;

use jiff::Timestamp;
use marketstream_crds::StreamState;

use super::{Engine, gaps::recorded, lines::LineEntry, stream::StreamEntry};
use crate::{
    backfill::ledger::GapCause,
    clock::Now,
    health::{Facts, Verdict, judge},
    plan::StreamKey,
    pulse::Pause,
    sentinel::decide::{Answer, Meaning, Silent, decide, settle},
};

/// A line that calls a stream quiet for so long is checked against history now and then: it could be as blind.
const CROSS_CHECK: Duration = Duration::from_secs(120);

/// What is known beside the stream itself.
pub struct Witnesses<'a> {
    /// The contract's line.
    pub line: Option<&'a LineEntry>,
    /// What history said.
    pub answer: Option<Answer>,
    /// The gateway has lost IBKR: nothing that came before says anything.
    pub upstream_down: bool,
    /// When the link to IBKR or a farm came back last: what was traded before is not this silence's.
    pub restored: Option<Duration>,
}

/// A silence that history is to be asked about: since when, and whether nobody else can explain it.
pub type Doubt = (Duration, bool);

/// The verdict with what the witnesses say, and what they leave open: the base verdict is of the stream's own facts alone.
pub fn refine(
    key: &StreamKey,
    stream: &mut StreamEntry,
    verdict: Verdict,
    witnesses: &Witnesses<'_>,
    patience: Duration,
    now: Now,
) -> (Verdict, Option<Doubt>) {
    let line = witnesses.line;
    // Of a stream without a tick-by-tick line the line's refusal counts; else it says that live data were never to be had.
    let silent = matches!(verdict.state, StreamState::Pending | StreamState::Stale);
    let refusal = line.filter(|line| stream.overflow || (silent && line.is_delayed() && !ticked_since(stream, line)));
    if let Some(error) = refusal.and_then(|line| line.refused.as_ref()) {
        // The line asks again and again; what it is told last is how things are.
        if stream.overflow || stream.error.as_ref().is_none_or(|known| known.code == error.code) {
            stream.error = Some(error.clone());
        }
        if silent {
            // Live data are missed only since they could be had again.
            stream.excused_until = Some(now.mono);
        }
        return (Verdict { state: StreamState::Rejected, ..verdict }, None);
    }
    let lead = Engine::probe_lead(patience);
    let soon = verdict.state == StreamState::Flowing && verdict.due.is_some_and(|due| due <= now.mono + lead);
    let silence =
        silent_from(stream, line, witnesses.restored, now).filter(|_| (silent || soon) && !witnesses.upstream_down);
    let meaning = silence.map(|(from, second)| {
        let seen = line.filter(|line| line.is_running()).map(|line| line.seen.lock());
        let (tick, line, answer) = (key.tick, seen.as_deref(), witnesses.answer);
        decide(&Silent { tick, from, second, patience, line, answer }, now.mono)
    });
    let doubt = silence.zip(meaning).and_then(|((from, _), meaning)| {
        let long = now.mono.saturating_sub(from) >= CROSS_CHECK;
        let fading = line.and_then(LineEntry::heard).is_some_and(|heard| heard + patience <= now.mono + lead);
        let stale = soon || verdict.state == StreamState::Stale;
        match meaning {
            Meaning::Undecided | Meaning::QuietByHistory => stale.then_some((from, true)),
            // Its word is about to be too old.
            Meaning::QuietByLine if fading => stale.then_some((from, true)),
            Meaning::QuietByLine | Meaning::Halted => long.then_some((from, false)),
            Meaning::Stale => None,
        }
    });
    // A request of ours does not end a silence in which ticks were missed: only a tick does.
    stream.missed |= silent && meaning == Some(Meaning::Stale);
    let meaning = meaning.filter(|meaning| *meaning == Meaning::Halted || !stream.missed);
    let explained = meaning.and_then(Meaning::state);
    let state = match (verdict.state, explained) {
        (StreamState::Flowing, _) if stream.overflow => StreamState::Overflow,
        (StreamState::Pending, Some(StreamState::Halted)) => StreamState::Halted,
        (StreamState::Stale, Some(explained)) => explained,
        (state, _) => state,
    };
    if matches!(state, StreamState::Quiet | StreamState::Halted) {
        // Should data be missed from now on, they were not missed before.
        stream.excused_until = Some(now.mono);
        return (Verdict { state, counted_from: None, ..verdict }, doubt);
    }
    let counted_from = verdict.counted_from.map(|from| from.max(stream.excused_until.unwrap_or_default()));
    (Verdict { state, counted_from, ..verdict }, doubt)
}

/// Whether a stream in this state may have missed ticks since `from`: since its last tick, or since its silence counts,
/// for a line has nothing to say before its session opens. History tells.
pub fn is_doubtful(
    state: StreamState,
    from: Option<Duration>,
    witnesses: &Witnesses<'_>,
    patience: Duration,
    now: Duration,
) -> bool {
    match state {
        StreamState::Stale => true,
        // What was lost before the first tick is another gap.
        StreamState::Quiet => from.is_some_and(|from| !is_witnessed(from, witnesses, patience, now)),
        _ => false,
    }
}

/// Whether somebody watched all the time. A line that fell silent together with its stream did not, even
/// while its last word is young enough to count: both may have been cut off. Nor did one for longer than half of
/// `patience` after its last word, or in a pause of its own as long as that, for what was cut off then may come back
/// before it counts as stale.
fn is_witnessed(from: Duration, witnesses: &Witnesses<'_>, patience: Duration, now: Duration) -> bool {
    let shown = witnesses.line.and_then(|line| {
        let seen = line.seen.lock();
        seen.last_frame.filter(|_| seen.steady_since.is_some_and(|since| since <= from + patience / 2))
    });
    let asked = witnesses.answer.map(|answer| answer.asked);
    shown.max(asked).is_some_and(|at| at > from + settle(patience) && now < at + patience / 2)
}

impl Engine {
    /// A tick has ended a silence of its stream. What may have been missed is a gap even if nobody has looked since the
    /// silence grew doubtful: the engine may have stood still all the while.
    pub(super) fn silence_ended(&mut self, key: &StreamKey, silence: Pause, now: Now) {
        let (Some(spec), Some(contract)) = (&self.spec, self.contracts.get(&key.contract)) else { return };
        let Some(stream) = self.streams.get(key).filter(|stream| !stream.overflow) else { return };
        let Some(recorded) = recorded(&self.contracts, key) else { return };
        let Pause { since: from, second, until, .. } = silence;
        let (tick, thresholds) = (key.tick, contract.thresholds(&spec.recovery));
        let facts = Facts {
            first_asked: stream.first_asked,
            last_tick: Some(from),
            refused: false,
            hours: contract.hours(key, now),
        };
        let verdict = judge(&facts, &thresholds, now);
        if verdict.state != StreamState::Stale {
            return;
        }
        let (line, answer, patience) = (self.line_of(key), self.probing.probes.answer(key), thresholds.stale_after);
        let witnesses = Witnesses { line, answer, upstream_down: self.link.is_down(), restored: self.restored };
        let meaning = {
            let seen = line.filter(|line| line.is_running()).map(|line| line.seen.lock());
            decide(&Silent { tick, from, second, patience, line: seen.as_deref(), answer }, until)
        };
        let state = meaning.state().filter(|_| !witnesses.upstream_down).unwrap_or(StreamState::Stale);
        if is_doubtful(state, verdict.counted_from.max(Some(from)), &witnesses, patience, until) {
            self.gaps.open(&key.contract, recorded, Some(second), GapCause::Silence);
        }
    }
}

/// Whether live data came since the line was told that there are none.
fn ticked_since(stream: &StreamEntry, line: &LineEntry) -> bool {
    let told = line.refused.as_ref().map(|error| error.time.get().as_second());
    stream.pulse.last_second().is_some_and(|second| told.is_some_and(|told| second > told))
}

/// Since when the stream could have ticked and has not, on the monotonic clock and as IBKR's second. `None` while it is
/// not subscribed.
fn silent_from(
    stream: &StreamEntry,
    line: Option<&LineEntry>,
    restored: Option<Duration>,
    now: Now,
) -> Option<(Duration, i64)> {
    let asked = if stream.overflow { line?.asked()? } else { stream.running_since()? };
    let asked = restored.map_or(asked, |restored| restored.max(asked));
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

#[cfg(test)]
#[path = "silence_tests.rs"]
mod tests;
