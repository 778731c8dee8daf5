//! Answers.

use super::super::answer::{Answer, HistoricalBars};
use super::super::pb;
use super::fields::Writer;

/// Since then contract details have size rules, and neither a version nor a size multiplier.
const SIZE_RULES: i32 = 164;

/// The only version with one size increment in contract details.
const FRACTIONAL_SIZES: i32 = 163;

/// Since then an error says why an order was rejected.
const ADVANCED_ORDER_REJECT: i32 = 166;

/// Since then a symbol sample has a description and the issuer of a bond.
const BOND_ISSUER: i32 = 176;

/// What an option's value is when it was not computed: prices and volatilities, and the greeks.
const NOT_COMPUTED: f64 = -1.0;
const GREEK_NOT_COMPUTED: f64 = -2.0;

/// The body of an answer at a server version. A message that has a version has the last one that it got.
pub(in super::super) fn encode(version: i32, answer: &Answer) -> Vec<u8> {
    let out = Writer::new(answer.number());
    let out = match answer {
        Answer::Error(message) => error(version, out, message),
        Answer::ContractData(message) => contract_data(version, out, message),
        Answer::ContractDataEnd(message) => out.put(1).integer(message.req_id),
        Answer::NextValidId(message) => out.put(1).integer(message.order_id),
        Answer::ManagedAccounts(message) => out.put(1).text(message.accounts_list.as_ref()),
        Answer::CurrentTime(message) => out.put(1).integer(message.current_time),
        Answer::CurrentTimeInMillis(message) => out.integer(message.current_time_in_millis),
        Answer::AccountValue(message) => out
            .put(2)
            .text(message.key.as_ref())
            .text(message.value.as_ref())
            .text(message.currency.as_ref())
            .text(message.account_name.as_ref()),
        Answer::AccountUpdateTime(message) => out.put(1).text(message.time_stamp.as_ref()),
        Answer::AccountDataEnd(message) => out.put(1).text(message.account_name.as_ref()),
        Answer::OpenOrdersEnd(_) | Answer::PositionsEnd(_) => out.put(1),
        Answer::CompletedOrdersEnd(_) => out,
        Answer::ExecutionsEnd(message)
        | Answer::AccountSummaryEnd(message)
        | Answer::PositionsMultiEnd(message)
        | Answer::AccountUpdatesMultiEnd(message) => out.put(1).integer(message.req_id),
        Answer::SoftDollarTiers(message) => out.integer(message.req_id).put(0),
        Answer::NewsProviders(_) => out.put(0),
        Answer::FamilyCodes(message) => out.list(&message.family_codes, |out, code| {
            out.text(code.account_id.as_ref()).text(code.family_code.as_ref())
        }),
        Answer::UserInfo(message) => out.integer(message.req_id).text(message.white_branding_id.as_ref()),
        Answer::SymbolSamples(message) => symbol_samples(version, out, message),
        Answer::SmartComponents(message) => {
            out.integer(message.req_id).list(&message.smart_components, |out, component| {
                out.integer(component.bit_number)
                    .text(component.exchange.as_ref())
                    .text(component.exchange_letter.as_ref())
            })
        }
        Answer::MarketRule(message) => {
            out.integer(message.market_rule_id).list(&message.price_increments, |out, increment| {
                out.double(increment.low_edge).double(increment.increment)
            })
        }
        Answer::TickPrice(message) => tick(out.put(6), message.req_id, message.tick_type)
            .double(message.price)
            .text(message.size.as_ref())
            .integer(message.attr_mask),
        Answer::TickSize(message) => tick(out.put(6), message.req_id, message.tick_type).text(message.size.as_ref()),
        Answer::TickGeneric(message) => tick(out.put(6), message.req_id, message.tick_type).double(message.value),
        Answer::TickString(message) => tick(out.put(6), message.req_id, message.tick_type).text(message.value.as_ref()),
        Answer::TickOptionComputation(message) => option_computation(out, message),
        Answer::TickSnapshotEnd(message) => out.put(1).integer(message.req_id),
        Answer::MarketDataType(message) => out.put(1).integer(message.req_id).integer(message.market_data_type),
        Answer::TickReqParams(message) => out
            .integer(message.req_id)
            .text(message.min_tick.as_ref())
            .text(message.bbo_exchange.as_ref())
            .integer(message.snapshot_permissions),
        Answer::MarketDepth(message) => depth(out, message),
        Answer::MarketDepthL2(message) => depth_by_market_maker(out, message),
        Answer::MarketDepthExchanges(message) => depth_exchanges(out, message),
        Answer::RealTimeBar(message) => real_time_bar(out, message),
        Answer::HistoricalBars(bars) => historical_bars(out, bars),
        Answer::HistoricalDataUpdate(message) => bar_update(out, message),
        Answer::HistoricalSchedule(message) => schedule(out, message),
        Answer::HeadTimestamp(message) => out.integer(message.req_id).text(message.head_timestamp.as_ref()),
        Answer::HistoricalTicks(message) => mids(out, message),
        Answer::HistoricalTicksBidAsk(message) => quotes(out, message),
        Answer::HistoricalTicksLast(message) => trades(out, message),
    };
    out.done()
}

