//! Speaks for everything that goes by the clock: market data lines, five-second bars, bars that are kept up to date.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::core::{Core, State};
use crate::faults::Scope;
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::market_data::{Effect, Feed, Interference, Step};

/// How often feeds are looked at: the most that one is late on an idle machine.
const STEP: Duration = Duration::from_millis(20);

/// A feed of one request.
#[derive(Debug, Clone)]
pub(super) struct Subscribed {
    pub(super) feed: Feed,
    pub(super) since_us: i64,
    /// An error has ended it: it stays known until the client cancels it, and says nothing.
    pub(super) ended: bool,
}

impl Subscribed {
    /// Whether a fault of those streams is one of the feed: when it concerns both quotes and trades.
    pub(super) fn within(&self, scope: Scope) -> bool {
        let con_id = self.feed.con_id();
        [TickType::BidAsk, TickType::Last].into_iter().all(|tick| scope.covers(Stream { con_id, tick }))
    }
}

/// A feed that is due.
struct Due {
    connection: u32,
    req_id: i32,
    since_us: i64,
    feed: Feed,
    faults: Interference,
}

/// Speaks until the simulator stops.
pub(super) async fn run(core: Arc<Core>) {
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        steps.tick().await;
        let now_us = core.clock.now_us();
        let due = due(&core.state(), now_us);
        if due.is_empty() {
            continue;
        }
        // Adding up a day takes a while: not under the lock, nor on a thread that others need.
        let market = core.clone();
        let step = move || -> Vec<(Due, Step)> {
            let step = |mut due: Due| {
                let step = due.feed.step(due.req_id, &market.market, due.faults, now_us);
                (due, step)
            };
            due.into_iter().map(step).collect()
        };
        match tokio::task::spawn_blocking(step).await {
            Ok(steps) => deliver(&mut core.state(), steps),
            Err(error) => tracing::error!(%error, "market data: a step failed"),
        }
    }
}

fn due(state: &State, now_us: i64) -> Vec<Due> {
    let mut found = Vec::new();
    for (connection, session) in &state.sessions {
        for (req_id, subscribed) in &session.feeds {
            // A clock that was set back is followed as soon as it is seen.
            let next_us = subscribed.feed.next_us();
            if subscribed.ended || now_us < next_us && subscribed.since_us <= now_us {
                continue;
            }
            found.push(Due {
                connection: *connection,
                req_id: *req_id,
                since_us: subscribed.since_us,
                feed: subscribed.feed.clone(),
                faults: interference(state, subscribed, session.since_us),
            });
        }
    }
    found
}

/// What faults do to a feed: to bids and offers what they do to BidAsk, to trades what they do to Last.
fn interference(state: &State, subscribed: &Subscribed, connected_us: i64) -> Interference {
    let con_id = subscribed.feed.con_id();
    let effect = |tick| {
        let stream = Stream { con_id, tick };
        Effect {
            withheld: state.withholds(stream, subscribed.since_us, connected_us),
            altered: state.faults.alteration(stream, subscribed.since_us, connected_us),
        }
    };
    Interference { quotes: effect(TickType::BidAsk), trades: effect(TickType::Last) }
}

/// Hands over what the feeds say, but for those that ended or were replaced meanwhile.
fn deliver(state: &mut State, steps: Vec<(Due, Step)>) {
    for (due, step) in steps {
        let Some(session) = state.sessions.get_mut(&due.connection) else { continue };
        let Some(subscribed) = session.feeds.get_mut(&due.req_id) else { continue };
        if subscribed.ended || subscribed.since_us != due.since_us {
            continue;
        }
        subscribed.feed = due.feed;
        if step.done {
            session.feeds.remove(&due.req_id);
        }
        for answer in &step.answers {
            session.answer(answer);
        }
    }
}
