//! The engine's contracts: looked up at each session, and again before their known hours end.

use std::time::Duration;

use ibapi::contracts::Contract as IbContract;
use marketstream_crds::Contract;
use marketstream_recovery::{
    codes::{ErrorClass, classify},
    hours::{SessionState, TradingHours},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, Event, stream::Origin};
use crate::{
    clock::Now,
    plan::StreamKey,
    retry,
    session::details::{self, Resolved, Unresolved},
};

/// Bound of one look-up. The gateway answers in well under a second when its security-definition farm is up.
const BOUND: Duration = Duration::from_secs(10);
/// Hours are known for a day or more; a look-up costs one message.
const REFRESH: Duration = Duration::from_secs(6 * 3600);
/// IBKR's code for a description that names no contract, or several.
const NO_DEFINITION: i32 = 200;
/// Pauses after look-ups without an answer, in seconds.
const NO_ANSWER_PAUSES: [u64; 5] = [2, 5, 15, 30, 60];

/// A contract of the manifest.
pub struct ContractEntry {
    /// As the manifest has it.
    pub wanted: Contract,
    resolved: Option<Resolved>,
    under_way: Option<(u64, AbortOnDropHandle<()>)>,
    ask_at: Duration,
    failures: u32,
    /// The last look-up got no answer.
    unanswered: bool,
}

impl ContractEntry {
    pub fn new(wanted: Contract, now: Duration) -> Self {
        Self { wanted, resolved: None, under_way: None, ask_at: now, failures: 0, unanswered: false }
    }

    pub fn con_id(&self) -> Option<i32> {
        self.contract().map(|contract| contract.contract_id).or(self.wanted.con_id)
    }

    /// The contract to subscribe with, once it is known.
    pub fn contract(&self) -> Option<&IbContract> {
        self.resolved.as_ref().map(|resolved| &resolved.contract)
    }

    /// What the contract's hours say.
    pub fn hours(&self, now: Now) -> SessionState {
        let hours: Option<&TradingHours> = self.resolved.as_ref().and_then(|resolved| resolved.hours.as_ref());
        hours.map_or(SessionState::Unknown, |hours| hours.at(now.wall))
    }

    /// Its hours, if they are known.
    pub fn known_hours(&self) -> Option<&TradingHours> {
        self.resolved.as_ref()?.hours.as_ref()
    }

    /// A new session, or a changed manifest, may have made the contract valid.
    pub fn ask_anew(&mut self, now: Duration) {
        (self.ask_at, self.failures) = (now, 0);
    }

    pub fn session_lost(&mut self) {
        self.under_way = None;
    }

    /// A farm is up: gateways leave requests unanswered that came before (IBKR's documentation).
    pub fn farm_up(&mut self, now: Duration) {
        if self.unanswered {
            self.ask_at = now;
        }
    }

    /// Takes the entry of a changed manifest in, and asks again for a contract that was refused. Returns whether it may
    /// be another contract now.
    pub fn update(&mut self, wanted: &Contract, now: Duration) -> bool {
        let identity = |contract: &Contract| Contract {
            ticks: Vec::new(),
            hours: Default::default(),
            stale_after: None,
            priority: 0,
            ..contract.clone()
        };
        let (other, hours) = (identity(&self.wanted) != identity(wanted), self.wanted.hours != wanted.hours);
        self.wanted = wanted.clone();
        if other {
            self.resolved = None;
        }
        if other || hours {
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
        let due: Vec<String> = self
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
        for name in due {
            let serial = self.next_serial();
            let (client, events) = (client.clone(), self.events.clone());
            let Some(entry) = self.contracts.get_mut(&name) else { continue };
            let wanted = entry.wanted.clone();
            let task = tokio::spawn(async move {
                let outcome = Box::new(details::resolve(&client, &wanted, BOUND).await);
                let _ = events.send(Event::Details { serial, contract: wanted.name, outcome }).await;
            });
            entry.under_way = Some((serial, AbortOnDropHandle::new(task)));
            for (_, stream) in self.streams.iter_mut().filter(|(key, stream)| key.contract == name && stream.lined) {
                stream.first_asked.get_or_insert(now.mono);
            }
        }
        next
    }

    pub(super) fn details(&mut self, serial: u64, name: &str, outcome: Result<Resolved, Unresolved>, now: Now) {
        let Some(entry) = self.contracts.get_mut(name) else { return };
        if entry.under_way.take_if(|(asked, _)| *asked == serial).is_none() {
            return;
        }
        entry.unanswered = matches!(outcome, Err(Unresolved::NoAnswer));
        match outcome {
            Ok(resolved) => {
                tracing::info!(contract = name, con_id = resolved.contract.contract_id, "the contract is known");
                let known = entry.contract().map(|contract| contract.contract_id);
                let other = known.is_some_and(|known| known != resolved.contract.contract_id);
                entry.resolved = Some(resolved);
                (entry.failures, entry.ask_at) = (0, now.mono + REFRESH);
                let keys: Vec<StreamKey> = self.streams.keys().filter(|key| key.contract == name).cloned().collect();
                for key in keys {
                    // The description means another contract now, such as the next month of a future.
                    if other {
                        self.restart(&key, now.mono);
                    }
                    let held = self.hold.is_some();
                    let Some(stream) = self.streams.get_mut(&key) else { continue };
                    if stream.is_refused_by(Origin::Contract) {
                        stream.lift_refusal();
                        stream.wanted_at = (!held).then_some(now.mono);
                    }
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
                self.contract_refused(name, code, &text, classify(code, &text), now);
            }
            // IBKR answers an ambiguous request for data with 200 too.
            Err(Unresolved::Invalid(text)) => {
                self.contract_refused(name, NO_DEFINITION, &text, ErrorClass::ContractInvalid, now);
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
}
