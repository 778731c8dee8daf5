//! One gap, from the question to the file: one answer of history at a time, so that a gap of any length takes little
//! memory, and what was fetched of it is kept through restarts and lost sessions.

use std::{
    future::Future,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::try_join_all;
use ibapi::{Client, contracts::Contract};
use marketstream_proto::{Source, TickKind, TickMessage};
use marketstream_recovery::{
    codes::{ErrorClass, classify},
    hours::TradingHours,
};

use super::{
    budget::Budget,
    fetch::{self, FetchError},
    ledger::{Gap, MAX_ATTEMPTS, Outcome, Progress, Recorded},
    merge::{between, compare, second},
    openings::Openings,
    pages::{Step, answered},
    store::Files,
};
use crate::{clock::Clock, facts::Counters};

/// Known-good seconds on each side of a gap that are fetched too, to see how far history can be trusted.
pub const MARGIN: i64 = 10;

/// How far back the last tick before a start is looked for, hours: longer gaps are older than any `maxAge` of use.
const LOOK_BACK: i64 = 24 * 8;

/// Where history comes from.
pub trait History {
    /// Ticks from this second on.
    fn ticks(
        &mut self,
        stream: Recorded,
        from: i64,
    ) -> impl Future<Output = Result<Vec<TickMessage>, FetchError>> + Send;
}

/// IBKR's history, by one session, within the login's budget.
pub struct Ibkr {
    /// The session.
    pub client: Arc<Client>,
    /// The contract, as IBKR describes it.
    pub contract: Contract,
    /// What the login has asked already.
    pub budget: Arc<Mutex<Budget>>,
    /// Requests in ten minutes.
    pub allowed: u32,
    /// The clock of the budget.
    pub clock: Clock,
    /// Counts.
    pub counters: Arc<Counters>,
}

/// The login's budget.
pub fn locked(budget: &Mutex<Budget>) -> MutexGuard<'_, Budget> {
    budget.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the budget allows a request, and spends it.
pub async fn turn(budget: &Mutex<Budget>, kind: TickKind, allowed: u32, clock: Clock) {
    loop {
        let now = clock.mono();
        let at = {
            let mut budget = locked(budget);
            let at = budget.earliest(kind, allowed, now);
            if at <= now {
                return budget.spend(kind, now);
            }
            at
        };
        tokio::time::sleep_until(clock.instant(at)).await;
    }
}

impl History for Ibkr {
    async fn ticks(&mut self, stream: Recorded, from: i64) -> Result<Vec<TickMessage>, FetchError> {
        turn(&self.budget, stream.kind, self.allowed, self.clock).await;
        let answer = fetch::ticks(&self.client, &self.contract, stream.kind, from, &self.counters).await;
        if let Err(FetchError::Pacing(_)) = &answer {
            locked(&self.budget).cool_down(self.clock.mono());
        }
        answer
    }
}

/// The first and the last second of a gap. Where the loss began is looked up in the files if the gap does not know it,
/// and noted there.
async fn ends(gap: &mut Gap, files: &Files) -> Result<(i64, i64), Outcome> {
    let (stream, Some(before)) = (gap.stream, gap.before) else {
        return Err(Outcome::Postponed("the gap is open".to_owned()));
    };
    if let Some(after) = gap.after {
        return Ok((after, before));
    }
    match blocking(files, move |files| files.last_before(stream, before, LOOK_BACK)).await {
        Ok(Some(after)) => Ok((*gap.after.insert(after), before)),
        Ok(None) => Err(Outcome::Beginning),
        Err(error) => Err(Outcome::Postponed(error.to_string())),
    }
}

/// What is known of a contract's sessions, by the volume and by the hours of its last look-up.
pub async fn known_openings(files: &Files, con_id: i32, hours: Option<TradingHours>) -> Openings {
    let sessions = blocking(files, move |files| Ok(files.sessions(con_id))).await;
    // A task that panicked knows nothing.
    Openings::new(&sessions.unwrap_or_default(), hours)
}

/// What becomes of a gap that history is not asked about, for this reason.
pub async fn refuse(gap: &mut Gap, reason: String, files: &Files) -> Outcome {
    ends(gap, files).await.map_or_else(|outcome| outcome, |_| Outcome::Unfillable(reason))
}

/// Asks history once about a gap, from where it is already, and stores what is missing. Seconds of the gaps `beside` it
/// are compared with nothing.
pub async fn fill(
    gap: &mut Gap,
    history: &mut impl History,
    openings: &Openings,
    beside: &[RangeInclusive<i64>],
    files: &Files,
) -> Outcome {
    let stream = gap.stream;
    let (after, before) = match ends(gap, files).await {
        Ok(ends) => ends,
        Err(outcome) => return outcome,
    };
    let range = after..=before;
    let (first, end) = (after - MARGIN, before + MARGIN);
    let from = gap.ask_from(after, before, MARGIN);
    let mut ticks = match history.ticks(stream, from).await {
        Ok(ticks) => ticks,
        Err(FetchError::Refused(code, text)) => return refused_by_ibkr(code, &text),
        Err(FetchError::Competing(code, text)) => return Outcome::Competing(code, text),
        Err(error) => return Outcome::Postponed(error.to_string()),
    };
    let seconds: Vec<i64> = ticks.iter().map(second).collect();
    let step = answered(end, from, &seconds, |from| openings.after(from));
    let through = match step {
        Step::Ask(next) => next - 1,
        Step::Complete | Step::Ended => end,
        Step::Stuck => return Outcome::Failed(format!("history does not go on from second {from}")),
    };
    // An answer that ignores the start repeats what is known.
    ticks.retain(|tick| (from..=through).contains(&second(tick)));
    let newest = seconds.into_iter().filter(|second| *second >= from).max();
    let newest = newest.max(gap.progress.and_then(|progress| progress.newest));

    // The margins, where the answer touches them.
    let sides = [first..=after, before..=end].into_iter().filter(|_| from <= after || through > before);
    let recorded = sides.map(|side| blocking(files, move |files| files.read(stream, &side)));
    let recorded = match try_join_all(recorded).await {
        Ok(recorded) => recorded.concat(),
        Err(error) => return Outcome::Postponed(error.to_string()),
    };
    let known = step == Step::Complete || openings.none_until(from, before);
    let reach = Reach::of(before, &recorded, newest, known);
    if matches!(step, Step::Complete | Step::Ended)
        && let Some(outcome) = early_end(gap, reach)
    {
        return outcome;
    }
    let live: Vec<TickMessage> = recorded.into_iter().filter(|tick| tick.source() == Source::Live).collect();
    let recorded_between = between(&range, MARGIN, &live);
    let lost = |second: i64| range.contains(&second) || beside.iter().any(|other| other.contains(&second));
    let good = |second: i64| (from..=through).contains(&second) && recorded_between.contains(&second) && !lost(second);
    let mut compared = gap.progress.map(|progress| progress.compared).unwrap_or_default();
    compared += compare(&live, &ticks, good);

    let stored = blocking(files, move |files| files.complete(stream, &range, &ticks));
    match (stored.await, step) {
        (Err(error), _) => Outcome::Postponed(error.to_string()),
        (Ok(added), Step::Ask(_)) => Outcome::Partly { added, progress: Progress { through, newest, compared } },
        (Ok(added), Step::Complete | Step::Ended | Step::Stuck) => {
            Outcome::Fetched { added, agreement: compared.agreement(), whole: reach == Reach::Whole }
        }
    }
}

/// Said of a range that history knows nothing of.
const NOTHING: &str = "IBKR's history has no tick of this time";

/// How far history has come: it lags by seconds to minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// To the end of the gap, as far as what was recorded there can tell.
    Whole,
    /// Not to the end: this is the second of its last tick.
    Until(i64),
    /// Nobody knows: it has no more ticks, and the contract may have traded again before the end.
    Unknown,
    /// It has no tick at all; `known` says whether there was one.
    Nothing { known: bool },
}

