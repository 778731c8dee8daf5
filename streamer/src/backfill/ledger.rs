//! The gaps: one record for each loss, however short, from the last good tick to the first good one. Pure.

use std::ops::RangeInclusive;

use marketstream_proto::{TickKind, layout::HourFile};
use serde::{Deserialize, Serialize};

use super::merge::Compared;
use crate::seal::damage::Damage;

/// Gaps that are kept; the oldest settled ones go first. With more than one for each stream none that waits is forgotten.
pub const MAX_GAPS: usize = 2_000;

/// Answers that do not help before a gap is given up. What passes by itself, such as a lost session, is no answer.
pub const MAX_ATTEMPTS: u32 = 5;

/// How often the pause before a gap is asked for again is doubled: from one minute to half an hour. Each outage costs a
/// gap half an hour at most, a `maxAge` of a day has 45 questions even so, and the budget has room for 100 gaps that wait.
const MAX_DOUBLINGS: u32 = 5;

/// Every so many answers the next question begins with the last second again, not behind it: an answer whose last second
/// is not whole would be noticed nowhere else.
const REREAD_EVERY: u32 = 10;

/// Why ticks may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GapCause {
    /// The streamer was not there.
    ProcessStart,
    /// The API session was lost.
    SessionLost,
    /// The gateway had lost IBKR, or a farm of market data, while the session stood.
    LinkLost,
    /// The stream was subscribed again in a session that stood.
    Resubscribed,
    /// The stream was silent for longer than it should be, and ticked again by itself.
    Silence,
    /// The streamer did not keep up, or the volume refused writes.
    Dropped,
    /// A rolling future's next contract was due and not recorded yet.
    Rolled,
    /// Ticks came that cannot be true, and were put aside.
    Corrupt,
    /// The disk did not keep what it was given, or the process ended before it took it.
    Unwritten,
    /// A recording changed on the disk after it was written, or could not be read.
    Damaged,
    /// A person asked for the range.
    Requested,
}

/// How far a gap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GapState {
    /// The stream has not ticked since.
    Open,
    /// It has; the history is to be fetched.
    Pending,
    /// History was fetched, and agrees with what was recorded beside the gap.
    Filled,
    /// History was fetched; IBKR filters and conflates it, and it does not agree fully, or cannot be compared.
    Approximate,
    /// It cannot be had.
    Unfillable,
}

/// The recorded stream that a gap is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Recorded {
    /// IBKR's contract identifier.
    pub con_id: i32,
    /// Kind of tick, as file names spell it.
    #[serde(with = "kind_name")]
    pub kind: TickKind,
}

impl From<HourFile> for Recorded {
    fn from(HourFile { con_id, kind, .. }: HourFile) -> Self {
        Self { con_id, kind }
    }
}

/// Ticks that are in memory only, since the disk refuses them: a gap if the process ends before they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwritten {
    /// Name of the contract in the manifest.
    pub contract: String,
    /// Which stream.
    #[serde(flatten)]
    pub stream: Recorded,
    /// IBKR's second of the first of them, since 1970.
    pub from: i64,
}

/// A gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Identifies it, ascending.
    pub id: u64,
    /// Name of the contract in the manifest.
    pub contract: String,
    /// Which stream.
    #[serde(flatten)]
    pub stream: Recorded,
    /// IBKR's second of the last good tick, since 1970. Before it is looked up in the files: absent.
    pub after: Option<i64>,
    /// IBKR's second of the first good tick.
    pub before: Option<i64>,
    /// Why.
    pub cause: GapCause,
    /// How far.
    pub state: GapState,
    /// When the stream ticked again, milliseconds since 1970 on this machine.
    pub closed_ms: Option<i64>,
    /// Attempts that history answered, and not so that it helped.
    pub attempts: u32,
    /// Attempts that failed for what passes by itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub postponed: u32,
    /// When the last of either failed, milliseconds since 1970 on this machine.
    #[serde(default)]
    pub failed_ms: Option<i64>,
    /// When the first of them failed since history was stored last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_ms: Option<i64>,
    /// Answers of history so far.
    #[serde(default)]
    pub answers: u32,
    /// Ticks that were added.
    pub added: u64,
    /// Agreement of history with the seconds beside the gap, 0 to 1.
    pub agreement: Option<f64>,
    /// How far history was fetched already, while it is not at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Why it is not, or not exactly, filled.
    pub reason: Option<String>,
}

impl Gap {
    /// When it is to be asked for, milliseconds since 1970: `lag_ms` after its end, since history lags, and after each
    /// failure twice as long as before.
    pub(super) fn ripe_ms(&self, lag_ms: i64) -> Option<i64> {
        let after = self.failed_ms.or(self.closed_ms).filter(|_| self.state == GapState::Pending)?;
        Some(after + (lag_ms << self.attempts.saturating_add(self.postponed).min(MAX_DOUBLINGS)))
    }

