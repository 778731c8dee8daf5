//! The engine while another session of the same user has the market data.

use std::time::Duration;

use marketstream_crds::Session;
use marketstream_recovery::codes::{ErrorClass, classify};

use super::{
    Engine,
    stream::{Origin, StreamEntry},
};
use crate::{canary::Canary, clock::Now, plan::StreamKey};

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
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.cancel();
            self.subscribe(&key, now);
        }
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.canary = true;
        }
        Some(due)
    }

    /// Streams that have a line, and when each may be asked for.
    fn askable(&self, now: Now, wanted: impl Fn(&StreamEntry) -> bool) -> Vec<(&StreamKey, Duration)> {
        let wanted = self.streams.iter().filter(|(_, stream)| stream.lined && wanted(stream));
        wanted.filter_map(|(key, _)| Some((key, self.earliest_request(key, now)?))).collect()
    }

    fn is_refused_itself(&self, key: &StreamKey) -> bool {
        let stream = self.streams.get(key).filter(|stream| stream.is_refused());
        let error = stream.and_then(|stream| stream.error.as_ref());
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
    }
}
