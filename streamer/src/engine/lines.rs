//! The engine's market-data lines: one for each contract as far as they go, asked for, ended, asked for again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use marketstream_crds::{GatewayError, Overflow, StreamState, TickType};
use marketstream_recovery::codes::{ErrorClass, OWN_LIMIT, classify};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Engine,
    stream::{Origin, StreamEntry},
    streams::{AFTER_BREAK, AFTER_CANCEL, REQUEST_BOUND},
};
use crate::{
    clock::Now,
    facts::Cooldown,
    plan::StreamKey,
    retry,
    sentinel::{
        line::{DELAYED, Shared, Sink, Task},
        seen::Seen,
        wishes::{Wish, wishes},
    },
    session::subscription::End,
    status::text,
};

/// A line that is silent for so long while its contract's streams tick has been forgotten by the gateway.
const DEAD_AFTER: Duration = Duration::from_secs(300);

/// A market-data line.
pub struct LineEntry {
    /// What it has shown since it was subscribed last.
    pub seen: Shared,
    /// Why it was refused, until it is heard.
    pub refused: Option<GatewayError>,
    wish: Wish,
    /// The streams that are recorded from it.
    recorded: BTreeSet<StreamKey>,
    running: Option<Running>,
    wanted_at: Duration,
    refusals: u32,
}

struct Running {
    serial: u64,
    asked: Duration,
    con_id: i32,
    /// It was asked for as a canary.
    canary: bool,
    _task: AbortOnDropHandle<()>,
}

impl LineEntry {
    fn new(wish: Wish, recorded: BTreeSet<StreamKey>, now: Duration) -> Self {
        Self { seen: Shared::default(), refused: None, wish, recorded, running: None, wanted_at: now, refusals: 0 }
    }

    /// Runs without a gateway, for contract 1.
    #[cfg(test)]
    pub fn pretend(&mut self, asked: Duration) {
        let task = AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
        self.running = Some(Running { serial: 0, asked, con_id: 1, canary: false, _task: task });
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// IBKR has no live data for it.
    pub fn is_delayed(&self) -> bool {
        self.refused.as_ref().is_some_and(|error| error.code == DELAYED)
    }

    /// When it was asked for, if it runs.
    pub fn asked(&self) -> Option<Duration> {
        self.running.as_ref().map(|running| running.asked)
    }

    /// When its last tick came, or it was asked for.
    pub fn heard(&self) -> Option<Duration> {
        let asked = self.asked()?;
        Some(self.seen.lock().last_frame.unwrap_or(asked))
    }

    /// Whether it was asked for as a canary, and a stream was recorded from it since.
    pub fn is_canary_that_sings(&self, streams: &BTreeMap<StreamKey, StreamEntry>) -> bool {
        let Some(running) = self.running.as_ref().filter(|running| running.canary) else { return false };
        let ticks = self.recorded.iter().filter_map(|key| streams.get(key)?.pulse.last_tick());
        ticks.max().is_some_and(|tick| tick >= running.asked)
    }

    /// Cancels it, if it runs, and asks for it at `at`.
    pub fn restart(&mut self, at: Duration) {
        (self.running, self.wanted_at) = (None, at);
        *self.seen.lock() = Seen::default();
    }

    pub fn session_lost(&mut self) {
        self.restart(Duration::ZERO);
        (self.refused, self.refusals) = (None, 0);
    }
}

impl Engine {
    /// Which streams are recorded from their contract's line, and so which lines are wanted.
    pub(super) fn plan_lines(&mut self, now: Now) {
        let Some(limits) = self.spec.as_ref().map(|spec| spec.limits.clone()) else { return };
        let mut changed = std::mem::take(&mut self.lines_dirty);
        for stream in self.streams.values_mut() {
            let refused = stream.error.as_ref().filter(|_| stream.is_refused_by(Origin::Gateway));
            let full = refused.is_some_and(|error| classify(error.code, &error.message) == ErrorClass::Capacity);
            let overflow = limits.overflow == Overflow::MarketData && !stream.is_out() && (!stream.lined || full);
            changed |= std::mem::replace(&mut stream.overflow, overflow) != overflow;
        }
        if !changed {
            return;
        }
        let streams = &self.streams;
        let overflow = |key: &StreamKey| streams.get(key).is_some_and(|stream| stream.overflow);
        let ended = |key: &&StreamKey| streams.get(*key).is_some_and(StreamEntry::has_ended);
        let order: Vec<StreamKey> = self.order.iter().filter(|key| !ended(key)).cloned().collect();
        let wished = wishes(&order, overflow, usize::try_from(limits.lines).unwrap_or(0));
        self.lines.retain(|name, _| wished.contains_key(name));
        for (name, wish) in wished {
            let of_contract = order.iter().filter(|key| key.contract == name && overflow(key));
            let recorded: BTreeSet<StreamKey> = of_contract.cloned().collect();
            let line = self.lines.entry(name).or_insert_with(|| LineEntry::new(wish, recorded.clone(), now.mono));
            // The subscription knows whom it records for: also other streams of the same wish take another one.
            if line.wish != wish || line.recorded != recorded {
                (line.wish, line.recorded) = (wish, recorded);
                line.restart(now.mono + AFTER_CANCEL);
            }
        }
        self.refuse_lineless(limits.lines, now);
    }

