//! Contract details as they go on the wire.

use crate::market::catalog::Contract;
use crate::market::hours::Hours;
use crate::wire::pb;

/// Group of contracts whose books are shown together. One is as good as any.
const AGG_GROUP: i32 = 1;

/// Above IBKR's own.
const FIRST_MARKET_RULE: i32 = 900_000;

/// A contract, as the gateway names it.
pub(super) fn contract(contract: &Contract) -> pb::Contract {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    pb::Contract {
        con_id: Some(contract.con_id),
        symbol: text(&contract.symbol),
        sec_type: text(contract.sec_type),
        last_trade_date_or_contract_month: text(&contract.last_trade_date),
        multiplier: (contract.multiplier > 0.0).then_some(contract.multiplier),
        exchange: text(contract.exchange),
        primary_exch: text(contract.primary_exchange),
        currency: text(contract.currency),
        local_symbol: text(&contract.local_symbol),
        trading_class: text(&contract.trading_class),
        last_trade_date: text(&contract.last_trade_date),
        ..Default::default()
    }
}

/// What the gateway knows beyond the name, at `now_second` since the epoch.
pub(super) fn details(contract: &Contract, hours: Hours, now_second: i64) -> pb::ContractDetails {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (trading_hours, liquid_hours) = hours.text(now_second);
    let min_size = contract.min_size.to_string();
    let min_tick = (1.0 / f64::from(contract.steps_per_unit)).to_string();
    let [industry, category, subcategory] = contract.industry.map(text);
    pb::ContractDetails {
        market_name: text(&contract.trading_class),
        min_tick: Some(min_tick.clone()),
        order_types: Some("ACTIVETIM,DAY,GTC,LMT,MKT,STP".to_owned()),
        valid_exchanges: Some(contract.valid_exchanges.join(",")),
        price_magnifier: Some(1),
        long_name: text(&contract.long_name),
        contract_month: text(contract.last_trade_date.get(..6).unwrap_or_default()),
        industry,
        category,
        subcategory,
        agg_group: Some(AGG_GROUP),
        time_zone_id: Some(hours.zone().to_owned()),
        trading_hours: Some(trading_hours),
        liquid_hours: Some(liquid_hours),
        market_rule_ids: Some(vec![market_rule_id(contract).to_string(); contract.valid_exchanges.len()].join(",")),
        real_expiration_date: text(&contract.last_trade_date),
        stock_type: (contract.sec_type == "STK").then(|| "COMMON".to_owned()),
        min_size: Some(min_size.clone()),
        size_increment: Some(min_size.clone()),
        suggested_size_increment: Some(contract.lot.to_string()),
        last_price_precision: Some(min_tick),
        last_size_precision: Some(min_size),
        ..Default::default()
    }
}

/// The rule by which a contract's prices step: IBKR's own numbers for a cent and for a quarter, others of this program.
pub(super) fn market_rule_id(contract: &Contract) -> i32 {
    match contract.steps_per_unit {
        100 => 26,
        4 => 67,
        steps => FIRST_MARKET_RULE + i32::try_from(steps).unwrap_or(i32::MAX - FIRST_MARKET_RULE),
    }
}
