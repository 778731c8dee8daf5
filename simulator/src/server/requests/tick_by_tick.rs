//! Tick-by-tick subscriptions.

use super::super::sessions::Subscription;
use super::{Call, Event, Refusal, State, invalid, no_definition};
use crate::lifecycle::Wants;
use crate::limits::Line;
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::wire::pb;

impl Call<'_> {
    pub(super) fn subscribe_ticks(&self, state: &mut State, request: &pb::TickByTickRequest) {
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
        let admitted = self.line(state, Line::TickByTick(stream.con_id));
        if let Err(refusal) = admitted.and_then(|()| self.reaches(state, Wants::TickByTick, stream.con_id)) {
            return self.error(state, req_id, refusal);
        }
        let Some(session) = state.sessions.get_mut(&self.number) else { return };
        let delay_s = state.faults.delay_s(stream);
        let delay_us = i64::from(delay_s.unwrap_or(0)) * 1_000_000;
        session.subscriptions.insert(req_id, Subscription::new(stream, self.now_us, delay_us));
        self.log(state, Event::Subscribe { req_id, con_id: stream.con_id, tick: stream.tick });
        if delay_s.is_some() {
            let text = "Requested market data is not subscribed. Displaying delayed market data.".to_owned();
            self.error(state, req_id, Refusal { code: 10167, text });
        }
    }

    /// The one stream that a request means.
    fn stream_of(&self, request: &pb::TickByTickRequest) -> Result<Stream, Refusal> {
        let wanted = request.contract.as_ref().ok_or_else(no_definition)?;
        let tick = request.tick_type.as_deref().and_then(TickType::from_name);
        let tick = tick.ok_or_else(|| invalid("Invalid tick-by-tick type"))?;
        Ok(Stream { con_id: self.one_contract(wanted)?.con_id, tick })
    }

    pub(super) fn cancel_ticks(&self, state: &mut State, req_id: i32) {
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
