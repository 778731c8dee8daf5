//! Rolling futures: which contract is recorded, and when the next one takes over. Pure.
//!
//! While a future rolls, the next contract is recorded from [`Next::from`] on and the current one until [`Next::until`]:
//! the overlap. By the calendar the end is fixed and the begin lies before it; a roll that is only seen when it has
//! happened (`IBFront`, `Volume`) begins at once. The choice never goes back to an earlier expiry, unless the manifest
//! changes the rule.

mod expiry;
mod volumes;

use jiff::{SignedDuration, Timestamp};
use marketstream_crds::{Roll, RollRule};
use serde::{Deserialize, Serialize};

pub use expiry::Expiry;
pub use volumes::Volumes;

/// One expiry of a future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// IBKR's identifier.
    pub con_id: i32,
    /// Its end.
    pub expiry: Expiry,
}

/// What is known of a future.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Market {
    /// All expiries.
    pub candidates: Vec<Candidate>,
    /// What IBKR's continuous future stands for.
    pub front: Option<i32>,
    /// Volumes of one trading day.
    pub volumes: Option<Volumes>,
}

/// What was chosen; it survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    rule: RollRule,
    days: Option<i32>,
    /// What is recorded.
    pub current: Current,
    /// What follows, as far as it is known.
    pub next: Option<Next>,
}

/// The contract that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// IBKR's identifier.
    pub con_id: i32,
    /// Its end.
    pub expiry: Expiry,
    /// From when it was due; `None` for the first one.
    pub since: Option<Timestamp>,
}

/// The contract that follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// IBKR's identifier.
    pub con_id: i32,
    /// Its end.
    pub expiry: Expiry,
    /// From when it is recorded.
    pub from: Timestamp,
    /// When the current one is left.
    pub until: Timestamp,
}

impl Choice {
    /// The next contract, once it is to be recorded beside the current one.
    #[must_use]
    pub fn overlapping(&self, now: Timestamp) -> Option<&Next> {
        self.next.as_ref().filter(|next| next.from <= now)
    }

    /// When the calendar alone may change it next.
    #[must_use]
    pub fn review(&self, now: Timestamp) -> Timestamp {
        let next = self.next.as_ref().map(|next| if next.from > now { next.from } else { next.until });
        next.into_iter().chain([self.current.expiry.ends()]).filter(|at| *at > now).min().unwrap_or(Timestamp::MAX)
    }
}

/// Decides, from what was chosen before. `None` when no contract is left that still trades.
#[must_use]
pub fn decide(roll: &Roll, market: &Market, chosen: Option<&Choice>, now: Timestamp) -> Option<Choice> {
    let mut alive: Vec<&Candidate> =
        market.candidates.iter().filter(|candidate| !candidate.expiry.passed(now)).collect();
    alive.sort_by_key(|candidate| (candidate.expiry.ends(), candidate.con_id));
    let view = View { roll, market, alive, now };
    let chosen = chosen.filter(|chosen| (chosen.rule, chosen.days) == (roll.rule, roll.days));
    let mut current = match chosen {
        Some(chosen) => chosen.current.clone(),
        None => view.first()?,
    };
    // A roll that has begun is carried through.
    let mut begun = chosen.and_then(|chosen| chosen.overlapping(now)).filter(|next| !next.expiry.passed(now)).cloned();
    loop {
        // Each turn goes on to a later expiry.
        match begun.take().or_else(|| view.follows(&current)) {
            Some(Next { con_id, expiry, from, until }) if until <= now => {
                current = Current { con_id, expiry, since: Some(from) };
            }
            next => return Some(Choice { rule: roll.rule, days: roll.days, current, next }),
        }
    }
}

struct View<'a> {
    roll: &'a Roll,
    market: &'a Market,
    /// Contracts that still trade, by expiry.
    alive: Vec<&'a Candidate>,
    now: Timestamp,
}

impl View<'_> {
    /// The first choice.
    fn first(&self) -> Option<Current> {
        let chosen = match self.roll.rule {
            RollRule::DaysBeforeExpiry => {
                // Where every contract is to be left already, the last one is the best there is.
                let open = self.alive.iter().find(|candidate| self.leaves(&candidate.expiry) > self.now);
                open.or(self.alive.last())
            }
            RollRule::IBFront => self.alive.iter().find(|candidate| Some(candidate.con_id) == self.market.front),
            RollRule::Volume => self.leader(),
        };
        let chosen = chosen.or(self.alive.first())?;
        Some(Current { con_id: chosen.con_id, expiry: chosen.expiry.clone(), since: None })
    }

    fn follows(&self, current: &Current) -> Option<Next> {
        let later = |candidate: &&&Candidate| candidate.expiry.ends() > current.expiry.ends();
        let gone = current.expiry.passed(self.now);
        let nearest = || self.alive.iter().find(later).filter(|_| gone);
        let overlap = SignedDuration::try_from(self.roll.overlap.get()).unwrap_or(SignedDuration::ZERO);
        let (candidate, from, until) = match self.roll.rule {
            RollRule::DaysBeforeExpiry => {
                let left = self.leaves(&current.expiry);
                let open = self.alive.iter().filter(later).find(|candidate| self.leaves(&candidate.expiry) > left);
                (open.or_else(nearest), left.saturating_sub(overlap).unwrap_or(left), left)
            }
            RollRule::IBFront | RollRule::Volume => {
                let leader = match self.roll.rule {
                    RollRule::Volume => self.leader().filter(|leader| self.overtakes(leader, current.con_id)),
                    _ => self.alive.iter().find(|candidate| Some(candidate.con_id) == self.market.front),
                };
                let seen = leader.filter(later);
                (seen.or_else(nearest), self.now, self.now.saturating_add(overlap).unwrap_or(self.now))
            }
        };
        let candidate = candidate?;
        // What trades no more is not waited for.
        let until = if gone { until.min(self.now) } else { until.min(current.expiry.ends()) };
        Some(Next { con_id: candidate.con_id, expiry: candidate.expiry.clone(), from: from.min(until), until })
    }

    /// When the rule `DaysBeforeExpiry` leaves a contract.
    fn leaves(&self, expiry: &Expiry) -> Timestamp {
        expiry.days_before(self.roll.days.unwrap_or(0))
    }

    /// The contract of the greatest known volume; the nearest of equals.
    fn leader(&self) -> Option<&&Candidate> {
        let known =
            self.alive.iter().filter(|candidate| self.volume(candidate.con_id).is_some_and(|volume| volume > 0.0));
        known.rev().max_by(|a, b| self.volume(a.con_id).unwrap_or(0.0).total_cmp(&self.volume(b.con_id).unwrap_or(0.0)))
    }

    fn overtakes(&self, leader: &Candidate, current: i32) -> bool {
        self.volume(leader.con_id).zip(self.volume(current)).is_some_and(|(leader, current)| leader > current)
            // A look-up no longer lists what has stopped trading.
            || !self.alive.iter().any(|candidate| candidate.con_id == current)
    }

    fn volume(&self, con_id: i32) -> Option<f64> {
        self.market.volumes.as_ref()?.of.get(&con_id).copied()
    }
}

#[cfg(test)]
mod tests;
