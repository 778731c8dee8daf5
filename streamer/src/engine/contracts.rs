//! The engine's contracts: looked up at each session, and again before their known hours end.

use std::time::Duration;

use ibapi::contracts::Contract as IbContract;
use jiff::SignedDuration;
use marketstream_crds::{Contract, EXPIRY_NOTICE_DAYS, FarmKind, FarmState, NextContract, Recovery, Roll};
use marketstream_recovery::{
    codes::{ErrorClass, classify},
    hours::{SessionState, TradingHours},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, Event, rolling::Rolling, stream::Origin};
use crate::{
    clock::Now,
    facts::ContractFacts,
    health::Thresholds,
    plan::StreamKey,
    retry,
    seal::instruments::Instrument,
    session::details::{self, Found, NO_DEFINITION, Resolved, Unresolved},
    store::KeptContract,
};

/// Bound of one look-up. The gateway answers in well under a second when its security-definition farm is up.
const BOUND: Duration = Duration::from_secs(10);
/// Hours are known for a day or more; a look-up costs one message.
const REFRESH: Duration = Duration::from_secs(6 * 3600);
/// So long after a session's start the gateway refuses contracts that it will know.
const SESSION_SETTLES: SignedDuration = SignedDuration::from_mins(15);
/// Pauses after look-ups without an answer, in seconds.
const NO_ANSWER_PAUSES: [u64; 5] = [2, 5, 15, 30, 60];

/// A contract of the manifest.
pub struct ContractEntry {
    /// As the manifest has it.
    pub wanted: Contract,
    /// What is recorded of it now.
    pub(super) resolved: Option<Resolved>,
    /// Of a future that rolls.
    pub(super) rolling: Rolling,
    /// What it was when it was last known.
    pub(super) kept: Option<KeptContract>,
    /// It means the same contract as an earlier entry.
    pub(super) double: bool,
    under_way: Option<(u64, AbortOnDropHandle<()>)>,
    ask_at: Duration,
    failures: u32,
    /// The last look-up got no answer.
    unanswered: bool,
    /// The gateway has refused it while it could not know better.
    in_doubt: bool,
}

/// What of an entry says which contract it means: another description is another contract. How it rolls is not part of
/// it, since a changed rule is carried out as a roll.
fn description(contract: &Contract) -> Contract {
    let own = Contract::default();
    Contract {
        ticks: Vec::new(),
        hours: own.hours,
        stale_after: None,
        priority: own.priority,
        roll: None,
        ..contract.clone()
    }
}

fn hours(resolved: Option<&Resolved>, now: Now) -> SessionState {
    let hours = resolved.and_then(|resolved| resolved.hours.as_ref());
    hours.map_or(SessionState::Unknown, |hours| hours.at(now.wall))
}

impl ContractEntry {
    /// `kept` is what its name meant when it was last known.
    pub fn new(wanted: Contract, kept: Option<KeptContract>, now: Duration) -> Self {
        let kept = kept.filter(|kept| kept.description == description(&wanted));
        Self {
            rolling: Rolling::new(kept.as_ref()),
            wanted,
            resolved: None,
            kept,
            double: false,
            under_way: None,
            ask_at: now,
            failures: 0,
            unanswered: false,
            in_doubt: false,
        }
    }

    pub fn con_id(&self) -> Option<i32> {
        self.contract().map(|contract| contract.contract_id).or(self.wanted.con_id)
    }

    /// IBKR's symbol, once it is known.
    pub fn symbol(&self) -> Option<String> {
        let resolved = self.contract().map(|contract| contract.symbol.to_string());
        resolved.or_else(|| self.wanted.symbol.clone())
    }

    /// The contract to subscribe with, once it is known.
    pub fn contract(&self) -> Option<&IbContract> {
        self.resolved.as_ref().map(|resolved| &resolved.contract)
    }

