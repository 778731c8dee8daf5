//! One subscription: it stamps each tick, hands it to the recorder, and says how it ended.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::{Stream, StreamExt};
use ibapi::{
    Client, Error, SUBSCRIPTION_LAG_CODE,
    contracts::Contract,
    market_data::{
        IgnoreSize,
        realtime::{BidAsk, MidPoint, Trade},
    },
    subscriptions::SubscriptionItem,
};
use marketstream_crds::TickType;
use marketstream_proto::{TickMessage, layout::MICROS_PER_SECOND};
use tokio::sync::mpsc::Sender;

use crate::{
    cli::stored_kind,
    clock::Clock,
    engine::Event,
    facts::Counters,
    plan::StreamKey,
    pulse::Pulse,
    recorder::Feed,
    sentinel::{
        line::{DELAYED, Shared},
        plausible::{self, Implausible},
        quarantine::Quarantine,
    },
};

/// How a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The gateway refused it, or ended it, with this code and text.
    Refused(i32, String),
    /// A tick could not be read, or the stream ended without a reason.
    Broken(String),
    /// A tick cannot be true, for this reason: what follows is not to be trusted.
    Corrupt(String),
    /// The request could not be sent in time.
    Unsent,
    /// The session is gone; the engine hears of that elsewhere too.
    SessionLost,
}

/// What a subscription needs.
pub struct Task {
    /// The session's client.
    pub client: Arc<Client>,
    /// The contract, as IBKR describes it.
    pub contract: Contract,
    /// Which stream.
    pub key: StreamKey,
    /// Tells this subscription of the stream from earlier and later ones.
    pub serial: u64,
    /// The stream's beat.
    pub pulse: Arc<Pulse>,
    /// Where ticks go.
    pub feed: Feed,
    /// Where ticks go that cannot be true.
    pub quarantine: Quarantine,
    /// The contract's market-data line, to compare prices with.
    pub line: Option<Shared>,
    /// Where the engine listens.
    pub events: Sender<Event>,
    /// Clocks.
    pub clock: Clock,
    /// Counts.
    pub counters: Arc<Counters>,
    /// Bound of the request.
    pub bound: Duration,
}

/// Ticks that the recorder does not take.
struct Loss {
    /// IBKR's second of the last one that it took.
    behind: Option<i64>,
    /// The engine has been told.
    told: bool,
}

impl Task {
    /// Subscribes and records until the stream ends, then tells the engine how it ended.
    pub async fn run(self) {
        let builder = self.client.tick_by_tick(&self.contract, 0);
        let end = match self.key.tick {
            TickType::Last => self.open(builder.last(), trade).await,
            TickType::AllLast => self.open(builder.all_last(), trade).await,
            TickType::BidAsk => self.open(builder.bid_ask(IgnoreSize::No), bid_ask).await,
            TickType::MidPoint => self.open(builder.mid_point(), mid_point).await,
        };
        // The engine is gone only when the process ends.
        let _ = self.events.send(Event::StreamEnded { key: self.key.clone(), serial: self.serial, end }).await;
    }

    async fn open<S, T>(
        &self,
        request: impl Future<Output = Result<S, Error>>,
        fill: impl Fn(T, &mut TickMessage),
    ) -> End
    where
        S: Stream<Item = Result<SubscriptionItem<T>, Error>> + Unpin,
    {
        let mut subscription = match tokio::time::timeout(self.bound, request).await {
            Ok(Ok(subscription)) => subscription,
            Ok(Err(error)) => return end_of(&error),
            Err(_) => return End::Unsent,
        };
        // One record for all ticks: what does not change in it, its type's name above all, is made once.
        let mut record = TickMessage {
            cid: self.contract.contract_id,
            tt: stored_kind(self.key.tick).as_str().to_owned(),
            ..TickMessage::default()
        };
        let mut losing = None;
        while let Some(item) = subscription.next().await {
            match item {
                Ok(SubscriptionItem::Data(tick)) => {
                    fill(tick, &mut record);
                    if let Err(implausible) = self.tick(&mut record, &mut losing) {
                        return End::Corrupt(implausible.to_string());
                    }
                }
                Ok(SubscriptionItem::Notice(notice)) => {
                    tracing::info!(stream = %self.key, code = notice.code, "{}", notice.message);
                    // Delayed ticks are not those that were asked for: none is recorded, history has them.
                    if notice.code == DELAYED {
                        self.pulse.delayed(true);
                        return End::Refused(notice.code, notice.message);
                    }
                    // What ends the subscription the engine counts.
                    self.counters.notice(notice.code);
                    if notice.code == SUBSCRIPTION_LAG_CODE {
                        let behind = self.pulse.last_second();
                        let _ = self.events.send(Event::Lagged { key: self.key.clone(), behind }).await;
                    }
                }
                Err(error) => return end_of(&error),
            }
        }
        End::Broken("the stream ended without a reason".to_owned())
    }

