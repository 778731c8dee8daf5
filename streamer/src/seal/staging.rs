//! Files that appear whole or not at all: they are written beside the data, synced, and renamed into their place. What a
//! crash left in the staging folder is thrown away at the next start.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::disk::{create_folders, sync_folder};

/// On the same volume as the data, since a rename does not cross volumes, and out of the readers' sight.
const FOLDER: &str = ".marketstream/staging";
/// Bytes after which they are brought to the disk: a long file synced at once would hold up the recorder's own syncs.
const SYNC_EVERY: usize = 4 << 20;

/// The staging folder.
#[derive(Debug)]
pub struct Staging(PathBuf);

impl Staging {
    /// Of this data directory, emptied.
    ///
    /// # Errors
    /// When the volume refuses it.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// A new file of this name, or a path below it.
    ///
    /// # Errors
    /// When the volume refuses it.
    pub fn create(&self, name: &Path) -> io::Result<Paced> {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.0))?;
        Ok(Paced { file: File::create(path)?, unsynced: 0 })
    }

    /// Brings a finished file to its place, durably, over an older one.
    ///
    /// # Errors
    /// When the volume refuses it; the older one stays whole then.
    pub fn publish(&self, name: &Path, file: Paced, target: &Path) -> io::Result<()> {
        file.finish()?;
        let folder = target.parent().unwrap_or(&self.0);
        create_folders(folder)?;
        fs::rename(self.0.join(name), target)?;
        sync_folder(folder)
    }

    /// Writes a small file.
    ///
    /// # Errors
    /// When the volume refuses it; the older one stays whole then.
    pub fn write(&self, target: &Path, content: &[u8]) -> io::Result<()> {
        let name = Path::new("small");
        let mut file = self.create(name)?;
        file.write_all(content)?;
        self.publish(name, file, target)
    }

    /// Puts a folder of one finished file in the place of another, in one step: who lists the folder sees all of the
    /// old or all of the new. Returns after the old one is gone.
    ///
    /// # Errors
    /// When the volume refuses it.
    pub fn replace_folder(&self, name: &Path, file: Paced, target: &Path) -> io::Result<()> {
        file.finish()?;
        let source = self.0.join(name);
        sync_folder(&source)?;
        let parent = target.parent().unwrap_or(&self.0);
        create_folders(parent)?;
        if !target.exists() {
            fs::rename(&source, target)?;
            return sync_folder(parent);
        }
        if renameat_with(CWD, &source, CWD, target, RenameFlags::EXCHANGE).is_err() {
            // Some network file systems cannot exchange: then there is a moment without either.
            let old = source.with_extension("old");
            fs::rename(target, &old)?;
            fs::rename(&source, target)?;
            sync_folder(parent)?;
            return fs::remove_dir_all(old);
        }
        sync_folder(parent)?;
        fs::remove_dir_all(source)
    }
}

/// A file that goes to the disk in small steps.
#[derive(Debug)]
pub struct Paced {
    file: File,
    unsynced: usize,
}

impl Paced {
    fn finish(self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Bytes so far.
    ///
    /// # Errors
    /// When the volume does not tell.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_crash_before_the_rename_leaves_nothing() {
        let data = tempfile::tempdir().unwrap();
        let staging = Staging::open(data.path()).unwrap();
        staging.write(&data.path().join("x"), b"old").unwrap();
        let mut file = staging.create(Path::new("half")).unwrap();
        file.write_all(b"ha").unwrap();
        drop(file);
        assert_eq!(fs::read(data.path().join("x")).unwrap(), b"old");
        let staging = Staging::open(data.path()).unwrap();
        assert!(names(&staging.0).is_empty());
    }

    #[test]
    fn a_folder_is_replaced_with_all_that_was_in_it() {
        let data = tempfile::tempdir().unwrap();
        let staging = Staging::open(data.path()).unwrap();
        let target = data.path().join("date=1");
        for parts in [vec![], vec!["a", "b"]] {
            for part in parts {
                staging.write(&target.join(part), b"part").unwrap();
            }
            let file = staging.create(Path::new("day/whole")).unwrap();
            staging.replace_folder(Path::new("day"), file, &target).unwrap();
            assert_eq!(names(&target), ["whole"]);
        }
        assert!(names(&staging.0).is_empty());
    }
}
