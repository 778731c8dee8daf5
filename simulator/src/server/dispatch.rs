//! What a request does.

use super::core::{Core, State, now_us};
use super::details;
use super::sessions::Subscription;
use crate::faults::Refusal;
use crate::journal::requests::Event;
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::wire::ids::response;
use crate::wire::message::{self, Request, RequestError};
use crate::wire::pb;

/// First order id: as of a login that has never traded.
const NEXT_ORDER_ID: i32 = 1;

/// Notices at the start of a session: all farms are up.
const FARMS_OK: [(i32, &str); 4] = [
    (2104, "Market data farm connection is OK:usfuture"),
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
];

/// Does what a client asks for. An error ends the connection and says why.
pub(super) fn handle(core: &Core, number: u32, request: Result<Request, RequestError>) -> Result<(), String> {
    let mut state = core.state();
    let call = Call { core, number, now_us: now_us() };
    let started = state.sessions.get(&number).is_some_and(|session| session.client_id.is_some());
    match request {
        Ok(Request::StartApi(start)) if !started => return call.start(&mut state, start.client_id.unwrap_or(0)),
        // Nothing but the start counts before it.
        _ if !started => {}
        Ok(Request::StartApi(_) | Request::Ignored) => {}
        Ok(Request::CurrentTime) => {
            let message = pb::CurrentTime { current_time: Some(call.now_us / 1_000_000) };
            call.send(&state, message::encode(response::CURRENT_TIME, &message));
        }
        Ok(Request::CurrentTimeInMillis) => {
            let message = pb::CurrentTimeInMillis { current_time_in_millis: Some(call.now_us / 1_000) };
            call.send(&state, message::encode(response::CURRENT_TIME_IN_MILLIS, &message));
        }
        Ok(Request::Ids) => call.next_valid_id(&state),
        Ok(Request::ManagedAccounts) => call.managed_accounts(&state),
        Ok(Request::ContractData(request)) => call.contract_data(&state, &request),
        Ok(Request::TickByTick(request)) => call.subscribe(&mut state, &request),
        Ok(Request::CancelTickByTick(request)) => call.cancel(&mut state, request.req_id.unwrap_or(0)),
        Ok(Request::Unsupported { number, req_id }) => {
            let text =
                format!("Error validating request.-'sim' : cause - this simulator does not serve request {number}");
            call.error(&state, req_id, Refusal { code: 321, text });
        }
        Err(error) => {
            let text = format!("Error reading request. {error}");
            call.error(&state, -1, Refusal { code: 320, text });
        }
    }
    Ok(())
}

struct Call<'a> {
    core: &'a Core,
    number: u32,
    now_us: i64,
}

