//! How long what waits for history will take: an estimate from what is missing and what the budget allows. Pure.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    budget::{Budget, cost},
    ledger::{Gap, Recorded},
    work::{MARGIN, locked},
};
use crate::clock::Now;

/// Seconds that an answer of history covers when nothing is known of a kind: one tick a second.
const UNKNOWN_PACE: f64 = 1_000.0;

/// What is still to be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Questions.
    pub requests: u64,
    /// What they count in the budget.
    pub count: u64,
    /// When the last of the gaps may be asked for, milliseconds since 1970.
    pub ripe_ms: i64,
}

/// What is to be asked of the gaps that wait, as far as it is `askable`; `None` when there is none. How much one answer
/// covers is known from earlier ones: of the gap itself, of its stream, or of its kind.
#[must_use]
pub fn work(gaps: &[Gap], lag_ms: i64, askable: impl Fn(&Gap) -> bool) -> Option<Work> {
    let waiting = gaps.iter().filter_map(|gap| Some((gap, gap.ripe_ms(lag_ms)?)));
    let waiting: Vec<(&Gap, i64)> = waiting.filter(|(gap, _)| askable(gap)).collect();
    if waiting.is_empty() {
        return None;
    }
    let (mut streams, mut kinds) = (BTreeMap::<Recorded, Pace>::new(), BTreeMap::<&str, Pace>::new());
    for gap in gaps {
        let pace = Pace::of(gap);
        streams.entry(gap.stream).or_default().add(pace);
        kinds.entry(gap.stream.kind.as_str()).or_default().add(pace);
    }
    let mut work = Work { requests: 0, count: 0, ripe_ms: i64::MIN };
    for (gap, ripe_ms) in waiting {
        let of_stream = || streams.get(&gap.stream).and_then(|pace| pace.seconds());
        let of_kind = || kinds.get(gap.stream.kind.as_str()).and_then(|pace| pace.seconds());
        let pace = Pace::of(gap).seconds().or_else(of_stream).or_else(of_kind).unwrap_or(UNKNOWN_PACE);
        let requests = (unanswered(gap) as f64 / pace).ceil().max(1.0) as u64;
        work.requests += requests;
        work.count += requests * u64::from(cost(gap.stream.kind));
        work.ripe_ms = work.ripe_ms.max(ripe_ms);
    }
    Some(work)
}

/// Seconds that history was not asked for yet, those beside the gap included. Where it begins may not be known yet.
fn unanswered(gap: &Gap) -> i64 {
    let first = gap.progress.map(|progress| progress.through + 1).or(gap.after.map(|after| after - MARGIN));
    let end = gap.before.map(|before| before + MARGIN + 1);
    first.zip(end).map_or(1, |(first, end)| (end - first).max(1))
}

/// What answers of history have covered.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    answered: i64,
    answers: u32,
}

impl Pace {
    fn of(gap: &Gap) -> Self {
        let Some(range) = gap.range().filter(|_| gap.answers > 0) else { return Self::default() };
        let through = gap.progress.map_or(range.end() + MARGIN, |progress| progress.through);
        Self { answered: (through - (range.start() - MARGIN) + 1).max(0), answers: gap.answers }
    }

    fn add(&mut self, other: Self) {
        self.answered = self.answered.saturating_add(other.answered);
        self.answers = self.answers.saturating_add(other.answers);
    }

    /// Seconds an answer.
    fn seconds(self) -> Option<f64> {
        (self.answers > 0 && self.answered > 0).then(|| self.answered as f64 / f64::from(self.answers))
    }
}

/// What waits, and the budget that it waits for.
#[derive(Debug, Clone)]
pub struct Backlog {
    /// What is to be asked.
    pub work: Work,
    /// Requests in ten minutes.
    pub allowed: u32,
    /// What the login has asked already.
    pub budget: Arc<Mutex<Budget>>,
}

impl PartialEq for Backlog {
    /// The budget is always the same one, and is looked at when it is needed.
    fn eq(&self, other: &Self) -> bool {
        (self.work, self.allowed) == (other.work, other.allowed)
    }
}

