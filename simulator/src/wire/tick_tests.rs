use proptest::prelude::*;
use prost::Message;

use super::*;

/// The second of the golden ticks.
const TIME: i64 = 1_795_470_333;
const REQ_ID: i32 = 1_500_000_001;
const NEWEST: Dialect = Dialect::Protobuf(226);

fn tick(body: Body) -> Tick {
    Tick { second: TIME, offset_us: 0, index: 0, body }
}

fn a_trade() -> Trade {
    Trade { price: 100.25, size: 100.0, exchange: "NASDAQ", conditions: "", past_limit: false, unreported: false }
}

fn a_quote() -> Quote {
    Quote { bid: 100.0, ask: 100.5, bid_size: 3.0, ask_size: 4.0, bid_past_low: true, ask_past_high: false }
}

fn frame(dialect: Dialect, req_id: i32, kind: TickType, tick: &Tick) -> Vec<u8> {
    // What is in the buffer before stays.
    let mut out = b"before".to_vec();
    append(&mut out, dialect, req_id, kind, tick);
    assert_eq!(&out[..6], b"before");
    assert_eq!(u32::from_be_bytes(out[6..10].try_into().unwrap()) as usize, out.len() - 10);
    out.split_off(10)
}

#[test]
fn writes_the_golden_ticks_byte_for_byte() {
    for (vector, kind, body) in [
        (
            "0000012b0881dea0cb0510011a2008fde792d806120019000000000010594022033130302a064e41534441513200",
            TickType::Last,
            Body::Trade(a_trade()),
        ),
        (
            "0000012b0881dea0cb051003222208fde792d806120208011900000000000059402100000000002059402a0133320134",
            TickType::BidAsk,
            Body::Quote(a_quote()),
        ),
        ("0000012b0881dea0cb0510042a1208fde792d8061100000000001059401a0130", TickType::MidPoint, Body::Mid(100.25)),
    ] {
        assert_eq!(frame(NEWEST, REQ_ID, kind, &tick(body)), hex(vector), "{kind:?}");
    }
}

#[test]
fn writes_ticks_as_text() {
    let text =
        |kind, body| String::from_utf8(frame(Dialect::Text(178), 7, kind, &tick(body))).unwrap().replace('\0', "|");
    let unreported = Trade { unreported: true, conditions: " TI", size: 0.5, ..a_trade() };
    assert_eq!(text(TickType::Last, Body::Trade(a_trade())), "99|7|1|1795470333|100.25|100|0|NASDAQ||");
    assert_eq!(text(TickType::AllLast, Body::Trade(unreported)), "99|7|2|1795470333|100.25|0.5|2|NASDAQ| TI|");
    assert_eq!(text(TickType::BidAsk, Body::Quote(a_quote())), "99|7|3|1795470333|100|100.5|3|4|1|");
    assert_eq!(text(TickType::MidPoint, Body::Mid(100.25)), "99|7|4|1795470333|100.25|");
}

/// The same tick by way of the generated message.
fn by_prost(req_id: i32, kind: TickType, tick: &Tick) -> Vec<u8> {
    use pb::tick_by_tick_data::Tick as Data;
    let data = match &tick.body {
        Body::Trade(body) => Data::Trade(trade(tick.second, body)),
        Body::Quote(body) => Data::Quote(quote(tick.second, body)),
        Body::Mid(price) => Data::Mid(mid(tick.second, *price)),
    };
    let message = pb::TickByTickData { req_id: Some(req_id), tick_type: Some(kind.wire()), tick: Some(data) };
    [&299_i32.to_be_bytes()[..], &message.encode_to_vec()].concat()
}

/// Any number that has a sign, an exponent and digits, and the kind that markets have.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        (0..10_000_000_u64, 0..9_i32).prop_map(|(digits, places)| {
            // Read as a client would: the nearest number to the text.
            format!("{digits}e-{places}").parse().unwrap()
        })
    ]
}

fn body() -> impl Strategy<Value = Body> {
    // Long ones need a length of two bytes.
    let names =
        prop_oneof![Just(""), Just("IEX"), Just("0123456789012345678901234567890123456789".repeat(4).leak() as &str)];
    prop_oneof![
        (number(), number(), names.clone(), names, any::<[bool; 2]>()).prop_map(
            |(price, size, exchange, conditions, [past_limit, unreported])| {
                Body::Trade(Trade { price, size, exchange, conditions, past_limit, unreported })
            }
        ),
        (any::<[bool; 2]>(), [number(), number(), number(), number()]).prop_map(
            |([bid_past_low, ask_past_high], [bid, ask, bid_size, ask_size])| {
                Body::Quote(Quote { bid, ask, bid_size, ask_size, bid_past_low, ask_past_high })
            }
        ),
        number().prop_map(Body::Mid),
    ]
}

proptest! {
    #[test]
    fn writes_what_prost_writes(req_id: i32, second: i64, kind in 0..4_usize, body in body()) {
        let (kind, tick) = (TickType::ALL[kind], Tick { second, offset_us: 0, index: 0, body });
        prop_assert_eq!(frame(NEWEST, req_id, kind, &tick), by_prost(req_id, kind, &tick));
    }

    #[test]
    fn prints_numbers_as_rust_does(value in number()) {
        let mut out = Vec::new();
        decimal(&mut out, value);
        prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
