//! The record on the settings volume.

use std::{fs, io, path::PathBuf};

use crate::policy::Record;

/// Where the record is kept.
#[derive(Debug)]
pub struct RecordFile(PathBuf);

impl RecordFile {
    /// A record in that directory, which is made when missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(state: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&state)?;
        Ok(Self(state.join("login-attempts.json")))
    }

    /// What was written last. A file that was lost or damaged begins anew: a gate that never opens would be worse.
    #[must_use]
    pub fn read(&self) -> Record {
        fs::read(&self.0).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the volume does not take it.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        let partial = self.0.with_extension("partial");
        let file = fs::File::create(&partial)?;
        serde_json::to_writer(&file, record)?;
        file.sync_all()?;
        fs::rename(partial, &self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests only")]

    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_survives_damage() {
        let dir = tempfile::tempdir().unwrap();
        let file = RecordFile::open(dir.path().join("deep")).unwrap();
        assert_eq!(file.read(), Record::default());
        let record = Record { attempts: 2, honoured: "x".into(), ..Record::default() };
        file.write(&record).unwrap();
        assert_eq!(file.read(), record);
        fs::write(dir.path().join("deep/login-attempts.json"), "{").unwrap();
        assert_eq!(file.read(), Record::default());
    }
}
