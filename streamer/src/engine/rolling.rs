//! The engine's rolling futures: what [`crate::roll`] decides, carried out without a loss.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use marketstream_crds::{Roll, RollRule};
use marketstream_recovery::codes::ErrorClass;
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, Event, contracts::warn_of_end};
use crate::{
    backfill::{
        budget::shares,
        ledger::{GapCause, Recorded},
    },
    cli::stored_kind,
    clock::Now,
    plan::StreamKey,
    roll::{Candidate, Choice, Expiry, Market, Volumes, decide},
    session::{
        details::{Expiries, NO_DEFINITION, Resolved},
        volumes::{Questions, Unknown},
    },
    store::KeptContract,
};

/// After the midnight at the exchange, when the day's last trade date and yesterday's volume are settled.
const AFTER_MIDNIGHT: Duration = Duration::from_secs(300);
/// Between look-ups on a contract's last day: the front moves on at an hour that nobody announces.
const LAST_DAY_REFRESH: Duration = Duration::from_secs(15 * 60);
/// How long the first choice waits for the volumes; without them the nearest expiry is recorded at first.
const VOLUMES_BOUND: Duration = Duration::from_secs(20);
/// After volumes that could not be had.
const VOLUMES_RETRY: Duration = Duration::from_secs(10 * 60);

/// What is known of a future that rolls.
#[derive(Default)]
pub struct Rolling {
    market: Market,
    expiries: Vec<Resolved>,
    /// What was chosen.
    pub choice: Option<Choice>,
    /// Contracts whose recording has begun: it begins once, also when the process is replaced meanwhile.
    pub begun: Vec<i32>,
    /// The contract that is recorded beside the current one.
    pub next: Option<Resolved>,
    /// Rolls since the process started.
    pub count: u32,
    /// When to decide again; at once when absent.
    review: Option<Timestamp>,
    /// The question for volumes that is under way, and when the first one was asked.
    volumes: Option<AbortOnDropHandle<()>>,
    volumes_asked: Option<Duration>,
}

impl Rolling {
    pub fn new(kept: Option<&KeptContract>) -> Self {
        let choice = kept.and_then(|kept| kept.choice.clone());
        let begun = kept.map(|kept| kept.begun.clone()).unwrap_or_default();
        Self { choice, begun, ..Self::default() }
    }

    pub fn session_lost(&mut self) {
        self.volumes = None;
    }

    /// An expiry that was ever listed, or what can be said of one that was not.
    pub fn known(&self, con_id: i32) -> Resolved {
        let listed = self.expiries.iter().find(|resolved| resolved.contract.contract_id == con_id);
        listed.cloned().unwrap_or_else(|| {
            let current = self.choice.as_ref().map(|choice| &choice.current).filter(|current| current.con_id == con_id);
            let expiry = current.map(|current| current.expiry.clone());
            let exchange = self.expiries.first().map(|other| other.contract.exchange.to_string()).unwrap_or_default();
            Resolved::known_before(con_id, &exchange, expiry, false)
        })
    }

    /// Whether it is one of the expiries, as far as they are known.
    pub(super) fn lists(&self, con_id: i32) -> bool {
        self.expiries.iter().any(|known| known.contract.contract_id == con_id)
    }

    /// Whether no listed expiry lies behind this one.
    pub(super) fn is_last(&self, resolved: &Resolved) -> bool {
        let ends = |resolved: &Resolved| resolved.expiry.as_ref().map(Expiry::ends);
        self.expiries.iter().all(|other| ends(other) <= ends(resolved))
    }

    fn is_due(&self, now: Now) -> bool {
        !self.expiries.is_empty() && self.review.is_none_or(|review| review <= now.wall)
    }
}

impl Engine {
    pub(super) fn expiries_found(&mut self, name: &str, expiries: Expiries, now: Now) {
        let Some(entry) = self.contracts.get_mut(name) else { return };
        let Expiries { mut all, front } = expiries;
        tracing::info!(contract = name, expiries = all.len(), front, "the expiries are known");
        let rolling = &mut entry.rolling;
        // What has stopped trading is not listed, and its history may still be asked for.
        for known in rolling.expiries.drain(..) {
            if all.iter().all(|listed| listed.contract.contract_id != known.contract.contract_id) {
                all.push(known);
            }
        }
        rolling.market.candidates = all
            .iter()
            .filter_map(|resolved| {
                Some(Candidate { con_id: resolved.contract.contract_id, expiry: resolved.expiry.clone()? })
            })
            .collect();
        rolling.market.front = front.or(rolling.market.front);
        (rolling.expiries, rolling.review) = (all, None);
        if let Some(current) = entry.contract().map(|contract| contract.contract_id) {
            let resolved = entry.rolling.known(current);
            warn_of_end(name, &resolved, !entry.rolling.is_last(&resolved), now);
            entry.resolved = Some(resolved.clone());
            self.keep_instrument(&resolved);
        }
        self.ask_for_volumes(name, now);
        self.accept(name, now);
        self.roll(name, now);
        self.refuse_doubles(now);
    }

