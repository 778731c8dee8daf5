//! What the streamer keeps on the volume for its next start: the last valid spec and the last client ID.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use marketstream_crds::MarketStreamSpec;

/// Below the data directory; the dot keeps it out of the readers' way.
const FOLDER: &str = ".marketstream";
const SPEC: &str = "spec.json";
const CLIENT_ID: &str = "client-id";

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
        assert_eq!((store.spec(), store.client_id()), (Some(spec), Some(854)));
        fs::write(data.path().join(FOLDER).join(SPEC), "{torn").unwrap();
        assert_eq!(store.spec(), None);
    }
}
