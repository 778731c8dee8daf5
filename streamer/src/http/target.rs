//! Which recorded contract a path names.

use std::{collections::BTreeSet, io, path::Path};

use marketstream_proto::TickKind;

use super::problem::Problem;
use crate::{
    backfill::ledger::Recorded,
    cli::stored_kind,
    facts::{Facts, Snapshot, StreamFacts},
    recordings,
    seal::record,
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

/// As [`find`], for who reads what is stored since some time (seconds since 1970): a contract that has left the manifest,
/// such as the future before the last one, is found by its identifier, and so are kinds that are recorded no more.
///
/// # Errors
/// As [`find`], or when the volume cannot be read.
pub async fn find_stored(facts: &Facts, contract: &str, wanted: &[TickKind], since: i64) -> Result<Target, Problem> {
    let found = find(facts, contract);
    let con_id = match &found {
        Ok(target) if target.kinds(Some(wanted.to_vec())).is_ok() => return found,
        Ok(target) => target.con_id,
        Err(_) => match contract.parse() {
            Ok(con_id) => con_id,
            Err(_) => return found,
        },
    };
    let data_dir = facts.data_dir.clone();
    let looked = tokio::task::spawn_blocking(move || stored(&data_dir, con_id, since)).await;
    let stored = looked.map_err(io::Error::other).flatten().map_err(|error| Problem::unreadable(&error))?;
    match found {
        Err(problem) if stored.is_empty() => Err(problem),
        Err(_) => Ok(Target { contract: contract.to_owned(), con_id, kinds: stored.into_iter().collect() }),
        Ok(mut target) => {
            target.kinds.extend(stored);
            Ok(target)
        }
    }
}

/// The kinds of which anything is stored.
fn stored(data_dir: &Path, con_id: i32, since: i64) -> io::Result<BTreeSet<TickKind>> {
    let recorded = recordings::find(data_dir, since, |file| file.con_id == con_id)?;
    let sealed = TickKind::ALL.into_iter().filter(|kind| record::is_known(data_dir, Recorded { con_id, kind: *kind }));
    Ok(recorded.into_iter().map(|(file, ..)| file.kind).chain(sealed).collect())
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
