//! Reference data beside contract details, and what clients ask about an account when they start.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Answer, Call, Refusal, State, details, invalid};
use crate::market::catalog::{CONTINUOUS, Contract};
use crate::wire::pb;

/// Most contracts in the answer to a pattern, as in the original.
const MOST_SAMPLES: usize = 16;

/// Aggregation group of an exchange that has none.
const NO_GROUP: i32 = i32::MAX;

/// Letters of the US stock exchanges on the consolidated tape, with IBKR's names of the exchanges.
const TAPE: [(&str, &str); 7] =
    [("AMEX", "A"), ("ARCA", "P"), ("BATS", "Z"), ("DRCTEDGE", "K"), ("IEX", "V"), ("NASDAQ", "Q"), ("NYSE", "N")];

impl Call<'_> {
    pub(super) fn market_data_type(&self, state: &mut State, request: &pb::MarketDataTypeRequest) {
        let kind = request.market_data_type.unwrap_or_default();
        if !(1..=4).contains(&kind) {
            return self.error(state, -1, invalid("Invalid market data type"));
        }
        if let Some(session) = state.sessions.get_mut(&self.number) {
            session.market_data_type = kind;
        }
    }

    pub(super) fn market_rule(&self, state: &State, request: &pb::MarketRuleRequest) {
        let wanted = request.market_rule_id.unwrap_or_default();
        let contracts = self.core.market.catalog().contracts();
        let Some(contract) = contracts.iter().find(|contract| details::market_rule_id(contract) == wanted) else {
            return self.error(state, -1, invalid("Invalid market rule id"));
        };
        let increment = 1.0 / f64::from(contract.steps_per_unit);
        let all_prices = pb::PriceIncrement { low_edge: Some(0.0), increment: Some(increment) };
        let rule = pb::MarketRule { market_rule_id: Some(wanted), price_increments: vec![all_prices] };
        self.answer(state, &Answer::MarketRule(rule));
    }

    /// Contracts whose symbol begins with a pattern, or whose name has it. Expiries of a future are one.
    pub(super) fn matching_symbols(&self, state: &State, request: &pb::MatchingSymbolsRequest) {
        let pattern = request.pattern.as_deref().unwrap_or_default().to_uppercase();
        let fits = |contract: &&Contract| {
            contract.symbol.starts_with(&pattern) || contract.long_name.to_uppercase().contains(&pattern)
        };
        let mut seen = BTreeSet::new();
        let contract_descriptions = self
            .core
            .market
            .catalog()
            .contracts()
            .iter()
            .filter(|contract| !pattern.is_empty() && contract.sec_type != CONTINUOUS)
            .filter(fits)
            .filter(|contract| seen.insert((&contract.symbol, contract.sec_type, contract.currency)))
            .take(MOST_SAMPLES)
            .map(|contract| pb::ContractDescription {
                contract: Some(pb::Contract {
                    con_id: Some(contract.con_id),
                    symbol: Some(contract.symbol.clone()),
                    sec_type: Some(contract.sec_type.to_owned()),
                    primary_exch: Some(match contract.primary_exchange {
                        "" => contract.exchange.to_owned(),
                        primary => primary.to_owned(),
                    }),
                    currency: Some(contract.currency.to_owned()),
                    description: Some(contract.long_name.clone()),
                    ..Default::default()
                }),
                derivative_sec_types: Vec::new(),
            })
            .collect();
        let samples = pb::SymbolSamples { req_id: request.req_id, contract_descriptions };
        self.answer(state, &Answer::SymbolSamples(samples));
    }

    pub(super) fn smart_components(&self, state: &State, request: &pb::SmartComponentsRequest) {
        let component = |(bit, (exchange, letter)): (i32, (&str, &str))| pb::SmartComponent {
            bit_number: Some(bit),
            exchange: Some(exchange.to_owned()),
            exchange_letter: Some(letter.to_owned()),
        };
        let smart_components = (0..).zip(TAPE).map(component).collect();
        self.answer(state, &Answer::SmartComponents(pb::SmartComponents { req_id: request.req_id, smart_components }));
    }

    pub(super) fn market_depth_exchanges(&self, state: &State) {
        let contracts = self.core.market.catalog().contracts().iter();
        let books: BTreeSet<_> = contracts
            .flat_map(|contract| contract.valid_exchanges.iter().map(|exchange| (*exchange, contract.sec_type)))
            .filter(|(exchange, _)| *exchange != "SMART")
            .collect();
        let description = |(exchange, sec_type): (&str, &str)| pb::DepthMarketDataDescription {
            exchange: Some(exchange.to_owned()),
            sec_type: Some(sec_type.to_owned()),
            listing_exch: Some(String::new()),
            service_data_type: Some("Deep".to_owned()),
            agg_group: Some(NO_GROUP),
        };
        let depth_market_data_descriptions = books.into_iter().map(description).collect();
        let exchanges = pb::MarketDepthExchanges { depth_market_data_descriptions };
        self.answer(state, &Answer::MarketDepthExchanges(exchanges));
    }

    /// Values of the account: that it is ready, and nothing else.
    pub(super) fn account_data(&self, state: &State, request: &pb::AccountDataRequest) {
        if request.subscribe == Some(false) {
            let text = "API client has been unsubscribed from account data.".to_owned();
            return self.error(state, -1, Refusal { code: 2100, text });
        }
        let account = Some(self.core.config.account.clone());
        self.answer(
            state,
            &Answer::AccountValue(pb::AccountValue {
                key: Some("AccountReady".to_owned()),
                value: Some("true".to_owned()),
                currency: Some(String::new()),
                account_name: account.clone(),
            }),
        );
        let now = Timestamp::from_microsecond(self.now_us).unwrap_or_default();
        let now = now.to_zoned(self.core.config.time_zone.clone()).strftime("%H:%M").to_string();
        self.answer(state, &Answer::AccountUpdateTime(pb::AccountUpdateTime { time_stamp: Some(now) }));
        self.answer(state, &Answer::AccountDataEnd(pb::AccountDataEnd { account_name: account }));
    }

    pub(super) fn family_codes(&self, state: &State) {
        let own = pb::FamilyCode { account_id: Some(self.core.config.account.clone()), family_code: None };
        self.answer(state, &Answer::FamilyCodes(pb::FamilyCodes { family_codes: vec![own] }));
    }

    pub(super) fn user_info(&self, state: &State, req_id: i32) {
        let info = pb::UserInfo { req_id: Some(req_id), white_branding_id: None };
        self.answer(state, &Answer::UserInfo(info));
    }
}
