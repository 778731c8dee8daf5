//! Which files are to be uploaded, and what is there already.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{
    target::Target,
    upload::{UploadError, delete, upload},
};
use crate::seal::{
    record::{self, DayRecord},
    sides::PARQUET,
    staging::Staging,
};

/// What the archive has of the side tables; days remember it themselves ([`DayRecord::archived`]).
const STATE: &str = ".marketstream/archive.json";
/// Folders of the side tables.
const SIDES: [&str; 4] = ["instruments", "sessions", "gaps", "coverage"];

/// What came of an attempt to bring the archive up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Files that were uploaded.
    pub uploaded: u64,
    /// Files that still wait.
    pub pending: u64,
    /// Why.
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    url: String,
    /// Length and time of change, in microseconds since 1970, of what was uploaded, by path.
    files: BTreeMap<String, (u64, u128)>,
}

/// Uploads what the archive lacks of the days that end after `since`, seconds since 1970, and of the side tables. The
/// first failure that lasts ends it: the rest is counted, and waits for the next look.
///
/// # Errors
/// When the data directory cannot be read or written.
pub async fn sync(data_dir: &Path, target: &Target, since: i64) -> io::Result<Outcome> {
    let staging = Staging::open(data_dir)?;
    let mut sync = Sync { data_dir, target, staging, outcome: Outcome::default() };
    for stream in record::streams(data_dir)? {
        for day in record::days(data_dir, stream, since)? {
            if !day.deleted && !day.is_archived(&target.url) {
                sync.day(day).await?;
            }
        }
    }
    sync.sides().await?;
    Ok(sync.outcome)
}

struct Sync<'a> {
    data_dir: &'a Path,
    target: &'a Target,
    staging: Staging,
    outcome: Outcome,
}

impl Sync<'_> {
    async fn day(&mut self, mut day: DayRecord) -> io::Result<()> {
        let url = &self.target.url;
        let mut archived = day.archived.take().filter(|archived| archived.url == *url).unwrap_or_default();
        archived.url.clone_from(url);
        let folder = day.folder();
        let mut all = true;
        for (name, file) in &day.files {
            if archived.files.get(name) != Some(&file.rev) {
                if self.upload(&folder.join(name)).await {
                    archived.files.insert(name.clone(), file.rev);
                } else {
                    all = false;
                }
            }
        }
        // What a day's file has replaced goes when that is there.
        let replaced: Vec<String> =
            archived.files.keys().filter(|name| !day.files.contains_key(*name)).cloned().collect();
        for name in replaced.into_iter().filter(|_| all) {
            match delete(self.target.store(), &self.key(&folder.join(&name))).await {
                Ok(()) => _ = archived.files.remove(&name),
                Err(error) => self.failed(&error),
            }
        }
        day.archived = Some(archived);
        day.keep(self.data_dir, &self.staging)
    }

    async fn sides(&mut self) -> io::Result<()> {
        let path = self.data_dir.join(STATE);
        let known: Option<State> = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut state = known.filter(|state| state.url == self.target.url).unwrap_or_default();
        state.url.clone_from(&self.target.url);
        let before = state.clone();
        let mut files = Vec::new();
        for side in SIDES {
            find(self.data_dir, &Path::new(PARQUET).join(side), &mut files)?;
        }
        for (file, mark) in files {
            let name = file.to_string_lossy().into_owned();
            if state.files.get(&name) != Some(&mark) && self.upload(&file).await {
                state.files.insert(name, mark);
            }
        }
        if state == before { Ok(()) } else { self.staging.write(&path, &serde_json::to_vec(&state)?) }
    }

    /// Whether the file is in the archive now.
    async fn upload(&mut self, file: &Path) -> bool {
        if self.outcome.error.is_some() {
            self.outcome.pending += 1;
            return false;
        }
        match upload(self.target.store(), &self.key(file), &self.data_dir.join(file)).await {
            Ok(()) => {
                self.outcome.uploaded += 1;
                true
            }
            Err(error) if error.is_gone() => {
                tracing::warn!(%error, "a sealed file was deleted before it was archived");
                false
            }
            Err(error) => {
                self.outcome.pending += 1;
                self.failed(&error);
                false
            }
        }
    }

    fn failed(&mut self, error: &UploadError) {
        tracing::warn!(%error, "the archive is not up to date");
        self.outcome.error.get_or_insert_with(|| error.to_string());
    }

    fn key(&self, file: &Path) -> object_store::path::Path {
        let below = file.strip_prefix(PARQUET).unwrap_or(file);
        self.target.key(&below.to_string_lossy())
    }
}

/// Files of a folder and those below it, by their paths below the data directory, with their marks.
fn find(data_dir: &Path, folder: &Path, files: &mut Vec<(PathBuf, (u64, u128))>) -> io::Result<()> {
    let entries = match fs::read_dir(data_dir.join(folder)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (path, metadata) = (folder.join(entry.file_name()), entry.metadata()?);
        if metadata.is_dir() {
            find(data_dir, &path, files)?;
        } else {
            let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
            files.push((path, (metadata.len(), changed)));
        }
    }
    Ok(())
}
