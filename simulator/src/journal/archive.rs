//! A state directory as evidence: read without a running simulator, and without changing it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::settings::SettingsError;
use super::{altered, query, requests, sent, settings};
use crate::judge::JournalTick;
use crate::market::{Market, Stream};

/// Files of a state directory.
pub(crate) const REQUESTS: &str = "requests.jsonl";
/// See [`altered`].
pub(crate) const ALTERED: &str = "altered.jsonl";
/// See [`sent`].
pub(crate) const JOURNAL: &str = "journal";

/// The journal of a state directory.
#[derive(Debug)]
pub struct Archive {
    dir: PathBuf,
    market: Market,
    streams: BTreeSet<Stream>,
}

impl Archive {
    /// Opens a state directory.
    ///
    /// # Errors
    /// When it is not one, or lacks a recording.
    pub fn open(dir: &Path) -> Result<Self, SettingsError> {
        let market = Market::new(settings::load(dir)?);
        let path = dir.join(REQUESTS);
        let io = |cause| SettingsError::Io { path: path.clone(), cause };
        let streams = requests::streams(&path).map_err(io)?;
        for burst in requests::bursts(&path).map_err(io)? {
            market.restore_burst(burst);
        }
        Ok(Self { dir: dir.to_owned(), market, streams })
    }

    /// The ticks of the seconds in `from..to` of every stream that was ever subscribed, stream by stream.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn ticks(&self, span: (i64, i64)) -> io::Result<Vec<JournalTick>> {
        let mut evidence = query::Evidence {
            sent: sent::read(&self.dir.join(JOURNAL), span)?,
            altered: altered::read(&self.dir.join(ALTERED), span)?,
        };
        Ok(query::ticks(&self.market, self.streams.iter().copied(), span, i64::MAX, &mut evidence))
    }
}
