//! What the gateway says, whatever dialect the client speaks.

use prost::Message;

use super::handshake::Dialect;
use super::{pb, protobuf, text};

/// The messages of the gateway with their numbers, once.
macro_rules! answers {
    ($($(#[doc = $doc:literal])+ $name:ident($message:ty) = $number:literal,)+) => {
        /// A message to a client, but for ticks, which have an encoder of their own.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Answer {
            $($(#[doc = $doc])+ $name($message),)+
        }

        impl Answer {
            /// Number of the message, without the offset.
            #[must_use]
            pub fn number(&self) -> i32 {
                match self {
                    $(Self::$name(_) => $number,)+
                }
            }

            /// The protobuf message.
            pub(super) fn message(&self) -> Vec<u8> {
                match self {
                    $(Self::$name(message) => message.encode_to_vec(),)+
                }
            }
        }
    };
}

answers! {
    /// Price at the top of the book.
    TickPrice(pb::TickPrice) = 1,
    /// Size at the top of the book.
    TickSize(pb::TickSize) = 2,
    /// An error of a request, or a notice.
    Error(pb::ErrorMessage) = 4,
    /// One value of an account.
    AccountValue(pb::AccountValue) = 6,
    /// When the account's values were taken.
    AccountUpdateTime(pb::AccountUpdateTime) = 8,
    /// The first order id that is free.
    NextValidId(pb::NextValidId) = 9,
    /// One contract.
    ContractData(Box<pb::ContractData>) = 10,
    /// Change of an order book by price.
    MarketDepth(pb::MarketDepth) = 12,
    /// Change of an order book by market maker.
    MarketDepthL2(pb::MarketDepth) = 13,
    /// The accounts of the login.
    ManagedAccounts(pb::ManagedAccounts) = 15,
    /// Bars of the past, all of a request.
    HistoricalBars(Box<HistoricalBars>) = 17,
    /// Values of an option.
    TickOptionComputation(pb::TickOptionComputation) = 21,
    /// Number beside the top of the book.
    TickGeneric(pb::TickGeneric) = 45,
    /// Text beside the top of the book.
    TickString(pb::TickString) = 46,
    /// The clock, in seconds.
    CurrentTime(pb::CurrentTime) = 49,
    /// Five seconds.
    RealTimeBar(pb::RealTimeBarTick) = 50,
    /// No more contracts follow.
    ContractDataEnd(pb::ContractDataEnd) = 52,
    /// No more orders follow.
    OpenOrdersEnd(pb::ListEnd) = 53,
    /// No more values of the account follow for now.
    AccountDataEnd(pb::AccountDataEnd) = 54,
    /// No more executions follow.
    ExecutionsEnd(pb::RequestEnd) = 55,
    /// The snapshot is complete.
    TickSnapshotEnd(pb::TickSnapshotEnd) = 57,
    /// Whether the data of a request is live, frozen or delayed.
    MarketDataType(pb::MarketDataType) = 58,
    /// No more positions follow.
    PositionsEnd(pb::ListEnd) = 62,
    /// No more sums follow for now.
    AccountSummaryEnd(pb::RequestEnd) = 64,
    /// No more positions of the account follow.
    PositionsMultiEnd(pb::RequestEnd) = 72,
    /// No more values of the account follow.
    AccountUpdatesMultiEnd(pb::RequestEnd) = 74,
    /// Soft dollar tiers: none.
    SoftDollarTiers(pb::RequestEnd) = 77,
    /// Family codes of the accounts.
    FamilyCodes(pb::FamilyCodes) = 78,
    /// Contracts that a pattern fits.
    SymbolSamples(pb::SymbolSamples) = 79,
    /// Exchanges with order books.
    MarketDepthExchanges(pb::MarketDepthExchanges) = 80,
    /// Price step and exchanges of a market data request.
    TickReqParams(pb::TickReqParams) = 81,
    /// Letters of exchanges.
    SmartComponents(pb::SmartComponents) = 82,
    /// News providers: none.
    NewsProviders(pb::ListEnd) = 85,
    /// Begin of the history.
    HeadTimestamp(pb::HeadTimestamp) = 88,
    /// The current bar of a request that is kept up to date.
    HistoricalDataUpdate(pb::HistoricalDataUpdate) = 90,
    /// Price increments.
    MarketRule(pb::MarketRule) = 93,
    /// Mid-points of the past.
    HistoricalTicks(pb::HistoricalTicks) = 96,
    /// Quotes of the past.
    HistoricalTicksBidAsk(pb::HistoricalTicksBidAsk) = 97,
    /// Trades of the past.
    HistoricalTicksLast(pb::HistoricalTicksLast) = 98,
    /// No more orders of the past follow.
    CompletedOrdersEnd(pb::ListEnd) = 102,
    /// Sessions of the past.
    HistoricalSchedule(pb::HistoricalSchedule) = 106,
    /// White branding of the login.
    UserInfo(pb::UserInfo) = 107,
    /// The clock, in milliseconds.
    CurrentTimeInMillis(pb::CurrentTimeInMillis) = 109,
}

/// Bars of the past and the time that they cover.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoricalBars {
    /// The bars.
    pub data: pb::HistoricalData,
    /// Begin and end of what was asked for.
    pub end: pb::HistoricalDataEnd,
}

impl HistoricalBars {
    /// As a message alone; the end is another.
    fn encode_to_vec(&self) -> Vec<u8> {
        self.data.encode_to_vec()
    }
}

impl Answer {
    /// An error of a request, or with `req_id` -1 a notice. `now_ms` is in milliseconds since the epoch.
    #[must_use]
    pub fn error(req_id: i32, code: i32, text: &str, now_ms: i64) -> Self {
        Self::Error(pb::ErrorMessage {
            id: Some(req_id),
            error_time: Some(now_ms),
            error_code: Some(code),
            error_msg: Some(text.to_owned()),
            advanced_order_reject_json: None,
        })
    }

    /// The bodies of its frames: one, but for [`Answer::HistoricalBars`] in protobuf.
    #[must_use]
    pub fn encode(&self, dialect: Dialect) -> Vec<Vec<u8>> {
        match dialect {
            Dialect::Text(version) => vec![text::encode(version, self)],
            Dialect::Protobuf(_) => protobuf::encode(self),
        }
    }
}
