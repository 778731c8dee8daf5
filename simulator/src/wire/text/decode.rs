//! Requests.

use super::super::ids::request;
use super::super::pb;
use super::super::request::{Request, RequestError};
use super::fields::Reader;

/// Since then a contract request names the issuer of a bond.
const BOND_ISSUER: i32 = 176;

/// Highest message number that version 178 knows.
const HIGHEST: i32 = request::USER_INFO;

/// Reads a body at a server version.
///
/// # Errors
/// See [`RequestError`]; the frames that follow are not affected.
pub(in super::super) fn decode(version: i32, body: &[u8]) -> Result<Request, RequestError> {
    let text = String::from_utf8_lossy(body);
    let mut fields = Reader::new(&text)?;
    if let Some(request) = subscription(&mut fields)? {
        return Ok(request);
    }
    let fields = &mut fields;
    Ok(match fields.id {
        request::START_API => {
            fields.skip()?;
            let client_id = fields.number()?;
            Request::StartApi(pb::StartApiRequest { client_id, optional_capabilities: fields.text()? })
        }
        request::CURRENT_TIME => Request::CurrentTime,
        request::IDS => Request::Ids,
        request::MANAGED_ACCOUNTS => Request::ManagedAccounts,
        request::CONTRACT_DATA => {
            fields.skip()?;
            let req_id = fields.number()?;
            let mut contract = fields.contract()?;
            contract.include_expired = fields.flag()?;
            contract.sec_id_type = fields.text()?;
            contract.sec_id = fields.text()?;
            if version >= BOND_ISSUER {
                contract.issuer_id = fields.text()?;
            }
            Request::ContractData(pb::ContractDataRequest { req_id, contract: Some(contract) })
        }
        request::MARKET_DATA_TYPE => {
            fields.skip()?;
            Request::MarketDataType(pb::MarketDataTypeRequest { market_data_type: fields.number()? })
        }
        request::MARKET_DEPTH_EXCHANGES => Request::MarketDepthExchanges,
        request::MARKET_RULE => Request::MarketRule(pb::MarketRuleRequest { market_rule_id: fields.number()? }),
        request::MATCHING_SYMBOLS => {
            let req_id = fields.number()?;
            Request::MatchingSymbols(pb::MatchingSymbolsRequest { req_id, pattern: fields.text()? })
        }
        request::SMART_COMPONENTS => {
            let req_id = fields.number()?;
            Request::SmartComponents(pb::SmartComponentsRequest { req_id, bbo_exchange: fields.text()? })
        }
        request::OPEN_ORDERS | request::ALL_OPEN_ORDERS => Request::OpenOrders,
        request::COMPLETED_ORDERS => Request::CompletedOrders,
        request::ACCOUNT_DATA => {
            fields.skip()?;
            let subscribe = fields.flag()?;
            Request::AccountData(pb::AccountDataRequest { subscribe, acct_code: fields.text()? })
        }
        request::POSITIONS => Request::Positions,
        request::EXECUTIONS => Request::Executions(versioned_id(fields)?),
        request::ACCOUNT_SUMMARY => Request::AccountSummary(versioned_id(fields)?),
        request::POSITIONS_MULTI => Request::PositionsMulti(versioned_id(fields)?),
        request::ACCOUNT_UPDATES_MULTI => Request::AccountUpdatesMulti(versioned_id(fields)?),
        request::SOFT_DOLLAR_TIERS => Request::SoftDollarTiers(fields.req_id()?),
        request::FAMILY_CODES => Request::FamilyCodes,
        request::NEWS_PROVIDERS => Request::NewsProviders,
        request::USER_INFO => Request::UserInfo(fields.req_id()?),
        number if request::WITHOUT_ANSWER.contains(&number) && number <= HIGHEST => Request::Ignored,
        // Where the id of such a request stands depends on the message, so the answer names none.
        number @ 1..=HIGHEST => Request::Unsupported { number, req_id: -1 },
        number => return Err(RequestError::Unknown(number)),
    })
}

/// The id of a request that begins with a version.
fn versioned_id(fields: &mut Reader<'_>) -> Result<i32, RequestError> {
    fields.skip()?;
    fields.req_id()
}

