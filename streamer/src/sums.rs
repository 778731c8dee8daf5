//! Checksums of recordings: beside each, in `{name}.crc`, the CRC-32 of every 64 KiB that the disk has confirmed, and
//! when the file is closed that of the rest behind them. What changes on the disk after it was written shows there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use crc32fast::Hasher;

/// Bytes that one checksum is of.
pub const BLOCK: u64 = 64 * 1024;
/// Bytes of a checksum; little-endian.
const SUM: u64 = 4;
/// The rest of a closed file: its length, and its checksum.
const REST: u64 = 8;

/// Where the checksums of a recording are.
#[must_use]
pub fn path_of(recording: &Path) -> PathBuf {
    let mut name = recording.as_os_str().to_owned();
    name.push(".crc");
    name.into()
}

/// Goes along with a recording that is appended to.
#[derive(Debug)]
pub struct Sums {
    file: File,
    hasher: Hasher,
    /// Bytes that the hasher has of the block that is not full.
    filled: u64,
    /// Checksums that are not written.
    waiting: Vec<u8>,
}

impl Sums {
    /// Goes on with a recording of this path that has `length` bytes. Whole blocks without a checksum, as after a crash, get
    /// one of what they hold now.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn resume(recording: &Path, length: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path_of(recording))?;
        let full = length / BLOCK;
        let known = (file.metadata()?.len() / SUM).min(full);
        file.set_len(known * SUM)?;
        file.seek(SeekFrom::End(0))?;
        let mut sums = Self { file, hasher: Hasher::new(), filled: 0, waiting: Vec::new() };
        if known * BLOCK < length {
            let mut content = File::open(recording)?;
            content.seek(SeekFrom::Start(known * BLOCK))?;
            let mut rest = content.take(length - known * BLOCK);
            let mut block = Vec::new();
            while rest.by_ref().take(BLOCK).read_to_end(&mut block)? > 0 {
                sums.add(&block);
                block.clear();
            }
        }
        Ok(sums)
    }

    /// The disk has confirmed these bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // At most a block, so it fits.
            let (now, later) = bytes.split_at(bytes.len().min((BLOCK - self.filled) as usize));
            self.hasher.update(now);
            self.filled += now.len() as u64;
            if self.filled == BLOCK {
                let sum = std::mem::take(&mut self.hasher).finalize();
                self.waiting.extend(sum.to_le_bytes());
                self.filled = 0;
            }
            bytes = later;
        }
    }

    /// Writes what is complete.
    ///
    /// # Errors
    /// When the volume refuses it.
    pub fn write(&mut self) -> io::Result<()> {
        self.file.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    /// Writes the rest, too: the recording is closed.
    ///
    /// # Errors
    /// When the volume refuses it.
    pub fn close(mut self) -> io::Result<()> {
        if self.filled > 0 {
            self.waiting.extend((self.filled as u32).to_le_bytes());
            self.waiting.extend(std::mem::take(&mut self.hasher).finalize().to_le_bytes());
        }
        self.write()?;
        self.file.sync_data()
    }
}

/// The blocks of a recording's first `bytes` that are not as they were written. A block without a checksum counts as good.
///
/// # Errors
/// When a file cannot be read.
pub fn bad_blocks(recording: &Path, bytes: u64) -> io::Result<Vec<Range<u64>>> {
    let sums = match fs::read(path_of(recording)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        sums => sums?,
    };
    let number = |at: u64| {
        let at = usize::try_from(at).ok()?;
        Some(u32::from_le_bytes(sums.get(at..at + SUM as usize)?.try_into().ok()?))
    };
    let (full, rest) = (bytes / BLOCK, bytes % BLOCK);
    let closed = sums.len() as u64 == full * SUM + REST && number(full * SUM) == u32::try_from(rest).ok();
    let mut content = File::open(recording)?;
    let (mut bad, mut block) = (Vec::new(), Vec::new());
    for at in 0..=full {
        let known = match at < full {
            true => number(at * SUM),
            false => number(full * SUM + SUM).filter(|_| closed),
        };
        block.clear();
        let length = if at < full { BLOCK } else { rest };
        Read::by_ref(&mut content).take(length).read_to_end(&mut block)?;
        if known.is_some_and(|known| known != crc32fast::hash(&block)) {
            bad.push(at * BLOCK..at * BLOCK + length);
        }
    }
    Ok(bad)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn append(path: &Path, bytes: &[u8]) {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    proptest! {
        /// However a file grew, and wherever its process was killed: untouched, it is good, and any byte that changes shows.
        #[test]
        fn a_changed_byte_is_found_in_its_block(
            pieces in prop::collection::vec((0_usize..90_000, any::<bool>()), 1..6),
            place in 0.0..1.0_f64,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.pb");
            append(&path, b"");
            let mut length = 0;
            for (bytes, killed) in pieces {
                let piece: Vec<u8> = (0..bytes).map(|at| (at * 31 + bytes) as u8).collect();
                let mut sums = Sums::resume(&path, length).unwrap();
                append(&path, &piece);
                sums.add(&piece);
                length += bytes as u64;
                if killed { sums.write().unwrap() } else { sums.close().unwrap() }
            }
            Sums::resume(&path, length).unwrap().close().unwrap();
            prop_assert_eq!(bad_blocks(&path, length).unwrap(), []);
            if length > 0 {
                let at = (length as f64 * place) as u64;
                let mut content = fs::read(&path).unwrap();
                content[at as usize] ^= 1;
                fs::write(&path, content).unwrap();
                let bad = bad_blocks(&path, length).unwrap();
                prop_assert!(bad.len() == 1 && bad[0].contains(&at), "{:?} {}", bad, at);
            }
        }
    }
}
