//! The judge: compares what a recorder stored with what the gateway sent and would have sent. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

pub use crate::journal::query::JournalTick;
pub use crate::journal::sent::SentTo;
use crate::market::Stream;
use crate::market::tick::TickType;

/// What a tick says. An absent flag counts as false, an absent text as empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fields {
    /// Of a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// Of a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<f64>,
    /// Of a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// Sale conditions of a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
    /// Of a trade: beyond the price limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past_limit: Option<bool>,
    /// Of a trade: not reported to the tape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreported: Option<bool>,
    /// Best bid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid: Option<f64>,
    /// Best offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<f64>,
    /// Size at the bid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid_size: Option<f64>,
    /// Size at the offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_size: Option<f64>,
    /// The bid is below the day's low.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid_past_low: Option<bool>,
    /// The offer is above the day's high.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_past_high: Option<bool>,
    /// Middle of bid and offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<f64>,
}

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
pub struct Counts {
    /// Ticks that the market made.
    pub generated: u64,
    /// Those of them that went to at least one client.
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
    /// Whether the recording holds exactly what the market made.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.total.missing_of_generated == 0 && self.faultless()
    }

    /// Whether the recording holds all that was sent, and nothing twice, altered or unknown.
    #[must_use]
    pub fn lossless(&self) -> bool {
        self.total.missing_of_sent == 0 && self.faultless()
    }

    fn faultless(&self) -> bool {
        self.total.doubled == 0 && self.total.altered == 0 && self.total.unknown == 0
    }
}

/// Compares a recording with the journal. Both are cut to the seconds in `from..to`; ticks are compared as multisets
/// of (contract, tick type, second, all fields), so their order does not matter.
#[must_use]
pub fn compare(journal: &[JournalTick], recorded: &[RecordedTick], (from, to): (i64, i64)) -> Verdict {
    let mut streams: BTreeMap<Stream, BTreeMap<i64, Second>> = BTreeMap::new();
    for tick in journal.iter().filter(|tick| (from..to).contains(&tick.second)) {
        let stream = Stream { con_id: tick.con_id, tick: tick.tick };
        let second = streams.entry(stream).or_default().entry(tick.second).or_default();
        let tally = second.entry(Key::of(&tick.fields)).or_default();
        tally.generated += 1;
        tally.sent += u64::from(!tick.sent.is_empty());
    }
    for tick in recorded.iter().filter(|tick| (from..to).contains(&tick.time_s)) {
        let stream = Stream { con_id: tick.con_id, tick: tick.tick };
        let second = streams.entry(stream).or_default().entry(tick.time_s).or_default();
        second.entry(Key::of(&tick.fields)).or_default().stored += 1;
    }
    let streams: Vec<_> = streams.into_iter().map(|(stream, seconds)| judge_stream(stream, seconds)).collect();
    let total = streams.iter().fold(Counts::default(), |total, stream| total.plus(stream.counts));
    Verdict { total, streams }
}

/// How often each distinct tick of a second was made, sent and stored.
type Second = HashMap<Key, Tally>;

#[derive(Debug, Default)]
struct Tally {
    generated: u64,
    sent: u64,
    stored: u64,
}

fn judge_stream(stream: Stream, seconds: BTreeMap<i64, Second>) -> StreamVerdict {
    let mut verdict = StreamVerdict {
        con_id: stream.con_id,
        tick: stream.tick,
        counts: Counts::default(),
        missing_of_generated: Vec::new(),
        missing_of_sent: Vec::new(),
        doubled: Vec::new(),
        wrong: Vec::new(),
    };
    for (at, second) in seconds {
        let counts = judge_second(&second);
        extend(&mut verdict.missing_of_generated, at, counts.missing_of_generated);
        extend(&mut verdict.missing_of_sent, at, counts.missing_of_sent);
        extend(&mut verdict.doubled, at, counts.doubled);
        extend(&mut verdict.wrong, at, counts.altered + counts.unknown);
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
        if tally.generated > 0 {
            counts.doubled += surplus;
        } else {
            counts.unknown += surplus;
        }
    }
    counts.altered = counts.unknown.min(counts.missing_of_generated);
    counts.unknown -= counts.altered;
    counts
}

/// Adds a second to ranges that are in the order of time.
fn extend(ranges: &mut Vec<Range>, at: i64, ticks: u64) {
    match ranges.last_mut() {
        _ if ticks == 0 => {}
        Some(last) if last.to == at => {
            last.to = at + 1;
            last.ticks += ticks;
        }
        _ => ranges.push(Range { from: at, to: at + 1, ticks }),
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
        }
    }
}

/// All fields of a tick, as something that can be counted: numbers by their bits, zero being one number.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    numbers: [Option<u64>; 7],
    flags: [bool; 4],
    texts: [String; 2],
}

impl Key {
    fn of(fields: &Fields) -> Self {
        let number = |value: Option<f64>| value.map(|value| (value + 0.0).to_bits());
        let flag = |value: Option<bool>| value.unwrap_or(false);
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            numbers: [
                number(fields.price),
                number(fields.size),
                number(fields.bid),
                number(fields.ask),
                number(fields.bid_size),
                number(fields.ask_size),
                number(fields.mid),
            ],
            flags: [
                flag(fields.past_limit),
                flag(fields.unreported),
                flag(fields.bid_past_low),
                flag(fields.ask_past_high),
            ],
            texts: [text(&fields.exchange), text(&fields.conditions)],
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
