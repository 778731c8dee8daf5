//! Whether what IBKR answers is what the manifest means, and how to say that it is not. Pure.

use std::collections::BTreeSet;

use ibapi::contracts::{Contract as IbContract, ContractDetails};
use marketstream_crds::Contract;

/// A contract in a message.
#[must_use]
pub fn name(contract: &IbContract) -> String {
    format!(
        "{} (conId {}, {} {} {})",
        contract.local_symbol,
        contract.contract_id,
        contract.exchange,
        contract.currency,
        contract.last_trade_date_or_contract_month
    )
}

/// What the manifest says of a contract that its `conId` contradicts. A description without `conId` is matched by IBKR.
#[must_use]
pub fn mismatch(wanted: &Contract, details: &ContractDetails) -> Option<String> {
    let found = &details.contract;
    wanted.con_id?;
    let kind = found.security_type.to_string();
    let wanted_kind = wanted.sec_type.map(|kind| kind.as_str().to_owned());
    let same = |wanted: &str, found: &str| wanted.eq_ignore_ascii_case(found);
    let starts = |wanted: &str, found: &str| found.starts_with(wanted);
    let number = |wanted: &str, found: &str| match (wanted.parse::<f64>(), found.parse::<f64>()) {
        (Ok(wanted), Ok(found)) => (wanted - found).abs() < f64::EPSILON,
        _ => wanted == found,
    };
    let (symbol, currency) = (found.symbol.as_str(), found.currency.as_str());
    type Fits = fn(&str, &str) -> bool;
    let fields: [(&str, Option<&String>, &str, Fits); 7] = [
        ("symbol", wanted.symbol.as_ref(), symbol, same),
        ("secType", wanted_kind.as_ref(), &kind, same),
        ("currency", wanted.currency.as_ref(), currency, same),
        ("lastTradeDate", wanted.last_trade_date.as_ref(), &found.last_trade_date_or_contract_month, starts),
        ("localSymbol", wanted.local_symbol.as_ref(), &found.local_symbol, same),
        ("tradingClass", wanted.trading_class.as_ref(), &found.trading_class, same),
        ("multiplier", wanted.multiplier.as_ref(), &found.multiplier, number),
    ];
    let wrong = fields.into_iter().find_map(|(field, wanted, found, fits)| {
        let wanted = wanted.filter(|wanted| !fits(wanted, found))?;
        Some(format!("{field} is {found:?} there, not {wanted:?}"))
    })?;
    Some(format!("conId names {}, but {wrong}: correct conId, or remove the field", name(found)))
}

/// Why these expiries are not of one future, if they are not.
#[must_use]
pub fn several_futures(details: &[ContractDetails]) -> Option<String> {
    let futures: BTreeSet<(String, &str, &str)> = details
        .iter()
        .map(|details| {
            let contract = &details.contract;
            (contract.currency.to_string(), contract.trading_class.as_str(), contract.multiplier.as_str())
        })
        .collect();
    if futures.len() < 2 {
        return None;
    }
    let list: Vec<String> = futures
        .iter()
        .map(|(currency, class, multiplier)| format!("tradingClass {class} multiplier {multiplier} {currency}"))
        .collect();
    Some(format!(
        "the description fits several futures ({}): add tradingClass, multiplier or currency",
        list.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use ibapi::contracts::SecurityType;
    use marketstream_crds::SecType;

    use super::*;

    fn mnq() -> ContractDetails {
        let contract = IbContract {
            contract_id: 7,
            symbol: "MNQ".into(),
            security_type: SecurityType::Future,
            last_trade_date_or_contract_month: "20261218".to_owned(),
            multiplier: "2".to_owned(),
            exchange: "CME".into(),
            currency: "USD".into(),
            local_symbol: "MNQZ6".to_owned(),
            trading_class: "MNQ".to_owned(),
            ..IbContract::default()
        };
        ContractDetails { contract, ..ContractDetails::default() }
    }

    fn wanted(fields: serde_json::Value) -> Contract {
        let mut contract = serde_json::json!({"name": "a", "conId": 7, "ticks": ["Last"]});
        contract.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(contract).unwrap()
    }

    #[test]
    fn an_identifier_and_fields_that_agree_are_fine() {
        for fields in [
            serde_json::json!({}),
            serde_json::json!({"symbol": "mnq", "secType": "FUT", "currency": "USD", "lastTradeDate": "202612"}),
            serde_json::json!({"lastTradeDate": "20261218", "multiplier": "2.0", "localSymbol": "MNQZ6"}),
        ] {
            assert_eq!(mismatch(&wanted(fields.clone()), &mnq()), None, "{fields}");
        }
    }

    #[test]
    fn a_field_that_contradicts_the_identifier_is_named() {
        for (field, value) in [
            ("symbol", "ES"),
            ("secType", "STK"),
            ("currency", "EUR"),
            ("lastTradeDate", "202703"),
            ("localSymbol", "MNQH7"),
            ("tradingClass", "NQ"),
            ("multiplier", "20"),
        ] {
            let problem = mismatch(&wanted(serde_json::json!({(field): value})), &mnq()).unwrap();
            for part in [field, value, "conId 7", "MNQZ6"] {
                assert!(problem.contains(part), "{part}: {problem}");
            }
        }
    }

    #[test]
    fn without_an_identifier_ibkr_has_matched_the_fields() {
        let by_fields =
            Contract { con_id: None, symbol: Some("ES".into()), sec_type: Some(SecType::FUT), ..Contract::default() };
        assert_eq!(mismatch(&by_fields, &mnq()), None);
    }

    #[test]
    fn expiries_of_two_futures_are_told_apart() {
        let mut later = mnq();
        later.contract.last_trade_date_or_contract_month = "20270319".to_owned();
        assert_eq!(several_futures(&[mnq(), later.clone()]), None);
        later.contract.multiplier = "20".to_owned();
        let problem = several_futures(&[mnq(), later]).unwrap();
        assert!(problem.contains("multiplier 2 ") && problem.contains("multiplier 20 "), "{problem}");
    }
}
