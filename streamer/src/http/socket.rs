//! `/v2/ws/stream`: ticks over a WebSocket, with subscriptions that come and go.

use std::{collections::HashMap, time::Duration};

use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use marketstream_proto::TickKind;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Served,
    messages::{self, ContractId, Said, Subscribe},
    parameters::{LIMIT, Live, TIMEOUT_S, kinds},
    problem::Problem,
    pump::{Outgoing, Pump, QUEUE, STALLED},
    target,
};
use crate::{
    clock::Clock,
    live::envelope::{self, Kind},
};

/// Version of the protocol, as ib-stream counts it.
const VERSION: &str = "2.0.0";
/// Streams of one connection.
const MAX_STREAMS: usize = 20;
/// Messages of a client per second.
const MAX_MESSAGES: u32 = 100;
/// Longest message of a client, bytes.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Between two pings; a client that answers none of two is gone.
const PING: Duration = Duration::from_secs(30);
/// How long a client has to take the reason and to close, too.
const CLOSING: Duration = Duration::from_secs(2);
/// Longest text of a close frame, bytes (RFC 6455: 125 with the code).
const MAX_REASON_BYTES: usize = 120;

/// Close codes: ib-stream's, and one of our own.
mod close {
    pub const GOING_AWAY: u16 = 1001;
    pub const INVALID_MESSAGE: u16 = 4000;
    pub const RATE_LIMIT: u16 = 4004;
    pub const SLOW_READER: u16 = 4005;
}

pub async fn upgrade(State(served): State<Served>, upgrade: WebSocketUpgrade) -> Result<Response, Problem> {
    let permit =
        served.sockets.clone().try_acquire_owned().map_err(|_| {
            Problem::busy(format!("{} WebSockets are connected, which is the limit", super::MAX_READERS))
        })?;
    Ok(upgrade.max_message_size(MAX_MESSAGE_BYTES).on_upgrade(async move |socket| {
        Connection::new(served, socket).run().await;
        drop(permit);
    }))
}

struct Connection {
    served: Served,
    clock: Clock,
    client: SplitStream<WebSocket>,
    sink: SplitSink<WebSocket, Message>,
    streams: HashMap<String, AbortOnDropHandle<()>>,
    out: mpsc::Sender<Outgoing>,
    queue: mpsc::Receiver<Outgoing>,
    window: (Instant, u32),
}

/// Why a connection ends, for the client; `None` when it is gone.
type End = Option<(u16, String)>;

impl Connection {
    fn new(served: Served, socket: WebSocket) -> Self {
        let (sink, client) = socket.split();
        let (out, queue) = mpsc::channel(QUEUE);
        let clock = served.view.facts.clock;
        Self { served, clock, client, sink, streams: HashMap::new(), out, queue, window: (Instant::now(), 0) }
    }

    async fn run(mut self) {
        let Err(end) = self.talk().await;
        self.streams.clear();
        if let Some((code, reason)) = end {
            let reason: String = reason.chars().filter(char::is_ascii).take(MAX_REASON_BYTES).collect();
            let frame = CloseFrame { code, reason: reason.into() };
            // Who does not take it within this time will not take anything.
            let _ = timeout(STALLED, self.sink.send(Message::Close(Some(frame)))).await;
            // What the client still says must be taken: the system would reset the connection, and the reason be lost.
            let _ =
                timeout(CLOSING, async { while self.client.next().await.is_some_and(|said| said.is_ok()) {} }).await;
        }
    }