/// Requests for data of one contract, and their cancels; `None` when it is another.
fn subscription(fields: &mut Reader<'_>) -> Result<Option<Request>, RequestError> {
    Ok(Some(match fields.id {
        request::TICK_BY_TICK => Request::TickByTick(pb::TickByTickRequest {
            req_id: fields.number()?,
            contract: Some(fields.contract()?),
            tick_type: fields.text()?,
            number_of_ticks: fields.number()?,
            ignore_size: fields.flag()?,
        }),
        request::CANCEL_TICK_BY_TICK => Request::CancelTickByTick(fields.req_id()?),
        request::MARKET_DATA => market_data(fields)?,
        request::CANCEL_MARKET_DATA => Request::CancelMarketData(versioned_id(fields)?),
        request::MARKET_DEPTH => {
            fields.skip()?;
            Request::MarketDepth(pb::MarketDepthRequest {
                req_id: fields.number()?,
                contract: Some(fields.contract()?),
                num_rows: fields.number()?,
                is_smart_depth: fields.flag()?,
                market_depth_options: fields.options()?,
            })
        }
        request::CANCEL_MARKET_DEPTH => Request::CancelMarketDepth(versioned_id(fields)?),
        request::REAL_TIME_BARS => {
            fields.skip()?;
            Request::RealTimeBars(pb::RealTimeBarsRequest {
                req_id: fields.number()?,
                contract: Some(fields.contract()?),
                bar_size: fields.number()?,
                what_to_show: fields.text()?,
                use_rth: fields.flag()?,
                real_time_bars_options: fields.options()?,
            })
        }
        request::CANCEL_REAL_TIME_BARS => Request::CancelRealTimeBars(versioned_id(fields)?),
        request::HISTORICAL_TICKS => {
            let req_id = fields.number()?;
            Request::HistoricalTicks(pb::HistoricalTicksRequest {
                req_id,
                contract: Some(contract_of_any_age(fields)?),
                start_date_time: fields.text()?,
                end_date_time: fields.text()?,
                number_of_ticks: fields.number()?,
                what_to_show: fields.text()?,
                use_rth: fields.flag()?,
                ignore_size: fields.flag()?,
                misc_options: fields.options()?,
            })
        }
        request::HISTORICAL_DATA => historical_data(fields)?,
        request::CANCEL_HISTORICAL_DATA => Request::CancelHistoricalData(versioned_id(fields)?),
        request::HEAD_TIMESTAMP => {
            let req_id = fields.number()?;
            Request::HeadTimestamp(pb::HeadTimestampRequest {
                req_id,
                contract: Some(contract_of_any_age(fields)?),
                use_rth: fields.flag()?,
                what_to_show: fields.text()?,
                format_date: fields.number()?,
            })
        }
        request::CANCEL_HEAD_TIMESTAMP => Request::CancelHeadTimestamp(fields.req_id()?),
        _ => return Ok(None),
    }))
}

/// A contract and whether it may have expired.
fn contract_of_any_age(fields: &mut Reader<'_>) -> Result<pb::Contract, RequestError> {
    let contract = fields.contract()?;
    Ok(pb::Contract { include_expired: fields.flag()?, ..contract })
}

fn market_data(fields: &mut Reader<'_>) -> Result<Request, RequestError> {
    fields.skip()?;
    let req_id = fields.number()?;
    let mut contract = fields.contract()?;
    fields.combo_legs(&mut contract)?;
    if fields.flag()? == Some(true) {
        contract.delta_neutral_contract = Some(pb::DeltaNeutralContract {
            con_id: fields.number()?,
            delta: fields.number()?,
            price: fields.number()?,
        });
    }
    Ok(Request::MarketData(pb::MarketDataRequest {
        req_id,
        contract: Some(contract),
        generic_tick_list: fields.text()?,
        snapshot: fields.flag()?,
        regulatory_snapshot: fields.flag()?,
        market_data_options: fields.options()?,
    }))
}

fn historical_data(fields: &mut Reader<'_>) -> Result<Request, RequestError> {
    let req_id = fields.number()?;
    let mut contract = contract_of_any_age(fields)?;
    let end_date_time = fields.text()?;
    let bar_size_setting = fields.text()?;
    let duration = fields.text()?;
    let use_rth = fields.flag()?;
    let what_to_show = fields.text()?;
    let format_date = fields.number()?;
    fields.combo_legs(&mut contract)?;
    Ok(Request::HistoricalData(pb::HistoricalDataRequest {
        req_id,
        contract: Some(contract),
        end_date_time,
        bar_size_setting,
        duration,
        use_rth,
        what_to_show,
        format_date,
        keep_up_to_date: fields.flag()?,
        chart_options: fields.options()?,
    }))
}
