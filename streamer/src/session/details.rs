//! Contract details: which contract the manifest means, and when it trades.

use std::time::Duration;

use ibapi::{
    Client, Error,
    contracts::{Contract as IbContract, ContractDetails, SecurityType},
};
use marketstream_crds::{Contract, Hours};
use marketstream_recovery::hours::TradingHours;

use crate::plan::{Calendar, calendar};

/// Contracts that are listed in a message about an ambiguous description.
const LISTED: usize = 4;

/// A contract that IBKR knows.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The contract to subscribe with.
    pub contract: IbContract,
    /// The hours in which its silence counts; `None` when they cannot be known.
    pub hours: Option<TradingHours>,
}

/// Why a contract is not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// The gateway refused it with this code and text.
    Refused(i32, String),
    /// The description fits several contracts, or the answer makes no sense: only a changed manifest helps.
    Invalid(String),
    /// No answer, or a lost session.
    NoAnswer,
}

/// The request for a contract's details. What the manifest leaves out is left out: the library's defaults would ask
/// for a US stock.
#[must_use]
pub fn request(contract: &Contract) -> IbContract {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let sec_type = contract.sec_type.map(|kind| kind.as_str()).unwrap_or_default();
    IbContract {
        contract_id: contract.con_id.unwrap_or_default(),
        symbol: text(&contract.symbol).into(),
        security_type: sec_type.parse().unwrap_or_else(|_| SecurityType::Other(sec_type.to_owned())),
        last_trade_date_or_contract_month: text(&contract.last_trade_date),
        multiplier: text(&contract.multiplier),
        exchange: text(&contract.exchange).into(),
        currency: text(&contract.currency).into(),
        local_symbol: text(&contract.local_symbol),
        trading_class: text(&contract.trading_class),
        ..IbContract::default()
    }
}

/// Asks the gateway, within `bound`.
///
/// # Errors
/// See [`Unresolved`].
pub async fn resolve(client: &Client, contract: &Contract, bound: Duration) -> Result<Resolved, Unresolved> {
    let request = request(contract);
    let answer = async {
        let mut details = client.contract_details_stream(&request).subscribe().await?;
        // The library bounds no look-up by itself (measured).
        details.collect_to_end_within(bound).await
    };
    match tokio::time::timeout(bound, answer).await {
        Ok(Ok(details)) => choose(contract, details),
        Ok(Err(Error::Notice(notice))) => Err(Unresolved::Refused(notice.code, notice.message)),
        Ok(Err(error)) => {
            tracing::debug!(contract = contract.name, %error, "the look-up of a contract failed");
            Err(Unresolved::NoAnswer)
        }
        Err(_) => Err(Unresolved::NoAnswer),
    }
}

/// The one contract that the answer names. A stock without an exchange is answered once for each of its exchanges,
/// always with the same identifier: then the manifest's exchange counts, or else smart routing.
fn choose(wanted: &Contract, details: Vec<ContractDetails>) -> Result<Resolved, Unresolved> {
    let mut ids: Vec<i32> = details.iter().map(|details| details.contract.contract_id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > 1 {
        return Err(Unresolved::Invalid(ambiguous(&details, ids.len())));
    }
    let exchange = wanted.exchange.as_deref().unwrap_or("SMART");
    let place = details.iter().position(|details| details.contract.exchange.as_str() == exchange).unwrap_or(0);
    let Some(chosen) = details.into_iter().nth(place) else {
        // The gateway answers 200 when it knows no such contract; an empty answer is a look-up that was cut short.
        return Err(Unresolved::NoAnswer);
    };
    let hours = hours(wanted.hours, &chosen);
    Ok(Resolved { contract: chosen.contract, hours })
}

fn ambiguous(details: &[ContractDetails], count: usize) -> String {
    let examples: Vec<String> = details
        .iter()
        .take(LISTED)
        .map(|details| {
            let contract = &details.contract;
            format!(
                "{} (conId {}, {} {} {})",
                contract.local_symbol,
                contract.contract_id,
                contract.exchange,
                contract.currency,
                contract.last_trade_date_or_contract_month
            )
        })
        .collect();
    format!(
        "the description fits {count} contracts, such as {}: add conId, or exchange, currency, lastTradeDate, \
         localSymbol, tradingClass or multiplier",
        examples.join(", ")
    )
}

fn hours(wanted: Hours, details: &ContractDetails) -> Option<TradingHours> {
    let text = match calendar(wanted, &details.contract.security_type.to_string()) {
        Calendar::Always => return Some(TradingHours::always()),
        Calendar::Trading => details.trading_hours.join(";"),
        Calendar::Liquid => details.liquid_hours.join(";"),
    };
    TradingHours::parse(&text, &details.time_zone_id)
        .inspect_err(|error| {
            let contract = details.contract.contract_id;
            tracing::warn!(contract, %error, "the contract's hours cannot be read; its silence counts at any time");
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use marketstream_recovery::hours::SessionState;

    use super::*;

    fn details(con_id: i32, exchange: &str) -> ContractDetails {
        ContractDetails {
            contract: IbContract {
                contract_id: con_id,
                exchange: exchange.to_owned().into(),
                security_type: SecurityType::Stock,
                ..IbContract::default()
            },
            ..ContractDetails::default()
        }
    }

    #[test]
    fn a_con_id_alone_asks_for_nothing_else() {
        let asked = request(&Contract { con_id: Some(7), ..Contract::default() });
        assert_eq!(asked.contract_id, 7);
        for text in [
            asked.symbol.to_string(),
            asked.security_type.to_string(),
            asked.exchange.to_string(),
            asked.currency.to_string(),
        ] {
            assert_eq!(text, "");
        }
    }

    #[test]
    fn one_contract_on_several_exchanges_is_not_ambiguous() {
        let answer = vec![details(1, "NASDAQ"), details(1, "SMART"), details(1, "ARCA")];
        let on = |exchange: Option<&str>| {
            let wanted = Contract { exchange: exchange.map(str::to_owned), ..Contract::default() };
            choose(&wanted, answer.clone()).unwrap().contract.exchange.to_string()
        };
        assert_eq!((on(None), on(Some("ARCA"))), ("SMART".to_owned(), "ARCA".to_owned()));
    }

    #[test]
    fn several_contracts_are_refused_with_the_fields_to_add() {
        let answer = vec![details(1, "CME"), details(2, "CME")];
        let Err(Unresolved::Invalid(message)) = choose(&Contract::default(), answer) else { panic!("not refused") };
        assert!(message.contains("2 contracts") && message.contains("lastTradeDate") && message.contains("conId 2"));
        assert_eq!(choose(&Contract::default(), Vec::new()).unwrap_err(), Unresolved::NoAnswer);
    }

    #[test]
    fn auto_reads_the_trading_hours_of_a_future_and_the_liquid_hours_of_a_stock() {
        let text = |text: &str| vec![text.to_owned(), "20261126:CLOSED".to_owned()];
        for (kind, second_open) in [(SecurityType::Future, true), (SecurityType::Stock, false)] {
            let mut details = details(1, "CME");
            details.contract.security_type = kind;
            details.time_zone_id = "US/Central".to_owned();
            details.trading_hours = text("20261124:1700-20261125:1600");
            details.liquid_hours = text("20261125:0830-20261125:1500");
            let hours = hours(Hours::Auto, &details).unwrap();
            // 02:00 in Chicago.
            let state = hours.at("2026-11-25T08:00:00Z".parse().unwrap());
            assert_eq!(matches!(state, SessionState::Open { .. }), second_open, "{state:?}");
        }
        assert_eq!(hours(Hours::Trading, &details(1, "CME")), None);
    }
}
