//! Stored ticks, a bounded piece at a time.

use std::{
    fs::File,
    io::{self, BufReader, Seek, SeekFrom},
    path::Path,
};

use marketstream_proto::{
    TickMessage,
    framing::{FrameError, Reader},
};

/// Ticks that one piece has at most.
const MAX_TICKS: usize = 1_000;
/// Records that are looked at for one piece, so that many readers share few threads fairly.
const MAX_RECORDS: usize = 20_000;

/// A piece of a file.
#[derive(Debug, Default)]
pub struct Piece {
    /// The wanted ticks, in the order of the file.
    pub ticks: Vec<TickMessage>,
    /// Where the next piece begins.
    pub next: u64,
    /// Whether the file has no more whole record.
    pub end: bool,
}

/// Reads the ticks that are `wanted` from `offset` on, which must be the begin of a record. A file that is not there is
/// empty. A last record that is being written is left for later; records that are no ticks are skipped.
///
/// # Errors
/// When the file cannot be read.
pub fn piece(path: &Path, offset: u64, wanted: impl FnMut(&TickMessage) -> bool) -> io::Result<Piece> {
    match File::open(path) {
        Ok(mut file) => piece_of(&mut file, offset, wanted),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Piece { next: offset, end: true, ..Piece::default() })
        }
        Err(error) => Err(error),
    }
}

/// As [`piece`], of an open file.
///
/// # Errors
/// When the file cannot be read.
pub fn piece_of(file: &mut File, offset: u64, mut wanted: impl FnMut(&TickMessage) -> bool) -> io::Result<Piece> {
    file.seek(SeekFrom::Start(offset))?;
    let mut reader = Reader::new(BufReader::with_capacity(128 * 1024, file));
    let mut ticks = Vec::new();
    let mut end = true;
    let mut records = 0;
    for record in reader.by_ref() {
        match record {
            Ok(tick) if wanted(&tick) => ticks.push(tick),
            Err(FrameError::Io { source, .. }) => return Err(source),
            Ok(_) | Err(FrameError::Decode { .. }) => {}
            Err(FrameError::Incomplete { .. } | FrameError::Length { .. }) => break,
        }
        records += 1;
        if records >= MAX_RECORDS || ticks.len() >= MAX_TICKS {
            end = false;
            break;
        }
    }
    Ok(Piece { ticks, next: offset + reader.offset(), end })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use marketstream_proto::framing;

    use super::*;

    #[test]
    fn a_file_comes_in_pieces_and_goes_on_where_it_ended() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("file.pb");
        assert!(piece(&path, 0, |_| true).unwrap().end);
        let mut file = File::create(&path).unwrap();
        let mut write = |sequences: std::ops::Range<u64>, tail: &[u8]| {
            let mut bytes = Vec::new();
            for sequence in sequences {
                framing::append(&mut bytes, &TickMessage { sequence, ..TickMessage::default() }).unwrap();
            }
            file.write_all(&bytes).unwrap();
            file.write_all(tail).unwrap();
        };
        write(1..2_501, &[0, 0, 0, 9]);
        let (mut offset, mut found) = (0, Vec::new());
        loop {
            let piece = piece(&path, offset, |tick| tick.sequence % 2 == 0).unwrap();
            assert!(piece.ticks.len() <= MAX_TICKS);
            offset = piece.next;
            found.extend(piece.ticks.into_iter().map(|tick| tick.sequence));
            if piece.end {
                break;
            }
        }
        assert!(found.into_iter().eq((2..=2_500).step_by(2)));
        // The half-written record is completed, and read from its begin.
        write(0..0, &[208, 1, 197, 19, 208, 1, 197, 19, 7]);
        assert_eq!(piece(&path, offset, |_| true).unwrap().next, offset + 13);
    }
}
