//! What a client asks for, whatever its dialect: made of the protobuf messages, in the text dialect too.

use prost::Message;

use super::ids::{PROTOBUF_OFFSET, request};
use super::pb;

/// A request of a client. A cancel carries the id of the request that it ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// First message of a session.
    StartApi(pb::StartApiRequest),
    /// Server time in seconds.
    CurrentTime,
    /// Server time in milliseconds.
    CurrentTimeInMillis,
    /// Next order id.
    Ids,
    /// Accounts of the login.
    ManagedAccounts,
    /// Contract details.
    ContractData(pb::ContractDataRequest),
    /// Subscribe to tick-by-tick data.
    TickByTick(pb::TickByTickRequest),
    /// End it.
    CancelTickByTick(i32),
    /// Live, frozen or delayed data in the requests that follow.
    MarketDataType(pb::MarketDataTypeRequest),
    /// Subscribe to top of book.
    MarketData(pb::MarketDataRequest),
    /// End it.
    CancelMarketData(i32),
    /// Subscribe to an order book.
    MarketDepth(pb::MarketDepthRequest),
    /// End it.
    CancelMarketDepth(i32),
    /// Which exchanges have order books.
    MarketDepthExchanges,
    /// Subscribe to five-second bars.
    RealTimeBars(pb::RealTimeBarsRequest),
    /// End it.
    CancelRealTimeBars(i32),
    /// Ticks of the past.
    HistoricalTicks(pb::HistoricalTicksRequest),
    /// End it.
    CancelHistoricalTicks(i32),
    /// Bars of the past.
    HistoricalData(pb::HistoricalDataRequest),
    /// End it.
    CancelHistoricalData(i32),
    /// Begin of the history.
    HeadTimestamp(pb::HeadTimestampRequest),
    /// End it.
    CancelHeadTimestamp(i32),
    /// Price increments.
    MarketRule(pb::MarketRuleRequest),
    /// Contracts by the begin of a name.
    MatchingSymbols(pb::MatchingSymbolsRequest),
    /// Letters of exchanges.
    SmartComponents(pb::SmartComponentsRequest),
    /// Orders of this client, or of all.
    OpenOrders,
    /// Orders of the past.
    CompletedOrders,
    /// Executions.
    Executions(i32),
    /// Values and positions of an account.
    AccountData(pb::AccountDataRequest),
    /// Positions of all accounts.
    Positions,
    /// Sums of all accounts.
    AccountSummary(i32),
    /// Positions of one account or model.
    PositionsMulti(i32),
    /// Values of one account or model.
    AccountUpdatesMulti(i32),
    /// Soft dollar tiers.
    SoftDollarTiers(i32),
    /// Family codes of the accounts.
    FamilyCodes,
    /// News providers.
    NewsProviders,
    /// White branding of the login.
    UserInfo(i32),
    /// Accepted without an answer.
    Ignored,
    /// A request that the original knows and this program does not serve.
    Unsupported {
        /// Message number, without the offset.
        number: i32,
        /// Its request id; -1 when it has none.
        req_id: i32,
    },
}

/// Why a body is not a request.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// The id belongs to the text dialect, on a protobuf session.
    #[error("message id {0} is of the text dialect")]
    Text(i32),
    /// No such message.
    #[error("unknown message id {0}")]
    Unknown(i32),
    /// The id is known, its body is not valid.
    #[error("undecodable body of message {0}")]
    Undecodable(i32),
}

/// Reads a protobuf body: the message id, then the message.
///
/// # Errors
/// See [`RequestError`]; the frames that follow are not affected.
pub fn decode(body: &[u8]) -> Result<Request, RequestError> {
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
