//! Which of the engine's streams have one of the scarce tick-by-tick lines, and what becomes of the others.

use std::collections::BTreeSet;

use marketstream_crds::{Limits, MarketStreamSpec, Overflow};
use marketstream_recovery::codes::OWN_LIMIT;

use super::{
    Engine,
    stream::{Origin, StreamEntry},
    streams::AFTER_CANCEL,
};
use crate::{
    clock::Now,
    plan::{self, StreamKey, Use},
};

impl Engine {
    /// Takes the streams of a changed manifest in, which is also a reason to try what was refused.
    pub(super) fn take_streams(&mut self, spec: &MarketStreamSpec, now: Now) {
        self.streams.values_mut().for_each(|stream| stream.put_out(false));
        self.place_streams(spec, now);
        let asked = self.client().is_some() && self.hold.is_none();
        for stream in self.streams.values_mut().filter(|stream| stream.lined && !stream.is_running()) {
            stream.wanted_at = asked.then_some(now.mono);
        }
    }

    /// The streams that the manifest asks for, of the contracts that are recorded now; and those of the contracts that
    /// follow, as far as lines are left.
    pub(super) fn place_streams(&mut self, spec: &MarketStreamSpec, now: Now) {
        let rolls = |key: &StreamKey| self.contracts.get(&key.contract).map_or(0, |entry| entry.rolling.count);
        self.order = plan::order(spec).into_iter().map(|key| key.after(rolls(&key))).collect();
        self.lines_dirty = true;
        self.assign(&spec.limits, now);
    }

    /// Gives the lines of streams that cannot use them to those that can.
    pub(super) fn assign_lines(&mut self, now: Now) {
        let limits = self.spec.as_ref().map(|spec| spec.limits.clone());
        // With a line for each, those that have ended are all that lack one.
        let as_planned = |stream: &StreamEntry| stream.lined != stream.has_ended();
        if let Some(limits) =
            limits.filter(|limits| self.order.len() > count(limits) || !self.streams.values().all(as_planned))
        {
            self.assign(&limits, now);
        }
    }

    fn assign(&mut self, limits: &Limits, now: Now) {
        let using = |key: &StreamKey| self.streams.get(key).map_or(Use::Able, StreamEntry::line_use);
        let mut lined = plan::lined(&self.order, count(limits), using);
        let follows =
            |key: &StreamKey| self.contracts.get(&key.contract).is_some_and(|entry| entry.rolling.next.is_some());
        let next = self.order.iter().filter(|key| lined.contains(key) && follows(key));
        let next: Vec<StreamKey> = next.map(|key| key.after(key.roll + 1)).take(count(limits) - lined.len()).collect();
        let planned: BTreeSet<&StreamKey> = self.order.iter().chain(&next).collect();
        self.streams.retain(|key, _| planned.contains(key));
        for key in planned {
            self.streams.entry(key.clone()).or_insert_with(|| StreamEntry::new(now));
        }
        lined.extend(next);
        let asked = self.client().is_some() && self.hold.is_none();
        let no_line = no_line(limits);
        for (key, stream) in &mut self.streams {
            let gets = lined.contains(key);
            if gets && !stream.lined {
                tracing::debug!(stream = %key, "a tick-by-tick line is free for it");
                // Another stream may have just given its line up.
                stream.wanted_at = asked.then_some(now.mono + AFTER_CANCEL);
            }
            if !gets && stream.lined {
                stream.cancel();
                stream.wanted_at = None;
            }
            stream.lined = gets;
            let without = !gets && !stream.is_out();
            match (without.then_some(limits.overflow), stream.is_refused_by(Origin::Lines)) {
                (Some(Overflow::Refuse), _) => stream.refuse_once(Origin::Lines, OWN_LIMIT, &no_line, now),
                // Whether there is a market-data line for it is seen later.
                (Some(Overflow::MarketData), _) => {}
                (None, true) => {
                    stream.lift_refusal();
                    stream.error = None;
                }
                (None, false) => {}
            }
        }
    }
}

fn count(limits: &Limits) -> usize {
    usize::try_from(limits.tick_by_tick).unwrap_or(0)
}

fn no_line(limits: &Limits) -> String {
    format!(
        "no tick-by-tick line is left: spec.limits.tickByTick is {}; raise it if the account has more lines, raise the \
         priority of this contract, record fewer streams, or set spec.limits.overflow to MarketData",
        limits.tick_by_tick
    )
}
