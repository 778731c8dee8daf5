//! The protobuf dialect, server versions 213 to 226: a body is the message's number plus [`PROTOBUF_OFFSET`], then the
//! message.

use prost::Message;

use super::answer::Answer;
use super::ids::{PROTOBUF_OFFSET, request};
use super::pb;
use super::request::{Request, RequestError};

/// Number of the message that ends bars: in the text dialect they are one message.
const HISTORICAL_DATA_END: i32 = 108;

/// Reads a body: the message id, then the message.
///
/// # Errors
/// See [`RequestError`]; the frames that follow are not affected.
pub(super) fn decode(body: &[u8]) -> Result<Request, RequestError> {
    let (id, payload) = match body.split_first_chunk::<4>() {
        Some((id, payload)) => (i32::from_be_bytes(*id), payload),
        None => return Err(RequestError::Unknown(0)),
    };
    if (0..=PROTOBUF_OFFSET).contains(&id) {
        return Err(RequestError::Text(id));
    }
    let body = Body { id, payload };
    Ok(match id.saturating_sub(PROTOBUF_OFFSET) {
        request::START_API => Request::StartApi(body.parse()?),
        request::CURRENT_TIME => Request::CurrentTime,
        request::CURRENT_TIME_IN_MILLIS => Request::CurrentTimeInMillis,
        request::IDS => Request::Ids,
        request::MANAGED_ACCOUNTS => Request::ManagedAccounts,
        request::CONTRACT_DATA => Request::ContractData(body.parse()?),
        request::TICK_BY_TICK => Request::TickByTick(body.parse()?),
        request::CANCEL_TICK_BY_TICK => Request::CancelTickByTick(body.req_id()?),
        request::MARKET_DATA_TYPE => Request::MarketDataType(body.parse()?),
        request::MARKET_DATA => Request::MarketData(body.parse()?),
        request::CANCEL_MARKET_DATA => Request::CancelMarketData(body.req_id()?),
        request::MARKET_DEPTH => Request::MarketDepth(body.parse()?),
        request::CANCEL_MARKET_DEPTH => Request::CancelMarketDepth(body.req_id()?),
        request::MARKET_DEPTH_EXCHANGES => Request::MarketDepthExchanges,
        request::REAL_TIME_BARS => Request::RealTimeBars(body.parse()?),
        request::CANCEL_REAL_TIME_BARS => Request::CancelRealTimeBars(body.req_id()?),
        request::HISTORICAL_TICKS => Request::HistoricalTicks(body.parse()?),
        request::CANCEL_HISTORICAL_TICKS => Request::CancelHistoricalTicks(body.req_id()?),
        request::HISTORICAL_DATA => Request::HistoricalData(body.parse()?),
        request::CANCEL_HISTORICAL_DATA => Request::CancelHistoricalData(body.req_id()?),
        request::HEAD_TIMESTAMP => Request::HeadTimestamp(body.parse()?),
        request::CANCEL_HEAD_TIMESTAMP => Request::CancelHeadTimestamp(body.req_id()?),
        request::MARKET_RULE => Request::MarketRule(body.parse()?),
        request::MATCHING_SYMBOLS => Request::MatchingSymbols(body.parse()?),
        request::SMART_COMPONENTS => Request::SmartComponents(body.parse()?),
        request::OPEN_ORDERS | request::ALL_OPEN_ORDERS => Request::OpenOrders,
        request::COMPLETED_ORDERS => Request::CompletedOrders,
        request::EXECUTIONS => Request::Executions(body.req_id()?),
        request::ACCOUNT_DATA => Request::AccountData(body.parse()?),
        request::POSITIONS => Request::Positions,
        request::ACCOUNT_SUMMARY => Request::AccountSummary(body.req_id()?),
        request::POSITIONS_MULTI => Request::PositionsMulti(body.req_id()?),
        request::ACCOUNT_UPDATES_MULTI => Request::AccountUpdatesMulti(body.req_id()?),
        request::SOFT_DOLLAR_TIERS => Request::SoftDollarTiers(body.req_id()?),
        request::FAMILY_CODES => Request::FamilyCodes,
        request::NEWS_PROVIDERS => Request::NewsProviders,
        request::USER_INFO => Request::UserInfo(body.req_id()?),
        number if request::WITHOUT_ANSWER.contains(&number) => Request::Ignored,
        number @ 1..=request::HIGHEST => Request::Unsupported { number, req_id: body.req_id()? },
        _ => return Err(RequestError::Unknown(id)),
    })
}

/// The message after the id.
#[derive(Clone, Copy)]
struct Body<'a> {
    id: i32,
    payload: &'a [u8],
}

impl Body<'_> {
    fn parse<M: Message + Default>(self) -> Result<M, RequestError> {
        M::decode(self.payload).map_err(|_| RequestError::Undecodable(self.id))
    }

    /// Its request id; -1 when it has none.
    fn req_id(self) -> Result<i32, RequestError> {
        Ok(self.parse::<pb::AnyRequest>()?.req_id.unwrap_or(-1))
    }
}

/// The bodies of an answer: one, but for bars.
pub(super) fn encode(answer: &Answer) -> Vec<Vec<u8>> {
    let body = |number: i32, message: &[u8]| [&(number + PROTOBUF_OFFSET).to_be_bytes(), message].concat();
    let mut bodies = vec![body(answer.number(), &answer.message())];
    if let Answer::HistoricalBars(bars) = answer {
        bodies.push(body(HISTORICAL_DATA_END, &bars.end.encode_to_vec()));
    }
    bodies
}

#[cfg(test)]
#[path = "protobuf_tests.rs"]
mod tests;
