use jiff::civil::date;

use super::*;

/// 2026-11-24 12:00 UTC.
const NOW: i64 = 1_795_521_600;
/// Last second of MNQZ6, which ends on 2026-12-18 at 8:30 in Chicago.
const LAST_OF_FRONT: i64 = 1_797_604_199;

fn catalog() -> Catalog {
    Catalog::on(date(2026, 11, 24))
}

fn wanted(sec_type: &str, symbol: &str) -> pb::Contract {
    pb::Contract { sec_type: Some(sec_type.into()), symbol: Some(symbol.into()), ..Default::default() }
}

fn symbols(found: &[&Contract]) -> Vec<String> {
    found.iter().map(|contract| contract.local_symbol.clone()).collect()
}

#[test]
fn ids_are_unique_and_zones_resolve() {
    let catalog = catalog();
    for contract in catalog.contracts() {
        assert_eq!(catalog.contracts().iter().filter(|other| other.con_id == contract.con_id).count(), 1);
        assert!(crate::market::hours::zone(contract.hours.zone()).is_some());
        assert!(contract.trades_at(contract.exchange));
        assert!(contract.base_steps > contract.swing_steps, "{}: prices are positive", contract.symbol);
        assert_eq!(contract.sec_type == "FUT", contract.end_s.is_some());
    }
}

#[test]
fn ids_that_settings_name_stay() {
    let catalog = catalog();
    for (con_id, symbol) in [
        (711_280_073, "MNQ"),
        (495_512_563, "ES"),
        (265_598, "AAPL"),
        (BTC_USD_CON_ID, "BTC"),
        (FIRST_TEST_CON_ID, "SIM1"),
        (FIRST_TEST_CON_ID + 7, "SIM8"),
        (THIN_CON_ID, "SIMTHIN"),
        (HALT_CON_ID, "SIMHALT"),
        (HALTED_CON_ID, "SIMHALTED"),
    ] {
        assert_eq!(catalog.by_id(con_id).unwrap().symbol, symbol);
    }
}

#[test]
fn an_id_decides_alone_but_for_the_exchange() {
    let catalog = catalog();
    let by_id = |exchange: &str| pb::Contract {
        con_id: Some(711_280_073),
        sec_type: Some("STK".into()),
        exchange: Some(exchange.into()),
        ..Default::default()
    };
    assert_eq!(catalog.find_at(&by_id(""), NOW)[0].symbol, "MNQ");
    assert_eq!(catalog.find_at(&by_id("cme"), NOW)[0].symbol, "MNQ");
    assert!(catalog.find_at(&by_id("NYSE"), NOW).is_empty());
}

#[test]
fn without_an_id_all_that_is_given_must_fit() {
    let catalog = catalog();
    let month =
        |month: &str| pb::Contract { last_trade_date_or_contract_month: Some(month.into()), ..wanted("FUT", "MNQ") };
    assert_eq!(catalog.find_at(&month("202612"), NOW)[0].con_id, 711_280_073);
    assert_eq!(symbols(&catalog.find_at(&month("20270319"), NOW)), ["MNQH7"]);
    assert!(catalog.find_at(&month("202701"), NOW).is_empty());
    assert!(catalog.find_at(&wanted("STK", "MNQ"), NOW).is_empty());
    assert!(catalog.find_at(&pb::Contract { currency: Some("EUR".into()), ..wanted("STK", "AAPL") }, NOW).is_empty());
    assert!(catalog.find_at(&pb::Contract::default(), NOW).is_empty());
}

#[test]
fn expired_contracts_are_found_only_when_asked_for() {
    let catalog = catalog();
    let expired_too = pb::Contract { include_expired: Some(true), ..wanted("FUT", "ES") };
    let listed = ["ESZ6", "ESH7", "ESM7", "ESU7", "ESZ7", "ESH8", "ESM8", "ESU8", "ESZ8"];
    assert_eq!(symbols(&catalog.find_at(&wanted("FUT", "ES"), NOW)), listed);
    assert_eq!(symbols(&catalog.find_at(&expired_too, NOW)), [&["ESM6", "ESU6"][..], &listed].concat());
    let by_id = pb::Contract { con_id: Some(711_280_073), ..Default::default() };
    assert_eq!(catalog.find_at(&by_id, LAST_OF_FRONT).len(), 1);
    assert!(catalog.find_at(&by_id, LAST_OF_FRONT + 1).is_empty());
    let by_id = pb::Contract { include_expired: Some(true), ..by_id };
    assert_eq!(catalog.find_at(&by_id, LAST_OF_FRONT + 1).len(), 1);
}

#[test]
fn a_continuous_future_is_the_front_one_and_rolls_when_it_expires() {
    let catalog = catalog();
    let front = |second| {
        let found = catalog.find_at(&wanted("contfut", "MNQ"), second);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].sec_type, CONTINUOUS);
        (found[0].con_id, found[0].local_symbol.clone())
    };
    assert_eq!(front(NOW), (711_280_073, "MNQZ6".to_owned()));
    assert_eq!(front(LAST_OF_FRONT), (711_280_073, "MNQZ6".to_owned()));
    let next = catalog.find_at(&wanted("FUT", "MNQ"), LAST_OF_FRONT + 1)[0];
    assert_eq!(front(LAST_OF_FRONT + 1), (next.con_id, "MNQH7".to_owned()));
    // The future itself stays what it is.
    assert_eq!(catalog.by_id(711_280_073).unwrap().sec_type, "FUT");
    assert!(catalog.find_at(&wanted("CONTFUT", "AAPL"), NOW).is_empty());
}

#[test]
fn halts_are_a_function_of_time() {
    let hourly = Halts::Hourly { from: 10, to: 20 };
    assert_eq!(
        [599, 600, 1_199, 1_200, 4_200].map(|second| hourly.halted_at(second)),
        [false, true, true, false, true]
    );
    assert!(Halts::Always.halted_at(0) && !Halts::Never.halted_at(0));
}
