//! What a request takes of the login's limits.

use super::super::sessions::Session;
use super::{Call, Refusal, State};
use crate::history::Question as Ticks;
use crate::history::bars::{BarsQuestion, Size};
use crate::lifecycle::Wants;
use crate::limits::pacing::Question;
use crate::limits::{Asks, ClientRefusal, Held, Line, Verdict};
use crate::market_data::Feed;
use crate::server::core::Core;

/// Bars longer than this are not paced, seconds.
const LONGEST_PACED_BAR_S: i64 = 30;

impl Session {
    /// What its requests take up.
    pub(in crate::server) fn held(&self) -> Held {
        let feeds = || self.feeds.values().filter(|subscribed| !subscribed.ended).map(|subscribed| &subscribed.feed);
        Held {
            market_data: feeds().filter(|feed| matches!(feed, Feed::Line(_) | Feed::RealTimeBars(_))).count(),
            tick_by_tick: self.subscriptions.values().filter(|subscription| !subscription.ended).count(),
            depth: feeds().filter(|feed| matches!(feed, Feed::Depth(_))).count(),
        }
    }
}

impl Call<'_> {
    /// Whether a request may take a line.
    pub(super) fn line(&self, state: &mut State, line: Line) -> Result<(), Refusal> {
        let mut held = Held::default();
        for session in state.sessions.values() {
            held += session.held();
        }
        let asking = state.sessions.get(&self.number).map_or(0, |session| session.queries.len());
        state.limits.line(line, held, asking, self.now_us)
    }

    /// Whether a contract's data may be asked for as the links to IBKR are now. Connects its farm.
    pub(super) fn reaches(&self, state: &mut State, wants: Wants, con_id: i32) -> Result<(), Refusal> {
        if let Some(refusal) = state.life.refusal(wants, con_id) {
            return Err(refusal);
        }
        state.life.want(wants, con_id);
        self.core.follow(state, self.now_us);
        Ok(())
    }

    /// Whether a client may come in.
    pub(super) fn client(&self, state: &mut State, client_id: i32) -> Result<(), ClientRefusal> {
        let others = state.sessions.values().filter(|session| session.client_id.is_some()).count();
        state.limits.client(client_id, others, self.now_us)
    }

    /// Whether ticks of the past may be asked for now.
    pub(super) fn pace_ticks(&self, state: &mut State, ticks: &Ticks) -> Result<(), Refusal> {
        self.pace(state, Asks::History, ticks.con_id, ticks.what.name(), format!("{ticks:?}"))
    }

    /// Whether bars of the past may be asked for now.
    pub(super) fn pace_bars(&self, state: &mut State, bars: &BarsQuestion, what: &str) -> Result<(), Refusal> {
        match bars.size {
            Size::Seconds(seconds) if seconds <= LONGEST_PACED_BAR_S => {
                self.pace(state, Asks::History, bars.con_id, what, format!("{bars:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether five-second bars may be asked for now.
    pub(super) fn pace_live_bars(&self, state: &mut State, con_id: i32, what: &str) -> Result<(), Refusal> {
        self.pace(state, Asks::RealTimeBars, con_id, what, String::new())
    }

    fn pace(&self, state: &mut State, asks: Asks, con_id: i32, what: &str, rest: String) -> Result<(), Refusal> {
        // A contract of the catalogue has one feed, whichever of its exchanges is named.
        let question = Question { con_id, exchange: String::new(), what: what.to_uppercase(), rest };
        state.limits.pace(asks, question, self.now_us)
    }
}

/// Whether a message of a client is served, and when. An error ends the connection and says why.
pub(in crate::server) async fn admit(core: &Core, number: u32) -> Result<bool, String> {
    let verdict = core.state().limits.message(number, core.clock.now_us());
    let refuse = |refusal| {
        let state = core.state();
        Call { core, number, now_us: core.clock.now_us() }.error(&state, -1, refusal);
    };
    match verdict {
        Verdict::Serve => Ok(true),
        Verdict::Wait(at_us) => {
            core.reaches(at_us).await;
            Ok(true)
        }
        Verdict::Reject(refusal) => {
            refuse(refusal);
            Ok(false)
        }
        Verdict::Close(refusal) => {
            refuse(refusal);
            Err("too many messages a second, for the third time".to_owned())
        }
    }
}
