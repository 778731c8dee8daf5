use jiff::civil::date;

use super::*;

fn wanted(sec_type: &str, symbol: &str) -> pb::Contract {
    pb::Contract { sec_type: Some(sec_type.into()), symbol: Some(symbol.into()), ..Default::default() }
}

#[test]
fn ids_are_unique_and_zones_resolve() {
    let catalog = Catalog::on(date(2026, 11, 24));
    for contract in catalog.contracts() {
        assert_eq!(catalog.contracts().iter().filter(|other| other.con_id == contract.con_id).count(), 1);
        jiff::tz::TimeZoneDatabase::bundled().get(contract.hours.zone()).unwrap();
        assert!(contract.trades_at(contract.exchange));
    }
}

#[test]
fn an_id_decides_alone_but_for_the_exchange() {
    let catalog = Catalog::on(date(2026, 11, 24));
    let by_id = |exchange: &str| pb::Contract {
        con_id: Some(711_280_073),
        sec_type: Some("STK".into()),
        exchange: Some(exchange.into()),
        ..Default::default()
    };
    assert_eq!(catalog.find(&by_id(""))[0].symbol, "MNQ");
    assert_eq!(catalog.find(&by_id("cme"))[0].symbol, "MNQ");
    assert!(catalog.find(&by_id("NYSE")).is_empty());
}

#[test]
fn without_an_id_all_that_is_given_must_fit() {
    let catalog = Catalog::on(date(2026, 11, 24));
    assert_eq!(catalog.find(&wanted("FUT", "MNQ"))[0].con_id, 711_280_073);
    let month =
        |month: &str| pb::Contract { last_trade_date_or_contract_month: Some(month.into()), ..wanted("FUT", "ES") };
    assert_eq!(catalog.find(&month("202612")).len(), 1);
    assert!(catalog.find(&month("202703")).is_empty());
    assert!(catalog.find(&wanted("STK", "MNQ")).is_empty());
    assert!(catalog.find(&pb::Contract { currency: Some("EUR".into()), ..wanted("STK", "AAPL") }).is_empty());
    assert!(catalog.find(&pb::Contract::default()).is_empty());
}

#[test]
fn futures_are_the_front_month() {
    let expiry = |year, month, day| front_expiry(date(year, month, day)).unwrap();
    assert_eq!(expiry(2026, 11, 24), (date(2026, 12, 18), 'Z'));
    assert_eq!(expiry(2026, 12, 18), (date(2026, 12, 18), 'Z'));
    assert_eq!(expiry(2026, 12, 19), (date(2027, 3, 19), 'H'));
    let catalog = Catalog::on(date(2027, 4, 1));
    let mnq = catalog.by_id(711_280_073).unwrap();
    assert_eq!((mnq.local_symbol.as_str(), mnq.last_trade_date.as_str()), ("MNQM7", "20270618"));
}
