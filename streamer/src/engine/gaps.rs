//! The engine's gaps: opened by every loss, closed by the next tick, filled from history one at a time.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use ibapi::contracts::Contract;
use marketstream_crds::{FarmKind, FarmState, TickType, stream_key};
use marketstream_proto::TickKind;
use marketstream_recovery::hours::TradingHours;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, Event, contracts::ContractEntry};
use crate::{
    backfill::{
        budget::{Budget, cost, shares},
        estimate::{Backlog, work},
        ledger::{Due, Gap, GapCause, GapState, Ledger, Outcome, Recorded, Unwritten},
        store::Files,
        work::{Ibkr, fill, known_openings, locked, refuse},
    },
    cli::stored_kind,
    clock::Now,
    facts::Gaps,
    plan::StreamKey,
    recorder::Trouble,
    seal::damage::Damage,
};

/// How often what waits for history is counted: thousands of gaps may wait, and the status has it every 15 s.
const COUNTED_EVERY: Duration = Duration::from_secs(1);

/// A person's wish for history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Name of the contract in the manifest.
    pub contract: String,
    /// Tick type.
    pub tick: TickType,
    /// IBKR's seconds, since 1970.
    pub seconds: RangeInclusive<i64>,
}

/// What can be done about a gap.
enum Fate<'a> {
    /// It is not to be filled, for this reason.
    Refused(String),
    /// History is asked for this contract.
    Asked(&'a ContractEntry),
    /// Which contract it is of is not known yet.
    Waits,
}

/// What is done about a gap.
enum Chosen {
    /// It is settled without a question, for this reason.
    Refused(String),
    /// History is asked, for this contract with these hours.
    Asked(Box<Contract>, Option<TradingHours>),
}

/// Whose turn it is.
enum Turn {
    /// This gap's.
    Now(Box<Gap>, Chosen),
    /// Nobody's before then, on the monotonic clock; `None` when nothing waits for a time.
    At(Option<Duration>),
}

/// The ledger, the attempt that is under way, and what the login has asked.
pub struct Book {
    files: Files,
    ledger: Arc<Ledger>,
    /// The ledger differs from the volume's.
    dirty: bool,
    keeping: Option<JoinHandle<()>>,
    filling: Option<AbortOnDropHandle<()>>,
    budget: Arc<Mutex<Budget>>,
    /// What waits for history, if that can be asked now.
    backlog: Option<Backlog>,
    /// When that is to be counted again, on the monotonic clock.
    count_at: Duration,
}

/// The recorded stream of a stream whose contract is known.
pub fn recorded(contracts: &BTreeMap<String, ContractEntry>, key: &StreamKey) -> Option<Recorded> {
    let con_id = contracts.get(&key.contract)?.con_id_of(key)?;
    Some(Recorded { con_id, kind: stored_kind(key.tick) })
}

impl Book {
    /// Of this data directory.
    pub fn open_dir(data_dir: &Path, now: Now) -> Self {
        let files = Files::new(data_dir);
        let mut ledger = files.ledger();
        let dirty = !ledger.unwritten().is_empty();
        ledger.lose_unwritten();
        let ledger = Arc::new(ledger);
        let budget = Arc::new(Mutex::new(Budget::restored(&files.budget(), now)));
        let (keeping, filling, backlog, count_at) = (None, None, None, Duration::ZERO);
        Self { files, ledger, dirty, keeping, filling, budget, backlog, count_at }
    }

    /// What is published of it.
    pub fn published(&self) -> Gaps {
        Gaps(self.ledger.clone(), self.backlog.clone())
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut Ledger) -> R) -> R {
        self.dirty = true;
        change(Arc::make_mut(&mut self.ledger))
    }

    /// What the login has asked of history.
    pub fn budget(&self) -> Arc<Mutex<Budget>> {
        self.budget.clone()
    }

    pub fn is_open(&self, stream: Recorded) -> bool {
        self.ledger.is_open(stream)
    }

    /// See [`Ledger::open`].
    pub fn open(&mut self, contract: &str, stream: Recorded, after: Option<i64>, cause: GapCause) {
        if !self.is_open(stream) {
            self.change(|ledger| ledger.open(contract, stream, after, cause));
        }
    }

    /// See [`Ledger::close`].
    pub fn close(&mut self, stream: Recorded, before: i64, now: Now) {
        if self.is_open(stream) {
            self.change(|ledger| ledger.close(stream, before, now.wall.as_millisecond()));
        }
    }

    /// The name under which a stream is known, by its older gaps.
    fn name_of(&self, stream: Recorded) -> Option<String> {
        let known = self.ledger.gaps().iter().rev().find(|gap| gap.stream.con_id == stream.con_id)?;
        Some(known.contract.clone())
    }

    /// What was under way ends with the session, and is tried again in the next.
    pub fn session_lost(&mut self) {
        self.filling = None;
    }

    /// Brings what changed to the volume before the process ends.
    pub async fn finish(&mut self, now: Now) {
        self.filling = None;
        // The write under way, and then what it did not have.
        for _ in 0..2 {
            self.keep(now);
            if let Some(keeping) = self.keeping.take() {
                // One that panicked has kept nothing, as one that failed.
                let _ = keeping.await;
            }
        }
    }

    /// Brings what changed to the volume, beside the engine. One write at a time: the last one wins.
    pub fn keep(&mut self, now: Now) {
        if self.keeping.as_ref().is_some_and(|keeping| !keeping.is_finished()) {
            return;
        }
        let budget = locked(&self.budget).take_changes(now);
        let ledger = std::mem::take(&mut self.dirty).then(|| self.ledger.clone());
        if budget.is_none() && ledger.is_none() {
            return;
        }
        let files = self.files.clone();
        self.keeping = Some(tokio::task::spawn_blocking(move || {
            let kept = ledger.map_or(Ok(()), |ledger| files.keep(&ledger));
            let kept = kept.and(budget.map_or(Ok(()), |budget| files.keep_budget(&budget)));
            if let Err(error) = kept {
                tracing::warn!(%error, "the ledger of gaps cannot be kept on the volume");
            }
        }));
    }
}

