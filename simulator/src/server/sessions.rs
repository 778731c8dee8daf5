//! Live connections and their subscriptions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::journal::sent::Sent;
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::wire::answer::Answer;
use crate::wire::handshake::Dialect;

/// Frames that may wait for a slow client: some seconds of a busy login. One more closes its connection.
pub(super) const QUEUE_FRAMES: usize = 65_536;

/// Something to write to a client.
#[derive(Debug)]
pub(super) struct Out {
    /// The body of a frame.
    pub(super) body: Vec<u8>,
    /// The tick that it carries, for the journal.
    pub(super) tick: Option<Sent>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) peer: SocketAddr,
    pub(super) since_us: i64,
    /// `None` until the session has begun.
    pub(super) client_id: Option<i32>,
    /// `None` until the handshake is done.
    pub(super) dialect: Option<Dialect>,
    pub(super) out: mpsc::Sender<Out>,
    pub(super) closing: Closing,
    /// By request id.
    pub(super) subscriptions: BTreeMap<i32, Subscription>,
}

/// How a connection is told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Closing {
    pub(super) now: CancellationToken,
    /// With a reset instead of an orderly end.
    pub(super) reset: Arc<AtomicBool>,
}

/// One tick-by-tick subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) stream: Stream,
    pub(super) since_us: i64,
    /// An error has ended it: it stays known until the client cancels it, and gets no tick.
    pub(super) ended: bool,
}

impl Session {
    /// Queues an answer. Before the handshake there is no way to say anything.
    pub(super) fn answer(&self, answer: &Answer) {
        if let Some(dialect) = self.dialect {
            for body in answer.encode(dialect) {
                self.send(body, None);
            }
        }
    }

    /// Queues a body. A client that is too slow is cut off.
    pub(super) fn send(&self, body: Vec<u8>, tick: Option<Sent>) {
        if self.out.try_send(Out { body, tick }).is_err() {
            self.closing.now.cancel();
        }
    }
}

/// A connection in `GET /sessions`.
#[derive(Debug, Serialize)]
pub(crate) struct SessionView {
    connection: u32,
    client_id: Option<i32>,
    peer: String,
    since_ms: i64,
    server_version: Option<i32>,
    subscriptions: Vec<SubscriptionView>,
}

/// A subscription in `GET /sessions`.
#[derive(Debug, Serialize)]
struct SubscriptionView {
    req_id: i32,
    con_id: i32,
    tick: TickType,
    since_ms: i64,
    state: &'static str,
}

impl SessionView {
    /// `withheld` says whether a fault keeps ticks from a subscription.
    pub(super) fn of(number: u32, session: &Session, withheld: impl Fn(&Subscription) -> bool) -> Self {
        let subscription = |(req_id, subscription): (&i32, &Subscription)| SubscriptionView {
            req_id: *req_id,
            con_id: subscription.stream.con_id,
            tick: subscription.stream.tick,
            since_ms: subscription.since_us / 1_000,
            state: match subscription {
                Subscription { ended: true, .. } => "ended",
                other if withheld(other) => "withheld",
                _ => "flowing",
            },
        };
        Self {
            connection: number,
            client_id: session.client_id,
            peer: session.peer.to_string(),
            since_ms: session.since_us / 1_000,
            server_version: session.dialect.map(Dialect::version),
            subscriptions: session.subscriptions.iter().map(subscription).collect(),
        }
    }
}
