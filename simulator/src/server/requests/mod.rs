//! What a request does: one file for each family of them.

mod contracts;
mod details;
mod session;
mod tick_by_tick;

use super::core::{Core, State};
use crate::faults::Refusal;
use crate::journal::requests::Event;
use crate::wire::answer::Answer;
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
        Ok(Request::MarketData(request)) => call.not_served(&state, 1, request.req_id),
        Ok(Request::MarketDepth(request)) => call.not_served(&state, 10, request.req_id),
        Ok(Request::RealTimeBars(request)) => call.not_served(&state, 50, request.req_id),
        Ok(Request::HistoricalTicks(request)) => call.not_served(&state, 96, request.req_id),
        Ok(Request::HistoricalData(request)) => call.not_served(&state, 20, request.req_id),
        Ok(Request::HeadTimestamp(request)) => call.not_served(&state, 87, request.req_id),
        Ok(
            Request::CancelMarketData(_)
            | Request::CancelMarketDepth(_)
            | Request::CancelRealTimeBars(_)
            | Request::CancelHistoricalTicks(_)
            | Request::CancelHistoricalData(_)
            | Request::CancelHeadTimestamp(_),
        ) => {}
        Ok(Request::Unsupported { number, req_id }) => call.not_served(&state, number, Some(req_id)),
        Ok(_) => {}
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