impl Reach {
    /// Of a gap that ends with second `before`, by what was recorded beside it and history's newest tick, the margins
    /// included. `known` says whether all sessions up to there are known to be answered.
    fn of(before: i64, recorded: &[TickMessage], newest: Option<i64>, known: bool) -> Self {
        match newest {
            None => Self::Nothing { known: !recorded.is_empty() },
            Some(newest) if newest < before && recorded.iter().any(|tick| second(tick) >= before) => {
                Self::Until(newest)
            }
            Some(newest) if newest < before && !known => Self::Unknown,
            Some(_) => Self::Whole,
        }
    }
}

/// What it means that history has come to its end, if that is not the end of the gap.
fn early_end(gap: &Gap, reach: Reach) -> Option<Outcome> {
    match reach {
        Reach::Nothing { known: false } => Some(Outcome::Unfillable(NOTHING.to_owned())),
        Reach::Nothing { known: true } => Some(Outcome::Failed(NOTHING.to_owned())),
        // The last attempt has to do with what there is.
        Reach::Until(second) => (gap.attempts + 1 < MAX_ATTEMPTS).then(|| {
            let end = gap.before.unwrap_or_default();
            Outcome::Failed(format!("IBKR's history goes only to second {second}, and the gap to {end}"))
        }),
        Reach::Whole | Reach::Unknown => None,
    }
}

/// What passes though it has no class, in texts of 162: the data service is out of reach, the question was cut off.
const PASSES: [&str; 2] = ["connection attempt failed", "query cancelled"];

/// What IBKR will say again, however often it is asked, what passes, and what nobody knows of.
fn refused_by_ibkr(code: i32, text: &str) -> Outcome {
    let reason = format!("IBKR's history: error {code}: {text}");
    let says = |words: &&str| text.to_ascii_lowercase().contains(words);
    match classify(code, text) {
        ErrorClass::NotEntitled | ErrorClass::ContractInvalid => Outcome::Unfillable(reason),
        _ if PASSES.iter().any(says) => Outcome::Postponed(reason),
        _ => Outcome::Failed(reason),
    }
}

async fn blocking<R: Send + 'static>(
    files: &Files,
    work: impl FnOnce(&Files) -> std::io::Result<R> + Send + 'static,
) -> std::io::Result<R> {
    let files = files.clone();
    tokio::task::spawn_blocking(move || work(&files)).await.map_err(std::io::Error::other)?
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
