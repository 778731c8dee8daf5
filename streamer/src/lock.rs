//! One streamer for one data directory: two would write into the same files, and tear each other's records.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process,
};

use jiff::Timestamp;

/// Below the data directory.
const LOCK: &str = ".marketstream/lock";
/// Where Linux tells the host's name; in a pod it is the pod's.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// Characters of a holder's text that are shown: the file may hold anything.
const MAX_HOLDER: u64 = 200;

/// Another process has the data directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the data directory {} is in use by another streamer ({holder}): end that one, or give this one a --data-dir of its own",
    .data_dir.display()
)]
pub struct InUse {
    /// The directory.
    pub data_dir: PathBuf,
    /// Who has it, in its own words.
    pub holder: String,
}

/// The right to write below a data directory, for as long as it lives. The kernel takes it back when the process dies,
/// however it dies.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Takes it, without waiting. Where the volume has no locks, or takes no file now, it is not needed: recording is
    /// worth more, and the log says so.
    ///
    /// # Errors
    /// When another process has it.
    pub fn take(data_dir: &Path) -> Result<Self, InUse> {
        let mut file = match open(data_dir) {
            Ok(file) => file,
            Err(error) => return Ok(Self::without(data_dir, &error)),
        };
        match file.try_lock() {
            Ok(()) => {
                // Only for the reader of an error: the lock holds without it.
                if let Err(error) = sign(&mut file) {
                    tracing::debug!(%error, "the lock's file does not say who has it");
                }
                Ok(Self { _file: Some(file) })
            }
            Err(TryLockError::WouldBlock) => Err(InUse { data_dir: data_dir.to_owned(), holder: holder(file) }),
            Err(TryLockError::Error(error)) => Ok(Self::without(data_dir, &error)),
        }
    }

    fn without(data_dir: &Path, error: &io::Error) -> Self {
        tracing::warn!(data_dir = %data_dir.display(), %error, "the data directory cannot be locked against a second streamer");
        Self { _file: None }
    }
}

fn open(data_dir: &Path) -> io::Result<File> {
    let path = data_dir.join(LOCK);
    fs::create_dir_all(path.parent().unwrap_or(data_dir))?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn sign(file: &mut File) -> io::Result<()> {
    let host = fs::read_to_string(HOST_NAME).unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    file.write_all(format!("process {} on {}, since {now}", process::id(), host.trim()).as_bytes())
}

fn holder(file: File) -> String {
    let mut text = Vec::new();
    match file.take(MAX_HOLDER).read_to_end(&mut text) {
        Ok(1..) => String::from_utf8_lossy(&text).into_owned(),
        Ok(0) | Err(_) => "which does not say who it is".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_has_the_directory_until_that_one_ends() {
        let data = tempfile::tempdir().unwrap();
        let first = Lock::take(data.path()).unwrap();
        let refused = Lock::take(data.path()).unwrap_err();
        assert_eq!(refused.data_dir, data.path());
        let text = refused.to_string();
        for part in [&data.path().display().to_string(), &format!("process {} on ", process::id()), "--data-dir"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        drop(first);
        Lock::take(data.path()).unwrap();
    }

    #[test]
    fn the_file_that_a_dead_process_left_is_no_lock() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join(LOCK);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "process 1 on another host, since a time that is longer than what replaces it ............")
            .unwrap();
        let _lock = Lock::take(data.path()).unwrap();
        let text = fs::read_to_string(file).unwrap();
        assert!(text.starts_with(&format!("process {} on ", process::id())) && text.ends_with('Z'), "{text}");
    }

    #[test]
    fn what_cannot_be_locked_is_recorded_all_the_same() {
        let data = tempfile::tempdir().unwrap();
        // A file stands where the folder should be.
        fs::write(data.path().join(".marketstream"), "").unwrap();
        assert!(Lock::take(data.path()).unwrap()._file.is_none());
    }
}
