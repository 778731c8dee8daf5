//! Message numbers. On the wire each is raised by [`PROTOBUF_OFFSET`]; numbers up to it are the text dialect.

/// What is added to a message number when its body is protobuf.
pub const PROTOBUF_OFFSET: i32 = 200;

/// Numbers of messages that a client sends.
pub mod request {
    /// Log level of the server. Accepted without an answer.
    pub const SET_SERVER_LOG_LEVEL: i32 = 14;
    /// Next order ids.
    pub const IDS: i32 = 8;
    /// Contract details.
    pub const CONTRACT_DATA: i32 = 9;
    /// Accounts of the login.
    pub const MANAGED_ACCOUNTS: i32 = 17;
    /// Server time in seconds.
    pub const CURRENT_TIME: i32 = 49;
    /// Live, frozen or delayed data. Accepted without an answer.
    pub const MARKET_DATA_TYPE: i32 = 59;
    /// First message of a session.
    pub const START_API: i32 = 71;
    /// Subscribe to tick-by-tick data.
    pub const TICK_BY_TICK: i32 = 97;
    /// End a tick-by-tick subscription.
    pub const CANCEL_TICK_BY_TICK: i32 = 98;
    /// Server time in milliseconds.
    pub const CURRENT_TIME_IN_MILLIS: i32 = 105;
    /// Cancel contract details. The answer is complete by then: accepted without an answer.
    pub const CANCEL_CONTRACT_DATA: i32 = 106;
    /// Highest request number known here; above it a number is unknown.
    pub const HIGHEST: i32 = 107;
    /// Cancels of requests that this version does not serve. The original ignores a cancel of what is not there.
    pub const OTHER_CANCELS: [i32; 7] = [2, 11, 23, 25, 51, 90, 107];
}

/// Numbers of messages that the gateway sends.
pub mod response {
    /// Error or notice.
    pub const ERROR: i32 = 4;
    /// Next order id.
    pub const NEXT_VALID_ID: i32 = 9;
    /// One contract.
    pub const CONTRACT_DATA: i32 = 10;
    /// Accounts of the login.
    pub const MANAGED_ACCOUNTS: i32 = 15;
    /// Server time in seconds.
    pub const CURRENT_TIME: i32 = 49;
    /// End of contract details.
    pub const CONTRACT_DATA_END: i32 = 52;
    /// One tick.
    pub const TICK_BY_TICK: i32 = 99;
    /// Server time in milliseconds.
    pub const CURRENT_TIME_IN_MILLIS: i32 = 109;
}
