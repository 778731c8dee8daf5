//! The judge: compares what a recorder stored with what the gateway sent and would have sent. Pure.

mod fields;
mod order;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

pub use crate::journal::altered::AsSent;
pub use crate::journal::query::JournalTick;
pub use crate::journal::sent::SentTo;
use crate::market::Stream;
use crate::market::tick::TickType;
pub use fields::Fields;
use fields::Key;

/// One tick as a recorder stored it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedTick {
    /// IBKR's contract id.
    pub con_id: i32,
    /// Tick type.
    pub tick: TickType,
    /// Time on the wire, seconds since the epoch.
    pub time_s: i64,
    /// What it says.
    #[serde(flatten)]
    pub fields: Fields,
}

/// Seconds on end in which something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First second, since the epoch.
    pub from: i64,
    /// The second after the last one.
    pub to: i64,
    /// Ticks concerned.
    pub ticks: u64,
}

/// What is wrong with one stream, or with all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Ticks that the market made.
    pub generated: u64,
    /// Those of them that went to at least one client as they are.
    pub sent: u64,
    /// Ticks in the recording.
    pub stored: u64,
    /// Made and not in the recording.
    pub missing_of_generated: u64,
    /// Sent and not in the recording.
    pub missing_of_sent: u64,
    /// In the recording more often than made.
    pub doubled: u64,
    /// In the recording, never made, and in the same second of the stream another one is missing.
    pub altered: u64,
    /// In the recording, never made, and nothing is missing in that second.
    pub unknown: u64,
    /// In the recording as a fault altered it on the wire: not the recorder's doing.
    pub altered_by_fault: u64,
    /// In the recording, and to be moved for its order to be the one in which ticks were sent or due.
    pub out_of_order: u64,
}

/// What is wrong with one stream, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamVerdict {
    /// IBKR's contract id.
    pub con_id: i32,
    /// Tick type.
    pub tick: TickType,
    /// How much.
    pub counts: Counts,
    /// Where ticks are missing that were made.
    pub missing_of_generated: Vec<Range>,
    /// Where ticks are missing that were sent.
    pub missing_of_sent: Vec<Range>,
    /// Where ticks are doubled.
    pub doubled: Vec<Range>,
    /// Where ticks are altered or unknown.
    pub wrong: Vec<Range>,
    /// Where ticks are as a fault altered them.
    #[serde(default)]
    pub altered_by_fault: Vec<Range>,
    /// Where ticks are out of order.
    #[serde(default)]
    pub out_of_order: Vec<Range>,
}

/// What is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Of all streams together.
    pub total: Counts,
    /// Stream by stream.
    pub streams: Vec<StreamVerdict>,
}

impl Verdict {
    /// Whether the recording holds exactly what the market made, in whatever order.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.total.missing_of_generated == 0 && self.total.altered_by_fault == 0 && self.faultless()
    }

    /// Whether the recording holds all that was sent, and nothing twice, altered or unknown.
    #[must_use]
    pub fn lossless(&self) -> bool {
        self.total.missing_of_sent == 0 && self.faultless()
    }

    /// Whether the ticks of the recording are in the order in which they were sent or due, stream by stream.
    #[must_use]
    pub fn in_order(&self) -> bool {
        self.total.out_of_order == 0
    }

    /// Adds the verdict of the seconds that follow.
    pub fn append(&mut self, later: Self) {
        self.total = self.total.plus(later.total);
        for stream in later.streams {
            let key = |stream: &StreamVerdict| (stream.con_id, stream.tick);
            match self.streams.binary_search_by_key(&key(&stream), key) {
                Ok(at) => self.streams[at].append(stream),
                Err(at) => self.streams.insert(at, stream),
            }
        }
    }

    fn faultless(&self) -> bool {
        self.total.doubled == 0 && self.total.altered == 0 && self.total.unknown == 0
    }
}

impl StreamVerdict {
    fn append(&mut self, later: Self) {
        self.counts = self.counts.plus(later.counts);
        for (ranges, more) in [
            (&mut self.missing_of_generated, later.missing_of_generated),
            (&mut self.missing_of_sent, later.missing_of_sent),
            (&mut self.doubled, later.doubled),
            (&mut self.wrong, later.wrong),
            (&mut self.altered_by_fault, later.altered_by_fault),
            (&mut self.out_of_order, later.out_of_order),
        ] {
            more.into_iter().for_each(|range| extend(ranges, range));
        }
    }
}