impl Call<'_> {
    fn send(&self, state: &State, body: Vec<u8>) {
        if let Some(session) = state.sessions.get(&self.number) {
            session.send(body, None);
        }
    }

    fn log(&self, state: &State, event: Event) {
        let client_id = state.sessions.get(&self.number).and_then(|session| session.client_id);
        self.core.log(Some(self.number), client_id, event);
    }

    fn error(&self, state: &State, req_id: i32, refusal: Refusal) {
        self.send(state, message::error(req_id, refusal.code, &refusal.text, self.now_us / 1_000));
        self.log(state, Event::Error { req_id, code: refusal.code, text: refusal.text });
    }

    fn start(&self, state: &mut State, client_id: i32) -> Result<(), String> {
        let taken = state.sessions.values().any(|session| session.client_id == Some(client_id));
        if taken || state.faults.holds_client_id(client_id) {
            let text = "Unable to connect as the client id is already in use. Retry with a unique client id.";
            self.error(state, -1, Refusal { code: 326, text: text.to_owned() });
            return Err(format!("client id {client_id} is in use"));
        }
        let mut server_version = 0;
        if let Some(session) = state.sessions.get_mut(&self.number) {
            session.client_id = Some(client_id);
            server_version = session.server_version.unwrap_or(0);
        }
        tracing::info!(connection = self.number, client_id, server_version, "API client connected");
        self.log(state, Event::Connect { server_version });
        self.managed_accounts(state);
        self.next_valid_id(state);
        for (code, text) in FARMS_OK {
            self.send(state, message::error(-1, code, text, self.now_us / 1_000));
        }
        Ok(())
    }

    fn managed_accounts(&self, state: &State) {
        let message = pb::ManagedAccounts { accounts_list: Some(self.core.config.account.clone()) };
        self.send(state, message::encode(response::MANAGED_ACCOUNTS, &message));
    }

    fn next_valid_id(&self, state: &State) {
        let message = pb::NextValidId { order_id: Some(NEXT_ORDER_ID) };
        self.send(state, message::encode(response::NEXT_VALID_ID, &message));
    }

    fn contract_data(&self, state: &State, request: &pb::ContractDataRequest) {
        let req_id = request.req_id.unwrap_or(0);
        let market = &self.core.market;
        let found = request.contract.as_ref().map(|wanted| market.catalog().find(wanted)).unwrap_or_default();
        self.log(state, Event::ContractDetails { req_id, found: found.len() });
        if found.is_empty() {
            return self.error(state, req_id, no_definition());
        }
        for contract in found {
            let details = details::details(contract, market.hours(contract), self.now_us / 1_000_000);
            let message = pb::ContractData {
                req_id: Some(req_id),
                contract: Some(details::contract(contract)),
                contract_details: Some(details),
            };
            self.send(state, message::encode(response::CONTRACT_DATA, &message));
        }
        let end = pb::ContractDataEnd { req_id: Some(req_id) };
        self.send(state, message::encode(response::CONTRACT_DATA_END, &end));
    }

    fn subscribe(&self, state: &mut State, request: &pb::TickByTickRequest) {
        let req_id = request.req_id.unwrap_or(0);
        let allowed = self.stream_of(request).and_then(|stream| match state.faults.refusal(stream) {
            Some(refusal) => Err(refusal),
            None => Ok(stream),
        });
        let stream = match allowed {
            Ok(stream) => stream,
            Err(refusal) => return self.error(state, req_id, refusal),
        };
        let Some(session) = state.sessions.get_mut(&self.number) else { return };
        if session.subscriptions.get(&req_id).is_some_and(|subscription| !subscription.ended) {
            let refusal = Refusal { code: 102, text: "Duplicate ticker ID for API request".to_owned() };
            return self.error(state, req_id, refusal);
        }
        session.subscriptions.insert(req_id, Subscription { stream, since_us: self.now_us, ended: false });
        self.log(state, Event::Subscribe { req_id, con_id: stream.con_id, tick: stream.tick });
    }

    /// The one stream that a request means.
    fn stream_of(&self, request: &pb::TickByTickRequest) -> Result<Stream, Refusal> {
        let invalid =
            |cause: &str| Refusal { code: 321, text: format!("Error validating request.-'bN' : cause - {cause}") };
        let wanted = request.contract.as_ref().ok_or_else(no_definition)?;
        let tick = request.tick_type.as_deref().and_then(TickType::from_name);
        let tick = tick.ok_or_else(|| invalid("Invalid tick-by-tick type"))?;
        if wanted.exchange.as_deref().unwrap_or_default().is_empty() {
            return Err(invalid("Please enter exchange"));
        }
        let mut found = self.core.market.catalog().find(wanted);
        // An id with the type of something else means nothing.
        if let Some(sec_type) = wanted.sec_type.as_deref().filter(|text| !text.is_empty()) {
            found.retain(|contract| contract.sec_type.eq_ignore_ascii_case(sec_type));
        }
        match found.as_slice() {
            [contract] => Ok(Stream { con_id: contract.con_id, tick }),
            [] => Err(no_definition()),
            _ => Err(Refusal { code: 200, text: "The contract description specified is ambiguous.".to_owned() }),
        }
    }

    fn cancel(&self, state: &mut State, req_id: i32) {
        let Some(session) = state.sessions.get_mut(&self.number) else { return };
        match session.subscriptions.remove(&req_id) {
            Some(Subscription { stream, .. }) => {
                self.log(state, Event::Cancel { req_id, con_id: stream.con_id, tick: stream.tick });
            }
            None => {
                let text = format!("Can't find EId with tickerId:{req_id}");
                self.error(state, req_id, Refusal { code: 300, text });
            }
        }
    }
}

fn no_definition() -> Refusal {
    Refusal { code: 200, text: "No security definition has been found for the request".to_owned() }
}