/// A tick of market data begins with its request and its type.
fn tick(out: Writer, req_id: Option<i32>, tick_type: Option<i32>) -> Writer {
    out.integer(req_id).integer(tick_type)
}

fn error(version: i32, out: Writer, message: &pb::ErrorMessage) -> Writer {
    let out = out.put(2).integer(message.id).integer(message.error_code).escaped(message.error_msg.as_ref());
    if version < ADVANCED_ORDER_REJECT { out } else { out.escaped(message.advanced_order_reject_json.as_ref()) }
}

fn contract_data(version: i32, out: Writer, message: &pb::ContractData) -> Writer {
    let (contract, details) = (message.contract.clone().unwrap_or_default(), &message.contract_details);
    let details = details.clone().unwrap_or_default();
    let sized = version >= SIZE_RULES;
    let out = if sized { out } else { out.put(8) };
    let out = out
        .integer(message.req_id)
        .text(contract.symbol.as_ref())
        .text(contract.sec_type.as_ref())
        .text(contract.last_trade_date_or_contract_month.as_ref())
        .double(contract.strike)
        .text(contract.right.as_ref())
        .text(contract.exchange.as_ref())
        .text(contract.currency.as_ref())
        .text(contract.local_symbol.as_ref())
        .text(details.market_name.as_ref())
        .text(contract.trading_class.as_ref())
        .integer(contract.con_id)
        .text(details.min_tick.as_ref());
    // Sizes are in shares since version 159.
    let out = if sized { out } else { out.put(1) };
    let out = match contract.multiplier {
        Some(multiplier) => out.put(multiplier),
        None => out.text(None),
    };
    let out = out
        .text(details.order_types.as_ref())
        .text(details.valid_exchanges.as_ref())
        .integer(details.price_magnifier)
        .integer(details.under_con_id)
        .escaped(details.long_name.as_ref())
        .text(contract.primary_exch.as_ref())
        .text(details.contract_month.as_ref())
        .text(details.industry.as_ref())
        .text(details.category.as_ref())
        .text(details.subcategory.as_ref())
        .text(details.time_zone_id.as_ref())
        .text(details.trading_hours.as_ref())
        .text(details.liquid_hours.as_ref())
        .text(details.ev_rule.as_ref())
        .double(details.ev_multiplier)
        .put(details.sec_id_list.len());
    let out = details.sec_id_list.iter().fold(out, |out, (tag, value)| out.text(Some(tag)).text(Some(value)));
    let out = out
        .integer(details.agg_group)
        .text(details.under_symbol.as_ref())
        .text(details.under_sec_type.as_ref())
        .text(details.market_rule_ids.as_ref())
        .text(details.real_expiration_date.as_ref())
        .text(details.stock_type.as_ref());
    match version {
        ..FRACTIONAL_SIZES => out,
        FRACTIONAL_SIZES => out.text(details.suggested_size_increment.as_ref()),
        _ => out
            .text(details.min_size.as_ref())
            .text(details.size_increment.as_ref())
            .text(details.suggested_size_increment.as_ref()),
    }
}

fn symbol_samples(version: i32, out: Writer, message: &pb::SymbolSamples) -> Writer {
    out.integer(message.req_id).list(&message.contract_descriptions, |out, sample| {
        let contract = sample.contract.clone().unwrap_or_default();
        let out = out
            .integer(contract.con_id)
            .text(contract.symbol.as_ref())
            .text(contract.sec_type.as_ref())
            .text(contract.primary_exch.as_ref())
            .text(contract.currency.as_ref())
            .list(&sample.derivative_sec_types, |out, sec_type| out.text(Some(sec_type)));
        if version < BOND_ISSUER {
            out
        } else {
            out.text(contract.description.as_ref()).text(contract.issuer_id.as_ref())
        }
    })
}

fn option_computation(out: Writer, message: &pb::TickOptionComputation) -> Writer {
    tick(out, message.req_id, message.tick_type)
        .integer(message.tick_attrib)
        .double_or(message.implied_vol, NOT_COMPUTED)
        .double_or(message.delta, GREEK_NOT_COMPUTED)
        .double_or(message.opt_price, NOT_COMPUTED)
        .double_or(message.pv_dividend, NOT_COMPUTED)
        .double_or(message.gamma, GREEK_NOT_COMPUTED)
        .double_or(message.vega, GREEK_NOT_COMPUTED)
        .double_or(message.theta, GREEK_NOT_COMPUTED)
        .double_or(message.und_price, NOT_COMPUTED)
}

