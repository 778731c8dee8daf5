//! One question to IBKR's history.

use std::time::Duration;

use futures::{Stream, StreamExt};
use ibapi::{
    Client, Error,
    contracts::Contract,
    market_data::{
        IgnoreSize, TradingHours,
        historical::{HistoricalTicksBuilder, TickBidAsk, TickLast, TickMidpoint},
    },
    subscriptions::SubscriptionItem,
};
use jiff::Timestamp;
use marketstream_proto::{TickKind, TickMessage, layout::MICROS_PER_SECOND};
use marketstream_recovery::codes::{ErrorClass, classify};

use crate::facts::Counters;

/// Ticks that are asked for; the last second is always whole, so more may come.
const TICKS: i32 = 1_000;

/// Bound of an answer. The library has none of its own for streams (measured).
const BOUND: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The session is gone, or does not answer.
    #[error("no answer")]
    NoAnswer,
    /// Requests came too fast.
    #[error("IBKR's pacing rules: {0}")]
    Pacing(String),
    /// Another session of the user has the data, says IBKR with this code and text.
    #[error("another session of this user has the data: error {0}: {1}")]
    Competing(i32, String),
    /// IBKR refuses, with this code and text.
    #[error("error {0}: {1}")]
    Refused(i32, String),
}

/// IBKR's code of everything about history.
const HISTORY: i32 = 162;

/// Asks for ticks from this second on, outside regular hours too. Empty when there are none.
///
/// # Errors
/// See [`FetchError`].
pub async fn ticks(
    client: &Client,
    contract: &Contract,
    kind: TickKind,
    from: i64,
    counters: &Counters,
) -> Result<Vec<TickMessage>, FetchError> {
    let Ok(start) = ibapi_time(from) else { return Ok(Vec::new()) };
    let builder = client.historical_ticks(contract, TICKS).starting(start).trading_hours(TradingHours::Extended);
    ask(builder, kind, contract.contract_id, counters).await
}

/// IBKR's second of the newest tick before that one, outside regular hours too. `None` when there is none.
///
/// # Errors
/// See [`FetchError`].
pub async fn newest(
    client: &Client,
    contract: &Contract,
    kind: TickKind,
    before: i64,
    counters: &Counters,
) -> Result<Option<i64>, FetchError> {
    let Ok(end) = ibapi_time(before) else { return Ok(None) };
    let builder = client.historical_ticks(contract, 1).ending(end).trading_hours(TradingHours::Extended);
    let ticks = ask(builder, kind, contract.contract_id, counters).await?;
    Ok(ticks.iter().map(|tick| tick.ts.div_euclid(MICROS_PER_SECOND)).max())
}

async fn ask(
    builder: HistoricalTicksBuilder<'_, Client>,
    kind: TickKind,
    con_id: i32,
    counters: &Counters,
) -> Result<Vec<TickMessage>, FetchError> {
    let answer = async {
        match kind {
            TickKind::Last | TickKind::AllLast => {
                collect(builder.trade().await?, |tick| trade(tick, kind, con_id)).await
            }
            TickKind::BidAsk => collect(builder.bid_ask(IgnoreSize::No).await?, |tick| quote(tick, con_id)).await,
            TickKind::MidPoint => collect(builder.mid_point().await?, |tick| middle(tick, con_id)).await,
            // IBKR keeps no history of its samples.
            TickKind::QuoteL1 | TickKind::RtVolume => Ok(Vec::new()),
        }
    };
    match tokio::time::timeout(BOUND, answer).await {
        Err(_) => Err(FetchError::NoAnswer),
        Ok(Ok(ticks)) => Ok(ticks),
        Ok(Err(Error::Notice(notice))) => {
            counters.notice(notice.code);
            refused(notice.code, &notice.message)
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "history");
            Err(FetchError::NoAnswer)
        }
    }
}

fn refused(code: i32, text: &str) -> Result<Vec<TickMessage>, FetchError> {
    match classify(code, text) {
        ErrorClass::Pacing => Err(FetchError::Pacing(text.to_owned())),
        ErrorClass::CompetingSession => Err(FetchError::Competing(code, text.to_owned())),
        _ if code == HISTORY && text.contains("returned no data") => Ok(Vec::new()),
        _ => Err(FetchError::Refused(code, text.to_owned())),
    }
}

async fn collect<S, T>(mut answer: S, record: impl Fn(T) -> TickMessage) -> Result<Vec<TickMessage>, Error>
where
    S: Stream<Item = Result<SubscriptionItem<T>, Error>> + Unpin,
{
    let mut ticks = Vec::new();
    while let Some(item) = answer.next().await {
        if let SubscriptionItem::Data(tick) = item? {
            ticks.push(record(tick));
        }
    }
    Ok(ticks)
}

fn ibapi_time(second: i64) -> Result<time::OffsetDateTime, time::error::ComponentRange> {
    time::OffsetDateTime::from_unix_timestamp(second)
}

fn record(kind: TickKind, con_id: i32, time: time::OffsetDateTime) -> TickMessage {
    TickMessage {
        ts: time.unix_timestamp().saturating_mul(MICROS_PER_SECOND),
        st: Timestamp::now().as_microsecond(),
        cid: con_id,
        tt: kind.as_str().to_owned(),
        ..TickMessage::default()
    }
}

fn trade(tick: TickLast, kind: TickKind, con_id: i32) -> TickMessage {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    TickMessage {
        p: Some(tick.price),
        s: Some(tick.size.unwrap_or(0.0)),
        exchange: text(tick.exchange),
        conditions: text(tick.special_conditions),
        past_limit: tick.tick_attribute_last.past_limit.then_some(true),
        upt: tick.tick_attribute_last.unreported.then_some(true),
        ..record(kind, con_id, tick.timestamp)
    }
}

fn quote(tick: TickBidAsk, con_id: i32) -> TickMessage {
    TickMessage {
        bp: Some(tick.price_bid),
        bs: Some(tick.size_bid.unwrap_or(0.0)),
        ap: Some(tick.price_ask),
        r#as: Some(tick.size_ask.unwrap_or(0.0)),
        bpl: tick.tick_attribute_bid_ask.bid_past_low.then_some(true),
        aph: tick.tick_attribute_bid_ask.ask_past_high.then_some(true),
        ..record(TickKind::BidAsk, con_id, tick.timestamp)
    }
}

fn middle(tick: TickMidpoint, con_id: i32) -> TickMessage {
    TickMessage { mp: Some(tick.price), ..record(TickKind::MidPoint, con_id, tick.timestamp) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_may_be_done_about_it() {
        let hmds = |text: &str| refused(HISTORY, &format!("Historical Market Data Service error message:{text}"));
        assert_eq!(hmds("HMDS query returned no data: MNQZ6@CME Trades"), Ok(Vec::new()));
        let pacing = hmds("Historical data request pacing violation").unwrap_err();
        assert!(matches!(&pacing, FetchError::Pacing(text) if text.ends_with("pacing violation")), "{pacing}");
        let competing = hmds("Trading TWS session is connected from a different IP address").unwrap_err();
        assert!(
            matches!(&competing, FetchError::Competing(HISTORY, text) if text.ends_with("IP address")),
            "{competing}"
        );
        let entitled = hmds("No market data permissions for CME FUT").unwrap_err();
        assert!(matches!(entitled, FetchError::Refused(HISTORY, _)), "{entitled}");
    }
}
