//! What an Interactive Brokers error says about a stream: its class, from the code and the text.

/// What an error means for the recovery of a stream or of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Another login of the same user has the market data.
    CompetingSession,
    /// The client ID is taken by another connection.
    ClientIdInUse,
    /// The user has no subscription or permission for this data.
    NotEntitled,
    /// A limit on concurrent requests is used up.
    Capacity,
    /// Requests were sent too fast.
    Pacing,
    /// The contract or the request itself is refused.
    ContractInvalid,
    /// A notice; the data goes on.
    Advisory,
    /// None of the above.
    Other,
}

/// The class of an error.
pub fn classify(_code: i32, _text: &str) -> ErrorClass {
    ErrorClass::Other
}
