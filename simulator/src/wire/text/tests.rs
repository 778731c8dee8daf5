use super::super::answer::{Answer, HistoricalBars};
use super::super::pb;
use super::super::request::{Request, RequestError};

const NEWEST: i32 = 178;

/// A body with `|` for NUL.
fn read_at(version: i32, body: &str) -> Result<Request, RequestError> {
    super::decode(version, body.replace('|', "\0").as_bytes())
}

fn read(body: &str) -> Result<Request, RequestError> {
    read_at(NEWEST, body)
}

fn written_at(version: i32, answer: &Answer) -> String {
    String::from_utf8(super::encode(version, answer)).unwrap().replace('\0', "|")
}

fn written(answer: &Answer) -> String {
    written_at(NEWEST, answer)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The contract in [`FUTURE`].
fn future() -> pb::Contract {
    pb::Contract {
        con_id: Some(0),
        symbol: text("ES"),
        sec_type: text("FUT"),
        last_trade_date_or_contract_month: text("202612"),
        strike: Some(0.0),
        multiplier: Some(50.0),
        exchange: text("CME"),
        currency: text("USD"),
        ..Default::default()
    }
}

const FUTURE: &str = "0|ES|FUT|202612|0.0||50|CME||USD|||";

#[test]
fn reads_the_session() {
    let start = pb::StartApiRequest { client_id: Some(7), optional_capabilities: None };
    assert_eq!(read("71|2|7||"), Ok(Request::StartApi(start)));
    assert_eq!(read("49|1|"), Ok(Request::CurrentTime));
    assert_eq!(read("8|1|1|"), Ok(Request::Ids));
    assert_eq!(read("17|1|"), Ok(Request::ManagedAccounts));
    assert_eq!(read("59|1|3|"), Ok(Request::MarketDataType(pb::MarketDataTypeRequest { market_data_type: Some(3) })));
    assert_eq!(read("14|1|5|"), Ok(Request::Ignored));
}

#[test]
fn reads_what_a_client_asks_for_at_its_start() {
    assert_eq!(read("5|1|"), Ok(Request::OpenOrders));
    assert_eq!(read("15|1|1|"), Ok(Request::Ignored));
    assert_eq!(read("16|1|"), Ok(Request::OpenOrders));
    assert_eq!(read("61|1|"), Ok(Request::Positions));
    assert_eq!(read("99|0|"), Ok(Request::CompletedOrders));
    assert_eq!(read("7|3|4|0|||||||"), Ok(Request::Executions(4)));
    assert_eq!(read("62|1|5|All|NetLiquidation|"), Ok(Request::AccountSummary(5)));
    assert_eq!(read("76|1|6|DU1||0|"), Ok(Request::AccountUpdatesMulti(6)));
    assert_eq!(read("80|"), Ok(Request::FamilyCodes));
    let account = pb::AccountDataRequest { subscribe: Some(true), acct_code: text("DU1") };
    assert_eq!(read("6|2|1|DU1|"), Ok(Request::AccountData(account)));
}

#[test]
fn reads_contract_details_of_each_version() {
    let request = |issuer: Option<&str>| {
        let contract = pb::Contract {
            include_expired: Some(true),
            sec_id_type: text("ISIN"),
            sec_id: text("US1"),
            issuer_id: issuer.map(str::to_owned),
            ..future()
        };
        Ok(Request::ContractData(pb::ContractDataRequest { req_id: Some(9), contract: Some(contract) }))
    };
    assert_eq!(read_at(175, &format!("9|8|9|{FUTURE}1|ISIN|US1|")), request(None));
    assert_eq!(read_at(176, &format!("9|8|9|{FUTURE}1|ISIN|US1|e1|")), request(Some("e1")));
    assert_eq!(read_at(176, &format!("9|8|9|{FUTURE}1|ISIN|US1|")), Err(RequestError::Undecodable(9)));
}

#[test]
fn reads_subscriptions_and_their_cancels() {
    let contract = Some(future());
    assert_eq!(
        read(&format!("97|3|{FUTURE}BidAsk|0|1|")),
        Ok(Request::TickByTick(pb::TickByTickRequest {
            req_id: Some(3),
            contract: contract.clone(),
            tick_type: text("BidAsk"),
            number_of_ticks: Some(0),
            ignore_size: Some(true),
        }))
    );
    assert_eq!(
        read(&format!("1|11|3|{FUTURE}0|233,236|1|0|a=b;c=;|")),
        Ok(Request::MarketData(pb::MarketDataRequest {
            req_id: Some(3),
            contract: contract.clone(),
            generic_tick_list: text("233,236"),
            snapshot: Some(true),
            regulatory_snapshot: Some(false),
            market_data_options: [("a".into(), "b".into()), ("c".into(), String::new())].into(),
        }))
    );
    assert_eq!(
        read(&format!("10|5|3|{FUTURE}5|1||")),
        Ok(Request::MarketDepth(pb::MarketDepthRequest {
            req_id: Some(3),
            contract: contract.clone(),
            num_rows: Some(5),
            is_smart_depth: Some(true),
            market_depth_options: Default::default(),
        }))
    );
    assert_eq!(
        read(&format!("50|3|3|{FUTURE}5|TRADES|0||")),
        Ok(Request::RealTimeBars(pb::RealTimeBarsRequest {
            req_id: Some(3),
            contract,
            bar_size: Some(5),
            what_to_show: text("TRADES"),
            use_rth: Some(false),
            real_time_bars_options: Default::default(),
        }))
    );
    assert_eq!(read("98|3|"), Ok(Request::CancelTickByTick(3)));
    assert_eq!(read("2|2|3|"), Ok(Request::CancelMarketData(3)));
    assert_eq!(read("11|1|3|1|"), Ok(Request::CancelMarketDepth(3)));
    assert_eq!(read("51|1|3|"), Ok(Request::CancelRealTimeBars(3)));
    assert_eq!(read("25|1|3|"), Ok(Request::CancelHistoricalData(3)));
    assert_eq!(read("90|3|"), Ok(Request::CancelHeadTimestamp(3)));
}

#[test]
fn reads_combinations() {
    let Ok(Request::MarketData(request)) =
        read("1|11|3|0|X|BAG||0.0|||SMART||USD|||2|1|1|BUY|SMART|2|3|SELL|CME|1|5|0.5|6.5||0|0||")
    else {
        panic!("not a market data request")
    };
    let contract = request.contract.unwrap();
    assert_eq!(contract.combo_legs.len(), 2);
    assert_eq!((contract.combo_legs[1].ratio, contract.combo_legs[1].action.as_deref()), (Some(3), Some("SELL")));
    let neutral = pb::DeltaNeutralContract { con_id: Some(5), delta: Some(0.5), price: Some(6.5) };
    assert_eq!(contract.delta_neutral_contract, Some(neutral));
}

#[test]
fn reads_requests_for_history() {
    let contract = Some(pb::Contract { include_expired: Some(false), ..future() });
    assert_eq!(
        read(&format!("96|3|{FUTURE}0|20261123-21:40:33||1000|TRADES|0|0||")),
        Ok(Request::HistoricalTicks(pb::HistoricalTicksRequest {
            req_id: Some(3),
            contract: contract.clone(),
            start_date_time: text("20261123-21:40:33"),
            end_date_time: None,
            number_of_ticks: Some(1000),
            what_to_show: text("TRADES"),
            use_rth: Some(false),
            ignore_size: Some(false),
            misc_options: Default::default(),
        }))
    );
    assert_eq!(
        read(&format!("20|3|{FUTURE}0||1 min|1 D|1|TRADES|2|1||")),
        Ok(Request::HistoricalData(pb::HistoricalDataRequest {
            req_id: Some(3),
            contract: contract.clone(),
            end_date_time: None,
            bar_size_setting: text("1 min"),
            duration: text("1 D"),
            use_rth: Some(true),
            what_to_show: text("TRADES"),
            format_date: Some(2),
            keep_up_to_date: Some(true),
            chart_options: Default::default(),
        }))
    );
    assert_eq!(
        read(&format!("87|3|{FUTURE}0|1|TRADES|2|")),
        Ok(Request::HeadTimestamp(pb::HeadTimestampRequest {
            req_id: Some(3),
            contract,
            use_rth: Some(true),
            what_to_show: text("TRADES"),
            format_date: Some(2),
        }))
    );
}

#[test]
fn says_what_it_cannot_read() {
    assert_eq!(read(&format!("97|x|{FUTURE}Last|0|0|")), Err(RequestError::Undecodable(97)));
    assert_eq!(read("97|3|0|ES|"), Err(RequestError::Undecodable(97)));
    assert_eq!(read("98||"), Err(RequestError::Undecodable(98)));
    assert_eq!(read(&format!("1|11|3|{FUTURE}0||0|0|no option|")), Err(RequestError::Undecodable(1)));
    // Newer than this version, and no number at all.
    for number in ["105", "107", "297", "0", "-2"] {
        assert_eq!(read(&format!("{number}|")), Err(RequestError::Unknown(number.parse().unwrap())));
    }
    assert_eq!(read("garbage"), Err(RequestError::Unknown(0)));
    assert_eq!(super::decode(NEWEST, &[0xff, 0, 0, 1]), Err(RequestError::Unknown(0)));
    assert_eq!(read("22|4|"), Ok(Request::Unsupported { number: 22, req_id: -1 }));
}

#[test]
fn writes_session_messages_and_errors() {
    let accounts = pb::ManagedAccounts { accounts_list: text("DU123") };
    assert_eq!(written(&Answer::ManagedAccounts(accounts)), "15|1|DU123|");
    assert_eq!(written(&Answer::NextValidId(pb::NextValidId { order_id: Some(1) })), "9|1|1|");
    let error = Answer::error(3, 200, "No definition: d\u{e9}j\u{e0} \u{1f600}\0", 1);
    assert_eq!(written(&error), "4|2|3|200|No definition: d\\u00e9j\\u00e0 \\ud83d\\ude00 ||");
    assert_eq!(written_at(165, &Answer::error(-1, 2104, "OK", 1)), "4|2|-1|2104|OK|");
    assert_eq!(written(&Answer::CompletedOrdersEnd(pb::ListEnd {})), "102|");
    assert_eq!(written(&Answer::PositionsEnd(pb::ListEnd {})), "62|1|");
    assert_eq!(written(&Answer::SoftDollarTiers(pb::RequestEnd { req_id: Some(4) })), "77|4|0|");
}

#[test]
fn writes_contract_details_of_each_version() {
    let details = pb::ContractDetails {
        market_name: text("ES"),
        min_tick: text("0.25"),
        order_types: text("LMT,MKT"),
        valid_exchanges: text("CME"),
        price_magnifier: Some(1),
        long_name: text("E-mini"),
        contract_month: text("202612"),
        time_zone_id: text("US/Central"),
        trading_hours: text("20261218:CLOSED"),
        liquid_hours: text("20261218:CLOSED"),
        sec_id_list: [("ISIN".into(), "US1".into())].into(),
        market_rule_ids: text("67"),
        real_expiration_date: text("20261218"),
        min_size: text("1"),
        size_increment: text("1"),
        suggested_size_increment: text("2"),
        ..Default::default()
    };
    let contract = pb::Contract { con_id: Some(5), ..future() };
    let answer = Answer::ContractData(Box::new(pb::ContractData {
        req_id: Some(9),
        contract: Some(contract),
        contract_details: Some(details),
    }));
    let head = "9|ES|FUT|202612|0||CME|USD||ES||5|0.25|";
    let tail = "50|LMT,MKT|CME|1|0|E-mini||202612||||US/Central|20261218:CLOSED|20261218:CLOSED||0|1|ISIN|US1|0|||67|\
                20261218||";
    assert_eq!(written_at(162, &answer), format!("10|8|{head}1|{tail}"));
    assert_eq!(written_at(163, &answer), format!("10|8|{head}1|{tail}2|"));
    assert_eq!(written_at(164, &answer), format!("10|{head}{tail}1|1|2|"));
    assert_eq!(written(&answer), format!("10|{head}{tail}1|1|2|"));
}

#[test]
fn writes_market_data() {
    let req_id = Some(3);
    let price = pb::TickPrice { req_id, tick_type: Some(1), price: Some(100.25), size: text("5"), attr_mask: Some(1) };
    assert_eq!(written(&Answer::TickPrice(price)), "1|6|3|1|100.25|5|1|");
    let size = pb::TickSize { req_id, tick_type: Some(0), size: text("5") };
    assert_eq!(written(&Answer::TickSize(size)), "2|6|3|0|5|");
    let generic = pb::TickGeneric { req_id, tick_type: Some(49), value: Some(0.0) };
    assert_eq!(written(&Answer::TickGeneric(generic)), "45|6|3|49|0|");
    let string = pb::TickString { req_id, tick_type: Some(45), value: text("1795470333") };
    assert_eq!(written(&Answer::TickString(string)), "46|6|3|45|1795470333|");
    let option = pb::TickOptionComputation { req_id, tick_type: Some(10), delta: Some(0.5), ..Default::default() };
    assert_eq!(written(&Answer::TickOptionComputation(option)), "21|3|10|0|-1|0.5|-1|-1|-2|-2|-2|-1|");
    let parameters = pb::TickReqParams {
        req_id,
        min_tick: text("0.01"),
        bbo_exchange: text("9c0001"),
        snapshot_permissions: Some(3),
        ..Default::default()
    };
    assert_eq!(written(&Answer::TickReqParams(parameters)), "81|3|0.01|9c0001|3|");
    let kind = pb::MarketDataType { req_id, market_data_type: Some(3) };
    assert_eq!(written(&Answer::MarketDataType(kind)), "58|1|3|3|");
    assert_eq!(written(&Answer::TickSnapshotEnd(pb::TickSnapshotEnd { req_id })), "57|1|3|");
    let row = pb::MarketDepthData {
        position: Some(0),
        operation: Some(1),
        side: Some(1),
        price: Some(100.0),
        size: text("5"),
        market_maker: text("ARCA"),
        is_smart_depth: Some(true),
    };
    let depth = pb::MarketDepth { req_id, market_depth_data: Some(row) };
    assert_eq!(written(&Answer::MarketDepth(depth.clone())), "12|1|3|0|1|1|100|5|");
    assert_eq!(written(&Answer::MarketDepthL2(depth)), "13|1|3|0|ARCA|1|1|100|5|1|");
    let bar = pb::RealTimeBarTick {
        req_id,
        time: Some(1_795_470_330),
        open: Some(1.0),
        high: Some(4.0),
        low: Some(0.5),
        close: Some(1.5),
        volume: text("10"),
        wap: text("1.2"),
        count: Some(7),
    };
    assert_eq!(written(&Answer::RealTimeBar(bar)), "50|3|3|1795470330|1|4|0.5|1.5|10|1.2|7|");
}

#[test]
fn writes_history() {
    let (req_id, time, is_done) = (Some(3), Some(1_795_470_333), Some(true));
    let attributes = pb::TradeAttributes { past_limit: None, unreported: Some(true) };
    let trade = pb::TradeTick {
        time,
        attributes: Some(attributes),
        price: Some(100.0),
        size: text("10"),
        exchange: text("Q"),
        special_conditions: text("I"),
    };
    let trades = pb::HistoricalTicksLast { req_id, ticks: vec![trade], is_done };
    assert_eq!(written(&Answer::HistoricalTicksLast(trades)), "98|3|1|1795470333|2|100|10|Q|I|1|");
    let attributes = pb::QuoteAttributes { bid_past_low: Some(true), ask_past_high: None };
    let quote = pb::QuoteTick {
        time,
        attributes: Some(attributes),
        price_bid: Some(1.0),
        price_ask: Some(2.0),
        size_bid: text("1"),
        size_ask: text("2"),
    };
    let quotes = pb::HistoricalTicksBidAsk { req_id, ticks: vec![quote], is_done };
    assert_eq!(written(&Answer::HistoricalTicksBidAsk(quotes)), "97|3|1|1795470333|2|1|2|1|2|1|");
    let mid = pb::MidTick { time, price: Some(1.5), size: text("0") };
    let mids = pb::HistoricalTicks { req_id, ticks: vec![mid], is_done: Some(false) };
    assert_eq!(written(&Answer::HistoricalTicks(mids)), "96|3|1|1795470333|0|1.5|0|0|");

    let bar = pb::HistoricalBar {
        date: text("1795470333"),
        open: Some(1.0),
        high: Some(4.0),
        low: Some(0.5),
        close: Some(1.5),
        volume: text("10"),
        wap: text("1.1"),
        bar_count: Some(3),
    };
    let update = pb::HistoricalDataUpdate { req_id, bar: Some(bar.clone()) };
    assert_eq!(written(&Answer::HistoricalDataUpdate(update)), "90|3|3|1795470333|1|1.5|4|0.5|1.1|10|");
    let bars = HistoricalBars {
        data: pb::HistoricalData { req_id, bars: vec![bar] },
        end: pb::HistoricalDataEnd { req_id, start_date_str: text("a"), end_date_str: text("b") },
    };
    assert_eq!(written(&Answer::HistoricalBars(Box::new(bars))), "17|3|a|b|1|1795470333|1|4|0.5|1.5|10|1.1|3|");
    let session = pb::HistoricalSession { start_date_time: text("c"), end_date_time: text("d"), ref_date: text("e") };
    let schedule = pb::HistoricalSchedule {
        req_id,
        start_date_time: text("a"),
        end_date_time: text("b"),
        time_zone: text("UTC"),
        sessions: vec![session],
    };
    assert_eq!(written(&Answer::HistoricalSchedule(schedule)), "106|3|a|b|UTC|1|c|d|e|");
    let head = pb::HeadTimestamp { req_id, head_timestamp: text("1") };
    assert_eq!(written(&Answer::HeadTimestamp(head)), "88|3|1|");
}

#[test]
fn writes_reference_data() {
    let increments = vec![pb::PriceIncrement { low_edge: Some(0.0), increment: Some(0.25) }];
    let rule = pb::MarketRule { market_rule_id: Some(67), price_increments: increments };
    assert_eq!(written(&Answer::MarketRule(rule)), "93|67|1|0|0.25|");
    let sample = pb::ContractDescription { contract: Some(future()), derivative_sec_types: vec!["OPT".into()] };
    let samples = Answer::SymbolSamples(pb::SymbolSamples { req_id: Some(3), contract_descriptions: vec![sample] });
    assert_eq!(written_at(175, &samples), "79|3|1|0|ES|FUT||USD|1|OPT|");
    assert_eq!(written(&samples), "79|3|1|0|ES|FUT||USD|1|OPT|||");
    let component = pb::SmartComponent { bit_number: Some(0), exchange: text("ARCA"), exchange_letter: text("P") };
    let components = pb::SmartComponents { req_id: Some(3), smart_components: vec![component] };
    assert_eq!(written(&Answer::SmartComponents(components)), "82|3|1|0|ARCA|P|");
}