    /// Streams that overflow, and whose contract has no line either.
    fn refuse_lineless(&mut self, lines: i32, now: Now) {
        let message = format!(
            "no market-data line is left to record from: spec.limits.lines is {lines}; raise it if the account has \
             more, or record fewer contracts"
        );
        for (key, stream) in self.streams.iter_mut().filter(|(_, stream)| stream.overflow) {
            if !self.lines.contains_key(&key.contract) {
                stream.overflow = false;
                stream.refuse_once(Origin::Lines, OWN_LIMIT, &message, now);
            } else if stream.is_refused_by(Origin::Lines) {
                stream.lift_refusal();
                stream.error = None;
            }
        }
    }

    /// Asks for the lines that are due. Returns when the next one is.
    pub(super) fn lines_if_due(&mut self, now: Now) -> Option<Duration> {
        self.client()?;
        // The canary finds out when market data come again.
        if self.hold.is_some() {
            return None;
        }
        let cooldown = self.cooldown.as_ref().map_or(Duration::ZERO, |cooldown| cooldown.until);
        let waiting: Vec<(String, Duration)> = self
            .lines
            .iter()
            .filter(|(name, line)| !line.is_running() && self.is_known(name))
            .map(|(name, line)| (name.clone(), line.wanted_at.max(cooldown)))
            .collect();
        let (due, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, at)| *at <= now.mono);
        due.iter().for_each(|(name, _)| self.ask_for_line(name, now));
        later.iter().map(|(_, at)| *at).min()
    }

    /// The line of the contract that this stream is of: while a future rolls, the next contract has none.
    pub(super) fn line_of(&self, key: &StreamKey) -> Option<&LineEntry> {
        let current = self.contracts.get(&key.contract)?.rolling.count;
        self.lines.get(&key.contract).filter(|_| key.roll == current)
    }

    /// Asks for the line of a contract to see whether its data come.
    pub(super) fn line_as_canary(&mut self, name: &str, now: Now) {
        self.lines.get_mut(name).into_iter().for_each(|line| line.restart(now.mono));
        self.ask_for_line(name, now);
        let running = self.lines.get_mut(name).and_then(|line| line.running.as_mut());
        running.into_iter().for_each(|running| running.canary = true);
    }

    pub(super) fn is_known(&self, name: &str) -> bool {
        let now = self.now();
        self.contracts.get(name).is_some_and(|contract| contract.contract().is_some() && !contract.has_ended(now))
    }

    fn ask_for_line(&mut self, name: &str, now: Now) {
        let serial = self.next_serial();
        let Some(client) = self.client().cloned() else { return };
        let Some(contract) = self.contracts.get(name).and_then(|entry| entry.contract()).cloned() else { return };
        let con_id = contract.contract_id;
        let Some(line) = self.lines.get_mut(name) else { return };
        let mut sinks = |ticks: &[TickType]| sinks(&mut self.streams, &line.recorded, ticks, now);
        let quotes = sinks(&[TickType::BidAsk, TickType::MidPoint]);
        let trades = sinks(&[TickType::Last, TickType::AllLast]);
        *line.seen.lock() = Seen::default();
        let task = Task {
            client,
            contract,
            name: name.to_owned(),
            serial,
            wish: line.wish,
            quotes,
            trades,
            seen: line.seen.clone(),
            feed: self.tools.feed.clone(),
            events: self.events.clone(),
            clock: self.tools.clock,
            counters: self.tools.counters.clone(),
            bound: REQUEST_BOUND,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(task.run()));
        line.running = Some(Running { serial, asked: now.mono, con_id, canary: false, _task: task });
        let recorded: Vec<StreamKey> = line.recorded.iter().cloned().collect();
        recorded.iter().for_each(|key| self.asked_for(key));
    }

