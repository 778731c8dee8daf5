//! Contract details: which contract the manifest means, and when it trades.

use std::{sync::Arc, time::Duration};

use ibapi::{
    Client, Error,
    contracts::{Contract as IbContract, ContractDetails, SecurityType},
};
use jiff::Timestamp;
use marketstream_crds::{Contract, Hours, RollRule, SecType};
use marketstream_recovery::hours::TradingHours;

use crate::{
    plan::{Calendar, calendar},
    roll::Expiry,
    seal::instruments::Instrument,
    session::matching,
};

/// Contracts that are listed in a message about an ambiguous description.
const LISTED: usize = 4;
/// IBKR's code for a description that names no contract, or several.
pub const NO_DEFINITION: i32 = 200;

/// A contract that IBKR knows.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The contract to subscribe with.
    pub contract: IbContract,
    /// The hours in which its silence counts; `None` when they cannot be known.
    pub hours: Option<TradingHours>,
    /// Its end, if it has one.
    pub expiry: Option<Expiry>,
    /// IBKR lists it among the expired ones only.
    pub delisted: bool,
    /// What is kept of its details for those who read its ticks; `None` when no look-up has told.
    pub instrument: Option<Arc<Instrument>>,
}

impl Resolved {
    /// Whether its last trade is past.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.delisted || self.expiry.as_ref().is_some_and(|expiry| expiry.passed(now))
    }

    /// It was found among the expired ones only. On its last day its trade may have ended before the day has; before that,
    /// or if it has no last day, the gateway had not known it for a moment, as while it has no link to IBKR.
    fn not_listed(self, now: Timestamp) -> Self {
        let delisted = self.expiry.as_ref().is_some_and(|expiry| expiry.days_left(now) <= 0);
        Self { delisted, ..self }
    }

    /// A contract that is known by its identifier only, from an earlier look-up.
    #[must_use]
    pub fn known_before(con_id: i32, exchange: &str, expiry: Option<Expiry>, delisted: bool) -> Self {
        let contract = IbContract {
            contract_id: con_id,
            exchange: exchange.into(),
            security_type: SecurityType::Other(String::new()),
            currency: "".into(),
            include_expired: true,
            ..IbContract::default()
        };
        Self { contract, hours: None, expiry, delisted, instrument: None }
    }
}

/// What a description of the manifest means.
#[derive(Clone, Debug)]
pub enum Found {
    /// One contract.
    One(Box<Resolved>),
    /// Every listed expiry of a future that rolls.
    Expiries(Expiries),
}

/// Every listed expiry of one future.
#[derive(Clone, Debug)]
pub struct Expiries {
    /// The contracts.
    pub all: Vec<Resolved>,
    /// What IBKR's continuous future stands for, where the rule asks for it.
    pub front: Option<i32>,
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
    // An identifier says all; other fields are compared with the answer, so that an error names the one that is wrong.
    let by_fields = |value: &Option<String>| value.clone().filter(|_| contract.con_id.is_none()).unwrap_or_default();
    let sec_type =
        contract.sec_type.filter(|_| contract.con_id.is_none()).map(|kind| kind.as_str()).unwrap_or_default();
    IbContract {
        contract_id: contract.con_id.unwrap_or_default(),
        symbol: by_fields(&contract.symbol).into(),
        security_type: sec_type.parse().unwrap_or_else(|_| SecurityType::Other(sec_type.to_owned())),
        last_trade_date_or_contract_month: by_fields(&contract.last_trade_date),
        multiplier: by_fields(&contract.multiplier),
        exchange: contract.exchange.clone().unwrap_or_default().into(),
        currency: by_fields(&contract.currency).into(),
        local_symbol: by_fields(&contract.local_symbol),
        trading_class: by_fields(&contract.trading_class),
        ..IbContract::default()
    }
}

/// Asks the gateway, each question within `bound`.
///
/// # Errors
/// See [`Unresolved`].
pub async fn resolve(
    client: &Client,
    contract: &Contract,
    bound: Duration,
    now: Timestamp,
) -> Result<Found, Unresolved> {
    if contract.sec_type == Some(SecType::CONTFUT) {
        let text =
            "secType CONTFUT: a continuous future cannot be recorded; write secType FUT and roll: {rule: IBFront}";
        return Err(Unresolved::Invalid(text.to_owned()));
    }
    let asked = request(contract);
    let listed = ask(client, &asked, bound).await;
    let Some(roll) = contract.roll else {
        let found = match listed {
            Ok(details) => choose(contract, details),
            Err(refused @ Unresolved::Refused(NO_DEFINITION, _)) if may_have_expired(contract) => {
                // What is not among the expired ones either was never a contract: the first answer says so.
                let expired = ask(client, &IbContract { include_expired: true, ..asked }, bound).await;
                choose(contract, expired.map_err(|_| refused)?).map(|found| found.not_listed(now))
            }
            Err(error) => Err(error),
        };
        return found.map(|found| Found::One(Box::new(found)));
    };
    let all = expiries(contract, listed?)?;
    let front = match roll.rule {
        RollRule::IBFront => {
            let continuous = IbContract { security_type: SecurityType::ContinuousFuture, ..asked };
            match ask(client, &continuous, bound).await {
                Ok(details) => details.first().map(|details| details.contract.contract_id),
                Err(Unresolved::Refused(code, text)) => {
                    tracing::warn!(contract = contract.name, code, "IBKR knows no continuous future: {text}");
                    None
                }
                Err(other) => return Err(other),
            }
        }
        RollRule::DaysBeforeExpiry | RollRule::Volume => None,
    };
    Ok(Found::Expiries(Expiries { all, front }))
}

