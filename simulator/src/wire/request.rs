//! What a client asks for, whatever its dialect: made of the protobuf messages, in the text dialect too.

use super::handshake::Dialect;
use super::{pb, protobuf, text};

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

/// Reads a body.
///
/// # Errors
/// See [`RequestError`]; the frames that follow are not affected.
pub fn decode(dialect: Dialect, body: &[u8]) -> Result<Request, RequestError> {
    match dialect {
        Dialect::Text(version) => text::decode(version, body),
        Dialect::Protobuf(_) => protobuf::decode(body),
    }
}
