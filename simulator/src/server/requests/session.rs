//! The session itself: its start, its clock, its account.

use super::{Answer, Call, Event, Refusal, State};
use crate::limits::ClientRefusal;
use crate::wire::pb;

/// First order id: as of a login that has never traded.
const NEXT_ORDER_ID: i32 = 1;

impl Call<'_> {
    pub(super) fn start(&self, state: &mut State, client_id: i32) -> Result<(), String> {
        let taken = state.sessions.values().any(|session| session.client_id == Some(client_id));
        let limited = self.client(state, client_id);
        if let Err(ClientRefusal::TooMany(most)) = limited {
            return Err(format!("there are {most} clients already"));
        }
        if taken || limited.is_err() || state.faults.holds_client_id(client_id) {
            let text = "Unable to connect as the client id is already in use. Retry with a unique client id.";
            self.error(state, -1, Refusal { code: 326, text: text.to_owned() });
            return Err(format!("client id {client_id} is in use"));
        }
        let mut server_version = 0;
        if let Some(session) = state.sessions.get_mut(&self.number) {
            session.client_id = Some(client_id);
            server_version = session.dialect.map_or(0, |dialect| dialect.version());
        }
        tracing::info!(connection = self.number, client_id, server_version, "API client connected");
        self.log(state, Event::Connect { server_version });
        self.managed_accounts(state);
        self.next_valid_id(state);
        for (code, text) in state.life.greeting() {
            self.answer(state, &Answer::error(-1, code, &text, self.now_us / 1_000));
        }
        Ok(())
    }

    pub(super) fn managed_accounts(&self, state: &State) {
        let message = pb::ManagedAccounts { accounts_list: Some(self.core.config.account.clone()) };
        self.answer(state, &Answer::ManagedAccounts(message));
    }

    pub(super) fn next_valid_id(&self, state: &State) {
        self.answer(state, &Answer::NextValidId(pb::NextValidId { order_id: Some(NEXT_ORDER_ID) }));
    }

    pub(super) fn current_time(&self, state: &State) {
        self.answer(state, &Answer::CurrentTime(pb::CurrentTime { current_time: Some(self.now_s()) }));
    }

    pub(super) fn current_time_in_millis(&self, state: &State) {
        let message = pb::CurrentTimeInMillis { current_time_in_millis: Some(self.now_us.div_euclid(1_000)) };
        self.answer(state, &Answer::CurrentTimeInMillis(message));
    }
}