async fn ask(client: &Client, request: &IbContract, bound: Duration) -> Result<Vec<ContractDetails>, Unresolved> {
    let answer = async {
        let mut details = client.contract_details_stream(request).subscribe().await?;
        // The library bounds no look-up by itself (measured).
        details.collect_to_end_within(bound).await
    };
    match tokio::time::timeout(bound, answer).await {
        // The gateway answers 200 when it knows no such contract; an empty answer is a look-up that was cut short.
        Ok(Ok(details)) if details.is_empty() => Err(Unresolved::NoAnswer),
        Ok(Ok(details)) => Ok(details),
        Ok(Err(Error::Notice(notice))) => Err(Unresolved::Refused(notice.code, notice.message)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the look-up of a contract failed");
            Err(Unresolved::NoAnswer)
        }
        Err(_) => Err(Unresolved::NoAnswer),
    }
}

/// Whether a description that names nothing may name a future that has expired: IBKR lists those when asked to.
fn may_have_expired(contract: &Contract) -> bool {
    let one_expiry = contract.con_id.is_some() || contract.last_trade_date.is_some() || contract.local_symbol.is_some();
    one_expiry && contract.sec_type.is_none_or(|kind| kind == SecType::FUT)
}

/// The one contract that the answer names. A stock without an exchange is answered once for each of its exchanges,
/// always with the same identifier: then the manifest's exchange counts, or else smart routing.
fn choose(wanted: &Contract, details: Vec<ContractDetails>) -> Result<Resolved, Unresolved> {
    let ids = identifiers(&details);
    if ids.len() > 1 {
        return Err(Unresolved::Invalid(ambiguous(&details, ids.len())));
    }
    let chosen = on_exchange(wanted, &details).ok_or(Unresolved::NoAnswer)?;
    if let Some(problem) = matching::mismatch(wanted, chosen) {
        return Err(Unresolved::Invalid(problem));
    }
    Ok(resolved(wanted, chosen))
}

fn identifiers(details: &[ContractDetails]) -> Vec<i32> {
    let mut ids: Vec<i32> = details.iter().map(|details| details.contract.contract_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn on_exchange<'a>(wanted: &Contract, details: &'a [ContractDetails]) -> Option<&'a ContractDetails> {
    let exchange = wanted.exchange.as_deref().unwrap_or("SMART");
    details.iter().find(|details| details.contract.exchange.as_str() == exchange).or(details.first())
}

fn resolved(wanted: &Contract, details: &ContractDetails) -> Resolved {
    let contract = details.contract.clone();
    let expiry = Expiry::read(&contract.last_trade_date_or_contract_month, &details.time_zone_id)
        .or_else(|| Expiry::read(&details.real_expiration_date, &details.time_zone_id));
    let instrument = Some(Arc::new(Instrument::new(&wanted.name, details)));
    Resolved { hours: hours(wanted.hours, details), contract, expiry, delisted: false, instrument }
}

/// Every expiry of the one future that the answer is about.
fn expiries(wanted: &Contract, details: Vec<ContractDetails>) -> Result<Vec<Resolved>, Unresolved> {
    if let Some(problem) = matching::several_futures(&details) {
        return Err(Unresolved::Invalid(problem));
    }
    let all: Vec<Resolved> = identifiers(&details)
        .into_iter()
        .filter_map(|id| {
            let of_id: Vec<ContractDetails> =
                details.iter().filter(|details| details.contract.contract_id == id).cloned().collect();
            on_exchange(wanted, &of_id).map(|details| resolved(wanted, details))
        })
        .filter(|resolved| resolved.expiry.is_some())
        .collect();
    if all.is_empty() {
        return Err(Unresolved::Invalid("IBKR gives no last trade date: roll needs a future that expires".to_owned()));
    }
    Ok(all)
}

fn ambiguous(details: &[ContractDetails], count: usize) -> String {
    let examples: Vec<String> = details.iter().take(LISTED).map(|details| matching::name(&details.contract)).collect();
    let roll = if details.iter().all(|details| details.contract.security_type == SecurityType::Future) {
        ", or add roll to record each expiry in its turn"
    } else {
        ""
    };
    format!(
        "the description fits {count} contracts, such as {}: add conId, or exchange, currency, lastTradeDate, \
         localSymbol, tradingClass or multiplier{roll}",
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
    fn what_is_not_listed_has_ended_on_its_last_day_and_not_before() {
        let noon: Timestamp = "2026-12-17T18:00:00Z".parse().unwrap();
        let expiry = |day| Expiry::read(day, "US/Central");
        for (day, ended) in [("20261218", false), ("20261217", true), ("20261216", true), ("", false)] {
            let found = Resolved::known_before(1, "CME", expiry(day), false).not_listed(noon);
            assert_eq!((found.delisted, found.has_ended(noon)), (ended, ended), "{day:?}");
        }
    }

    #[test]
    fn several_contracts_are_refused_with_the_fields_to_add() {
        let answer = vec![details(1, "CME"), details(2, "CME")];
        let Err(Unresolved::Invalid(message)) = choose(&Contract::default(), answer) else { panic!("not refused") };
        assert!(message.contains("2 contracts") && message.contains("lastTradeDate") && message.contains("conId 2"));
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