    async fn talk(&mut self) -> Result<std::convert::Infallible, End> {
        let capabilities = json!({
            "max_streams_per_connection": MAX_STREAMS,
            "supported_tick_types": TickKind::ALL.map(TickKind::as_str),
            "ping_interval_seconds": PING.as_secs(),
        });
        self.say("connected", None, json!({"version": VERSION, "capabilities": capabilities})).await?;
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let mut heard = true;
        let stop = self.served.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Err(Some((close::GOING_AWAY, "the streamer ends".to_owned()))),
                message = self.client.next() => {
                    heard = true;
                    match message {
                        Some(Ok(Message::Text(text))) => self.hear(text.as_str()).await?,
                        Some(Ok(Message::Binary(_))) => {
                            let reason = "messages are JSON texts".to_owned();
                            return Err(Some((close::INVALID_MESSAGE, reason)));
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
                    }
                }
                Some(outgoing) = self.queue.recv() => self.pass_on(outgoing).await?,
                _ = ping.tick() => {
                    if !std::mem::take(&mut heard) {
                        return Err(None);
                    }
                    self.write(Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    async fn pass_on(&mut self, outgoing: Outgoing) -> Result<(), End> {
        self.write(Message::Text(outgoing.text.into())).await?;
        if outgoing.too_slow {
            let reason = "this reader is too slow; subscribe again with config.after to read on".to_owned();
            return Err(Some((close::SLOW_READER, reason)));
        }
        if matches!(outgoing.kind, Kind::Error | Kind::Complete) {
            self.streams.retain(|_, pump| !pump.is_finished());
        }
        Ok(())
    }

    async fn hear(&mut self, text: &str) -> Result<(), End> {
        if self.window.0.elapsed() >= Duration::from_secs(1) {
            self.window = (Instant::now(), 0);
        }
        self.window.1 += 1;
        if self.window.1 > MAX_MESSAGES {
            return Err(Some((close::RATE_LIMIT, format!("more than {MAX_MESSAGES} messages in a second"))));
        }
        let said = match messages::read(text) {
            Ok(said) => said,
            Err(error) => return self.complain(None, "INVALID_MESSAGE", &error).await,
        };
        match said {
            Said::Ping { id, timestamp, .. } => {
                let server = envelope::iso(self.clock.now().wall);
                let data = json!({"server_timestamp": server, "client_timestamp": timestamp});
                self.say("pong", id.as_deref(), data).await
            }
            Said::Unsubscribe { id, data, .. } => {
                if self.streams.remove(&data.stream_id).is_none() {
                    let text = format!("{}: no such stream", data.stream_id);
                    return self.complain(id.as_deref(), "INVALID_REQUEST", &text).await;
                }
                self.say("unsubscribed", id.as_deref(), json!({"stream_id": data.stream_id})).await
            }
            Said::Subscribe { id, data, .. } => match self.pumps(data) {
                Ok(pumps) => self.subscribe(&id, pumps).await,
                Err(problem) => self.complain(Some(&id), problem.code, &problem.message).await,
            },
        }
    }

    /// One stream for each kind, so that each can be ended by itself.
    fn pumps(&mut self, wanted: Subscribe) -> Result<Vec<Pump>, Problem> {
        let within = |name: &str, value: Option<u64>, bounds: &std::ops::RangeInclusive<u64>| match value {
            Some(value) if !bounds.contains(&value) => {
                let form = format!("a number from {} to {}", bounds.start(), bounds.end());
                Err(Problem::parameter(name, &value.to_string(), &form))
            }
            value => Ok(value),
        };
        let limit = within("limit", wanted.config.limit, &LIMIT)?;
        let seconds = within("timeout_seconds", wanted.config.timeout_seconds, &TIMEOUT_S)?;
        let after = match wanted.config.after.as_deref().map(str::parse) {
            Some(Err(_)) => return Err(Problem::request("after: write the metadata.id of a tick, unchanged".into())),
            after => after.and_then(Result::ok),
        };
        let kinds = kinds(&wanted.tick_types.join(","))?;
        self.streams.retain(|_, pump| !pump.is_finished());
        if self.streams.len() + kinds.len() > MAX_STREAMS {
            return Err(Problem::busy(format!("one connection has at most {MAX_STREAMS} streams: open another")));
        }
        let contract = match wanted.contract_id {
            ContractId::Number(number) => number.to_string(),
            ContractId::Name(name) => name,
        };
        let target = target::find(&self.served.view.facts, &contract)?;
        let pump = |kind: TickKind| {
            let live = Live {
                kinds: Some(vec![kind]),
                limit,
                timeout: seconds.map(Duration::from_secs),
                after: after.clone(),
                buffer: None,
            };
            Pump::new(&self.served, target.clone(), live)
        };
        kinds.into_iter().map(pump).collect()
    }

    async fn subscribe(&mut self, id: &str, pumps: Vec<Pump>) -> Result<(), End> {
        let ids = pumps.iter().flat_map(Pump::streams);
        let streams: Vec<Value> = ids.map(|(kind, id)| json!({"stream_id": id, "tick_type": kind.as_str()})).collect();
        // The client knows the identifiers before anything comes under them.
        self.say("subscribed", Some(id), json!({"streams": streams})).await?;
        for pump in pumps {
            let Some(stream_id) = pump.streams().values().next().cloned() else { continue };
            let task = AbortOnDropHandle::new(tokio::spawn(pump.run(self.out.clone())));
            self.streams.insert(stream_id, task);
        }
        Ok(())
    }

    async fn complain(&mut self, id: Option<&str>, code: &str, message: &str) -> Result<(), End> {
        let data = json!({"code": code, "message": message, "details": {}, "recoverable": true});
        self.say("error", id, data).await
    }

    async fn say(&mut self, kind: &str, id: Option<&str>, data: Value) -> Result<(), End> {
        let mut message = json!({"type": kind, "timestamp": envelope::iso(self.clock.now().wall), "data": data});
        if let Some(id) = id {
            message["id"] = id.into();
        }
        self.write(Message::Text(message.to_string().into())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        match timeout(STALLED, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }
}
