//! What the silence of a stream means. Pure.

use std::time::Duration;

use marketstream_crds::{StreamState, TickType};

use super::seen::Seen;

/// The line samples and its own way is longer or shorter than the stream's: what happened within this time of the
/// stream's last tick, or just now, proves nothing. For a short `staleAfter` a quarter of that.
pub const SETTLE: Duration = Duration::from_secs(5);
/// History is late and counts in seconds: what is newer by less may be the very tick that came.
pub const NEWER_BY_S: i64 = 30;
/// For so long history's word that nothing traded is good, unless it is asked again before.
pub const ANSWER_HOLDS: Duration = Duration::from_secs(600);

/// What IBKR's history said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it was asked, on the monotonic clock.
    pub asked: Duration,
    /// IBKR's second of its newest tick, since 1970.
    pub newest: Option<i64>,
}

/// A stream that has not ticked for longer than it should. Times are on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Silent<'a> {
    /// Kind of its ticks.
    pub tick: TickType,
    /// Since when it could have ticked and has not: its last tick, or the start of its subscription when that is later.
    pub from: Duration,
    /// The same as IBKR's second, since 1970.
    pub second: i64,
    /// Its `staleAfter`.
    pub patience: Duration,
    /// What the contract's market-data line has shown, if one runs.
    pub line: Option<&'a Seen>,
    /// What history said, if it was asked.
    pub answer: Option<Answer>,
}

/// What a silence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The line speaks and shows nothing of the kind: nothing traded, or nothing was quoted.
    QuietByLine,
    /// History has nothing newer.
    QuietByHistory,
    /// Trading is halted.
    Halted,
    /// Ticks were made that did not come.
    Stale,
    /// Nobody knows.
    Undecided,
}

impl Meaning {
    /// The state that explains the silence. `None` if nothing does.
    #[must_use]
    pub fn state(self) -> Option<StreamState> {
        match self {
            Self::QuietByLine | Self::QuietByHistory => Some(StreamState::Quiet),
            Self::Halted => Some(StreamState::Halted),
            Self::Stale | Self::Undecided => None,
        }
    }
}

/// Decides, as of `now` on the monotonic clock.
#[must_use]
pub fn decide(silent: &Silent<'_>, now: Duration) -> Meaning {
    let margin = settle(silent.patience);
    let answer = silent.answer.filter(|answer| answer.asked >= silent.from);
    if answer.and_then(|answer| answer.newest).is_some_and(|newest| newest - silent.second > NEWER_BY_S) {
        return Meaning::Stale;
    }
    if let Some((line, since)) = silent.line.and_then(|line| Some((line, line.since?))) {
        let from = silent.from.max(since);
        let after = |at: Option<Duration>| at.is_some_and(|at| at > from + margin);
        let settled = now.saturating_sub(margin);
        if after(missed(silent.tick, line, settled)) || trade_missed(silent, line) {
            return Meaning::Stale;
        }
        if line.halted {
            return Meaning::Halted;
        }
        // A trade takes from what is offered, but for those away from the book: history must say.
        let doubtful = silent.tick == TickType::BidAsk && after(line.traded.last_before(settled));
        let speaks = line.last_frame.is_some_and(|frame| now.saturating_sub(frame) < silent.patience);
        if speaks && !doubtful && now >= from + margin {
            return Meaning::QuietByLine;
        }
    }
    let holds = |answer: Answer| {
        answer.asked >= tells(silent.from)
            && answer.newest.is_some_and(|newest| newest <= silent.second)
            && now < answer.asked + ANSWER_HOLDS
    };
    if answer.is_some_and(holds) { Meaning::QuietByHistory } else { Meaning::Undecided }
}

/// From when on history can tell that nothing came in a silence: asked sooner, it could not have what is newer by enough.
#[must_use]
pub fn tells(from: Duration) -> Duration {
    from + Duration::from_secs(NEWER_BY_S.unsigned_abs())
}

/// What is nearer than this proves nothing.
#[must_use]
pub fn settle(patience: Duration) -> Duration {
    SETTLE.min(patience / 4)
}

/// When the line last showed what should have come on the stream, too.
fn missed(tick: TickType, line: &Seen, settled: Duration) -> Option<Duration> {
    match tick {
        TickType::Last => line.traded.last_before(settled),
        // The volume counts trades that are not reported as the last one.
        TickType::AllLast => line.traded.last_before(settled).max(line.volume_changed.last_before(settled)),
        TickType::BidAsk => line.quoted.last_before(settled),
        TickType::MidPoint => line.moved.last_before(settled),
    }
}

/// Whether the line's first word already told of a trade that should have come.
fn trade_missed(silent: &Silent<'_>, line: &Seen) -> bool {
    matches!(silent.tick, TickType::Last | TickType::AllLast)
        && line.trade_second.is_some_and(|second| second - silent.second > NEWER_BY_S)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
