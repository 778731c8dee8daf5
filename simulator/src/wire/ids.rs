//! Numbers of the messages that a client sends. Those of the gateway's stand with [`super::answer::Answer`].

/// What is added to a message number, in both directions, when its body is protobuf: numbers up to it are the text
/// dialect.
pub const PROTOBUF_OFFSET: i32 = 200;

/// Numbers of messages that a client sends.
#[allow(missing_docs, reason = "the names are the protocol's own")]
pub mod request {
    pub const MARKET_DATA: i32 = 1;
    pub const CANCEL_MARKET_DATA: i32 = 2;
    pub const OPEN_ORDERS: i32 = 5;
    pub const ACCOUNT_DATA: i32 = 6;
    pub const EXECUTIONS: i32 = 7;
    pub const IDS: i32 = 8;
    pub const CONTRACT_DATA: i32 = 9;
    pub const MARKET_DEPTH: i32 = 10;
    pub const CANCEL_MARKET_DEPTH: i32 = 11;
    pub const NEWS_BULLETINS: i32 = 12;
    pub const CANCEL_NEWS_BULLETINS: i32 = 13;
    pub const SET_SERVER_LOG_LEVEL: i32 = 14;
    pub const AUTO_OPEN_ORDERS: i32 = 15;
    pub const ALL_OPEN_ORDERS: i32 = 16;
    pub const MANAGED_ACCOUNTS: i32 = 17;
    pub const HISTORICAL_DATA: i32 = 20;
    pub const CANCEL_SCANNER: i32 = 23;
    pub const CANCEL_HISTORICAL_DATA: i32 = 25;
    pub const CURRENT_TIME: i32 = 49;
    pub const REAL_TIME_BARS: i32 = 50;
    pub const CANCEL_REAL_TIME_BARS: i32 = 51;
    pub const CANCEL_FUNDAMENTAL_DATA: i32 = 53;
    pub const CANCEL_IMPLIED_VOLATILITY: i32 = 56;
    pub const CANCEL_OPTION_PRICE: i32 = 57;
    pub const MARKET_DATA_TYPE: i32 = 59;
    pub const POSITIONS: i32 = 61;
    pub const ACCOUNT_SUMMARY: i32 = 62;
    pub const CANCEL_ACCOUNT_SUMMARY: i32 = 63;
    pub const CANCEL_POSITIONS: i32 = 64;
    pub const START_API: i32 = 71;
    pub const POSITIONS_MULTI: i32 = 74;
    pub const CANCEL_POSITIONS_MULTI: i32 = 75;
    pub const ACCOUNT_UPDATES_MULTI: i32 = 76;
    pub const CANCEL_ACCOUNT_UPDATES_MULTI: i32 = 77;
    pub const SOFT_DOLLAR_TIERS: i32 = 79;
    pub const FAMILY_CODES: i32 = 80;
    pub const MATCHING_SYMBOLS: i32 = 81;
    pub const MARKET_DEPTH_EXCHANGES: i32 = 82;
    pub const SMART_COMPONENTS: i32 = 83;
    pub const NEWS_PROVIDERS: i32 = 85;
    pub const HEAD_TIMESTAMP: i32 = 87;
    pub const CANCEL_HISTOGRAM_DATA: i32 = 89;
    pub const CANCEL_HEAD_TIMESTAMP: i32 = 90;
    pub const MARKET_RULE: i32 = 91;
    pub const CANCEL_PNL: i32 = 93;
    pub const CANCEL_PNL_SINGLE: i32 = 95;
    pub const HISTORICAL_TICKS: i32 = 96;
    pub const TICK_BY_TICK: i32 = 97;
    pub const CANCEL_TICK_BY_TICK: i32 = 98;
    pub const COMPLETED_ORDERS: i32 = 99;
    pub const CANCEL_WSH_META_DATA: i32 = 101;
    pub const CANCEL_WSH_EVENT_DATA: i32 = 103;
    pub const USER_INFO: i32 = 104;
    pub const CURRENT_TIME_IN_MILLIS: i32 = 105;
    pub const CANCEL_CONTRACT_DATA: i32 = 106;
    pub const CANCEL_HISTORICAL_TICKS: i32 = 107;

    /// Highest number that version 226 knows; above it a number is unknown.
    pub const HIGHEST: i32 = 109;

    /// Requests that no answer follows: cancels of what is not served, news bulletins (there are none), order binding.
    pub const WITHOUT_ANSWER: [i32; 18] = [
        NEWS_BULLETINS,
        CANCEL_NEWS_BULLETINS,
        AUTO_OPEN_ORDERS,
        CANCEL_SCANNER,
        CANCEL_FUNDAMENTAL_DATA,
        CANCEL_IMPLIED_VOLATILITY,
        CANCEL_OPTION_PRICE,
        CANCEL_ACCOUNT_SUMMARY,
        CANCEL_POSITIONS,
        CANCEL_POSITIONS_MULTI,
        CANCEL_ACCOUNT_UPDATES_MULTI,
        CANCEL_HISTOGRAM_DATA,
        CANCEL_PNL,
        CANCEL_PNL_SINGLE,
        CANCEL_WSH_META_DATA,
        CANCEL_WSH_EVENT_DATA,
        SET_SERVER_LOG_LEVEL,
        // The answer is complete when it comes.
        CANCEL_CONTRACT_DATA,
    ];
}
