//! Answers requests for history, each on a thread of its own: making a day of ticks takes a while.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::core::Core;
use super::lines::Subscribed;
use crate::history::bars::{self, BarsQuestion, Show};
use crate::history::truth::SecondTruth;
use crate::history::{self, Archive, HistoryConfig, Question, SettingError, What};
use crate::journal::requests::Event;
use crate::market::tick::{Body, Tick};
use crate::market::{Market, Stream};
use crate::market_data::{Feed, KeptUp};
use crate::wire::answer::{Answer, HistoricalBars};
use crate::wire::{pb, tick};

/// A request for history that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) what: Wanted,
    /// Microseconds since the epoch.
    pub(super) asked_us: i64,
    /// Settings when it was asked.
    pub(super) history: HistoryConfig,
    /// Somebody works on it.
    pub(super) begun: bool,
}

/// What a query wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Ticks(Question),
    Bars(BarsQuestion),
}

impl Wanted {
    /// The live ticks whose past it is.
    pub(super) fn stream(&self) -> Stream {
        match self {
            Self::Ticks(question) => Stream { con_id: question.con_id, tick: question.what.live() },
            Self::Bars(question) => Stream { con_id: question.con_id, tick: question.show.live() },
        }
    }
}

/// What a query brings.
enum Outcome {
    Answer(Answer),
    /// An answer, and what keeps it up to date.
    KeptUp(Answer, Box<Feed>),
    /// Code and text of an error.
    Error(i32, String),
}

/// Takes up queries until the simulator stops.
pub(super) async fn run(core: Arc<Core>) {
    loop {
        core.asked.notified().await;
        let mut begun = Vec::new();
        for (connection, session) in &mut core.state().sessions {
            for (req_id, query) in session.queries.iter_mut().filter(|(_, query)| !query.begun) {
                query.begun = true;
                begun.push((*connection, *req_id, *query));
            }
        }
        for (connection, req_id, query) in begun {
            tokio::spawn(answer(core.clone(), connection, req_id, query));
        }
    }
}

/// Works on a query, and answers it unless it was cancelled meanwhile.
async fn answer(core: Arc<Core>, connection: u32, req_id: i32, query: Query) {
    let at_work = core.clone();
    let work = tokio::task::spawn_blocking(move || {
        let seed = at_work.config.market.seed;
        match query.what {
            Wanted::Ticks(question) => {
                let archive = Archive { market: &at_work.market, config: query.history, seed };
                ticks(req_id, &question, &archive.answer(&question, query.asked_us))
            }
            Wanted::Bars(question) => of_bars(&at_work.market, req_id, &question, query.asked_us),
        }
    });
    let outcome = match work.await {
        Ok(outcome) => outcome,
        Err(error) => return tracing::error!(%error, "history: a query failed"),
    };
    core.thawed().await;
    let mut state = core.state();
    let Some(session) = state.sessions.get_mut(&connection) else { return };
    if session.queries.get(&req_id) != Some(&query) {
        return;
    }
    session.queries.remove(&req_id);
    match outcome {
        Outcome::Answer(answer) => session.answer(&answer),
        Outcome::KeptUp(answer, feed) => {
            session.answer(&answer);
            session.feeds.insert(req_id, Subscribed { feed: *feed, since_us: query.asked_us, ended: false });
        }
        Outcome::Error(code, text) => {
            session.answer(&Answer::error(req_id, code, &text, core.clock.now_us() / 1_000));
            core.log(Some(connection), session.client_id, Event::Error { req_id, code, text });
        }
    }
}

/// Ticks in one message, complete; also when there are none.
fn ticks(req_id: i32, question: &Question, ticks: &[Tick]) -> Outcome {
    let (req_id, is_done) = (Some(req_id), Some(true));
    Outcome::Answer(match question.what {
        What::Trades => {
            let trade = |tick: &Tick| match &tick.body {
                Body::Trade(trade) => Some(tick::trade(tick.second, trade)),
                _ => None,
            };
            let ticks = ticks.iter().filter_map(trade).collect();
            Answer::HistoricalTicksLast(pb::HistoricalTicksLast { req_id, ticks, is_done })
        }
        What::BidAsk => {
            let quote = |tick: &Tick| match &tick.body {
                Body::Quote(quote) => Some(tick::quote(tick.second, quote)),
                _ => None,
            };
            let ticks = ticks.iter().filter_map(quote).collect();
            Answer::HistoricalTicksBidAsk(pb::HistoricalTicksBidAsk { req_id, ticks, is_done })
        }
        What::Midpoint => {
            let middle = |tick: &Tick| match &tick.body {
                Body::Mid(price) => Some(tick::mid(tick.second, *price)),
                _ => None,
            };
            let ticks = ticks.iter().filter_map(middle).collect();
            Answer::HistoricalTicks(pb::HistoricalTicks { req_id, ticks, is_done })
        }
    })
}

fn of_bars(market: &Market, req_id: i32, question: &BarsQuestion, asked_us: i64) -> Outcome {
    let service = |text: &str| Outcome::Error(162, format!("Historical Market Data Service error message:{text}"));
    let no_data = || service("HMDS query returned no data");
    let Some(contract) = market.catalog().by_id(question.con_id) else { return no_data() };
    let zone = market.hours(contract).zone();
    let covered = bars::covered(market, contract, question, asked_us);
    if question.show == Show::Schedule {
        return Outcome::Answer(Answer::HistoricalSchedule(history::schedule(req_id, &covered, zone)));
    }
    if bars::open_seconds(&covered) > bars::MAX_OPEN_S {
        let days = bars::MAX_OPEN_S / 86_400;
        return service(&format!("this simulator makes bars of ticks, of at most {days} days of open market"));
    }
    let made = bars::bars(market, contract, question, asked_us);
    let (Some(first), Some(last), false) = (covered.first(), covered.last(), made.is_empty()) else {
        return no_data();
    };
    let data = pb::HistoricalData {
        req_id: Some(req_id),
        bars: made.iter().map(|bar| history::bar_message(bar, question, zone)).collect(),
    };
    let end = history::bars_end(req_id, (first.seconds.start, last.seconds.end), zone);
    let answer = Answer::HistoricalBars(Box::new(HistoricalBars { data, end }));
    if question.keep_up_to_date {
        return Outcome::KeptUp(answer, Box::new(Feed::KeptUp(KeptUp::new(*question, asked_us))));
    }
    Outcome::Answer(answer)
}

impl Core {
    /// Settings of the history.
    pub(crate) fn history(&self) -> HistoryConfig {
        self.state().history
    }

    /// Changes settings of the history, for the requests that follow.
    pub(crate) fn change_history(&self, changes: &Value) -> Result<HistoryConfig, SettingError> {
        let mut state = self.state();
        state.history = state.history.with(changes)?;
        Ok(state.history)
    }

    /// How the history of some seconds compares with what was live, for who asks at `asked_us`.
    pub(crate) fn truth(&self, con_id: i32, what: What, seconds: Range<i64>, asked_us: i64) -> Vec<SecondTruth> {
        let archive = Archive { market: &self.market, config: self.history(), seed: self.config.market.seed };
        seconds.map(|second| archive.truth(con_id, what, second, asked_us)).collect()
    }
}
