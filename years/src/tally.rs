//! What is counted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Ms;

/// What the oracle says of an action, or of its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// It ended a fault.
    Needed,
    /// It ended nothing, and no client could have known that.
    Allowed,
    /// The stream was silent and healthy, which no client could have known.
    Undecidable,
    /// Nothing was wrong that such an action could end.
    Needless,
    /// It cut what was healthy, or cost what a cheaper action would have spared.
    Harmful,
    /// A fault that an action ends was not ended in time, or a person was not called in time.
    Missed,
    /// A person was called for nothing.
    FalseCritical,
}

/// A verdict that no ladder should earn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// When, in milliseconds since 1970.
    pub at: Ms,
    /// What.
    pub verdict: Verdict,
    /// The fault that it is about.
    pub fault: &'static str,
    /// Why.
    pub why: &'static str,
}

/// Counts of one kind of fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kinds {
    /// How many.
    pub faults: u64,
    /// Noticed.
    pub detected: u64,
}

/// Counts of one ladder over a year, or over many.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Faults that happened.
    pub faults: u64,
    /// Faults that people were told of.
    pub detected: u64,
    /// Faults that were not ended, or told, in time; and people called for nothing.
    pub missed: u64,
    /// Faults that an action ended or had to end.
    pub needed: u64,
    /// Actions.
    pub made: u64,
    /// Actions for nothing.
    pub needless: u64,
    /// Actions that did harm.
    pub harmful: u64,
    /// Actions of which no client could have known that they were for nothing.
    pub undecidable: u64,
    /// Of the missed: people called for nothing.
    pub false_critical: u64,
    /// By kind of fault.
    pub kinds: BTreeMap<&'static str, Kinds>,
    /// Milliseconds from the first harm to the first warning.
    #[serde(skip)]
    pub detection: Vec<Ms>,
    /// Milliseconds from the first harm to its end, where an action ended it.
    #[serde(skip)]
    pub recovery: Vec<Ms>,
    /// Verdicts that no ladder should earn, the first of them.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

/// More findings of a year tell nothing new.
const MAX_FINDINGS: usize = 200;

impl Tally {
    /// The counts of a kind of fault.
    pub fn kind(&mut self, name: &'static str) -> &mut Kinds {
        self.kinds.entry(name).or_default()
    }

    /// Counts a verdict.
    pub fn found(&mut self, at: Ms, verdict: Verdict, fault: &'static str, why: &'static str) {
        match verdict {
            Verdict::Needed | Verdict::Allowed => return,
            Verdict::Undecidable => {
                self.undecidable += 1;
                return;
            }
            Verdict::Needless => self.needless += 1,
            Verdict::Harmful => self.harmful += 1,
            Verdict::Missed => {
                self.missed += 1;
                if why == "it was not cured" {
                    self.needed += 1;
                }
            }
            Verdict::FalseCritical => {
                self.missed += 1;
                self.false_critical += 1;
            }
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { at, verdict, fault, why });
        }
    }

    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missed + self.needless + self.harmful == 0
    }

    /// Adds another year.
    pub fn add(&mut self, other: &Self) {
        self.faults += other.faults;
        self.detected += other.detected;
        self.missed += other.missed;
        self.needed += other.needed;
        self.made += other.made;
        self.needless += other.needless;
        self.harmful += other.harmful;
        self.undecidable += other.undecidable;
        self.false_critical += other.false_critical;
        for (name, kinds) in &other.kinds {
            let sum = self.kind(name);
            sum.faults += kinds.faults;
            sum.detected += kinds.detected;
        }
        let room = MAX_FINDINGS.saturating_sub(self.findings.len());
        self.findings.extend(other.findings.iter().take(room).cloned());
        self.detection.extend(&other.detection);
        self.recovery.extend(&other.recovery);
    }
}