    /// Whether it has waited for history since before `oldest_ms` (milliseconds since 1970). What a person asked for may
    /// be of any age, and waits while it fails.
    #[must_use]
    pub fn is_too_old(&self, oldest_ms: i64) -> bool {
        let since = if self.cause == GapCause::Requested { self.failing_ms } else { self.closed_ms };
        since.is_some_and(|since| since < oldest_ms)
    }

    fn postpone(&mut self, reason: String, now_ms: i64) {
        self.postponed = self.postponed.saturating_add(1);
        self.failed(reason, now_ms);
    }

    fn failed(&mut self, reason: String, now_ms: i64) {
        self.failed_ms = Some(now_ms);
        self.failing_ms.get_or_insert(now_ms);
        self.reason = Some(reason);
        self.step_back();
    }

    /// Whether history may still add to a second from `from` on and before `to`.
    #[must_use]
    pub fn waits_for(&self, from: i64, to: i64) -> bool {
        matches!(self.state, GapState::Open | GapState::Pending)
            && self.after.is_none_or(|after| after < to)
            && self.before.is_none_or(|before| before >= from)
    }

    /// The second from which history is asked next, of a gap from second `after` to `before` and `margin` seconds beside it.
    #[must_use]
    pub fn ask_from(&self, after: i64, before: i64, margin: i64) -> i64 {
        let Some(Progress { through, newest, .. }) = self.progress else { return after - margin };
        // What lies beside the gap is only compared, and once.
        let rereads = (self.answers + 1).is_multiple_of(REREAD_EVERY) && (after..=before).contains(&through);
        if rereads && newest == Some(through) { through } else { through + 1 }
    }

    /// History lags, so its last second may not have been whole: it is asked for again. What lies before the gap is only
    /// compared, and once.
    fn step_back(&mut self) {
        if let (Some(progress), Some(after)) = (&mut self.progress, self.after)
            && let Some(newest) = progress.newest.filter(|newest| *newest >= after)
        {
            progress.through = progress.through.min(newest - 1);
        }
    }

    /// The seconds that history may add to; `None` while an end is not known.
    #[must_use]
    pub fn range(&self) -> Option<RangeInclusive<i64>> {
        Some(self.after?..=self.before?)
    }
}

/// How far history was fetched: the next attempt goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The last second that was answered, since 1970.
    pub through: i64,
    /// The second of the newest tick that history had.
    pub newest: Option<i64>,
    /// What was compared on the way.
    #[serde(flatten)]
    pub compared: Compared,
}

/// What came of an attempt to fill a gap.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// One answer of history was stored, and there is more to ask.
    Partly {
        /// Ticks that were added.
        added: u64,
        /// How far it is now.
        progress: Progress,
    },
    /// History was fetched to the end.
    Fetched {
        /// Ticks that were added, those of earlier answers not included.
        added: u64,
        /// See [`Gap::agreement`].
        agreement: Option<f64>,
        /// Whether it reached the end of the gap.
        whole: bool,
    },
    /// There is nothing before it: recording begins here.
    Beginning,
    /// It cannot be had, for this reason.
    Unfillable(String),
    /// History's answer does not help, and may later: tried again some times.
    Failed(String),
    /// What kept it from an answer passes by itself: tried again for as long as `maxAge` allows.
    Postponed(String),
    /// So does this: another session of the user has the data, says IBKR with this code and text.
    Competing(i32, String),
}

/// Counts of gaps by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Open or pending.
    pub open: usize,
    /// Filled.
    pub filled: usize,
    /// Approximate.
    pub approximate: usize,
    /// Unfillable.
    pub unfillable: usize,
}

/// What of a ledger is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Due<'a> {
    /// This gap.
    Now(&'a Gap),
    /// Nothing before then, milliseconds since 1970; `None` when nothing waits for a time.
    At(Option<i64>),
}

/// All gaps that are known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    next_id: u64,
    gaps: Vec<Gap>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unwritten: Vec<Unwritten>,
}