    /// Records a tick. `losing` is what is being lost.
    fn tick(&self, tick: &mut TickMessage, losing: &mut Option<Loss>) -> Result<(), Implausible> {
        let now = self.clock.now();
        tick.st = now.wall.as_microsecond();
        let level = self.line.as_ref().and_then(|line| plausible::level(&line.lock(), now.mono));
        if let Err(implausible) = plausible::check(tick, level, now.wall.as_second()) {
            let reason = implausible.to_string();
            self.pulse.corrupt(now, &reason);
            self.quarantine.put(&self.key, tick, &reason, now.wall);
            return Err(implausible);
        }
        if self.pulse.is_delayed() {
            self.pulse.delayed(false);
        }
        if !self.feed.tick(tick) {
            // The stream flows, only its ticks are lost: the gap begins behind the last one that was kept.
            let loss = losing.get_or_insert_with(|| Loss { behind: self.pulse.last_second(), told: false });
            self.pulse.flows(now);
            self.tell(loss);
            return Ok(());
        }
        self.counters.drift.tick(tick.st.saturating_sub(tick.ts));
        if let Some(loss) = losing {
            self.tell(loss);
        }
        // What is not told yet goes on for the engine.
        let regained = losing.take_if(|loss| loss.told).is_some();
        let second = tick.ts.div_euclid(MICROS_PER_SECOND);
        if self.pulse.tick(now, second) || regained {
            // A full queue has the next tick tell.
            let event = Event::Tick { key: self.key.clone(), serial: self.serial, second };
            if self.events.try_send(event).is_err() {
                self.pulse.alert.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Has the engine know of a loss, unless it does. A full queue of events has the next tick try again.
    fn tell(&self, loss: &mut Loss) {
        let lagged = || Event::Lagged { key: self.key.clone(), behind: loss.behind };
        loss.told = loss.told || self.events.try_send(lagged()).is_ok();
    }
}

/// How a subscription ended, by its last word.
pub(crate) fn end_of(error: &Error) -> End {
    match error {
        Error::Notice(notice) => End::Refused(notice.code, notice.message.clone()),
        Error::ConnectionReset | Error::ConnectionFailed | Error::Shutdown | Error::Cancelled => End::SessionLost,
        error if error.is_connection_lost() => End::SessionLost,
        error => End::Broken(error.to_string()),
    }
}

fn time(time: time::OffsetDateTime) -> i64 {
    time.unix_timestamp().saturating_mul(MICROS_PER_SECOND)
}

fn trade(tick: Trade, record: &mut TickMessage) {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    record.ts = time(tick.time);
    record.p = Some(tick.price);
    record.s = Some(tick.size);
    record.exchange = text(tick.exchange);
    record.conditions = text(tick.special_conditions);
    record.past_limit = tick.trade_attribute.past_limit.then_some(true);
    record.upt = tick.trade_attribute.unreported.then_some(true);
}

fn bid_ask(tick: BidAsk, record: &mut TickMessage) {
    record.ts = time(tick.time);
    record.bp = Some(tick.bid_price);
    record.bs = Some(tick.bid_size);
    record.ap = Some(tick.ask_price);
    record.r#as = Some(tick.ask_size);
    record.bpl = tick.bid_ask_attribute.bid_past_low.then_some(true);
    record.aph = tick.bid_ask_attribute.ask_past_high.then_some(true);
}

fn mid_point(tick: MidPoint, record: &mut TickMessage) {
    record.ts = time(tick.time);
    record.mp = Some(tick.mid_point);
}
