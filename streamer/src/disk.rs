//! Folders that a power cut does not take back.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Creates a folder and those above it that are missing, each with its name on the disk. After an error none of them is
/// left, since a second sync that succeeds would prove nothing.
///
/// # Errors
/// When the volume refuses it.
pub fn create_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent() else { return Ok(()) };
    create_folders(parent)?;
    match fs::create_dir(folder) {
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        created => created?,
    }
    sync_folder(parent).inspect_err(|_| {
        // It stays when somebody has put something into it.
        let _ = fs::remove_dir(folder);
    })
}

/// Makes the names in a folder as durable as the content of its files.
///
/// # Errors
/// When the volume refuses it.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(here)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_created_as_deep_as_they_are_wanted_and_a_file_in_the_way_is_an_error() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("2026/11/23");
        for _ in 0..2 {
            create_folders(&folder).unwrap();
            assert!(folder.is_dir());
        }
        fs::write(data.path().join("file"), "").unwrap();
        assert!(create_folders(&data.path().join("file")).is_err());
        assert!(create_folders(&data.path().join("file/below")).is_err());
    }
}