    /// The contract of one of its streams: during a roll, the next contract has streams of its own.
    pub fn of_stream(&self, key: &StreamKey) -> Option<&Resolved> {
        if key.roll == self.rolling.count { self.resolved.as_ref() } else { self.rolling.next.as_ref() }
    }

    /// IBKR's identifier of one of its streams, once it is known.
    pub fn con_id_of(&self, key: &StreamKey) -> Option<i32> {
        let resolved = self.of_stream(key).map(|resolved| resolved.contract.contract_id);
        resolved.or(self.wanted.con_id.filter(|_| key.roll == self.rolling.count))
    }

    /// Whether that contract is its, or was.
    pub fn means(&self, con_id: i32) -> bool {
        self.con_id() == Some(con_id) || self.rolling.lists(con_id)
    }

    /// The contract to fetch history of, and its hours; `None` before the first look-up.
    pub fn past(&self, con_id: i32) -> Option<(IbContract, Option<TradingHours>)> {
        let current = self.resolved.as_ref()?;
        let known = if current.contract.contract_id == con_id || self.wanted.roll.is_none() {
            current.clone()
        } else {
            self.rolling.known(con_id)
        };
        Some((known.contract, known.hours))
    }

    /// When its silence becomes a fault.
    pub fn thresholds(&self, recovery: &Recovery) -> Thresholds {
        let stale_after = self.wanted.stale_after.unwrap_or(recovery.stale_after).get();
        Thresholds {
            stale_after,
            never_after: recovery.zombie_timeout.get().max(stale_after),
            open_grace: recovery.open_grace.get(),
        }
    }

    /// What the hours say of the contract of one of its streams.
    pub fn hours(&self, key: &StreamKey, now: Now) -> SessionState {
        hours(self.of_stream(key), now)
    }

    /// What the hours say of the contract that is recorded now.
    pub fn current_hours(&self, now: Now) -> SessionState {
        hours(self.resolved.as_ref(), now)
    }

    /// Whether what it records has ended, and nothing follows.
    pub fn has_ended(&self, now: Now) -> bool {
        self.resolved.as_ref().is_some_and(|resolved| resolved.has_ended(now.wall))
    }

    /// What is published of it, once it is known.
    pub fn facts(&self) -> Option<ContractFacts> {
        let resolved = self.resolved.as_ref()?;
        let next = self.rolling.choice.as_ref().and_then(|choice| choice.next.as_ref()).map(|next| NextContract {
            con_id: next.con_id,
            local_symbol: self.rolling.known(next.con_id).contract.local_symbol,
            from: next.from.into(),
            until: next.until.into(),
        });
        Some(ContractFacts {
            name: self.wanted.name.clone(),
            con_id: resolved.contract.contract_id,
            local_symbol: resolved.contract.local_symbol.clone(),
            expiry: resolved.expiry.clone(),
            follows: self.wanted.roll.is_some() && !self.rolling.is_last(resolved),
            next,
            instrument: resolved.instrument.clone(),
        })
    }

    /// What is kept of it on the volume.
    pub fn to_keep(&self) -> Option<KeptContract> {
        let Some(resolved) = &self.resolved else { return self.kept.clone() };
        Some(KeptContract {
            description: description(&self.wanted),
            con_id: resolved.contract.contract_id,
            expiry: resolved.expiry.clone(),
            choice: self.rolling.choice.clone(),
            begun: self.rolling.begun.clone(),
        })
    }

    /// A new session, or a changed manifest, may have made the contract valid.
    pub fn ask_anew(&mut self, now: Duration) {
        (self.ask_at, self.failures) = (now, 0);
    }

    /// The next look-up is not later than that.
    pub(super) fn ask_by(&mut self, at: Duration) {
        self.ask_at = self.ask_at.min(at);
    }

    pub fn session_lost(&mut self) {
        self.under_way = None;
        self.rolling.session_lost();
    }

    /// A farm is up: gateways leave requests unanswered that came before (IBKR's documentation).
    pub fn farm_up(&mut self, now: Duration) {
        if self.unanswered {
            self.ask_at = now;
        }
    }

