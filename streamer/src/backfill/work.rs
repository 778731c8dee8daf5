//! One gap, from the question to the file.

use std::{
    future::Future,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ibapi::{Client, contracts::Contract};
use jiff::Timestamp;
use marketstream_proto::{TickKind, TickMessage};
use marketstream_recovery::{
    codes::{ErrorClass, classify},
    hours::{SessionState, TradingHours},
};

use super::{
    budget::Budget,
    fetch::{self, FetchError},
    ledger::{Gap, MAX_ATTEMPTS, Outcome, Recorded},
    merge::{merge, second},
    pages::{Pages, Step},
    store::Files,
};
use crate::clock::Clock;

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
        let answer = fetch::ticks(&self.client, &self.contract, stream.kind, from).await;
        if let Err(FetchError::Pacing(_)) = &answer {
            locked(&self.budget).cool_down(self.clock.mono());
        }
        answer
    }
}

/// Fills a gap, as far as its stream's history goes, unless that is `refused` for a reason. What was fetched before an
/// error is kept: another attempt adds only what is missing. Where the loss began is looked up in the files if the gap
/// does not know it, and noted there.
pub async fn fill(
    gap: &mut Gap,
    refused: Option<&str>,
    history: &mut impl History,
    hours: Option<&TradingHours>,
    files: &Files,
) -> Outcome {
    let stream = gap.stream;
    let Some(before) = gap.before else { return Outcome::Failed("the gap is open".to_owned()) };
    let after = match gap.after {
        Some(after) => after,
        None => match blocking(files, move |files| files.last_before(stream, before, LOOK_BACK)).await {
            Ok(Some(after)) => *gap.after.insert(after),
            Ok(None) => return Outcome::Beginning,
            Err(error) => return Outcome::Failed(error.to_string()),
        },
    };
    if let Some(reason) = refused {
        return Outcome::Unfillable(reason.to_owned());
    }
    let range = after..=before;
    let wide = (after - MARGIN)..=(before + MARGIN);
    let (ticks, ended) = fetch_all(stream, wide.clone(), history, hours).await;
    let stored = blocking(files, move |files| {
        let stored = files.read(stream, &wide)?;
        let merged = merge(&range, MARGIN, &stored, &ticks);
        files.add(stream, &merged.add)?;
        Ok((merged, Reach::of(before, &stored, &ticks)))
    });
    match (stored.await, ended) {
        (Err(error), _) => Outcome::Failed(error.to_string()),
        (Ok((_, Reach::Nothing { known: false })), None) => Outcome::Unfillable(NOTHING.to_owned()),
        (Ok((_, Reach::Nothing { known: true })), None) => Outcome::Failed(NOTHING.to_owned()),
        // The last attempt has to do with what there is.
        (Ok((_, Reach::Until(second))), None) if gap.attempts + 1 < MAX_ATTEMPTS => {
            Outcome::Failed(format!("IBKR's history goes only to second {second}, and the gap to {before}"))
        }
        (Ok((merged, _)), None) => Outcome::Fetched { added: merged.add.len() as u64, agreement: merged.agreement },
        (Ok(_), Some(Ended::Error(FetchError::Refused(code, text)))) => refused_by_ibkr(code, &text),
        (Ok(_), Some(Ended::Error(error))) => Outcome::Failed(error.to_string()),
        (Ok(_), Some(Ended::Stuck(from))) => Outcome::Failed(format!("history does not go on from second {from}")),
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
    /// It has no tick at all; `known` says whether there was one.
    Nothing { known: bool },
}

impl Reach {
    /// Of a gap that ends with second `before`, by what is stored and what came from history, the margins included.
    fn of(before: i64, stored: &[TickMessage], ticks: &[TickMessage]) -> Self {
        match ticks.iter().map(second).max() {
            None => Self::Nothing { known: !stored.is_empty() },
            Some(last) if last < before && stored.iter().any(|tick| second(tick) >= before) => Self::Until(last),
            Some(_) => Self::Whole,
        }
    }
}

/// What IBKR will say again, however often it is asked, and what may pass: a farm that is out of reach, a query that was
/// cut off.
fn refused_by_ibkr(code: i32, text: &str) -> Outcome {
    let reason = format!("IBKR's history: error {code}: {text}");
    match classify(code, text) {
        ErrorClass::NotEntitled | ErrorClass::ContractInvalid => Outcome::Unfillable(reason),
        _ => Outcome::Failed(reason),
    }
}

/// Why history ended before the range did.
enum Ended {
    Error(FetchError),
    Stuck(i64),
}

async fn fetch_all(
    stream: Recorded,
    range: RangeInclusive<i64>,
    history: &mut impl History,
    hours: Option<&TradingHours>,
) -> (Vec<TickMessage>, Option<Ended>) {
    let mut pages = Pages::new(range.clone());
    let mut step = pages.first();
    let mut all = Vec::new();
    loop {
        let from = match step {
            Step::Ask(from) => from,
            Step::Complete => return (all, None),
            Step::Stuck(from) => return (all, Some(Ended::Stuck(from))),
        };
        let ticks = match history.ticks(stream, from).await {
            Ok(ticks) => ticks,
            Err(error) => return (all, Some(Ended::Error(error))),
        };
        let seconds: Vec<i64> = ticks.iter().map(second).collect();
        // An answer that ignores the start repeats what is known.
        all.extend(ticks.into_iter().filter(|tick| second(tick) >= from && range.contains(&second(tick))));
        step = pages.answered(&seconds, |from| reopens(hours, from));
    }
}

/// The next second after `from` at which the contract trades again after a break.
fn reopens(hours: Option<&TradingHours>, from: i64) -> Option<i64> {
    let hours = hours?;
    let at = |second: i64| Some(hours.at(Timestamp::from_second(second).ok()?));
    let next = |state| match state {
        SessionState::Closed { until } => until.map(Timestamp::as_second),
        SessionState::Open { .. } | SessionState::Unknown => None,
    };
    match at(from)? {
        SessionState::Open { until, .. } => next(at(until.as_second())?),
        closed => next(closed),
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