impl Backlog {
    /// When all of it is settled, from `now` on.
    #[must_use]
    pub fn eta(&self, now: Now) -> Duration {
        let Work { requests, count, ripe_ms } = self.work;
        let ripe = Duration::from_millis(u64::try_from(ripe_ms - now.wall.as_millisecond()).unwrap_or(0));
        locked(&self.budget).time_for(requests, count, self.allowed, now.mono).max(ripe)
    }
}

#[cfg(test)]
mod tests {
    use marketstream_proto::TickKind;

    use super::*;
    use crate::{
        backfill::{
            ledger::{GapCause, Ledger, Outcome, Progress},
            merge::Compared,
        },
        clock::Clock,
    };

    const LAG: i64 = 60_000;
    const TRADES: Recorded = Recorded { con_id: 7, kind: TickKind::Last };
    const QUOTES: Recorded = Recorded { con_id: 7, kind: TickKind::BidAsk };

    fn lose(ledger: &mut Ledger, stream: Recorded, after: i64, before: i64) -> u64 {
        ledger.open("a", stream, Some(after), GapCause::SessionLost);
        ledger.close(stream, before, before * 1_000);
        ledger.gaps().last().unwrap().id
    }

    fn work_of(ledger: &Ledger) -> Option<(u64, u64)> {
        work(ledger.gaps(), LAG, |_| true).map(|work| (work.requests, work.count))
    }

    fn partly(through: i64) -> Outcome {
        Outcome::Partly {
            added: 1,
            progress: Progress { through, newest: Some(through), compared: Compared::default() },
        }
    }

    #[test]
    fn what_waits_is_counted_by_what_earlier_answers_covered() {
        let mut ledger = Ledger::default();
        ledger.open("a", TRADES, Some(5), GapCause::SessionLost);
        assert_eq!(work_of(&ledger), None, "nobody knows how long it will be");
        ledger.close(TRADES, 6, 0);
        assert_eq!(work_of(&ledger), Some((1, 1)));
        let long = lose(&mut ledger, QUOTES, 10_000, 14_979);
        // 5,000 seconds with those beside it, 1,000 an answer.
        assert_eq!(work_of(&ledger), Some((1 + 5, 1 + 2 * 5)));
        // An answer has covered 100 of them; then another 300.
        ledger.settle(long, partly(10_089), 0);
        assert_eq!(work_of(&ledger), Some((1 + 49, 1 + 2 * 49)));
        ledger.settle(long, partly(10_389), 0);
        assert_eq!(work_of(&ledger), Some((1 + 23, 1 + 2 * 23)));
        // Another gap of the stream, and one of another contract, go by it: 200 seconds an answer.
        let other = Recorded { con_id: 8, ..QUOTES };
        for stream in [QUOTES, other] {
            lose(&mut ledger, stream, 20_000, 20_979);
        }
        assert_eq!(work_of(&ledger), Some((1 + 23 + 5 + 5, 1 + 2 * 33)));
        // What is settled needs nothing more.
        let fetched = || Outcome::Fetched { added: 1, agreement: Some(1.0), whole: true };
        ledger.gaps().to_vec().iter().for_each(|gap| ledger.settle(gap.id, fetched(), 0));
        assert_eq!(work_of(&ledger), None);
        assert_eq!(work(ledger.gaps(), LAG, |_| false), None);
    }

    #[test]
    fn it_is_done_when_the_budget_has_let_all_through_and_the_last_gap_is_ripe() {
        let now = Clock::start().now();
        let ripe_ms = now.wall.as_millisecond();
        let eta = |requests, ripe_ms| {
            let work = Work { requests, count: 2 * requests, ripe_ms };
            Backlog { work, allowed: 40, budget: Arc::default() }.eta(now).as_secs()
        };
        assert_eq!([eta(1, ripe_ms), eta(20, ripe_ms), eta(60, 0)], [0, 10, 1_200]);
        assert_eq!(eta(1, ripe_ms + 30_000), 30);
    }
}
