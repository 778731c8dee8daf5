//! Bytes that the original never sends. Pure.

use serde::Serialize;

use crate::market::noise;
use crate::market::tick::TickType;
use crate::wire::answer::Answer;
use crate::wire::frame;
use crate::wire::handshake::Dialect;
use crate::wire::ids::PROTOBUF_OFFSET;

/// Kinds of garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// A frame with a message number that does not exist.
    UnknownMessage,
    /// A frame that says it is a tick, and cannot be read.
    Undecodable,
    /// A tick whose content is not of its tick type.
    WrongType,
    /// A trade whose size is no number.
    BadSize,
    /// The length of a frame that cannot be.
    BadLength,
    /// Bytes without any sense, where a frame should begin.
    Random,
}

impl Garbage {
    /// All, with their names.
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("unknown_message", Self::UnknownMessage),
        ("undecodable", Self::Undecodable),
        ("wrong_type", Self::WrongType),
        ("bad_size", Self::BadSize),
        ("bad_length", Self::BadLength),
        ("random", Self::Random),
    ];

    /// What goes on the wire, with the frame's length where there is one, to the subscription `req_id`. `second` is the
    /// time of a tick, since the epoch.
    #[must_use]
    pub fn bytes(self, dialect: Dialect, req_id: i32, second: i64) -> Vec<u8> {
        let body = match (self, dialect) {
            (Self::BadLength, _) => return 0x7fff_ffff_u32.to_be_bytes().to_vec(),
            (Self::Random, _) => return random(u64::from(req_id.cast_unsigned())),
            (Self::UnknownMessage, Dialect::Protobuf(_)) => (UNKNOWN + PROTOBUF_OFFSET).to_be_bytes().to_vec(),
            (Self::UnknownMessage, Dialect::Text(_)) => text(&[&UNKNOWN]),
            (Self::Undecodable, Dialect::Protobuf(_)) => tick(req_id, 1, &[0x1a, 0x7f]),
            (Self::Undecodable, Dialect::Text(_)) => text(&[&TICK_BY_TICK, &req_id, &"?", &"?"]),
            (Self::WrongType, Dialect::Protobuf(_)) => tick(req_id, TickType::BidAsk.wire(), &trade(second, "1")),
            (Self::WrongType, Dialect::Text(_)) => text(&[&TICK_BY_TICK, &req_id, &9, &second, &"1.5", &"1"]),
            (Self::BadSize, Dialect::Protobuf(_)) => tick(req_id, 1, &trade(second, "many")),
            (Self::BadSize, Dialect::Text(_)) => {
                text(&[&TICK_BY_TICK, &req_id, &1, &second, &"1.5", &"many", &0, &"", &""])
            }
        };
        framed(&body)
    }
}

/// The first half of a frame that the original sends often.
#[must_use]
pub fn half_frame(dialect: Dialect) -> Vec<u8> {
    let notice = Answer::error(-1, 2104, "Market data farm connection is OK:usfarm", 0);
    let mut bytes = notice.encode(dialect).first().map(|body| framed(body)).unwrap_or_default();
    bytes.truncate(bytes.len() / 2);
    bytes
}

const TICK_BY_TICK: i32 = 99;

/// No message has this number.
const UNKNOWN: i32 = 999;

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 4);
    frame::write(&mut bytes, body);
    bytes
}

fn text(fields: &[&dyn std::fmt::Display]) -> Vec<u8> {
    fields.iter().flat_map(|field| format!("{field}\0").into_bytes()).collect()
}

/// A tick message: request id, tick type, and whatever `rest` is.
fn tick(req_id: i32, kind: i32, rest: &[u8]) -> Vec<u8> {
    let mut body = (TICK_BY_TICK + PROTOBUF_OFFSET).to_be_bytes().to_vec();
    for (field, value) in [(1, req_id), (2, kind)] {
        body.push(field << 3);
        prost::encoding::encode_varint(u64::from(value.cast_unsigned()), &mut body);
    }
    body.extend_from_slice(rest);
    body
}

/// A trade as the field of a tick message, of time, price 1.5, and a size as text.
fn trade(second: i64, size: &str) -> Vec<u8> {
    let trade = crate::wire::pb::TradeTick {
        time: Some(second),
        price: Some(1.5),
        size: Some(size.to_owned()),
        ..Default::default()
    };
    let mut field = Vec::new();
    prost::encoding::message::encode(3, &trade, &mut field);
    field
}

/// Bytes that are always the same for a request id.
fn random(req_id: u64) -> Vec<u8> {
    (0..32).flat_map(|word| noise::hash(&[req_id, word]).to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::wire::pb;

    const NEWEST: Dialect = Dialect::Protobuf(226);

    #[test]
    fn frames_are_whole_and_broken_as_they_say() {
        let body = |what: Garbage| {
            let bytes = what.bytes(NEWEST, 1_500_000_001, 77);
            assert_eq!(bytes[..4], u32::try_from(bytes.len() - 4).unwrap().to_be_bytes(), "{what:?}");
            bytes[8..].to_vec()
        };
        assert!(body(Garbage::UnknownMessage).is_empty());
        assert!(pb::TickByTickData::decode(&*body(Garbage::Undecodable)).is_err());
        let wrong = pb::TickByTickData::decode(&*body(Garbage::WrongType)).unwrap();
        assert_eq!((wrong.req_id, wrong.tick_type), (Some(1_500_000_001), Some(3)));
        assert!(matches!(wrong.tick, Some(pb::tick_by_tick_data::Tick::Trade(_))), "{wrong:?}");
        let bad = pb::TickByTickData::decode(&*body(Garbage::BadSize)).unwrap();
        let Some(pb::tick_by_tick_data::Tick::Trade(trade)) = bad.tick else { panic!("no trade") };
        assert_eq!((trade.time, trade.size.as_deref()), (Some(77), Some("many")));
    }

    #[test]
    fn half_a_frame_is_half_of_one() {
        let half = half_frame(NEWEST);
        let length = u32::from_be_bytes(half[..4].try_into().unwrap()) as usize + 4;
        assert_eq!(half.len(), length / 2);
        assert_ne!(Garbage::Random.bytes(NEWEST, 1, 0), Garbage::Random.bytes(NEWEST, 2, 0));
    }
}
