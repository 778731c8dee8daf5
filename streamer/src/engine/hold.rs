//! The engine while another session of the same user has the market data.

use std::time::Duration;

use marketstream_crds::Session;
use marketstream_recovery::codes::{ErrorClass, classify};

use super::{
    Engine,
    lines::LineEntry,
    stream::{Origin, StreamEntry},
};
use crate::{canary::Canary, clock::Now, plan::StreamKey};

/// A market-data line that is given says at once what there is. One that has been silent for so long tells nothing.
const LINE_SILENT: Duration = Duration::from_secs(30);

impl Engine {
    /// Marks every stream, and leaves it to the canary to find out when the other session ends. Subscriptions that
    /// still run are left alone: a tick of theirs ends their own refusal.
    pub(super) fn begin_hold(&mut self, code: i32, text: &str, now: Now) {
        if self.hold.is_none() {
            tracing::warn!(code, "another session of this user has the market data: {text}");
            self.hold = Some(Canary::new(now.mono));
        }
        for stream in self.streams.values_mut().filter(|stream| stream.lined && !stream.is_refused_by(Origin::Contract))
        {
            stream.wanted_at = None;
            if !stream.is_refused_by(Origin::Hold) && !stream.canary {
                stream.refuse(Origin::Hold, code, text, now);
            }
        }
    }

    /// Asks for one stream when it is time. Returns when the next one is due.
    pub(super) fn send_canary_if_due(&mut self, now: Now) -> Option<Duration> {
        let due = self.hold.as_ref()?.due();
        if now.mono < due {
            return Some(due);
        }
        // One that was accepted in silence and then lost its subscription is refused no more, and needs asking.
        let mut eligible = self.askable(now, |stream| {
            (stream.is_refused() || !stream.is_running()) && !(stream.canary && stream.is_running())
        });
        // All were accepted and none ticks: their subscriptions may have died in silence, and nobody else would tell.
        if eligible.is_empty() {
            eligible = self.askable(now, |stream| stream.canary);
        }
        // Those with a tick-by-tick line may all be of a closed market.
        eligible.extend(self.askable_by_line(now));
        let allowed = eligible.iter().filter(|(_, at)| *at <= now.mono).map(|(key, _)| (*key).clone());
        let candidates: Vec<StreamKey> = allowed.collect();
        // The spacing of requests holds all of them back.
        if let Some(first) = eligible.iter().map(|(_, at)| *at).min().filter(|_| candidates.is_empty()) {
            return Some(first);
        }
        let candidates = self.telling(candidates);
        let hold = self.hold.as_mut()?;
        let Some(key) = hold.pick(&candidates, now.mono).cloned() else {
            return Some(hold.due());
        };
        let due = hold.due();
        if self.is_lined(&key) {
            self.streams.get_mut(&key).into_iter().for_each(StreamEntry::cancel);
            self.subscribe(&key, now);
            self.streams.get_mut(&key).into_iter().for_each(|stream| stream.canary = true);
        } else {
            self.line_as_canary(&key.contract, now);
        }
        Some(due)
    }

    fn is_lined(&self, key: &StreamKey) -> bool {
        self.streams.get(key).is_some_and(|stream| stream.lined)
    }

    /// Streams without a tick-by-tick line that are recorded from market data, of which nothing has come for a while.
    pub(super) fn askable_by_line(&self, now: Now) -> Vec<(&StreamKey, Duration)> {
        let silent = |key: &StreamKey| {
            let heard = self.line_of(key).map(LineEntry::heard);
            heard.is_some_and(|heard| heard.is_none_or(|heard| heard + LINE_SILENT <= now.mono))
        };
        let recorded = self.streams.iter().filter(|(_, stream)| stream.overflow && !stream.lined);
        let silent = recorded.filter(|(key, _)| self.is_known(&key.contract) && silent(key));
        silent.map(|(key, _)| (key, Duration::ZERO)).collect()
    }

    /// Streams that have a tick-by-tick line, and when each may be asked for.
    fn askable(&self, now: Now, wanted: impl Fn(&StreamEntry) -> bool) -> Vec<(&StreamKey, Duration)> {
        let wanted = self.streams.iter().filter(|(_, stream)| stream.lined && wanted(stream));
        wanted.filter_map(|(key, _)| Some((key, self.earliest_request(key, now)?))).collect()
    }

    pub(super) fn is_refused_itself(&self, key: &StreamKey) -> bool {
        let error = if self.is_lined(key) {
            self.streams.get(key).filter(|stream| stream.is_refused()).and_then(|stream| stream.error.as_ref())
        } else {
            self.line_of(key).and_then(|line| line.refused.as_ref())
        };
        error.is_some_and(|error| classify(error.code, &error.message) != ErrorClass::CompetingSession)
    }

    /// Those whose session is not closed, if there are any: a closed market sends no tick to tell by. What ticks soonest
    /// tells soonest, and what is refused for a reason of its own tells nothing.
    pub(super) fn telling(&self, candidates: Vec<StreamKey>) -> Vec<StreamKey> {
        let closed =
            |key: &StreamKey| self.streams.get(key).is_some_and(|stream| stream.verdict.session == Session::Closed);
        let open: Vec<StreamKey> = candidates.iter().filter(|key| !closed(key)).cloned().collect();
        let mut telling = if open.is_empty() { candidates } else { open };
        telling.sort_by_key(|key| (self.is_refused_itself(key), self.stale_after(&key.contract)));
        telling
    }

    /// Ends the hold when a line that was asked for as a canary brings what is recorded of it.
    pub(super) fn hear_canary_lines(&mut self, now: Now) {
        if self.hold.is_some() && self.lines.values().any(|line| line.is_canary_that_sings(&self.streams)) {
            self.end_hold(now);
        }
    }

    /// The canary got its first tick: the data are ours again.
    pub(super) fn end_hold(&mut self, now: Now) {
        tracing::info!("market data come again; asking for all streams");
        self.hold = None;
        self.lines.values_mut().filter(|line| !line.is_running()).for_each(|line| line.restart(now.mono));
        for stream in self.streams.values_mut().filter(|stream| stream.lined) {
            stream.canary = false;
            stream.refusals = 0;
            if !stream.is_running() {
                stream.want(now.mono);
            }
        }
        // What was accepted in silence may be dead.
        self.doubt_silent(now.mono);
        self.restart_pending(now);
    }
}
