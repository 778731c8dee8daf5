//! Which recorded contract a path names.

use marketstream_proto::TickKind;

use super::problem::Problem;
use crate::{
    cli::stored_kind,
    facts::{Facts, Snapshot, StreamFacts},
};

/// A contract that is recorded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name in the manifest.
    pub contract: String,
    /// IBKR's identifier.
    pub con_id: i32,
    /// What the manifest asks for.
    pub kinds: Vec<TickKind>,
}

/// The contract of the manifest with this name or IBKR identifier.
///
/// # Errors
/// When there is none, with the names that there are.
pub fn find(facts: &Facts, contract: &str) -> Result<Target, Problem> {
    let snapshot = facts.session.borrow().clone();
    let streams: Vec<&StreamFacts> = streams(&snapshot, contract).collect();
    let Some(first) = streams.first() else {
        let mut known: Vec<&str> = snapshot.streams.iter().map(|stream| stream.key.contract.as_str()).collect();
        known.dedup();
        let shown: String = contract.chars().take(64).collect();
        return Err(Problem::not_recorded(format!(
            "{shown} is not recorded here: write the name or the conId of a contract of the manifest ({}), or add it to \
             spec.contracts",
            known.join(", ")
        )));
    };
    let Some(con_id) = first.con_id else {
        return Err(Problem::not_recorded(format!(
            "{}: IBKR has not said yet which contract that is",
            first.key.contract
        )));
    };
    // While a future rolls, the name has two contracts; the old one is the one that others speak of.
    let kinds = streams.iter().filter(|stream| stream.con_id == Some(con_id));
    let kinds = kinds.map(|stream| stored_kind(stream.key.tick)).collect();
    Ok(Target { contract: first.key.contract.clone(), con_id, kinds })
}

/// The streams of a contract, by its name or IBKR identifier.
pub fn streams<'a>(snapshot: &'a Snapshot, contract: &str) -> impl Iterator<Item = &'a StreamFacts> {
    let con_id = contract.parse::<i32>().ok();
    let by_name = snapshot.streams.iter().any(|stream| stream.key.contract == contract);
    let contract = contract.to_owned();
    // A name may look like a number; then it is a name.
    snapshot.streams.iter().filter(move |stream| {
        if by_name { stream.key.contract == contract } else { con_id.is_some() && stream.con_id == con_id }
    })
}

impl Target {
    /// The kinds that are wanted, or all of the manifest.
    ///
    /// # Errors
    /// When one of them is not recorded of this contract.
    pub fn kinds(&self, wanted: Option<Vec<TickKind>>) -> Result<Vec<TickKind>, Problem> {
        let Some(wanted) = wanted else { return Ok(self.kinds.clone()) };
        // What the lines do not suffice for is recorded under these, whatever the manifest says.
        let sampled = |kind: TickKind| matches!(kind, TickKind::QuoteL1 | TickKind::RtVolume);
        match wanted.iter().find(|kind| !self.kinds.contains(kind) && !sampled(**kind)) {
            None => Ok(wanted),
            Some(missing) => Err(Problem::not_recorded(format!(
                "{} is not recorded of {}: add it to its ticks in spec.contracts",
                missing.as_str(),
                self.contract
            ))),
        }
    }
}