    /// The gateway can look contracts up again: what it refused before says nothing.
    pub fn definitions_up(&mut self, now: Duration) {
        if std::mem::take(&mut self.in_doubt) {
            self.ask_anew(now);
        }
    }

    /// Takes the entry of a changed manifest in, and asks again for a contract that was refused. Returns whether it may
    /// be another contract now.
    pub fn update(&mut self, wanted: &Contract, now: Duration) -> bool {
        let kind = |roll: &Option<Roll>| roll.map(|roll| (roll.rule, roll.days));
        let other =
            description(&self.wanted) != description(wanted) || self.wanted.roll.is_some() != wanted.roll.is_some();
        let asked_otherwise = self.wanted.hours != wanted.hours || kind(&self.wanted.roll) != kind(&wanted.roll);
        self.wanted = wanted.clone();
        if other {
            (self.resolved, self.kept, self.rolling) = (None, None, Rolling::new(None));
        }
        if other || asked_otherwise {
            self.under_way = None;
            self.ask_anew(now);
        } else if self.failures > 0 {
            self.ask_anew(now);
        }
        other
    }
}

impl Engine {
    pub(super) fn look_up_if_due(&mut self, now: Now) -> Option<Duration> {
        let client = self.client()?.clone();
        let mut next: Option<Duration> = None;
        let mut due: Vec<String> = self
            .contracts
            .iter()
            .filter(|(_, contract)| contract.under_way.is_none())
            .filter(|(_, contract)| {
                let due = contract.ask_at <= now.mono;
                if !due {
                    next = Some(next.map_or(contract.ask_at, |next| next.min(contract.ask_at)));
                }
                due
            })
            .map(|(name, _)| name.clone())
            .collect();
        due.sort_by_key(|name| self.order.iter().position(|key| key.contract == *name));
        for name in due {
            let serial = self.next_serial();
            let (client, events) = (client.clone(), self.events.clone());
            let Some(entry) = self.contracts.get_mut(&name) else { continue };
            let wanted = entry.wanted.clone();
            let (clock, counters) = (self.tools.clock, self.tools.counters.clone());
            let task = tokio::spawn(async move {
                let outcome = Box::new(details::resolve(&client, &wanted, BOUND, now.wall).await);
                if !matches!(*outcome, Err(Unresolved::NoAnswer)) {
                    counters.heard(clock.mono());
                }
                let _ = events.send(Event::Details { serial, contract: wanted.name, outcome }).await;
            });
            entry.under_way = Some((serial, AbortOnDropHandle::new(task)));
            for (_, stream) in self.streams.iter_mut().filter(|(key, stream)| key.contract == name && stream.lined) {
                stream.first_asked.get_or_insert(now.mono);
            }
        }
        next
    }

    pub(super) fn details(&mut self, serial: u64, name: &str, outcome: Result<Found, Unresolved>, now: Now) {
        let knows_better = self.knows_contracts(now);
        let Some(entry) = self.contracts.get_mut(name) else { return };
        if entry.under_way.take_if(|(asked, _)| *asked == serial).is_none() {
            return;
        }
        entry.unanswered = matches!(outcome, Err(Unresolved::NoAnswer));
        match outcome {
            Ok(found) => {
                (entry.failures, entry.ask_at, entry.double, entry.in_doubt) = (0, now.mono + REFRESH, false, false);
                match found {
                    Found::One(resolved) => self.found(name, *resolved, now),
                    Found::Expiries(expiries) => self.expiries_found(name, expiries, now),
                }
            }
            Err(Unresolved::NoAnswer) => {
                let step = (entry.failures as usize).min(NO_ANSWER_PAUSES.len() - 1);
                entry.failures += 1;
                entry.ask_at = now.mono + Duration::from_secs(NO_ANSWER_PAUSES[step]);
                tracing::warn!(contract = name, "no answer to the look-up of the contract");
            }
            Err(Unresolved::Refused(code, text)) => {
                self.tools.counters.notice(code);
                entry.in_doubt |= !knows_better;
                // What is not listed any more may have ended since it was last known.
                let ended = entry
                    .kept
                    .as_ref()
                    .filter(|_| code == NO_DEFINITION)
                    .filter(|kept| kept.expiry.as_ref().is_some_and(|expiry| expiry.passed(now.wall)));
                if let Some(kept) = ended {
                    let exchange = entry.wanted.exchange.clone().unwrap_or_default();
                    let resolved = Resolved::known_before(kept.con_id, &exchange, kept.expiry.clone(), true);
                    (entry.failures, entry.ask_at) = (0, now.mono + REFRESH);
                    self.found(name, resolved, now);
                } else {
                    self.contract_refused(name, code, &text, classify(code, &text), now);
                }
            }
            // IBKR answers an ambiguous request for data with 200 too.
            Err(Unresolved::Invalid(text)) => {
                self.contract_refused(name, NO_DEFINITION, &text, ErrorClass::ContractInvalid, now);
            }
        }
    }

