//! Messages: which request a body is, and the bodies of the answers.

use prost::Message;

use super::ids::{PROTOBUF_OFFSET, request, response};
use super::pb;
use crate::market::tick::{Body, Tick, TickType};

/// A request of a client.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// First message of a session.
    StartApi(pb::StartApiRequest),
    /// Server time in seconds.
    CurrentTime,
    /// Server time in milliseconds.
    CurrentTimeInMillis,
    /// Contract details.
    ContractData(pb::ContractDataRequest),
    /// Subscribe.
    TickByTick(pb::TickByTickRequest),
    /// Cancel a subscription.
    CancelTickByTick(pb::CancelTickByTick),
    /// Next order id.
    Ids,
    /// Accounts of the login.
    ManagedAccounts,
    /// Accepted without an answer.
    Ignored,
    /// A request that the original knows and this version does not serve.
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
    /// The id belongs to the text dialect, which this version does not speak.
    #[error("message id {0} is of the text dialect")]
    Text(i32),
    /// No such message.
    #[error("unknown message id {0}")]
    Unknown(i32),
    /// The id is known, its protobuf body is not valid.
    #[error("undecodable body of message {0}")]
    Undecodable(i32),
}

/// Reads a body: the message id, then the protobuf.
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
    let number = id.saturating_sub(PROTOBUF_OFFSET);
    match number {
        request::START_API => parse(number, payload).map(Request::StartApi),
        request::CURRENT_TIME => Ok(Request::CurrentTime),
        request::CURRENT_TIME_IN_MILLIS => Ok(Request::CurrentTimeInMillis),
        request::CONTRACT_DATA => parse(number, payload).map(Request::ContractData),
        request::TICK_BY_TICK => parse(number, payload).map(Request::TickByTick),
        request::CANCEL_TICK_BY_TICK => parse(number, payload).map(Request::CancelTickByTick),
        request::IDS => Ok(Request::Ids),
        request::MANAGED_ACCOUNTS => Ok(Request::ManagedAccounts),
        request::SET_SERVER_LOG_LEVEL | request::MARKET_DATA_TYPE | request::CANCEL_CONTRACT_DATA => {
            Ok(Request::Ignored)
        }
        _ if request::OTHER_CANCELS.contains(&number) => Ok(Request::Ignored),
        1..=request::HIGHEST => {
            let any: pb::AnyRequest = parse(number, payload)?;
            Ok(Request::Unsupported { number, req_id: any.req_id.unwrap_or(-1) })
        }
        _ => Err(RequestError::Unknown(id)),
    }
}

fn parse<M: Message + Default>(number: i32, payload: &[u8]) -> Result<M, RequestError> {
    M::decode(payload).map_err(|_| RequestError::Undecodable(number + PROTOBUF_OFFSET))
}

/// Body of a message: its id, then the protobuf.
#[must_use]
pub fn encode(number: i32, message: &impl Message) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + message.encoded_len());
    body.extend_from_slice(&(number + PROTOBUF_OFFSET).to_be_bytes());
    body.extend_from_slice(&message.encode_to_vec());
    body
}

/// Body of a tick for the subscription `req_id`. Its time goes out as whole seconds, as in the original.
#[must_use]
pub fn tick(req_id: i32, kind: TickType, tick: &Tick) -> Vec<u8> {
    let time = Some(tick.second);
    let data = match &tick.body {
        Body::Trade(trade) => pb::tick_by_tick_data::Tick::Trade(pb::TradeTick {
            time,
            attributes: Some(pb::TradeAttributes {
                past_limit: flag(trade.past_limit),
                unreported: flag(trade.unreported),
            }),
            price: Some(trade.price),
            size: Some(decimal(trade.size)),
            exchange: Some(trade.exchange.to_owned()),
            special_conditions: Some(trade.conditions.to_owned()),
        }),
        Body::Quote(quote) => pb::tick_by_tick_data::Tick::Quote(pb::QuoteTick {
            time,
            attributes: Some(pb::QuoteAttributes {
                bid_past_low: flag(quote.bid_past_low),
                ask_past_high: flag(quote.ask_past_high),
            }),
            price_bid: Some(quote.bid),
            price_ask: Some(quote.ask),
            size_bid: Some(decimal(quote.bid_size)),
            size_ask: Some(decimal(quote.ask_size)),
        }),
        // The original always says size 0 here.
        Body::Mid(price) => {
            pb::tick_by_tick_data::Tick::Mid(pb::MidTick { time, price: Some(*price), size: Some(decimal(0.0)) })
        }
    };
    let message = pb::TickByTickData { req_id: Some(req_id), tick_type: Some(kind.wire()), tick: Some(data) };
    encode(response::TICK_BY_TICK, &message)
}

/// The original leaves out attributes that are not set.
fn flag(set: bool) -> Option<bool> {
    set.then_some(true)
}

/// Decimal text of a size. Rust prints the shortest text that reads back as the same number, never an exponent.
fn decimal(size: f64) -> String {
    size.to_string()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
