//! Market data lines.

use super::super::lines::Subscribed;
use super::{Call, Event, Refusal, State, invalid};
use crate::lifecycle::Wants;
use crate::limits;
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::market_data::{Feed, GenericTicks, Kind, Line};
use crate::wire::pb;

/// Notice with data that are late because the login has no live ones.
const DELAYED: (i32, &str) = (10167, "Requested market data is not subscribed. Displaying delayed market data.");

/// Error without data, for a client that asked for live ones only.
const NOT_SUBSCRIBED: (i32, &str) = (354, "Requested market data is not subscribed. Delayed market data is available.");

/// What a request can be served with.
struct Wanted {
    con_id: i32,
    kind: Kind,
    generic: GenericTicks,
    snapshot: bool,
}

impl Call<'_> {
    /// The one entry of requests for a line.
    pub(super) fn market_data(&self, state: &mut State, request: &pb::MarketDataRequest) {
        let req_id = request.req_id.unwrap_or(0);
        let wanted = match self.wanted(state, request) {
            Ok(wanted) => wanted,
            Err(refusal) => return self.error(state, req_id, refusal),
        };
        let Wanted { con_id, kind, generic, snapshot } = wanted;
        let feed = Feed::Line(Line::new(con_id, kind, generic, snapshot, self.now_us));
        if self.subscribe_feed(state, req_id, feed) && matches!(kind, Kind::Delayed { .. }) {
            let (code, text) = DELAYED;
            self.error(state, req_id, Refusal { code, text: text.to_owned() });
        }
    }

    fn wanted(&self, state: &State, request: &pb::MarketDataRequest) -> Result<Wanted, Refusal> {
        let con_id = self.named(request.contract.as_ref())?.con_id;
        let list = request.generic_tick_list.as_deref().unwrap_or_default();
        let generic = GenericTicks::read(list).map_err(|error| invalid(&error.to_string()))?;
        let snapshot = request.snapshot.unwrap_or(false) || request.regulatory_snapshot.unwrap_or(false);
        if snapshot && !generic.is_empty() {
            return Err(invalid("Snapshot market data subscription is not applicable to generic ticks"));
        }
        Ok(Wanted { con_id, kind: self.kind(state, con_id)?, generic, snapshot })
    }

    /// Which data a line gets: live ones, unless a fault says that the login has none of that contract.
    fn kind(&self, state: &State, con_id: i32) -> Result<Kind, Refusal> {
        let asked_for = state.sessions.get(&self.number).map_or(1, |session| session.market_data_type);
        let frozen = matches!(asked_for, 2 | 4);
        let quotes = Stream { con_id, tick: TickType::BidAsk };
        if let Some(refusal) = state.faults.line_refusal(quotes) {
            return Err(refusal);
        }
        let delay_s = state.faults.delay_s(quotes);
        match (delay_s, asked_for) {
            (Some(by_s), 3 | 4) => Ok(Kind::Delayed { by_s, frozen }),
            (Some(_), _) => {
                let (code, text) = NOT_SUBSCRIBED;
                Err(Refusal { code, text: text.to_owned() })
            }
            (None, _) => Ok(if frozen { Kind::Frozen } else { Kind::Live }),
        }
    }

    pub(super) fn cancel_market_data(&self, state: &mut State, req_id: i32) {
        self.cancel_feed(state, req_id, |feed| matches!(feed, Feed::Line(_)));
    }

    /// Begins a feed, or refuses its id.
    pub(super) fn subscribe_feed(&self, state: &mut State, req_id: i32, feed: Feed) -> bool {
        let Some(session) = state.sessions.get_mut(&self.number) else { return false };
        if session.feeds.get(&req_id).is_some_and(|subscribed| !subscribed.ended) {
            let refusal = Refusal { code: 322, text: duplicate(req_id) };
            self.error(state, req_id, refusal);
            return false;
        }
        let line = if matches!(feed, Feed::Depth(_)) { limits::Line::Depth } else { limits::Line::MarketData };
        let admitted = self.line(state, line);
        if let Err(refusal) = admitted.and_then(|()| self.reaches(state, Wants::MarketData, feed.con_id())) {
            self.error(state, req_id, refusal);
            return false;
        }
        let Some(session) = state.sessions.get_mut(&self.number) else { return false };
        let (con_id, what) = (feed.con_id(), feed.name());
        session.feeds.insert(req_id, Subscribed { feed, since_us: self.now_us, ended: false });
        self.log(state, Event::Feed { req_id, con_id, what });
        true
    }

    /// Ends a feed of the right kind.
    pub(super) fn cancel_feed(&self, state: &mut State, req_id: i32, is: fn(&Feed) -> bool) {
        if !self.end_feed(state, req_id, is) {
            let text = format!("Can't find EId with tickerId:{req_id}");
            self.error(state, req_id, Refusal { code: 300, text });
        }
    }

    /// Ends a feed of the right kind, if there is one.
    pub(super) fn end_feed(&self, state: &mut State, req_id: i32, is: fn(&Feed) -> bool) -> bool {
        let Some(session) = state.sessions.get_mut(&self.number) else { return false };
        let found = session.feeds.get(&req_id).is_some_and(|subscribed| is(&subscribed.feed));
        if found {
            session.feeds.remove(&req_id);
            self.log(state, Event::CancelFeed { req_id });
        }
        found
    }
}

fn duplicate(req_id: i32) -> String {
    format!("Error processing request.-'bS' : cause - Duplicate ticker id {req_id}")
}
