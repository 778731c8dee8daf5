//! One live stream on its way to one client: ticks, what the client should know beside them, and why it ends.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use marketstream_crds::StreamState;
use marketstream_proto::{Source, TickKind, TickMessage};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, sleep_until, timeout},
};

use super::{Served, parameters::Live, problem::Problem, target::Target};
use crate::{
    cli::stored_kind,
    facts::StreamFacts,
    live::{
        Got, Reader, Stopped, Wanted,
        envelope::{self, Kind, Metadata},
    },
};

/// A client that takes nothing for so long is given up.
pub const STALLED: Duration = Duration::from_secs(30);
/// Messages on their way to the connection; behind them the reader's own queue holds what comes.
pub const QUEUE: usize = 64;
/// Longest that a stream without a limit may be asked to take: never.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

static NEXT_STREAM: AtomicU64 = AtomicU64::new(1);

/// What goes to a client.
#[derive(Debug)]
pub struct Outgoing {
    /// What it is.
    pub kind: Kind,
    /// Where a reader reads on after it.
    pub id: Option<String>,
    /// The envelope.
    pub text: String,
    /// The client did not keep up; this is the last that it gets of this stream.
    pub too_slow: bool,
}

/// A live stream that was asked for and can begin.
pub struct Pump {
    served: Served,
    target: Target,
    /// Identifiers by kind of tick.
    streams: BTreeMap<TickKind, String>,
    limit: Option<u64>,
    timeout: Option<Duration>,
    /// What is stored of this time comes first.
    buffer: Option<Duration>,
    reader: Reader,
    _permit: OwnedSemaphorePermit,
}

enum Step {
    Got(Result<Got, Stopped>),
    Changed,
    TimeUp,
    ShutDown,
}

impl Pump {
    /// From now on nothing is missed.
    ///
    /// # Errors
    /// When that is not recorded here, or as many readers as are served at once are being served.
    pub fn new(served: &Served, target: Target, live: Live) -> Result<Self, Problem> {
        let kinds = target.kinds(live.kinds)?;
        let permit = served.readers.clone().try_acquire_owned().map_err(|_| {
            Problem::busy(format!("{} live streams are being read, which is the limit", super::MAX_READERS))
        })?;
        let facts = &served.view.facts;
        let now = facts.clock.now().wall;
        let stream_id = |kind: TickKind| {
            let number = NEXT_STREAM.fetch_add(1, Ordering::Relaxed) % 10_000;
            format!("{}_{}_{}_{number:04}", target.con_id, kind.as_str(), now.as_millisecond())
        };
        let from_us = live.buffer.map(|span| now.as_microsecond().saturating_sub_unsigned(span.as_micros() as u64));
        let wanted = Wanted { after: live.after, from_us };
        let reader = Reader::new(facts.live.clone(), &facts.data_dir, target.con_id, &kinds, wanted);
        Ok(Self {
            served: served.clone(),
            streams: kinds.iter().map(|kind| (*kind, stream_id(*kind))).collect(),
            target,
            limit: live.limit,
            timeout: live.timeout,
            buffer: live.buffer,
            reader,
            _permit: permit,
        })
    }

    /// Its identifiers by kind of tick.
    pub fn streams(&self) -> &BTreeMap<TickKind, String> {
        &self.streams
    }

    /// Sends until there is an end, or the client is gone.
    pub async fn run(mut self, out: mpsc::Sender<Outgoing>) {
        let start = Instant::now();
        let end = start + self.timeout.unwrap_or(NEVER);
        let mut session = self.served.view.facts.session.clone();
        let stop = self.served.stop.clone();
        let mut states = self.states();
        for kind in self.streams.keys().copied().collect::<Vec<_>>() {
            let contract = json!({"name": self.target.contract, "contract_id": self.target.con_id});
            let config = json!({"tick_type": kind.as_str(), "contract_info": contract});
            let state = states.get(&kind).map(|state| format!("{state:?}"));
            let data = json!({"status": "subscribed", "state": state, "stream_config": config});
            if !self.tell(&out, Kind::Info, kind, data).await {
                return;
            }
        }
        if let Some(span) = self.buffer
            && !self.tell_all(&out, self.buffer_start(span)).await
        {
            return;
        }
        let (mut sent, mut stored) = (0, 0_u64);
        let complete = |reason: &str, sent: u64| json!({"reason": reason, "total_ticks": sent, "duration_seconds": start.elapsed().as_secs_f64()});
        let (last, data) = loop {
            if self.limit == Some(sent) {
                break (Kind::Complete, complete("limit_reached", sent));
            }
            let step = tokio::select! {
                biased;
                () = stop.cancelled() => Step::ShutDown,
                () = sleep_until(end) => Step::TimeUp,
                () = out.closed() => return,
                _ = session.changed() => Step::Changed,
                got = self.reader.next() => Step::Got(got),
            };
            match step {
                Step::Got(Ok(Got::Stored(tick))) if self.buffer.is_some() => {
                    if !self.pass_on(&out, &tick, Some(true)).await {
                        return;
                    }
                    stored += 1;
                }
                Step::Got(Ok(Got::Stored(tick) | Got::Written(tick))) => {
                    if !self.pass_on(&out, &tick, self.buffer.map(|_| false)).await {
                        return;
                    }
                    sent += 1;
                }
                Step::Got(Ok(Got::Live)) => {
                    if self.buffer.is_some() && !self.tell_live(&out, stored).await {
                        return;
                    }
                }
                Step::Got(Err(stopped)) => break self.stopped(&stopped),
                Step::TimeUp => break (Kind::Complete, complete("timeout", sent)),
                Step::ShutDown => break (Kind::Complete, complete("server_shutdown", sent)),
                Step::Changed => {
                    session.borrow_and_update();
                    if !self.is_recorded() {
                        break (Kind::Complete, complete("contract_removed", sent));
                    }
                    let now = self.states();
                    for (kind, state) in &now {
                        let data = json!({"status": "state_changed", "state": format!("{state:?}")});
                        if states.get(kind) != Some(state) && !self.tell(&out, Kind::Info, *kind, data).await {
                            return;
                        }
                    }
                    states = now;
                }
            }
        };
        let too_slow = last == Kind::Error && data["code"] == "SLOW_READER";
        if too_slow {
            self.served.slow_readers.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(contract = self.target.contract, "a live reader did not keep up and was dropped");
        }
        for stream_id in self.streams.values() {
            let text = envelope::message(last, stream_id, self.served.view.facts.clock.now().wall, data.clone());
            if !send(&out, Outgoing { kind: last, id: None, text, too_slow }).await {
                return;
            }
        }
    }

