//! Five-second bars.

use super::{Call, State, invalid};
use crate::history::bars::Show;
use crate::market_data::{Feed, RealTimeBars};
use crate::wire::pb;

impl Call<'_> {
    /// The one entry of requests for five-second bars. The bar size does not matter: there is only one.
    pub(super) fn real_time_bars(&self, state: &mut State, request: &pb::RealTimeBarsRequest) {
        let req_id = request.req_id.unwrap_or(0);
        let con_id = match self.named(request.contract.as_ref()) {
            Ok(contract) => contract.con_id,
            Err(refusal) => return self.error(state, req_id, refusal),
        };
        let show = request.what_to_show.as_deref().and_then(Show::read);
        let Some(show @ (Show::Trades | Show::Midpoint | Show::Bid | Show::Ask)) = show else {
            return self.error(state, req_id, invalid("whatToShow must be one of TRADES, MIDPOINT, BID, ASK"));
        };
        let what = request.what_to_show.as_deref().unwrap_or_default();
        if let Err(refusal) = self.pace_live_bars(state, con_id, what) {
            return self.error(state, req_id, refusal);
        }
        let bars = RealTimeBars::new(con_id, show, request.use_rth.unwrap_or(false), self.now_us);
        self.subscribe_feed(state, req_id, Feed::RealTimeBars(bars));
    }

    pub(super) fn cancel_real_time_bars(&self, state: &mut State, req_id: i32) {
        self.cancel_feed(state, req_id, |feed| matches!(feed, Feed::RealTimeBars(_)));
    }
}