impl Ledger {
    /// All, the oldest first.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// How many in which state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for gap in &self.gaps {
            match gap.state {
                GapState::Open | GapState::Pending => counts.open += 1,
                GapState::Filled => counts.filled += 1,
                GapState::Approximate => counts.approximate += 1,
                GapState::Unfillable => counts.unfillable += 1,
            }
        }
        counts
    }

    /// What is in memory only.
    #[must_use]
    pub fn unwritten(&self) -> &[Unwritten] {
        &self.unwritten
    }

    /// See [`Unwritten`].
    pub fn set_unwritten(&mut self, unwritten: Vec<Unwritten>) {
        self.unwritten = unwritten;
    }

    /// The process that had ticks in memory only is gone, and they with it.
    pub fn lose_unwritten(&mut self) {
        for Unwritten { contract, stream, from } in std::mem::take(&mut self.unwritten) {
            self.lost(&contract, stream, from);
        }
    }

    /// Ticks from this second on were found to be lost. A gap that is open already reaches back to there.
    pub fn lost(&mut self, contract: &str, stream: Recorded, from: i64) {
        match self.gaps.iter_mut().find(|gap| gap.stream == stream && gap.state == GapState::Open) {
            Some(open) => open.after = open.after.map(|after| after.min(from)),
            None => self.open(contract, stream, Some(from), GapCause::Unwritten),
        }
    }

    /// Whether that stream has an open gap.
    #[must_use]
    pub fn is_open(&self, stream: Recorded) -> bool {
        self.gaps.iter().any(|gap| gap.stream == stream && gap.state == GapState::Open)
    }

    /// Ticks may be missing from now on. A gap that is open already goes on. `after` as in [`Gap::after`].
    pub fn open(&mut self, contract: &str, stream: Recorded, after: Option<i64>, cause: GapCause) {
        if self.is_open(stream) {
            return;
        }
        self.add(contract, stream, cause, GapState::Open, (after, None), None);
    }

    /// The stream ticked, with IBKR's second `before`.
    pub fn close(&mut self, stream: Recorded, before: i64, now_ms: i64) -> bool {
        let open = self.gaps.iter_mut().find(|gap| gap.stream == stream && gap.state == GapState::Open);
        let Some(gap) = open else { return false };
        // IBKR's seconds may go back by one around a restart.
        gap.before = Some(gap.after.map_or(before, |after| before.max(after)));
        gap.closed_ms = Some(now_ms);
        gap.state = GapState::Pending;
        true
    }

    /// A person asks for a range of seconds. Returns the new gap's identifier.
    pub fn request(&mut self, contract: &str, stream: Recorded, range: RangeInclusive<i64>, now_ms: i64) -> u64 {
        self.past(contract, stream, GapCause::Requested, range, now_ms)
    }

    /// Ticks were found to be damaged.
    pub fn damaged(&mut self, contract: &str, damage: &Damage, now_ms: i64) {
        if !self.has_damage(damage) {
            self.past(contract, damage.stream, GapCause::Damaged, damage.after..=damage.before, now_ms);
        }
    }

    /// Whether that is known.
    #[must_use]
    pub fn has_damage(&self, damage: &Damage) -> bool {
        let range = Some(damage.after..=damage.before);
        let same = |gap: &Gap| gap.cause == GapCause::Damaged && gap.stream == damage.stream && gap.range() == range;
        self.gaps.iter().any(same)
    }

    fn past(
        &mut self,
        contract: &str,
        stream: Recorded,
        cause: GapCause,
        range: RangeInclusive<i64>,
        now_ms: i64,
    ) -> u64 {
        let ends = (Some(*range.start()), Some(*range.end()));
        // What lies far back is history already.
        let closed_ms = range.end().saturating_add(1).saturating_mul(1_000).min(now_ms);
        self.add(contract, stream, cause, GapState::Pending, ends, Some(closed_ms))
    }

    fn add(
        &mut self,
        contract: &str,
        stream: Recorded,
        cause: GapCause,
        state: GapState,
        (after, before): (Option<i64>, Option<i64>),
        closed_ms: Option<i64>,
    ) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let contract = contract.to_owned();
        let (attempts, postponed, failed_ms, failing_ms) = (0, 0, None, None);
        let (answers, added, agreement, progress, reason) = (0, 0, None, None, None);
        let gap = Gap {
            id,
            contract,
            stream,
            after,
            before,
            cause,
            state,
            closed_ms,
            attempts,
            postponed,
            failed_ms,
            failing_ms,
            answers,
            added,
            agreement,
            progress,
            reason,
        };
        self.gaps.push(gap);
        while self.gaps.len() > MAX_GAPS {
            self.make_room();
        }
        id
    }

    /// The oldest settled gap goes. When all wait, the oldest one becomes part of the next of its stream: no loss is
    /// forgotten, though good seconds lie between the two.
    fn make_room(&mut self) {
        let settled = |gap: &Gap| !matches!(gap.state, GapState::Open | GapState::Pending);
        let next = |at: usize| (at + 1..self.gaps.len()).find(|next| self.gaps[*next].stream == self.gaps[at].stream);
        if let Some(at) = self.gaps.iter().position(settled) {
            self.gaps.remove(at);
        } else if let Some((at, next)) = (0..self.gaps.len()).find_map(|at| Some((at, next(at)?))) {
            let after = self.gaps[at].after.or(self.gaps[at].before);
            self.gaps[next].after = after.or(self.gaps[next].after);
            self.gaps[next].progress = None;
            self.gaps.remove(at);
        } else {
            self.gaps.remove(0);
        }
    }

    /// Which gap to settle next: closed for `lag_ms` (history lags), trades before quotes, the newest first. `may` says
    /// from when on something can be done about a ripe gap, milliseconds since 1970; `None` while nobody knows: it holds
    /// up no other.
    #[must_use]
    pub fn next(&self, now_ms: i64, lag_ms: i64, may: impl Fn(&Gap) -> Option<i64>) -> Due<'_> {
        let (mut now, mut later): (Option<&Gap>, Option<i64>) = (None, None);
        let weight = |gap: &Gap| (is_trade(gap.stream.kind), gap.before, gap.id);
        for gap in &self.gaps {
            let Some(ripe) = gap.ripe_ms(lag_ms) else { continue };
            let due = if ripe > now_ms { Some(ripe) } else { may(gap) };
            match due {
                Some(due) if due > now_ms => later = Some(later.map_or(due, |later| later.min(due))),
                Some(_) if now.is_none_or(|best| weight(best) < weight(gap)) => now = Some(gap),
                _ => {}
            }
        }
        now.map_or(Due::At(later), Due::Now)
    }

    /// The seconds in which ticks of this gap's stream were lost otherwise, as far as they are known: what was recorded
    /// there cannot be compared with history. What a person asked for need not have been lost.
    #[must_use]
    pub fn beside(&self, gap: &Gap) -> Vec<RangeInclusive<i64>> {
        let others = self.gaps.iter().filter(|other| other.stream == gap.stream && other.id != gap.id);
        let lost = others.filter(|other| other.cause != GapCause::Requested);
        let seconds = |other: &Gap| Some(other.after.or(other.before)?..=other.before.unwrap_or(i64::MAX));
        lost.filter_map(seconds).collect()
    }

    /// Where a gap begins was looked up.
    pub fn begins(&mut self, id: u64, after: i64) {
        if let Some(gap) = self.gaps.iter_mut().find(|gap| gap.id == id) {
            gap.after.get_or_insert(after);
        }
    }

    /// An attempt has ended.
    pub fn settle(&mut self, id: u64, outcome: Outcome, now_ms: i64) {
        let Some(at) = self.gaps.iter().position(|gap| gap.id == id && gap.state == GapState::Pending) else { return };
        let gap = &mut self.gaps[at];
        match outcome {
            Outcome::Beginning => {
                self.gaps.remove(at);
            }
            Outcome::Partly { added, progress } => {
                gap.added += added;
                gap.answers = gap.answers.saturating_add(1);
                // Only failures without progress count, and wait for longer each time.
                if progress.newest > gap.progress.and_then(|before| before.newest) {
                    (gap.attempts, gap.postponed, gap.reason) = (0, 0, None);
                    (gap.failed_ms, gap.failing_ms) = (None, None);
                }
                gap.progress = Some(progress);
            }
            Outcome::Fetched { added, agreement, whole } => {
                gap.added += added;
                gap.answers = gap.answers.saturating_add(1);
                gap.progress = None;
                gap.agreement = agreement;
                let agrees = agreement.is_some_and(|agreement| agreement >= 1.0);
                let exact = whole && agrees && gap.stream.kind != TickKind::AllLast;
                gap.state = if exact { GapState::Filled } else { GapState::Approximate };
                gap.reason = (!exact).then(|| approximate(gap.stream.kind, agreement, whole).to_owned());
            }
            Outcome::Unfillable(reason) => {
                gap.state = GapState::Unfillable;
                gap.reason = Some(reason);
            }
            Outcome::Failed(reason) => {
                gap.attempts += 1;
                gap.failed(reason, now_ms);
                if gap.attempts >= MAX_ATTEMPTS {
                    gap.state = GapState::Unfillable;
                }
            }
            Outcome::Postponed(reason) => gap.postpone(reason, now_ms),
            Outcome::Competing(code, text) => {
                gap.postpone(format!("another session of this user has the data: error {code}: {text}"), now_ms);
            }
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn is_trade(kind: TickKind) -> bool {
    matches!(kind, TickKind::Last | TickKind::AllLast)
}

fn approximate(kind: TickKind, agreement: Option<f64>, whole: bool) -> &'static str {
    match (kind, agreement) {
        _ if !whole => "IBKR's history was not seen to reach the end of the gap",
        (TickKind::AllLast, _) => "IBKR's history of trades leaves out those that are not reported",
        (_, None) => "nothing was recorded beside the gap to compare the history with",
        (_, Some(_)) => "history differs from what was recorded beside the gap: IBKR filters and conflates it",
    }
}

/// A kind by its name in files.
mod kind_name {
    use marketstream_proto::TickKind;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub fn serialize<S: Serializer>(kind: &TickKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TickKind, D::Error> {
        let text = String::deserialize(deserializer)?;
        TickKind::parse(&text).ok_or_else(|| D::Error::custom("not a kind of tick"))
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