fn depth(out: Writer, message: &pb::MarketDepth) -> Writer {
    let row = message.market_depth_data.clone().unwrap_or_default();
    out.put(1)
        .integer(message.req_id)
        .integer(row.position)
        .integer(row.operation)
        .integer(row.side)
        .double(row.price)
        .text(row.size.as_ref())
}

fn depth_by_market_maker(out: Writer, message: &pb::MarketDepth) -> Writer {
    let row = message.market_depth_data.clone().unwrap_or_default();
    out.put(1)
        .integer(message.req_id)
        .integer(row.position)
        .text(row.market_maker.as_ref())
        .integer(row.operation)
        .integer(row.side)
        .double(row.price)
        .text(row.size.as_ref())
        .flag(row.is_smart_depth)
}

fn depth_exchanges(out: Writer, message: &pb::MarketDepthExchanges) -> Writer {
    out.list(&message.depth_market_data_descriptions, |out, exchange| {
        out.text(exchange.exchange.as_ref())
            .text(exchange.sec_type.as_ref())
            .text(exchange.listing_exch.as_ref())
            .text(exchange.service_data_type.as_ref())
            .integer(exchange.agg_group)
    })
}

fn real_time_bar(out: Writer, message: &pb::RealTimeBarTick) -> Writer {
    out.put(3)
        .integer(message.req_id)
        .integer(message.time)
        .double(message.open)
        .double(message.high)
        .double(message.low)
        .double(message.close)
        .text(message.volume.as_ref())
        .text(message.wap.as_ref())
        .integer(message.count)
}

fn historical_bars(out: Writer, bars: &HistoricalBars) -> Writer {
    out.integer(bars.data.req_id).text(bars.end.start_date_str.as_ref()).text(bars.end.end_date_str.as_ref()).list(
        &bars.data.bars,
        |out, bar| {
            out.text(bar.date.as_ref())
                .double(bar.open)
                .double(bar.high)
                .double(bar.low)
                .double(bar.close)
                .text(bar.volume.as_ref())
                .text(bar.wap.as_ref())
                .integer(bar.bar_count)
        },
    )
}

/// Here the fields have an order of their own.
fn bar_update(out: Writer, message: &pb::HistoricalDataUpdate) -> Writer {
    let bar = message.bar.clone().unwrap_or_default();
    out.integer(message.req_id)
        .integer(bar.bar_count)
        .text(bar.date.as_ref())
        .double(bar.open)
        .double(bar.close)
        .double(bar.high)
        .double(bar.low)
        .text(bar.wap.as_ref())
        .text(bar.volume.as_ref())
}

fn schedule(out: Writer, message: &pb::HistoricalSchedule) -> Writer {
    out.integer(message.req_id)
        .text(message.start_date_time.as_ref())
        .text(message.end_date_time.as_ref())
        .text(message.time_zone.as_ref())
        .list(&message.sessions, |out, session| {
            out.text(session.start_date_time.as_ref())
                .text(session.end_date_time.as_ref())
                .text(session.ref_date.as_ref())
        })
}

fn mids(out: Writer, message: &pb::HistoricalTicks) -> Writer {
    let ticks = |out: Writer, tick: &pb::MidTick| {
        // The second field has never meant anything.
        out.integer(tick.time).put(0).double(tick.price).text(tick.size.as_ref())
    };
    out.integer(message.req_id).list(&message.ticks, ticks).flag(message.is_done)
}

fn quotes(out: Writer, message: &pb::HistoricalTicksBidAsk) -> Writer {
    let ticks = |out: Writer, tick: &pb::QuoteTick| {
        let attributes = tick.attributes.unwrap_or_default();
        // The bits are the other way round than in a live quote.
        out.integer(tick.time)
            .mask([attributes.ask_past_high, attributes.bid_past_low])
            .double(tick.price_bid)
            .double(tick.price_ask)
            .text(tick.size_bid.as_ref())
            .text(tick.size_ask.as_ref())
    };
    out.integer(message.req_id).list(&message.ticks, ticks).flag(message.is_done)
}

fn trades(out: Writer, message: &pb::HistoricalTicksLast) -> Writer {
    let ticks = |out: Writer, tick: &pb::TradeTick| {
        let attributes = tick.attributes.unwrap_or_default();
        out.integer(tick.time)
            .mask([attributes.past_limit, attributes.unreported])
            .double(tick.price)
            .text(tick.size.as_ref())
            .text(tick.exchange.as_ref())
            .text(tick.special_conditions.as_ref())
    };
    out.integer(message.req_id).list(&message.ticks, ticks).flag(message.is_done)
}