/// Compares a recording with the journal. Both are cut to the seconds in `from..to`; ticks are compared as multisets
/// of (contract, tick type, second, all fields). Their order within a stream is judged apart from that.
#[must_use]
pub fn compare(journal: &[JournalTick], recorded: &[RecordedTick], (from, to): (i64, i64)) -> Verdict {
    let mut streams: BTreeMap<Stream, StreamTicks<'_>> = BTreeMap::new();
    let window = from..to;
    for tick in journal {
        let ticks = streams.entry(Stream { con_id: tick.con_id, tick: tick.tick }).or_default();
        if window.contains(&tick.second) {
            ticks.made.push(tick);
            let tally = ticks.tally(tick.second, &tick.fields);
            tally.generated += 1;
            let as_it_is = |sent: &SentTo| !tick.altered.iter().any(|form| form.connection == sent.connection);
            tally.sent += u64::from(tick.sent.iter().any(as_it_is));
        }
        let forms: HashSet<_> = tick.altered.iter().map(|form| (form.time_s, Key::of(&form.fields))).collect();
        for (time_s, key) in forms.into_iter().filter(|(time_s, _)| window.contains(time_s)) {
            ticks.seconds.entry(time_s).or_default().entry(key).or_default().as_altered += 1;
        }
    }
    for tick in recorded.iter().filter(|tick| window.contains(&tick.time_s)) {
        let ticks = streams.entry(Stream { con_id: tick.con_id, tick: tick.tick }).or_default();
        ticks.tally(tick.time_s, &tick.fields).stored += 1;
        ticks.stored.push(tick);
    }
    streams.retain(|_, ticks| !ticks.seconds.is_empty());
    let streams: Vec<_> = streams.into_iter().map(|(stream, ticks)| judge_stream(stream, ticks)).collect();
    let total = streams.iter().fold(Counts::default(), |total, stream| total.plus(stream.counts));
    Verdict { total, streams }
}

/// Both sides of one stream.
#[derive(Debug, Default)]
struct StreamTicks<'a> {
    seconds: BTreeMap<i64, Second>,
    made: Vec<&'a JournalTick>,
    stored: Vec<&'a RecordedTick>,
}

impl StreamTicks<'_> {
    fn tally(&mut self, second: i64, fields: &Fields) -> &mut Tally {
        self.seconds.entry(second).or_default().entry(Key::of(fields)).or_default()
    }
}

/// How often each distinct tick of a second was made, sent and stored.
type Second = HashMap<Key, Tally>;

#[derive(Debug, Default)]
struct Tally {
    generated: u64,
    sent: u64,
    /// Ticks that a fault made look like this one.
    as_altered: u64,
    stored: u64,
}

fn judge_stream(stream: Stream, ticks: StreamTicks<'_>) -> StreamVerdict {
    let mut verdict = StreamVerdict {
        con_id: stream.con_id,
        tick: stream.tick,
        counts: Counts::default(),
        missing_of_generated: Vec::new(),
        missing_of_sent: Vec::new(),
        doubled: Vec::new(),
        wrong: Vec::new(),
        altered_by_fault: Vec::new(),
        out_of_order: Vec::new(),
    };
    for (at, out_of_order) in order::out_of_order(&ticks.made, &ticks.stored) {
        verdict.counts.out_of_order += out_of_order;
        extend(&mut verdict.out_of_order, Range::second(at, out_of_order));
    }
    for (at, second) in ticks.seconds {
        let counts = judge_second(&second);
        for (ranges, ticks) in [
            (&mut verdict.missing_of_generated, counts.missing_of_generated),
            (&mut verdict.missing_of_sent, counts.missing_of_sent),
            (&mut verdict.doubled, counts.doubled),
            (&mut verdict.wrong, counts.altered + counts.unknown),
            (&mut verdict.altered_by_fault, counts.altered_by_fault),
        ] {
            extend(ranges, Range::second(at, ticks));
        }
        verdict.counts = verdict.counts.plus(counts);
    }
    verdict
}

fn judge_second(second: &Second) -> Counts {
    let mut counts = Counts::default();
    for tally in second.values() {
        counts.generated += tally.generated;
        counts.sent += tally.sent;
        counts.stored += tally.stored;
        counts.missing_of_generated += tally.generated.saturating_sub(tally.stored);
        counts.missing_of_sent += tally.sent.saturating_sub(tally.stored);
        let surplus = tally.stored.saturating_sub(tally.generated);
        let by_fault = surplus.min(tally.as_altered);
        counts.altered_by_fault += by_fault;
        if tally.generated + tally.as_altered > 0 {
            counts.doubled += surplus - by_fault;
        } else {
            counts.unknown += surplus;
        }
    }
    counts.altered = counts.unknown.min(counts.missing_of_generated);
    counts.unknown -= counts.altered;
    counts
}

impl Range {
    fn second(at: i64, ticks: u64) -> Self {
        Self { from: at, to: at + 1, ticks }
    }
}

/// Adds a range to ranges that are in the order of time.
fn extend(ranges: &mut Vec<Range>, range: Range) {
    match ranges.last_mut() {
        _ if range.ticks == 0 => {}
        Some(last) if last.to == range.from => {
            last.to = range.to;
            last.ticks += range.ticks;
        }
        _ => ranges.push(range),
    }
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            generated: self.generated + other.generated,
            sent: self.sent + other.sent,
            stored: self.stored + other.stored,
            missing_of_generated: self.missing_of_generated + other.missing_of_generated,
            missing_of_sent: self.missing_of_sent + other.missing_of_sent,
            doubled: self.doubled + other.doubled,
            altered: self.altered + other.altered,
            unknown: self.unknown + other.unknown,
            altered_by_fault: self.altered_by_fault + other.altered_by_fault,
            out_of_order: self.out_of_order + other.out_of_order,
        }
    }
}

#[cfg(test)]
mod tests;
