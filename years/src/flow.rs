//! When the streams' ticks truly came, as the oracle follows it.

use std::collections::BTreeMap;

use crate::{
    clock::{MINUTE, Ms, SECOND},
    market::{Mask, members},
    streamer::Streamer,
    world::World,
};

/// A silence that somebody may be called for.
pub(crate) const OUT: Ms = 8 * MINUTE;
/// Flow for so long ends an incident.
const SETTLES: Ms = 10 * SECOND;

/// The ticks of all streams.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    streams: BTreeMap<usize, Ticks>,
    /// When a stream ticked last that should flow, and the last silence of all of them: from and to.
    last: Option<Ms>,
    gap: Option<(Ms, Ms)>,
}

/// The ticks of a stream.
#[derive(Debug, Default)]
struct Ticks {
    last: Option<Ms>,
    /// When it ticked again after a silence that is [`OUT`], last.
    again: Option<Ms>,
    /// Since when it flows, and when it had last flowed for the settling time.
    flows_since: Option<Ms>,
    steady: Option<Ms>,
    /// When it was last asked for, though it was silent and healthy.
    asked: Option<Ms>,
}

impl Flow {
    /// The streamer has taken in what there was at `now`. `expected` should flow.
    pub(crate) fn note(&mut self, now: Ms, world: &World, streamer: Option<&Streamer>, expected: Mask) {
        let delivering = world.delivering();
        for index in 0..world.manifest.streams.len() {
            let ticks = self.streams.entry(index).or_default();
            let flows = delivering & (1 << index) != 0;
            ticks.settle(now, flows);
            if let Some(tick) = streamer.filter(|_| flows).and_then(|streamer| streamer.entries[index].last_tick) {
                ticks.hear(tick);
            }
        }
        let last = self.last(expected);
        let gap = self.last.zip(last).filter(|(before, last)| last - before >= MINUTE);
        self.gap = gap.map_or(self.gap, |(before, _)| Some((before, now)));
        self.last = last;
    }

    /// When a stream ticked last.
    pub(crate) fn heard(&self, index: usize) -> Option<Ms> {
        self.streams.get(&index)?.last
    }

    /// When one of these ticked last.
    pub(crate) fn last(&self, streams: Mask) -> Option<Ms> {
        members(streams).filter_map(|index| self.heard(index)).max()
    }

    /// When a stream had ticked last, by a report of that time: not since a long silence that it does not know the end of.
    pub(crate) fn heard_by(&self, index: usize, report: Ms) -> Option<Ms> {
        let ticks = self.streams.get(&index)?;
        ticks.last.filter(|_| ticks.again.is_none_or(|again| again < report))
    }

    /// When a stream had last flowed for the settling time: data that come for a moment end nothing.
    pub(crate) fn steady(&self, index: usize) -> Option<Ms> {
        self.streams.get(&index)?.steady
    }

    /// For how long none of those that should flow had ticked, by a report of that time.
    pub(crate) fn silence_by(&self, report: Ms, now: Ms, expected: Mask) -> Ms {
        match self.gap.filter(|(_, to)| report < *to) {
            Some((from, _)) => report - from,
            None => self.last(expected).map_or(Ms::MAX, |heard| now - heard),
        }
    }

    /// Some streams are asked for that were silent and healthy. Returns whether that is the second time in a silence.
    pub(crate) fn ask(&mut self, streams: Mask, now: Ms) -> bool {
        members(streams).fold(false, |again, index| {
            let ticks = self.streams.entry(index).or_default();
            let before = ticks.asked.replace(now);
            again || before.is_some_and(|before| ticks.last.is_none_or(|heard| before >= heard))
        })
    }
}

impl Ticks {
    fn hear(&mut self, tick: Ms) {
        if self.last.replace(tick).is_some_and(|before| tick - before >= OUT) {
            self.again = Some(tick);
        }
    }

    fn settle(&mut self, now: Ms, flows: bool) {
        let since = if flows { Some(*self.flows_since.get_or_insert(now)) } else { self.flows_since.take() };
        if since.is_some_and(|since| now - since >= SETTLES) || self.steady.is_none() {
            self.steady = Some(now);
        }
    }
}
