//! Requests for the past: ticks, bars, and where the history begins. Answered by [`super::super::queries`].

use super::super::queries::{Query, Wanted};
use super::{Answer, Call, Event, Refusal, State, invalid, no_definition};
use crate::history::bars::{BarsError, BarsQuestion};
use crate::history::{self, Question, QuestionError};
use crate::lifecycle::Wants;
use crate::limits::Line;
use crate::market::catalog::Contract;
use crate::wire::pb;

impl Call<'_> {
    /// The one entry of requests for ticks of the past.
    pub(super) fn historical_ticks(&self, state: &mut State, request: &pb::HistoricalTicksRequest) {
        let req_id = request.req_id.unwrap_or(0);
        let question = self
            .named(request.contract.as_ref())
            .and_then(|contract| Ok(Question::new(contract.con_id, request, &self.core.config.time_zone)?))
            .and_then(|question| self.pace_ticks(state, &question).map(|()| question));
        match question {
            Ok(question) => self.ask(state, req_id, Wanted::Ticks(question), question.what.name()),
            Err(refusal) => self.error(state, req_id, refusal),
        }
    }

    /// The one entry of requests for bars and sessions of the past.
    pub(super) fn historical_data(&self, state: &mut State, request: &pb::HistoricalDataRequest) {
        let req_id = request.req_id.unwrap_or(0);
        let question = self
            .named(request.contract.as_ref())
            .and_then(|contract| Ok(BarsQuestion::new(contract, request, &self.core.config.time_zone)?))
            .and_then(|bars| {
                self.pace_bars(state, &bars, request.what_to_show.as_deref().unwrap_or_default()).map(|()| bars)
            });
        match question {
            Ok(question) => {
                let show = request.what_to_show.as_deref().unwrap_or_default();
                self.ask(state, req_id, Wanted::Bars(question), &format!("bars of {show}"));
            }
            Err(refusal) => self.error(state, req_id, refusal),
        }
    }

    /// The one entry of requests for the begin of the history.
    pub(super) fn head_timestamp(&self, state: &State, request: &pb::HeadTimestampRequest) {
        let req_id = request.req_id.unwrap_or(0);
        let contract = match self.named(request.contract.as_ref()) {
            Ok(contract) => contract,
            Err(refusal) => return self.error(state, req_id, refusal),
        };
        let Some(begin_s) = history::begin_s(contract, self.core.market.hours(contract)) else {
            let text = "Historical Market Data Service error message:No head time stamp".to_owned();
            return self.error(state, req_id, Refusal { code: 162, text });
        };
        let text_times = request.format_date == Some(1);
        let head = if text_times { history::time_text(begin_s, "UTC", "%Y%m%d-%H:%M:%S") } else { begin_s.to_string() };
        let message = pb::HeadTimestamp { req_id: Some(req_id), head_timestamp: Some(head) };
        self.answer(state, &Answer::HeadTimestamp(message));
    }

    /// A client does without an answer, or without the bars that follow it.
    pub(super) fn cancel_history(&self, state: &mut State, req_id: i32) {
        let Some(session) = state.sessions.get_mut(&self.number) else { return };
        let working = session.queries.remove(&req_id).is_some();
        let kept_up = session.feeds.get(&req_id).is_some_and(|subscribed| subscribed.feed.is_kept_up());
        if kept_up {
            session.feeds.remove(&req_id);
        }
        let refusal = if working || kept_up {
            let text =
                format!("Historical Market Data Service error message:API historical data query cancelled: {req_id}");
            Refusal { code: 162, text }
        } else {
            Refusal { code: 366, text: format!("No historical data query found for ticker id:{req_id}") }
        };
        self.error(state, req_id, refusal);
    }

    /// The contract that a request names.
    pub(super) fn named(&self, wanted: Option<&pb::Contract>) -> Result<&Contract, Refusal> {
        wanted.ok_or_else(no_definition).and_then(|wanted| self.one_contract(wanted))
    }

    fn ask(&self, state: &mut State, req_id: i32, what: Wanted, name: &str) {
        let history = state.history;
        let Some(session) = state.sessions.get_mut(&self.number) else { return };
        if session.queries.contains_key(&req_id) || session.feeds.contains_key(&req_id) {
            let text = "Duplicate ticker ID for API historical data query".to_owned();
            return self.error(state, req_id, Refusal { code: 386, text });
        }
        let stream = what.stream();
        let admitted =
            self.line(state, Line::History).and_then(|()| self.reaches(state, Wants::History, stream.con_id));
        if let Err(refusal) = admitted.and_then(|()| state.faults.history_refusal(stream).map_or(Ok(()), Err)) {
            return self.error(state, req_id, refusal);
        }
        let Some(session) = state.sessions.get_mut(&self.number) else { return };
        session.queries.insert(req_id, Query { what, asked_us: self.now_us, history, begun: false });
        self.core.asked.notify_one();
        self.log(state, Event::History { req_id, con_id: stream.con_id, what: name.to_owned() });
    }
}

impl From<QuestionError> for Refusal {
    fn from(error: QuestionError) -> Self {
        match error {
            QuestionError::Time => Self { code: 10314, text: error.to_string() },
            _ => invalid(&error.to_string()),
        }
    }
}

impl From<BarsError> for Refusal {
    fn from(error: BarsError) -> Self {
        match error.code() {
            321 => invalid(&error.to_string()),
            code => Self { code, text: error.to_string() },
        }
    }
}