    fn stopped(&self, stopped: &Stopped) -> (Kind, Value) {
        let code = match stopped {
            Stopped::TooSlow(_) => "SLOW_READER",
            Stopped::Unreadable(_) => "BUFFER_ERROR",
        };
        let details = json!({"last_id": self.reader.cursor().to_string()});
        (Kind::Error, json!({"code": code, "message": stopped.to_string(), "details": details, "recoverable": true}))
    }

    /// `historical` is told to who asked for what is stored.
    async fn pass_on(&self, out: &mpsc::Sender<Outgoing>, tick: &TickMessage, historical: Option<bool>) -> bool {
        let kind = TickKind::parse(&tick.tt);
        let Some((kind, stream_id)) = kind.and_then(|kind| Some((kind, self.streams.get(&kind)?))) else { return true };
        let id = self.reader.cursor().to_string();
        let source = (tick.source() == Source::Backfill).then_some("backfill");
        let text = envelope::tick(kind, stream_id, Metadata { id: &id, historical, source }, tick);
        send(out, Outgoing { kind: Kind::Tick, id: Some(id), text, too_slow: false }).await
    }

    fn buffer_start(&self, span: Duration) -> Value {
        let kinds: Vec<&str> = self.streams.keys().map(|kind| kind.as_str()).collect();
        let seconds = span.as_secs();
        json!({"status": "buffer_start", "contract_id": self.target.con_id, "tick_types": kinds,
            "buffer_duration": format!("{seconds}s")})
    }

    /// What was stored has been sent.
    async fn tell_live(&self, out: &mpsc::Sender<Outgoing>, stored: u64) -> bool {
        let id = self.target.con_id;
        let complete = json!({"status": "buffer_complete", "contract_id": id, "buffer_message_count": stored});
        self.tell_all(out, complete).await
            && self.tell_all(out, json!({"status": "live_start", "contract_id": id})).await
    }

    /// Of all streams at once, under ib-stream's empty identifier.
    async fn tell_all(&self, out: &mpsc::Sender<Outgoing>, data: Value) -> bool {
        let text = envelope::message(Kind::Info, "", self.served.view.facts.clock.now().wall, data);
        send(out, Outgoing { kind: Kind::Info, id: None, text, too_slow: false }).await
    }

    async fn tell(&self, out: &mpsc::Sender<Outgoing>, kind: Kind, tick: TickKind, data: Value) -> bool {
        let Some(stream_id) = self.streams.get(&tick) else { return true };
        let text = envelope::message(kind, stream_id, self.served.view.facts.clock.now().wall, data);
        send(out, Outgoing { kind, id: None, text, too_slow: false }).await
    }

    fn is_of(&self, stream: &StreamFacts) -> bool {
        stream.con_id == Some(self.target.con_id) && stream.key.contract == self.target.contract
    }

    fn is_recorded(&self) -> bool {
        self.served.view.facts.session.borrow().streams.iter().any(|stream| self.is_of(stream))
    }

    fn states(&self) -> BTreeMap<TickKind, StreamState> {
        let snapshot = self.served.view.facts.session.borrow().clone();
        let streams = snapshot.streams.iter().filter(|stream| self.is_of(stream));
        let states = streams.map(|stream| (stored_kind(stream.key.tick), stream.state));
        states.filter(|(kind, _)| self.streams.contains_key(kind)).collect()
    }
}

/// Whether the client may get more.
async fn send(out: &mpsc::Sender<Outgoing>, outgoing: Outgoing) -> bool {
    matches!(timeout(STALLED, out.send(outgoing)).await, Ok(Ok(())))
}
