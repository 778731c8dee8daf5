//! The subscription of one market-data line: it folds what comes, and records what is wanted of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use ibapi::{
    Client, Error,
    contracts::Contract,
    market_data::realtime::TickTypes,
    subscriptions::{Subscription, SubscriptionItem},
};
use marketstream_proto::{TickKind, TickMessage};
use tokio::sync::mpsc::Sender;

use super::{
    rt_volume,
    seen::{Quote, Seen, Shown},
    wishes::Wish,
};
use crate::{
    clock::{Clock, Now},
    engine::Event,
    facts::Counters,
    plan::StreamKey,
    pulse::Pulse,
    recorder::Feed,
    session::subscription::{End, end_of},
};

/// "Requested market data is not subscribed. Displaying delayed market data."
pub const DELAYED: i32 = 10167;
const DELAYED_TEXT: &str = "IBKR sends delayed market data (its market data type 3 or 4) and no live ones";
const MICROS_PER_MILLI: i64 = 1_000;

/// What a line has shown, shared by its task with those who decide and those who compare.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<Seen>>);

impl Shared {
    /// Never held for long: nobody waits while they have it.
    pub fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that is recorded from the line.
pub struct Sink {
    /// Which.
    pub key: StreamKey,
    /// Its beat.
    pub pulse: Arc<Pulse>,
}

/// What a line needs.
pub struct Task {
    /// The session's client.
    pub client: Arc<Client>,
    /// The contract, as IBKR describes it.
    pub contract: Contract,
    /// Its name in the manifest.
    pub name: String,
    /// Tells this subscription from earlier and later ones.
    pub serial: u64,
    /// What is recorded.
    pub wish: Wish,
    /// Streams that live on its bid and offer.
    pub quotes: Vec<Sink>,
    /// Streams that live on its trades.
    pub trades: Vec<Sink>,
    /// What it has shown.
    pub seen: Shared,
    /// Where records go.
    pub feed: Feed,
    /// Where the engine listens.
    pub events: Sender<Event>,
    /// Clocks.
    pub clock: Clock,
    /// Counts.
    pub counters: Arc<Counters>,
    /// Bound of the request.
    pub bound: Duration,
}

impl Task {
    /// Subscribes, folds and records until the line ends, then tells the engine how it ended.
    pub async fn run(self) {
        let generic: Vec<&str> = self.wish.trades.iter().map(|trades| trades.generic_tick()).collect();
        let request = self.client.market_data(&self.contract).generic_ticks(&generic).subscribe();
        let end = match tokio::time::timeout(self.bound, request).await {
            Ok(Ok(subscription)) => self.follow(subscription).await,
            Ok(Err(error)) => end_of(&error),
            Err(_) => End::Unsent,
        };
        // The engine is gone only when the process ends.
        let _ = self.events.send(Event::LineEnded { contract: self.name, serial: self.serial, end }).await;
    }

    async fn follow(&self, mut subscription: Subscription<TickTypes>) -> End {
        let mut quote = None;
        loop {
            // One record for all that comes at once: bid and offer change together, and come in two messages.
            let item = match (quote.take(), subscription.next().now_or_never()) {
                (quoted, Some(item)) => {
                    quote = quoted;
                    item
                }
                (Some(quoted), None) => {
                    self.record_quote(quoted);
                    subscription.next().await
                }
                (None, None) => subscription.next().await,
            };
            match item {
                Some(Ok(SubscriptionItem::Data(tick))) => {
                    let now = self.clock.mono();
                    self.counters.heard(now);
                    let mut seen = self.seen.lock();
                    match seen.apply(&tick, now) {
                        Shown::Nothing => {}
                        Shown::Quote => quote = Some(seen.quote),
                        Shown::Trade(text) => self.record_trade(&text),
                        Shown::Delayed => return End::Refused(DELAYED, DELAYED_TEXT.to_owned()),
                    }
                }
                Some(Ok(SubscriptionItem::Notice(notice))) => {
                    tracing::info!(contract = self.name, code = notice.code, "market data: {}", notice.message);
                    if notice.code == DELAYED {
                        return End::Refused(DELAYED, notice.message);
                    }
                    // What ends the line the engine counts.
                    self.counters.notice(notice.code);
                }
                Some(Err(error)) => return end_of(&error),
                None => return End::Broken("the line ended without a reason".to_owned()),
            }
        }
    }

    fn record_quote(&self, quote: Quote) {
        if !self.wish.quotes {
            return;
        }
        let now = self.clock.now();
        let tick = TickMessage {
            bp: quote.bid,
            bs: quote.bid_size,
            ap: quote.ask,
            r#as: quote.ask_size,
            // IBKR gives no time.
            ..self.record(TickKind::QuoteL1, now.wall.as_microsecond(), now)
        };
        // One that is refused is counted; samples have no history that could fill the gap.
        let _ = self.feed.tick(&tick);
        self.beat(&self.quotes, now);
    }

    fn record_trade(&self, text: &str) {
        let Some(trade) = rt_volume::parse(text).filter(|_| self.wish.trades.is_some()) else { return };
        let now = self.clock.now();
        let tick = TickMessage {
            p: Some(trade.price),
            s: Some(trade.size),
            volume: Some(trade.volume),
            ..self.record(TickKind::RtVolume, trade.at_ms.saturating_mul(MICROS_PER_MILLI), now)
        };
        // One that is refused is counted; samples have no history that could fill the gap.
        let _ = self.feed.tick(&tick);
        self.beat(&self.trades, now);
    }

    fn record(&self, kind: TickKind, ts: i64, now: Now) -> TickMessage {
        TickMessage {
            ts,
            st: now.wall.as_microsecond(),
            cid: self.contract.contract_id,
            tt: kind.as_str().to_owned(),
            ..TickMessage::default()
        }
    }

    /// The streams live, though their own seconds stand still: those are of tick-by-tick data.
    fn beat(&self, sinks: &[Sink], now: Now) {
        for sink in sinks {
            if sink.pulse.beat(now) && self.events.try_send(Event::Sampled { key: sink.key.clone() }).is_err() {
                sink.pulse.alert.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Asks for live data, and for delayed ones where the login has no live ones, so that these are told apart from none.
///
/// # Errors
/// When the request cannot be sent.
pub async fn accept_delayed(client: &Client) -> Result<(), Error> {
    client.switch_market_data_type(ibapi::market_data::MarketDataType::Delayed).await
}
