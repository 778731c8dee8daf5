use super::*;
use crate::wire::answer::HistoricalBars;
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

/// An answer that a real client read, read and written again: equal bytes mean that no field of it is unknown here.
fn again<M: Message + Default>(vector: &str, answer: fn(M) -> Answer) {
    let body = hex(vector);
    assert_eq!(answer(M::decode(&body[4..]).unwrap()).encode(NEWEST), [body], "{vector}");
}

#[test]
fn writes_market_data_byte_for_byte() {
    again("000001020885dea0cb051001", Answer::MarketDataType);
    again("000001190885dea0cb051204302e30311a063963303030312003", Answer::TickReqParams);
    again("000000c90885dea0cb0510011900000000000059402201352801", Answer::TickPrice);
    again("000000ca0885dea0cb0510001a0135", Answer::TickSize);
    again("000000f60885dea0cb05102d1a0a31373836303030303030", Answer::TickString);
    again("000000f50885dea0cb051031190000000000000000", Answer::TickGeneric);
    again("000001010886dea0cb05", Answer::TickSnapshotEnd);
    again("000000d40888dea0cb05121208001000180121000000000000f03f2a0135", Answer::MarketDepth);
    again(
        "000000fa0887dea0cb0510fde792d80619000000000000f03f21000000000000004029000000000000e03f31000000000000f83f3a033130304203312e324807",
        Answer::RealTimeBar,
    );
    again(
        "000000cc0888dea0cb05109bb0fcd2a03418bd0222624d61726b6574206465707468206461746120686173206265656e2052455345542e20506c6561736520656d707479206465657020626f6f6b20636f6e74656e7473206265666f7265206170706c79696e6720616e79206e657720656e74726965732e",
        Answer::Error,
    );
    again("00000135088fb0fcd2a034", Answer::CurrentTimeInMillis);
}

#[test]
fn writes_history_byte_for_byte() {
    again(
        "0000012a0889dea0cb05121b08fde792d8061200190000000000005940220231302a0151320149121a08fde792d8061200196666666666065940220232302a015132001800",
        Answer::HistoricalTicksLast,
    );
    again("0000012a0889dea0cb05121608fee792d80619cdcccccccc0c5940220233302a01511801", Answer::HistoricalTicksLast);
    again(
        "00000129088adea0cb05121e08fde792d80619000000000000f03f2100000000000000402a01313201321801",
        Answer::HistoricalTicksBidAsk,
    );
    let bodies = [
        "000000d9088bdea0cb05123b0a0a3137393534373033333311000000000000f03f19000000000000004021000000000000e03f29000000000000f83f320231303a03312e314003",
        "00000134088bdea0cb05121c32303236313032392031323a30303a30302055532f4561737465726e1a1c32303236313033302031323a30303a30302055532f4561737465726e",
    ]
    .map(hex);
    let bars = HistoricalBars {
        data: pb::HistoricalData::decode(&bodies[0][4..]).unwrap(),
        end: pb::HistoricalDataEnd::decode(&bodies[1][4..]).unwrap(),
    };
    assert_eq!(Answer::HistoricalBars(Box::new(bars)).encode(NEWEST), bodies);
}

#[test]
fn reads_the_other_requests_of_a_real_client() {
    let apple = || {
        let text = |text: &str| Some(text.to_owned());
        Some(pb::Contract {
            symbol: text("AAPL"),
            sec_type: text("STK"),
            exchange: text("SMART"),
            currency: text("USD"),
            ..Default::default()
        })
    };
    let req_id = Some(1_500_000_005);
    let kind = pb::MarketDataTypeRequest { market_data_type: Some(3) };
    assert_eq!(decode(&hex("000001030803")), Ok(Request::MarketDataType(kind)));
    let line = pb::MarketDataRequest {
        req_id,
        contract: apple(),
        generic_tick_list: Some("233".into()),
        ..Default::default()
    };
    let body = "000000c90885dea0cb05121712044141504c1a0353544b4205534d41525452035553441a03323333";
    assert_eq!(decode(&hex(body)), Ok(Request::MarketData(line)));
    let snapshot = pb::MarketDataRequest {
        req_id: Some(1_500_000_006),
        contract: apple(),
        snapshot: Some(true),
        ..Default::default()
    };
    let body = "000000c90886dea0cb05121712044141504c1a0353544b4205534d41525452035553442001";
    assert_eq!(decode(&hex(body)), Ok(Request::MarketData(snapshot)));
    assert_eq!(decode(&hex("000000ca0885dea0cb05")), Ok(Request::CancelMarketData(1_500_000_005)));
    let bars = pb::RealTimeBarsRequest {
        req_id: Some(1_500_000_007),
        contract: apple(),
        bar_size: Some(0),
        what_to_show: Some("TRADES".into()),
        use_rth: Some(true),
        ..Default::default()
    };
    let body = "000000fa0887dea0cb05121712044141504c1a0353544b4205534d4152545203555344180022065452414445532801";
    assert_eq!(decode(&hex(body)), Ok(Request::RealTimeBars(bars)));
    let book = pb::MarketDepthRequest {
        req_id: Some(1_500_000_008),
        contract: apple(),
        num_rows: Some(5),
        ..Default::default()
    };
    let body = "000000d20888dea0cb05121712044141504c1a0353544b4205534d41525452035553441805";
    assert_eq!(decode(&hex(body)), Ok(Request::MarketDepth(book)));
}

#[test]
fn reads_requests_for_history_of_a_real_client() {
    let Ok(Request::HistoricalTicks(trades)) = decode(&hex(
        "000001280889dea0cb05121712044141504c1a0353544b4205534d41525452035553441a1532303236313132332032313a34303a33332055544328e8073206545241444553",
    )) else {
        panic!("not a request for trades")
    };
    assert_eq!(trades.start_date_time.as_deref(), Some("20261123 21:40:33 UTC"));
    assert_eq!((trades.number_of_ticks, trades.what_to_show.as_deref()), (Some(1_000), Some("TRADES")));
    let Ok(Request::HistoricalTicks(quotes)) = decode(&hex(
        "00000128088adea0cb05121712044141504c1a0353544b4205534d4152545203555344221532303236313132332032313a34303a33332055544328e80732074249445f41534b3801",
    )) else {
        panic!("not a request for quotes")
    };
    assert_eq!(quotes.end_date_time.as_deref(), Some("20261123 21:40:33 UTC"));
    assert_eq!((quotes.what_to_show.as_deref(), quotes.use_rth), (Some("BID_ASK"), Some(true)));
    let Ok(Request::HistoricalData(bars)) = decode(&hex(
        "000000dc088bdea0cb05121712044141504c1a0353544b4205534d4152545203555344220531206d696e2a0331204430013a065452414445534002",
    )) else {
        panic!("not a request for bars")
    };
    assert_eq!((bars.bar_size_setting.as_deref(), bars.duration.as_deref()), (Some("1 min"), Some("1 D")));
    assert_eq!((bars.what_to_show.as_deref(), bars.use_rth, bars.format_date), (Some("TRADES"), Some(true), Some(2)));
}
