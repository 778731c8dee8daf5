//! What the gateway says, whatever dialect the client speaks.

use prost::Message;

use super::handshake::Dialect;
use super::ids::response;
use super::{message, pb};

/// A message to a client, but for ticks, which have an encoder of their own ([`message::tick`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// An error of a request, or a notice.
    Error(pb::ErrorMessage),
    /// The accounts of the login.
    ManagedAccounts(pb::ManagedAccounts),
    /// The first order id that is free.
    NextValidId(pb::NextValidId),
    /// The clock, in seconds.
    CurrentTime(pb::CurrentTime),
    /// The clock, in milliseconds.
    CurrentTimeInMillis(pb::CurrentTimeInMillis),
    /// One contract.
    ContractData(Box<pb::ContractData>),
    /// No more contracts follow.
    ContractDataEnd(pb::ContractDataEnd),
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

    /// The body of its frame.
    #[must_use]
    pub fn encode(&self, dialect: Dialect) -> Vec<u8> {
        match dialect {
            Dialect::Protobuf(_) => self.protobuf(),
        }
    }

    fn protobuf(&self) -> Vec<u8> {
        fn body(number: i32, message: &impl Message) -> Vec<u8> {
            message::encode(number, message)
        }
        match self {
            Self::Error(message) => body(response::ERROR, message),
            Self::ManagedAccounts(message) => body(response::MANAGED_ACCOUNTS, message),
            Self::NextValidId(message) => body(response::NEXT_VALID_ID, message),
            Self::CurrentTime(message) => body(response::CURRENT_TIME, message),
            Self::CurrentTimeInMillis(message) => body(response::CURRENT_TIME_IN_MILLIS, message),
            Self::ContractData(message) => body(response::CONTRACT_DATA, message.as_ref()),
            Self::ContractDataEnd(message) => body(response::CONTRACT_DATA_END, message),
        }
    }
}