    fn ask_for_volumes(&mut self, name: &str, now: Now) {
        let (Some(client), Some(spec)) = (self.client().cloned(), self.spec.as_ref()) else { return };
        let (allowed, _) = shares(u32::try_from(spec.backfill.requests_per_10_minutes).unwrap_or(1));
        let (clock, counters) = (self.tools.clock, self.tools.counters.clone());
        let questions = Questions { client, budget: self.gaps.budget(), allowed, clock, counters };
        let events = self.events.clone();
        let Some(entry) = self.contracts.get_mut(name) else { return };
        if entry.wanted.roll.is_none_or(|roll| roll.rule != RollRule::Volume) {
            return;
        }
        let (expiries, contract) = (entry.rolling.expiries.clone(), name.to_owned());
        entry.rolling.volumes_asked.get_or_insert(now.mono);
        entry.rolling.volumes = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let volumes = questions.ask(&expiries).await;
            // Nobody listens only when the process ends.
            let _ = events.send(Event::Volumes { contract, volumes }).await;
        })));
    }

    pub(super) fn volumes(&mut self, name: &str, volumes: Result<Volumes, Unknown>, now: Now) {
        let Some(entry) = self.contracts.get_mut(name) else { return };
        entry.rolling.volumes = None;
        entry.rolling.review = None;
        match volumes {
            Ok(volumes) => {
                tracing::info!(contract = name, day = %volumes.day, volumes = ?volumes.of, "the volumes are known");
                entry.rolling.market.volumes = Some(volumes);
            }
            Err(unknown) => {
                entry.ask_by(now.mono + VOLUMES_RETRY);
                if let Unknown::Competing(code, text) = unknown {
                    self.history_competes(code, &text, now);
                }
            }
        }
        self.roll(name, now);
        self.refuse_doubles(now);
    }

    /// Decides where time alone may change a choice. Returns when that is the case next.
    pub(super) fn roll_if_due(&mut self, now: Now) -> Option<Duration> {
        let due: Vec<String> = self
            .contracts
            .iter()
            .filter(|(_, entry)| entry.wanted.roll.is_some() && entry.rolling.is_due(now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &due {
            self.roll(name, now);
        }
        if !due.is_empty() {
            self.refuse_doubles(now);
        }
        let reviews = self.contracts.values().filter_map(|entry| entry.rolling.review);
        reviews.min().map(|review| now.mono_of(review))
    }

    /// Decides, and carries out what changes.
    fn roll(&mut self, name: &str, now: Now) {
        let Some(entry) = self.contracts.get_mut(name) else { return };
        let Some(roll) = entry.wanted.roll else { return };
        let rolling = &mut entry.rolling;
        let waits = rolling.volumes_asked.is_some_and(|asked| now.mono < asked + VOLUMES_BOUND);
        if waits && rolling.volumes.is_some() && rolling.choice.is_none() {
            return;
        }
        let Some(choice) = decide(&roll, &rolling.market, rolling.choice.as_ref(), now.wall) else {
            rolling.review = Some(Timestamp::MAX);
            if entry.resolved.is_none() {
                let text = "no listed expiry of this future trades any more: correct symbol, exchange or tradingClass";
                self.contract_refused(name, NO_DEFINITION, text, ErrorClass::ContractInvalid, now);
            }
            return;
        };
        rolling.review = Some(choice.review(now.wall));
        let overlapping = choice.overlapping(now.wall).cloned();
        let begins = [
            Some((choice.current.con_id, choice.current.since)),
            overlapping.as_ref().map(|next| (next.con_id, Some(next.from))),
        ];
        let begins: Vec<(i32, Option<Timestamp>)> = begins.into_iter().flatten().collect();
        let before = std::mem::replace(&mut rolling.begun, begins.iter().map(|(con_id, _)| *con_id).collect());
        if rolling.choice.as_ref() != Some(&choice) {
            tracing::info!(contract = name, current = choice.current.con_id, next = ?choice.next, "the choice of an expiry");
        }
        let current = choice.current.con_id;
        // It was left while nothing recorded it.
        let missed = rolling.choice.as_ref().map(|old| &old.current).filter(|old| {
            old.con_id != current
                && entry.resolved.as_ref().is_none_or(|known| known.contract.contract_id != old.con_id)
        });
        let missed = missed.and_then(|old| Some((old.con_id, left(&roll, choice.current.since?, old.expiry.ends()))));
        rolling.choice = Some(choice);
        self.unkept = true;
        if let Some((con_id, until)) = missed {
            for recorded in self.recorded_of(name, con_id) {
                self.gaps.open(name, recorded, None, GapCause::ProcessStart);
                self.gaps.close(recorded, until.as_second(), now);
            }
        }
        for (con_id, since) in begins {
            if let Some(since) = since.filter(|_| !before.contains(&con_id)) {
                self.begin(name, con_id, since);
            }
        }
        self.change_over(name, current, now);
        self.overlap(name, overlapping.map(|next| next.con_id));
        if let Some(spec) = self.spec.clone() {
            self.place_streams(&spec, now);
        }
        self.plan_look_up(name, now);
    }

    /// A contract is due since then, and what came before its first tick is fetched from history.
    fn begin(&mut self, name: &str, con_id: i32, since: Timestamp) {
        for recorded in self.recorded_of(name, con_id) {
            self.gaps.open(name, recorded, Some(since.as_second()), GapCause::Rolled);
        }
    }

    /// What is recorded of a contract under this name.
    fn recorded_of(&self, name: &str, con_id: i32) -> BTreeSet<Recorded> {
        let lined = self.streams.iter().filter(|(key, stream)| key.contract == name && stream.lined);
        lined.map(|(key, _)| Recorded { con_id, kind: stored_kind(key.tick) }).collect()
    }

    /// Leaves the contract that was current, if it is another one.
    fn change_over(&mut self, name: &str, current: i32, now: Now) {
        let Some(entry) = self.contracts.get_mut(name) else { return };
        let old = entry.resolved.as_ref().map(|resolved| resolved.contract.contract_id);
        if old == Some(current) {
            return;
        }
        let known = entry.rolling.known(current);
        let to = entry.rolling.next.take_if(|next| next.contract.contract_id == current).unwrap_or(known);
        tracing::info!(contract = name, con_id = current, symbol = to.contract.local_symbol, "recorded from now on");
        entry.resolved = Some(to.clone());
        self.keep_instrument(&to);
        let Some(old) = old else { return };
        let Some(entry) = self.contracts.get_mut(name) else { return };
        let left = entry.rolling.count;
        entry.rolling.count += 1;
        let keys: Vec<StreamKey> =
            self.streams.keys().filter(|key| key.contract == name && key.roll == left).cloned().collect();
        for key in keys {
            // No tick will come that could end a gap of what is left.
            let recorded = Recorded { con_id: old, kind: stored_kind(key.tick) };
            self.gaps.close(recorded, now.wall.as_second(), now);
            self.streams.remove(&key);
        }
        // The contract that is left may have kept another entry from it.
        self.contracts.values_mut().filter(|entry| entry.double).for_each(|entry| entry.ask_anew(now.mono));
    }

    /// Records the next contract beside the current one, or does so no more.
    fn overlap(&mut self, name: &str, next: Option<i32>) {
        let next = next.filter(|con_id| !self.is_taken(*con_id, name));
        let Some(entry) = self.contracts.get_mut(name) else { return };
        let rolling = &mut entry.rolling;
        let known = rolling.next.as_ref().map(|next| next.contract.contract_id);
        if known != next {
            rolling.next = next.map(|con_id| rolling.known(con_id));
        }
    }

    /// The next look-up comes soon after the exchange's midnight, and often on a contract's last day.
    fn plan_look_up(&mut self, name: &str, now: Now) {
        let Some(entry) = self.contracts.get_mut(name) else { return };
        let Some(expiry) = entry.resolved.as_ref().and_then(|resolved| resolved.expiry.clone()) else { return };
        entry.ask_by(now.mono_of(expiry.next_midnight(now.wall)) + AFTER_MIDNIGHT);
        if expiry.days_left(now.wall) == 0 {
            entry.ask_by(now.mono + LAST_DAY_REFRESH);
        }
    }
}

/// When a contract that ended at `end` was left for one that was due at `since`.
fn left(roll: &Roll, since: Timestamp, end: Timestamp) -> Timestamp {
    let overlap = SignedDuration::try_from(roll.overlap.get()).unwrap_or(SignedDuration::ZERO);
    since.saturating_add(overlap).map_or(end, |until| until.min(end))
}
