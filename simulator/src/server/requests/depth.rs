//! Order books.

use super::{Call, Refusal, State, invalid};
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::market_data::{Depth, Feed};
use crate::wire::pb;

/// Rows a side that a client may ask for at most.
const ROWS_MAX: i32 = 20;

impl Call<'_> {
    /// The one entry of requests for an order book.
    pub(super) fn market_depth(&self, state: &mut State, request: &pb::MarketDepthRequest) {
        let req_id = request.req_id.unwrap_or(0);
        match self.book(state, request) {
            Ok(depth) => {
                self.subscribe_feed(state, req_id, Feed::Depth(depth));
            }
            Err(refusal) => self.error(state, req_id, refusal),
        }
    }

    fn book(&self, state: &State, request: &pb::MarketDepthRequest) -> Result<Depth, Refusal> {
        let con_id = self.named(request.contract.as_ref())?.con_id;
        let rows = request.num_rows.filter(|rows| (1..=ROWS_MAX).contains(rows));
        let rows = rows.and_then(|rows| usize::try_from(rows).ok());
        let rows = rows.ok_or_else(|| invalid(&format!("numRows must be from 1 to {ROWS_MAX}")))?;
        if let Some(refusal) = state.faults.line_refusal(Stream { con_id, tick: TickType::BidAsk }) {
            return Err(refusal);
        }
        Ok(Depth::new(con_id, rows, request.is_smart_depth.unwrap_or(false), self.now_us))
    }

    pub(super) fn cancel_market_depth(&self, state: &mut State, req_id: i32) {
        if !self.end_feed(state, req_id, |feed| matches!(feed, Feed::Depth(_))) {
            let text = format!("Can't find the subscribed market depth with tickerId:{req_id}");
            self.error(state, req_id, Refusal { code: 310, text });
        }
    }
}
