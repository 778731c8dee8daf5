//! What a request does: one file for each family of them.

mod bars;
mod contracts;
mod depth;
mod details;
mod history;
mod limited;
mod market_data;
mod misc;
mod session;
mod tick_by_tick;

pub(super) use self::limited::admit;
use super::core::{Core, State};
use crate::faults::Refusal;
use crate::journal::requests::Event;
use crate::wire::answer::Answer;
use crate::wire::pb;
use crate::wire::request::{Request, RequestError};

/// Does what a client asks for. An error ends the connection and says why.
pub(super) fn handle(core: &Core, number: u32, request: Result<Request, RequestError>) -> Result<(), String> {
    let mut state = core.state();
    let call = Call { core, number, now_us: core.clock.now_us() };
    let started = state.sessions.get(&number).is_some_and(|session| session.client_id.is_some());
    match request {
        Ok(Request::StartApi(start)) if !started => return call.start(&mut state, start.client_id.unwrap_or(0)),
        // Nothing but the start counts before it.
        _ if !started => {}
        Ok(Request::StartApi(_) | Request::Ignored) => {}
        Ok(Request::CurrentTime) => call.current_time(&state),
        Ok(Request::CurrentTimeInMillis) => call.current_time_in_millis(&state),
        Ok(Request::Ids) => call.next_valid_id(&state),
        Ok(Request::ManagedAccounts) => call.managed_accounts(&state),
        Ok(Request::ContractData(request)) => call.contract_data(&state, &request),
        Ok(Request::TickByTick(request)) => call.subscribe_ticks(&mut state, &request),
        Ok(Request::CancelTickByTick(req_id)) => call.cancel_ticks(&mut state, req_id),
        Ok(Request::MarketData(request)) => call.market_data(&mut state, &request),
        Ok(Request::MarketDepth(request)) => call.market_depth(&mut state, &request),
        Ok(Request::RealTimeBars(request)) => call.real_time_bars(&mut state, &request),
        Ok(Request::HistoricalTicks(request)) => call.historical_ticks(&mut state, &request),
        Ok(Request::HistoricalData(request)) => call.historical_data(&mut state, &request),
        Ok(Request::HeadTimestamp(request)) => call.head_timestamp(&state, &request),
        Ok(Request::CancelMarketData(req_id)) => call.cancel_market_data(&mut state, req_id),
        Ok(Request::CancelRealTimeBars(req_id)) => call.cancel_real_time_bars(&mut state, req_id),
        Ok(Request::CancelHistoricalTicks(req_id) | Request::CancelHistoricalData(req_id)) => {
            call.cancel_history(&mut state, req_id);
        }
        Ok(Request::CancelMarketDepth(req_id)) => call.cancel_market_depth(&mut state, req_id),
        // The head time stamp is answered at once.
        Ok(Request::CancelHeadTimestamp(_)) => {}
        Ok(Request::MarketDataType(request)) => call.market_data_type(&mut state, &request),
        Ok(Request::MarketDepthExchanges) => call.market_depth_exchanges(&state),
        Ok(Request::MarketRule(request)) => call.market_rule(&state, &request),
        Ok(Request::MatchingSymbols(request)) => call.matching_symbols(&state, &request),
        Ok(Request::SmartComponents(request)) => call.smart_components(&state, &request),
        Ok(Request::AccountData(request)) => call.account_data(&state, &request),
        Ok(Request::FamilyCodes) => call.family_codes(&state),
        Ok(Request::UserInfo(req_id)) => call.user_info(&state, req_id),
        Ok(Request::OpenOrders) => call.answer(&state, &Answer::OpenOrdersEnd(pb::ListEnd {})),
        Ok(Request::CompletedOrders) => call.answer(&state, &Answer::CompletedOrdersEnd(pb::ListEnd {})),
        Ok(Request::Positions) => call.answer(&state, &Answer::PositionsEnd(pb::ListEnd {})),
        Ok(Request::NewsProviders) => call.answer(&state, &Answer::NewsProviders(pb::ListEnd {})),
        Ok(Request::Executions(req_id)) => call.none_of(&state, req_id, Answer::ExecutionsEnd),
        Ok(Request::AccountSummary(req_id)) => call.none_of(&state, req_id, Answer::AccountSummaryEnd),
        Ok(Request::PositionsMulti(req_id)) => call.none_of(&state, req_id, Answer::PositionsMultiEnd),
        Ok(Request::AccountUpdatesMulti(req_id)) => call.none_of(&state, req_id, Answer::AccountUpdatesMultiEnd),
        Ok(Request::SoftDollarTiers(req_id)) => call.none_of(&state, req_id, Answer::SoftDollarTiers),
        Ok(Request::Unsupported { number, req_id }) => call.not_served(&state, number, Some(req_id)),
        Err(error) => {
            let text = format!("Error reading request. {error}");
            call.error(&state, -1, Refusal { code: 320, text });
        }
    }
    Ok(())
}

/// One request of one connection.
struct Call<'a> {
    core: &'a Core,
    number: u32,
    /// When it came, microseconds since the epoch.
    now_us: i64,
}

impl Call<'_> {
    fn answer(&self, state: &State, answer: &Answer) {
        if let Some(session) = state.sessions.get(&self.number) {
            session.answer(answer);
        }
    }

    fn log(&self, state: &State, event: Event) {
        let client_id = state.sessions.get(&self.number).and_then(|session| session.client_id);
        self.core.log(Some(self.number), client_id, event);
    }

    /// An error of a request, or with `req_id` -1 of the session.
    fn error(&self, state: &State, req_id: i32, refusal: Refusal) {
        self.answer(state, &Answer::error(req_id, refusal.code, &refusal.text, self.now_us / 1_000));
        self.log(state, Event::Error { req_id, code: refusal.code, text: refusal.text });
    }

    /// The end of a list that is always empty: a login of this gateway never traded.
    fn none_of(&self, state: &State, req_id: i32, end: fn(pb::RequestEnd) -> Answer) {
        self.answer(state, &end(pb::RequestEnd { req_id: Some(req_id) }));
    }

    /// A request that the original knows and this program does not serve.
    fn not_served(&self, state: &State, number: i32, req_id: Option<i32>) {
        self.error(state, req_id.unwrap_or(-1), invalid(&format!("this simulator does not serve request {number}")));
    }

    fn now_s(&self) -> i64 {
        self.now_us.div_euclid(1_000_000)
    }
}

fn no_definition() -> Refusal {
    Refusal { code: 200, text: "No security definition has been found for the request".to_owned() }
}

fn invalid(cause: &str) -> Refusal {
    Refusal { code: 321, text: format!("Error validating request.-'bN' : cause - {cause}") }
}