    pub(super) fn line_ended(&mut self, name: &str, serial: u64, end: End, now: Now) {
        let Some(line) = self.lines.get_mut(name) else { return };
        if line.running.take_if(|running| running.serial == serial).is_none() {
            return;
        }
        *line.seen.lock() = Seen::default();
        line.wanted_at = now.mono + AFTER_BREAK;
        let (code, message) = match end {
            End::Refused(code, message) => (code, message),
            End::Broken(reason) => {
                tracing::warn!(contract = name, "the market-data line broke: {reason}");
                return;
            }
            End::Corrupt(_) | End::Unsent | End::SessionLost => return,
        };
        tracing::warn!(contract = name, code, "the gateway refused the market-data line: {message}");
        self.tools.counters.notice(code);
        let class = classify(code, &message);
        line.refusals = line.refusals.saturating_add(1);
        line.wanted_at = now.mono + retry::pause(class, line.refusals).max(AFTER_BREAK);
        line.refused = Some(GatewayError { code, message: text(&message), time: now.wall.into(), age_seconds: 0.0 });
        match class {
            ErrorClass::CompetingSession => self.begin_hold(code, &message, now),
            ErrorClass::Pacing => self.cooldown = Some(Cooldown { until: line.wanted_at, code, message }),
            _ => {}
        }
    }

    /// Lines that are heard are refused no more; lines that are silent though their streams tick are asked for again.
    pub(super) fn look_after_lines(&mut self, now: Now) {
        self.hear_canary_lines(now);
        // By contract: when it ticked last, and since when it could.
        let mut ticked: BTreeMap<&str, (Duration, Duration)> = BTreeMap::new();
        for (key, stream) in self.streams.iter().filter(|(_, stream)| stream.verdict.state == StreamState::Flowing) {
            let (last, from) =
                (stream.pulse.last_tick().unwrap_or_default(), stream.verdict.counted_from.unwrap_or_default());
            let known = ticked.entry(&key.contract).or_default();
            *known = (last.max(known.0), from.max(known.1));
        }
        let mut live_again = Vec::new();
        for (name, line) in &mut self.lines {
            // A future has rolled.
            let con_id = self.contracts.get(name).and_then(|entry| entry.contract()).map(|known| known.contract_id);
            if line.running.as_ref().is_some_and(|running| Some(running.con_id) != con_id) {
                line.restart(now.mono + AFTER_CANCEL);
            }
            let (spoken, live) = {
                let seen = line.seen.lock();
                (line.is_running() && seen.since.is_some(), seen.live)
            };
            if spoken && (live || !line.is_delayed()) {
                live_again.extend(line.is_delayed().then(|| name.clone()));
                (line.refused, line.refusals) = (None, 0);
            }
            // Before its session opened it had nothing to say.
            let ticking = ticked.get(name.as_str()).filter(|(tick, _)| *tick + Duration::from_secs(1) > now.mono);
            let silent = ticking.zip(line.heard()).map(|((_, from), heard)| now.mono.saturating_sub(heard.max(*from)));
            if silent.is_some_and(|silent| silent >= DEAD_AFTER) {
                tracing::info!(contract = name, "the market-data line is silent while ticks come; asking for it again");
                line.restart(now.mono + AFTER_CANCEL);
            }
        }
        live_again.iter().for_each(|name| self.ask_for_delayed(name, now));
    }

    /// Live data of a contract are to be had again: its streams that were denied them, or got none, are asked for at once.
    fn ask_for_delayed(&mut self, name: &str, now: Now) {
        let denied =
            |stream: &StreamEntry| !stream.overflow && stream.error.as_ref().is_some_and(|error| error.code == DELAYED);
        let keys = self.streams.iter().filter(|(key, stream)| key.contract == name && denied(stream));
        let keys: Vec<StreamKey> = keys.map(|(key, _)| key.clone()).collect();
        for key in keys {
            tracing::info!(stream = %key, "its contract's market data are live again; asking for it");
            self.restart(&key, now.mono);
        }
    }
}

/// Those of the streams that are recorded from these ticks of a line.
fn sinks(
    streams: &mut BTreeMap<StreamKey, StreamEntry>,
    recorded: &BTreeSet<StreamKey>,
    ticks: &[TickType],
    now: Now,
) -> Vec<Sink> {
    let of_ticks = streams.iter_mut().filter(|(key, _)| recorded.contains(*key) && ticks.contains(&key.tick));
    of_ticks
        .map(|(key, stream)| {
            stream.first_asked.get_or_insert(now.mono);
            Sink { key: key.clone(), pulse: stream.pulse.clone() }
        })
        .collect()
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