    /// Whether a refusal of the gateway says that there is no such contract: it does not while the gateway has no link
    /// to IBKR or to its farm of definitions, nor soon after its login.
    fn knows_contracts(&self, now: Now) -> bool {
        let up_for = now.wall.duration_since(self.socket.since);
        !self.link.is_down() && !self.link.any(FarmKind::Definitions, FarmState::Broken) && up_for >= SESSION_SETTLES
    }

    fn found(&mut self, name: &str, resolved: Resolved, now: Now) {
        if !self.contracts.contains_key(name) {
            return;
        }
        let con_id = resolved.contract.contract_id;
        tracing::info!(contract = name, con_id, "the contract is known");
        warn_of_end(name, &resolved, false, now);
        self.keep_instrument(&resolved);
        let Some(entry) = self.contracts.get_mut(name) else { return };
        let other = entry.contract().is_some_and(|known| known.contract_id != con_id);
        entry.resolved = Some(resolved);
        if other {
            // The description means another contract now, such as a month whose contract was replaced.
            let keys: Vec<StreamKey> = self.streams.keys().filter(|key| key.contract == name).cloned().collect();
            keys.iter().for_each(|key| self.restart(key, now.mono));
        }
        self.unkept = true;
        self.accept(name, now);
        self.refuse_doubles(now);
    }

    /// Keeps what is told of a contract that is recorded, beside the engine.
    pub(super) fn keep_instrument(&self, resolved: &Resolved) {
        let Some(instrument) = resolved.instrument.clone() else { return };
        let data_dir = self.tools.store.data_dir().to_owned();
        tokio::task::spawn_blocking(move || {
            let con_id = instrument.con_id;
            if let Err(error) = Instrument::clone(&instrument).keep(&data_dir) {
                tracing::warn!(con_id, %error, "what is known of the contract cannot be kept on the volume");
            }
        });
    }

    /// The look-up of a contract was in order: its streams are not refused for its sake any more.
    pub(super) fn accept(&mut self, name: &str, now: Now) {
        let held = self.hold.is_some();
        for (_, stream) in self.streams.iter_mut().filter(|(key, _)| key.contract == name) {
            if stream.is_refused_by(Origin::Contract) {
                stream.lift_refusal();
                stream.wanted_at = (!held).then_some(now.mono);
            }
        }
    }

    pub(super) fn contract_refused(&mut self, name: &str, code: i32, text: &str, class: ErrorClass, now: Now) {
        let Some(entry) = self.contracts.get_mut(name) else { return };
        entry.failures += 1;
        entry.ask_at = now.mono + retry::pause(class, entry.failures);
        tracing::warn!(contract = name, code, "the contract is refused: {text}");
        // A stream that runs proves the contract; the refusal may be a passing fault of the look-up.
        let streams = self.streams.iter_mut().filter(|(key, stream)| key.contract == name && stream.lined);
        for (_, stream) in streams.filter(|(_, stream)| !stream.is_running()) {
            stream.refuse(Origin::Contract, code, text, now);
        }
    }

