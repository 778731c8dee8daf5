use super::*;
use crate::wire::handshake::Dialect;

const NEWEST: Dialect = Dialect::Protobuf(226);

/// A frame body in hex, as exchanged between the `ibapi` crate and a gateway.
fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

const REQ_ID: i32 = 1_500_000_001;

#[test]
fn reads_the_requests_of_a_real_client() {
    assert_eq!(decode(&hex("000000f9")), Ok(Request::CurrentTime));
    assert_eq!(decode(&hex("00000131")), Ok(Request::CurrentTimeInMillis));
    assert_eq!(
        decode(&hex("0000010f0807")),
        Ok(Request::StartApi(pb::StartApiRequest { client_id: Some(7), optional_capabilities: None }))
    );
    let cancel = Request::CancelTickByTick(REQ_ID);
    assert_eq!(decode(&hex("0000012a0881dea0cb05")), Ok(cancel));
    let Ok(Request::ContractData(details)) =
        decode(&hex("000000d10880dea0cb05121712044141504c1a0353544b4205534d4152545203555344"))
    else {
        panic!("not a contract data request")
    };
    let contract = details.contract.unwrap();
    assert_eq!(contract.symbol.as_deref(), Some("AAPL"));
    assert_eq!(contract.exchange.as_deref(), Some("SMART"));
    assert_eq!(contract.con_id, None);
    for (body, kind, con_id) in [
        ("000001290881dea0cb05121508fe9a101a0353544b4205534d41525452035553441a044c6173742000", "Last", Some(265_598)),
        (
            "000001290882dea0cb05121712044141504c1a0353544b4205534d41525452035553441a07416c6c4c6173742000",
            "AllLast",
            None,
        ),
        (
            "000001290883dea0cb05121712044141504c1a0353544b4205534d41525452035553441a0642696441736b20002801",
            "BidAsk",
            None,
        ),
        (
            "000001290884dea0cb05121712044141504c1a0353544b4205534d41525452035553441a084d6964506f696e742000",
            "MidPoint",
            None,
        ),
    ] {
        let Ok(Request::TickByTick(request)) = decode(&hex(body)) else { panic!("{kind}") };
        assert_eq!(request.tick_type.as_deref(), Some(kind));
        assert_eq!(request.contract.unwrap().con_id, con_id);
        assert_eq!(request.ignore_size, (kind == "BidAsk").then_some(true));
    }
}

#[test]
fn sorts_out_what_it_does_not_serve() {
    // Set the log level; calculate an option's price.
    assert_eq!(decode(&hex("000000d60805")), Ok(Request::Ignored));
    assert_eq!(decode(&hex("000000ff0885dea0cb05")), Ok(Request::Unsupported { number: 55, req_id: 1_500_000_005 }));
    assert_eq!(decode(&hex("00000bb8")), Err(RequestError::Unknown(3_000)));
    assert_eq!(decode(&hex("fffffffe")), Err(RequestError::Unknown(-2)));
    assert_eq!(decode(b"\0\0\x00\x31x"), Err(RequestError::Text(49)));
    assert_eq!(decode(b"\0\0\x01\x29\xff"), Err(RequestError::Undecodable(297)));
}

#[test]
fn writes_notices_and_session_messages_byte_for_byte() {
    assert_eq!(
        Answer::error(-1, 2104, "Market data farm connection is OK:usfarm.nj", 1_795_470_333_964).encode(NEWEST)[0],
        hex(
            "000000cc08ffffffffffffffffff01108cb0fcd2a03418b810222b4d61726b65742064617461206661726d20636f6e6e656374696f6e206973204f4b3a75736661726d2e6e6a"
        )
    );
    let accounts = pb::ManagedAccounts { accounts_list: Some("DU123".into()) };
    assert_eq!(Answer::ManagedAccounts(accounts).encode(NEWEST)[0], hex("000000d70a054455313233"));
    let next = pb::NextValidId { order_id: Some(1) };
    assert_eq!(Answer::NextValidId(next).encode(NEWEST)[0], hex("000000d10801"));
    let time = pb::CurrentTime { current_time: Some(TIME) };
    assert_eq!(Answer::CurrentTime(time).encode(NEWEST)[0], hex("000000f908fde792d806"));
    let end = pb::ContractDataEnd { req_id: Some(1_500_000_000) };
    assert_eq!(Answer::ContractDataEnd(end).encode(NEWEST)[0], hex("000000fc0880dea0cb05"));
}

/// The second of the golden vectors.
const TIME: i64 = 1_795_470_333;

#[test]
fn writes_contract_details_byte_for_byte() {
    let vector = hex(
        "000000d20880dea0cb05122e08fe9a1012044141504c1a0353544b4205534d4152544a064e415344415152035553445a044141504c62034e4d531ac3010a034e4d531204302e30311a0c41435449564554494d2c4144220c534d4152542c4e415344415128013a094150504c4520494e43620a55532f4561737465726e6a2b32303236313033303a303430302d32303236313033303a323030303b32303236313033313a434c4f534544722b32303236313033303a303933302d32303236313033303a313630303b32303236313033313a434c4f534544aa010532362c3236ba0106434f4d4d4f4ec20106302e30303031ca0106302e30303031d20103313030",
    );
    let message = pb::ContractData::decode(&vector[4..]).unwrap();
    assert_eq!(Answer::ContractData(Box::new(message.clone())).encode(NEWEST)[0], vector);
    assert_eq!(message.contract.unwrap().trading_class.as_deref(), Some("NMS"));
    let details = message.contract_details.unwrap();
    assert_eq!(details.min_tick.as_deref(), Some("0.01"));
    assert_eq!(details.time_zone_id.as_deref(), Some("US/Eastern"));
    assert_eq!(details.liquid_hours.as_deref(), Some("20261030:0930-20261030:1600;20261031:CLOSED"));
    assert_eq!(details.suggested_size_increment.as_deref(), Some("100"));
}
