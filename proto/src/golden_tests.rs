//! One record of each kind, byte for byte: files of years ago must stay readable.

use crate::{Source, TickKind, TickMessage, framing};

fn hex(tick: &TickMessage) -> String {
    let mut bytes = Vec::new();
    framing::append(&mut bytes, tick).unwrap();
    let back = framing::Reader::new(bytes.as_slice()).next().unwrap().unwrap();
    assert_eq!(&back, tick);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tick(kind: TickKind) -> TickMessage {
    TickMessage {
        ts: 1_795_469_313_000_000,
        st: 1_795_469_313_477_848,
        cid: 711_280_073,
        tt: kind.as_str().to_owned(),
        sequence: 42,
        ..TickMessage::default()
    }
}

#[test]
fn last() {
    let tick = TickMessage {
        p: Some(23_202.25),
        s: Some(2.0),
        upt: Some(true),
        exchange: Some("CME".to_owned()),
        conditions: Some("T".to_owned()),
        past_limit: Some(true),
        ..tick(TickKind::Last)
    };
    assert_eq!(hex(&tick), LAST);
}

#[test]
fn all_last() {
    let tick =
        TickMessage { p: Some(23_202.25), s: Some(2.0), source: Source::Backfill.into(), ..tick(TickKind::AllLast) };
    assert_eq!(hex(&tick), ALL_LAST);
}

#[test]
fn bid_ask() {
    let tick = TickMessage {
        bp: Some(23_202.0),
        bs: Some(3.0),
        ap: Some(23_202.25),
        r#as: Some(2.0),
        bpl: Some(true),
        aph: Some(true),
        ..tick(TickKind::BidAsk)
    };
    assert_eq!(hex(&tick), BID_ASK);
}

#[test]
fn mid_point() {
    assert_eq!(hex(&TickMessage { mp: Some(23_202.125), ..tick(TickKind::MidPoint) }), MID_POINT);
}

#[test]
fn quote_l1() {
    let tick = TickMessage {
        bp: Some(23_202.0),
        bs: Some(3.0),
        ap: Some(23_202.25),
        r#as: Some(2.0),
        ..tick(TickKind::QuoteL1)
    };
    assert_eq!(hex(&tick), QUOTE_L1);
}

#[test]
fn rtvolume() {
    let tick = TickMessage { p: Some(23_202.25), s: Some(2.0), volume: Some(1_234.0), ..tick(TickKind::RtVolume) };
    assert_eq!(hex(&tick), RT_VOLUME);
}

const LAST: &str = concat!(
    "0000004308c084edb4849f980310d8998ab5849f980318c98b95d30222046c617374510000000090a8d6405900000000",
    "00000040b00101ba0103434d45c2010154c80101d0012a",
);
const ALL_LAST: &str = concat!(
    "0000003a08c084edb4849f980310d8998ab5849f980318c98b95d3022208616c6c5f6c617374510000000090a8d64059",
    "0000000000000040d0012ad80101",
);
const BID_ASK: &str = concat!(
    "0000004e08c084edb4849f980310d8998ab5849f980318c98b95d30222076269645f61736b610000000080a8d6406900",
    "00000000000840710000000090a8d640790000000000000040a00101a80101d0012a",
);
const MID_POINT: &str = concat!(
    "0000003008c084edb4849f980310d8998ab5849f980318c98b95d30222096d69645f706f696e7481010000000088a8d6",
    "40d0012a",
);
const QUOTE_L1: &str = concat!(
    "0000004908c084edb4849f980310d8998ab5849f980318c98b95d302220871756f74655f6c31610000000080a8d64069",
    "0000000000000840710000000090a8d640790000000000000040d0012a",
);
const RT_VOLUME: &str = concat!(
    "0000004108c084edb4849f980310d8998ab5849f980318c98b95d30222087274766f6c756d65510000000090a8d64059",
    "0000000000000040d0012ae1010000000000489340",
);