    /// Refuses every entry that means the contract of an earlier one: two streams of one contract and type would go to
    /// the same file.
    pub(super) fn refuse_doubles(&mut self, now: Now) {
        let Some(spec) = &self.spec else { return };
        let order: Vec<String> = spec.contracts.iter().map(|contract| contract.name.clone()).collect();
        for (place, name) in order.iter().enumerate() {
            let Some(resolved) = self.contracts.get(name).and_then(|entry| entry.resolved.as_ref()) else { continue };
            let (con_id, symbol) = (resolved.contract.contract_id, resolved.contract.local_symbol.clone());
            let Some(first) = order[..place].iter().find(|first| self.records(first, con_id)) else { continue };
            let text = format!(
                "the entries {first:?} and {name:?} mean one contract, {symbol} (conId {con_id}): list all tick types in \
                 {first:?}, and remove {name:?}"
            );
            if let Some(entry) = self.contracts.get_mut(name) {
                (entry.resolved, entry.rolling.next, entry.double) = (None, None, true);
            }
            for (_, stream) in self.streams.iter_mut().filter(|(key, _)| key.contract == *name) {
                stream.cancel();
                stream.wanted_at = None;
            }
            self.contract_refused(name, NO_DEFINITION, &text, ErrorClass::ContractInvalid, now);
        }
    }

    /// Whether an entry records that contract, or will when it is known.
    fn records(&self, name: &str, con_id: i32) -> bool {
        self.contracts.get(name).is_some_and(|entry| {
            let next = entry.rolling.next.as_ref().map(|next| next.contract.contract_id);
            !entry.double && (entry.con_id() == Some(con_id) || next == Some(con_id))
        })
    }

    /// Whether an entry before this one records that contract.
    pub(super) fn is_taken(&self, con_id: i32, name: &str) -> bool {
        let Some(spec) = &self.spec else { return false };
        let earlier = spec.contracts.iter().map(|contract| &contract.name).take_while(|earlier| *earlier != name);
        earlier.into_iter().any(|earlier| self.records(earlier, con_id))
    }

    /// Brings what changed of the contracts to the volume, beside the engine. One write at a time: the last one wins.
    pub(super) fn keep_contracts(&mut self) {
        if !self.unkept || self.keeping.as_ref().is_some_and(|keeping| !keeping.is_finished()) {
            return;
        }
        self.unkept = false;
        let entries = self.contracts.iter();
        let now = entries.filter_map(|(name, entry)| Some((name.clone(), entry.to_keep()?))).collect();
        if self.kept == now {
            return;
        }
        self.kept = now;
        let (store, kept) = (self.tools.store.clone(), self.kept.clone());
        self.keeping = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = store.keep_contracts(&kept) {
                tracing::warn!(%error, "the contracts cannot be kept on the volume");
            }
        }));
    }
}

/// Says ahead of time that a contract ends: `follows` says whether another one takes over by itself.
pub(super) fn warn_of_end(name: &str, resolved: &Resolved, follows: bool, now: Now) {
    let Some(expiry) = &resolved.expiry else { return };
    let (symbol, days, last) = (&resolved.contract.local_symbol, expiry.days_left(now.wall), expiry.last_day());
    match (days <= EXPIRY_NOTICE_DAYS, follows) {
        _ if resolved.has_ended(now.wall) => {
            tracing::warn!(contract = name, "{symbol} has expired on {last}: nothing is recorded of it any more");
        }
        (true, false) => tracing::warn!(
            contract = name,
            "{symbol} expires on {last}, {days} days left: name the contract that follows, or add roll"
        ),
        (true, true) => {
            tracing::info!(contract = name, "{symbol} expires on {last}, {days} days left, and rolls before that");
        }
        (false, _) => {}
    }
}

#[cfg(test)]
#[path = "contracts_tests.rs"]
mod tests;
