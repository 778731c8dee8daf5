//! What the streamer keeps on the volume for its next start: the last valid spec, the last client ID, which contracts were
//! recorded, and where its own ladder stands when there is no operator.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use marketstream_crds::{Contract, MarketStreamSpec, MarketStreamStatus};
use serde::{Deserialize, Serialize};

use crate::roll::{Choice, Expiry};

/// Below the data directory; the dot keeps it out of the readers' way.
const FOLDER: &str = ".marketstream";
const SPEC: &str = "spec.json";
const CLIENT_ID: &str = "client-id";
const LADDER: &str = "ladder.json";
const CONTRACTS: &str = "contracts.json";

/// What a description of the manifest was found to mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptContract {
    /// The description; for another one this says nothing.
    pub description: Contract,
    /// IBKR's identifier.
    pub con_id: i32,
    /// Its end, if it has one.
    pub expiry: Option<Expiry>,
    /// Of a future that rolls: what was chosen.
    pub choice: Option<Choice>,
    /// Of a future that rolls: the contracts whose recording has begun.
    #[serde(default)]
    pub begun: Vec<i32>,
}

/// The streamer's own files.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Below this data directory. Nothing is touched yet.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join(FOLDER) }
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// The last valid spec; `None` when there is none, or it cannot be read.
    #[must_use]
    pub fn spec(&self) -> Option<MarketStreamSpec> {
        let text = fs::read(self.folder.join(SPEC)).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(%error, "the spec on the volume cannot be read"))
            .ok()
    }

    /// Keeps a valid spec.
    ///
    /// # Errors
    /// When the volume refuses it; the older one stays whole then.
    pub fn keep_spec(&self, spec: &MarketStreamSpec) -> io::Result<()> {
        self.write(SPEC, &serde_json::to_vec(spec)?)
    }

    /// The last client ID.
    #[must_use]
    pub fn client_id(&self) -> Option<i32> {
        fs::read_to_string(self.folder.join(CLIENT_ID)).ok()?.trim().parse().ok()
    }

    /// Keeps the client ID of a session that came up.
    ///
    /// # Errors
    /// When the volume refuses it; the older one stays whole then.
    pub fn keep_client_id(&self, id: i32) -> io::Result<()> {
        self.write(CLIENT_ID, id.to_string().as_bytes())
    }

    /// Which contracts were recorded, by their names in the manifest; empty when there is nothing that can be read.
    #[must_use]
    pub fn contracts(&self) -> BTreeMap<String, KeptContract> {
        let Ok(text) = fs::read(self.folder.join(CONTRACTS)) else { return BTreeMap::new() };
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(%error, "the contracts on the volume cannot be read"))
            .unwrap_or_default()
    }

    /// Keeps which contracts are recorded.
    ///
    /// # Errors
    /// When the volume refuses it; the older ones stay whole then.
    pub fn keep_contracts(&self, contracts: &BTreeMap<String, KeptContract>) -> io::Result<()> {
        self.write(CONTRACTS, &serde_json::to_vec(contracts)?)
    }

    /// Where the ladder of this process stood; `None` when it never decided, or it cannot be read.
    #[must_use]
    pub fn ladder(&self) -> Option<MarketStreamStatus> {
        let text = fs::read(self.folder.join(LADDER)).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(%error, "the state of recovery on the volume cannot be read"))
            .ok()
    }

    /// Keeps where the ladder stands, before anything is done.
    ///
    /// # Errors
    /// When the volume refuses it; the older one stays whole then.
    pub fn keep_ladder(&self, status: &MarketStreamStatus) -> io::Result<()> {
        self.write(LADDER, &serde_json::to_vec(status)?)
    }

    /// A rename makes a whole file appear at once, after its content is on the disk.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let (path, new) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        if fs::read(&path).is_ok_and(|old| old == content) {
            return Ok(());
        }
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::spec;

    #[test]
    fn what_is_kept_is_found_and_garbage_is_not_a_spec() {
        let data = tempfile::tempdir().unwrap();
        let store = Store::new(data.path());
        assert_eq!((store.spec(), store.client_id()), (None, None));
        let spec = spec(serde_json::json!({
            "contracts": [{"name": "a", "conId": 1, "ticks": ["Last"]}],
            "gateway": {"external": {"host": "gw"}},
        }));
        store.keep_spec(&spec).unwrap();
        store.keep_client_id(853).unwrap();
        store.keep_client_id(854).unwrap();
        let kept = KeptContract {
            description: spec.contracts[0].clone(),
            con_id: 1,
            expiry: Expiry::read("20261218", "US/Central"),
            choice: None,
            begun: vec![1],
        };
        let contracts = BTreeMap::from([("a".to_owned(), kept)]);
        store.keep_contracts(&contracts).unwrap();
        assert_eq!((store.spec(), store.client_id(), store.contracts()), (Some(spec), Some(854), contracts));
        fs::write(data.path().join(FOLDER).join(SPEC), "{torn").unwrap();
        assert_eq!(store.spec(), None);
    }
}
