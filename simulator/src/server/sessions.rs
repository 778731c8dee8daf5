//! Live connections and their subscriptions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::lines::Subscribed;
use super::outbox::Outbox;
use super::queries::Query;
use super::schedule::Position;
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::wire::answer::Answer;
use crate::wire::handshake::Dialect;

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) peer: SocketAddr,
    pub(super) since_us: i64,
    /// `None` until the session has begun.
    pub(super) client_id: Option<i32>,
    /// `None` until the handshake is done.
    pub(super) dialect: Option<Dialect>,
    /// What its market data requests get: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
    pub(super) market_data_type: i32,
    pub(super) out: Arc<Outbox>,
    pub(super) closing: Closing,
    /// By request id.
    pub(super) subscriptions: BTreeMap<i32, Subscription>,
    /// What speaks by the clock, by request id.
    pub(super) feeds: BTreeMap<i32, Subscribed>,
    /// Requests for history without an answer yet, by request id.
    pub(super) queries: BTreeMap<i32, Query>,
    /// The subscription that comes last at the next step, by request id.
    pub(super) turn: i32,
    /// Since when it has not taken all that was due.
    pub(super) behind: Option<Instant>,
    /// Nothing more is sent, for good.
    pub(super) torn: bool,
}

/// How a connection is told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Closing {
    pub(super) now: CancellationToken,
    /// With a reset instead of an orderly end.
    pub(super) reset: Arc<AtomicBool>,
    /// Its packets are dropped: nothing is read or written any more, and the socket stays open.
    pub(super) dead: CancellationToken,
}

/// One tick-by-tick subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) stream: Stream,
    pub(super) since_us: i64,
    /// An error has ended it: it stays known until the client cancels it, and gets no tick.
    pub(super) ended: bool,
    /// How old its ticks are, microseconds.
    pub(super) delay_us: i64,
    /// How far its ticks have gone to the client.
    pub(super) sent: Position,
}

impl Subscription {
    pub(super) fn new(stream: Stream, since_us: i64, delay_us: i64) -> Self {
        Self { stream, since_us, ended: false, delay_us, sent: Position::after(since_us - delay_us) }
    }
}

impl Drop for Session {
    /// What waits still goes out, then the connection ends.
    fn drop(&mut self) {
        self.out.close();
    }
}

impl Session {
    /// Queues an answer. Before the handshake there is no way to say anything.
    pub(super) fn answer(&self, answer: &Answer) {
        if let Some(dialect) = self.dialect {
            for body in answer.encode(dialect) {
                self.send(&body);
            }
        }
    }

    /// Queues a body. A client that does not read is cut off.
    pub(super) fn send(&self, body: &[u8]) {
        if !self.torn && !self.out.push(body) {
            self.closing.now.cancel();
        }
    }

    /// Queues bytes as they are, without the length of a frame.
    pub(super) fn raw(&self, bytes: &[u8]) {
        if !self.torn {
            self.out.push_raw(bytes);
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
    feeds: Vec<FeedView>,
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

/// What speaks by the clock, in `GET /sessions`.
#[derive(Debug, Serialize)]
struct FeedView {
    req_id: i32,
    con_id: i32,
    what: &'static str,
    since_ms: i64,
    ended: bool,
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
        let feed = |(req_id, subscribed): (&i32, &Subscribed)| FeedView {
            req_id: *req_id,
            con_id: subscribed.feed.con_id(),
            what: subscribed.feed.name(),
            since_ms: subscribed.since_us / 1_000,
            ended: subscribed.ended,
        };
        Self {
            connection: number,
            client_id: session.client_id,
            peer: session.peer.to_string(),
            since_ms: session.since_us / 1_000,
            server_version: session.dialect.map(Dialect::version),
            subscriptions: session.subscriptions.iter().map(subscription).collect(),
            feeds: session.feeds.iter().map(feed).collect(),
        }
    }
}