impl Engine {
    /// Settles the next gap, or asks history about it, and returns when one will be due. After each answer it chooses
    /// anew, so that a long gap holds up no newer one.
    pub(super) fn fill_if_due(&mut self, now: Now) -> Option<Duration> {
        let client = self.client().cloned().filter(|_| !self.history_pauses(now));
        self.count_backlog(client.is_some(), now);
        let (gap, chosen) = match self.choose(client.is_some(), now)? {
            Turn::Now(gap, chosen) => (*gap, chosen),
            Turn::At(due) => return due,
        };
        let allowed = self.allowed_of_backfill();
        let (files, events) = (self.gaps.files.clone(), self.events.clone());
        let beside = self.gaps.ledger.beside(&gap);
        let (budget, clock, counters) = (self.gaps.budget.clone(), self.tools.clock, self.tools.counters.clone());
        self.gaps.filling = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut gap = gap;
            let outcome = match (chosen, client) {
                (Chosen::Refused(reason), _) => refuse(&mut gap, reason, &files).await,
                (Chosen::Asked(contract, hours), Some(client)) => {
                    let mut history = Ibkr { client, contract: *contract, budget, allowed, clock, counters };
                    let openings = known_openings(&files, gap.stream.con_id, hours).await;
                    fill(&mut gap, &mut history, &openings, &beside, &files).await
                }
                (Chosen::Asked(..), None) => return,
            };
            // Nobody listens only when the process ends.
            let _ = events.send(Event::Filled { gap: gap.id, after: gap.after, outcome }).await;
        })));
        None
    }

    /// Counts what waits for history, now and then; `asks` as in [`Self::choose`].
    fn count_backlog(&mut self, asks: bool, now: Now) {
        let enabled = self.spec.as_ref().is_some_and(|spec| spec.backfill.enabled);
        if !asks || !enabled {
            (self.gaps.backlog, self.gaps.count_at) = (None, now.mono);
        } else if now.mono >= self.gaps.count_at {
            let (oldest, lag_ms) = (self.oldest_ms(now), self.tools.backfill_lag.as_millis() as i64);
            let askable = |gap: &Gap| matches!(self.fate(gap, oldest), Fate::Asked(_));
            let (allowed, budget) = (self.allowed_of_backfill(), self.gaps.budget());
            let work = work(self.gaps.ledger.gaps(), lag_ms, askable);
            self.gaps.backlog = work.map(|work| Backlog { work, allowed, budget });
            self.gaps.count_at = now.mono + COUNTED_EVERY;
        }
    }

    /// What ended earlier is too old, milliseconds since 1970.
    fn oldest_ms(&self, now: Now) -> i64 {
        let max_age = self.spec.as_ref().map_or(Duration::ZERO, |spec| spec.backfill.max_age.get());
        now.wall.as_millisecond().saturating_sub(max_age.as_millis() as i64)
    }

    /// Requests in ten minutes that are backfill's.
    fn allowed_of_backfill(&self) -> u32 {
        let requests = self.spec.as_ref().map_or(0, |spec| spec.backfill.requests_per_10_minutes);
        shares(u32::try_from(requests).unwrap_or(1)).0
    }

    /// The gap whose turn it is; `asks` says whether history can be asked at all. What need not be asked is settled
    /// whether it can or not. `None` while another gap has its turn, or nothing is to be filled.
    fn choose(&self, asks: bool, now: Now) -> Option<Turn> {
        let backfill = &self.spec.as_ref()?.backfill;
        if self.gaps.filling.is_some() || !backfill.enabled {
            return None;
        }
        let (now_ms, lag_ms) = (now.wall.as_millisecond(), self.tools.backfill_lag.as_millis() as i64);
        let oldest = self.oldest_ms(now);
        let allowed = self.allowed_of_backfill();
        // Whoever waits for the budget with a gap in hand would not see a newer one, nor that the link is lost.
        let earliest = |kind| {
            let wait = locked(&self.gaps.budget).earliest(kind, allowed, now.mono).saturating_sub(now.mono);
            now_ms + wait.as_micros().div_ceil(1_000) as i64
        };
        let (trades, quotes) = (earliest(TickKind::Last), earliest(TickKind::BidAsk));
        let may = |gap: &Gap| match self.fate(gap, oldest) {
            Fate::Refused(_) => Some(now_ms),
            Fate::Asked(_) if asks && cost(gap.stream.kind) == cost(TickKind::BidAsk) => Some(quotes),
            Fate::Asked(_) if asks => Some(trades),
            Fate::Asked(_) | Fate::Waits => None,
        };
        match self.gaps.ledger.next(now_ms, lag_ms, may) {
            Due::At(due) => Some(Turn::At(due.map(|due| {
                let wait = u64::try_from(due - now_ms).unwrap_or(0);
                now.mono + Duration::from_millis(wait)
            }))),
            Due::Now(gap) => {
                let chosen = match self.fate(gap, oldest) {
                    Fate::Refused(reason) => Chosen::Refused(reason),
                    Fate::Asked(entry) => {
                        let (contract, hours) = entry.past(gap.stream.con_id)?;
                        Chosen::Asked(Box::new(contract), hours)
                    }
                    Fate::Waits => return None,
                };
                Some(Turn::Now(Box::new(gap.clone()), chosen))
            }
        }
    }

    /// What can be done about a gap, apart from whether history can be asked now.
    fn fate(&self, gap: &Gap, oldest_ms: i64) -> Fate<'_> {
        let (con_id, wanted) = (gap.stream.con_id, self.spec.as_ref().map(|spec| &spec.backfill.ticks));
        // What a person asks for is theirs to judge.
        let asked = gap.cause == GapCause::Requested;
        if gap.is_too_old(oldest_ms) {
            let last = gap.reason.as_ref().map_or(String::new(), |reason| format!("; at last: {reason}"));
            return Fate::Refused(format!("older than spec.backfill.maxAge{last}"));
        }
        if !asked && !wanted.is_some_and(|wanted| wanted.iter().any(|tick| stored_kind(*tick) == gap.stream.kind)) {
            return Fate::Refused("its tick type is not in spec.backfill.ticks".to_owned());
        }
        let known = |entry: &'_ ContractEntry| entry.resolved.is_some();
        let named = self.contracts.get(&gap.contract);
        // A contract may have got another name since.
        let means = |entry: &&ContractEntry| entry.means(con_id) && !entry.double;
        // A future that rolls has several contracts in its time, and forgets those that are over.
        let rolls = |entry: &&ContractEntry| entry.wanted.roll.is_some();
        let found = named.filter(means).or_else(|| self.contracts.values().find(means)).or(named.filter(rolls));
        match found {
            Some(entry) if known(entry) => Fate::Asked(entry),
            // It may turn out to be one whose look-up has not told yet.
            None if self.contracts.values().all(|entry| entry.con_id().is_some()) => Fate::Refused(match named {
                Some(_) => "the manifest's name now means another contract".to_owned(),
                None => "the contract is no longer in the manifest".to_owned(),
            }),
            _ => Fate::Waits,
        }
    }

    /// Whether history is not asked now: it could not answer, or would say what passes.
    pub(super) fn history_pauses(&self, now: Now) -> bool {
        self.hold.is_some()
            || self.cooldown.as_ref().is_some_and(|cooldown| cooldown.until > now.mono)
            || self.link.is_down()
            || self.link.any(FarmKind::History, FarmState::Broken)
            || self.link.any(FarmKind::Definitions, FarmState::Broken)
    }

    pub(super) fn filled(&mut self, id: u64, after: Option<i64>, outcome: Outcome) {
        if let Some(after) = after {
            self.gaps.change(|ledger| ledger.begins(id, after));
        }
        if let Some(gap) = self.gaps.ledger.gaps().iter().find(|gap| gap.id == id) {
            match &outcome {
                Outcome::Partly { added, progress } => {
                    tracing::debug!(gap = id, contract = gap.contract, added, ?progress, "backfill goes on");
                }
                _ => tracing::info!(gap = id, contract = gap.contract, range = ?gap.range(), ?outcome, "backfill"),
            }
        }
        self.gaps.filling = None;
        let now = self.now();
        if let Outcome::Competing(code, text) = &outcome {
            self.history_competes(*code, text, now);
        }
        self.gaps.change(|ledger| ledger.settle(id, outcome, now.wall.as_millisecond()));
        self.gaps.count_at = Duration::ZERO;
    }

    /// Ends the gaps of what the manifest does not ask for any more: no tick will.
    pub(super) fn end_left(&mut self, now: Now) {
        if self.spec.is_none() {
            return;
        }
        let may_tick = |gap: &Gap| {
            let asks = |entry: &ContractEntry| {
                // Before its look-up a description is the contract that it was.
                let means = match entry.con_id() {
                    Some(_) => entry.means(gap.stream.con_id),
                    None => entry.wanted.name == gap.contract,
                };
                means && entry.wanted.ticks.iter().any(|tick| stored_kind(*tick) == gap.stream.kind)
            };
            self.contracts.values().any(asks)
        };
        let open = self.gaps.ledger.gaps().iter().filter(|gap| gap.state == GapState::Open);
        let left: Vec<Recorded> = open.filter(|gap| !may_tick(gap)).map(|gap| gap.stream).collect();
        for stream in left {
            self.gaps.close(stream, now.wall.as_second(), now);
        }
    }

    fn name_of(&self, stream: Recorded) -> String {
        let key = self.streams.keys().find(|key| recorded(&self.contracts, key) == Some(stream));
        let known = key.map(|key| key.contract.clone()).or_else(|| self.gaps.name_of(stream));
        known.unwrap_or_else(|| stream.con_id.to_string())
    }

    /// Sealing has found damage.
    pub(super) fn damaged(&mut self, damage: &Damage, now: Now) {
        if !self.gaps.ledger.has_damage(damage) {
            let contract = self.name_of(damage.stream);
            self.gaps.change(|ledger| ledger.damaged(&contract, damage, now.wall.as_millisecond()));
        }
    }

    /// The recorder says what the disk refuses, and what it has lost.
    pub(super) fn disk_told(&mut self, trouble: Trouble) {
        let named = |streams: BTreeMap<Recorded, i64>| {
            let unwritten = |(stream, from)| Unwritten { contract: self.name_of(stream), stream, from };
            streams.into_iter().map(unwritten).collect::<Vec<_>>()
        };
        let (unwritten, lost) = (named(trouble.unwritten), named(trouble.lost));
        let now = self.now();
        for Unwritten { contract, stream, from } in lost {
            self.gaps.change(|ledger| ledger.lost(&contract, stream, from));
            // No tick-by-tick tick will end it.
            if matches!(stream.kind, TickKind::QuoteL1 | TickKind::RtVolume) {
                self.gaps.close(stream, now.wall.as_second(), now);
            }
        }
        if unwritten != self.gaps.ledger.unwritten() {
            self.gaps.change(|ledger| ledger.set_unwritten(unwritten));
        }
    }

    /// Has the recorder end, and keeps what became of its last ticks.
    pub(super) async fn end_recording(&mut self) {
        let feed = self.tools.feed.clone();
        feed.end();
        loop {
            let trouble = feed.doubts().take();
            let ended = trouble.ended;
            self.disk_told(trouble);
            if ended {
                return;
            }
            feed.doubts().changed().await;
        }
    }

    /// Frames were dropped on their way to the recorder: between the tick with that second and the next.
    pub(super) fn lagged(&mut self, key: &StreamKey, behind: Option<i64>) {
        if let Some(recorded) = recorded(&self.contracts, key) {
            self.gaps.open(&key.contract, recorded, behind, GapCause::Dropped);
        }
    }

    /// The subscription of a stream has ended: what comes before the next one ticks is lost. What has never ticked had a
    /// gap when it was asked for.
    pub(super) fn doubt_end(&mut self, key: &StreamKey) {
        let Some(stream) = self.streams.get(key).filter(|stream| !stream.overflow) else { return };
        let (recorded, behind) = (recorded(&self.contracts, key), stream.pulse.last_second());
        if let (Some(recorded), Some(behind)) = (recorded, behind) {
            self.gaps.open(&key.contract, recorded, Some(behind), stream.gap_cause());
        }
    }

    pub(super) fn backfill_requested(&mut self, request: Request, now: Now) {
        let Some(con_id) = self.contracts.get(&request.contract).and_then(ContractEntry::con_id) else {
            tracing::warn!(contract = request.contract, "history of an unknown contract was asked for");
            return;
        };
        let stream = Recorded { con_id, kind: stored_kind(request.tick) };
        let key = stream_key(&request.contract, request.tick);
        tracing::info!(stream = key, seconds = ?request.seconds, "history was asked for");
        let now_ms = now.wall.as_millisecond();
        self.gaps.change(|ledger| ledger.request(&request.contract, stream, request.seconds, now_ms));
    }
}

#[cfg(test)]
#[path = "gaps_tests.rs"]
mod tests;
