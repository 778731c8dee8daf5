//! The ticks of one hour in the order of IBKR's seconds, live before fetched, each as it was recorded.
//!
//! A live file is in order but for a step back of IBKR's seconds around a restart; a backfill file is one run of
//! seconds for each fill, the newest gap first. So a first pass finds the runs, and a second merges them: memory grows
//! with the runs, never with the ticks.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

use marketstream_proto::{
    TickMessage,
    framing::{FrameError, Reader},
    layout::Part,
};

use crate::backfill::merge::second;

/// Runs of a file that are told apart. What follows is one more run, in the order of the file: rows are then in order
/// but for its own steps back.
const MAX_RUNS: usize = 1_000;
/// Memory for the buffers of all runs.
const BUFFERS: usize = 4 << 20;
const LARGEST_BUFFER: usize = 128 << 10;

/// One file of an hour, up to the length that it had when it was looked at: the recorder may go on.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Where it is.
    pub path: PathBuf,
    /// How its ticks were obtained.
    pub part: Part,
    /// Bytes to read.
    pub bytes: u64,
}

/// Merges the recordings of an hour.
pub struct Merged {
    runs: Vec<Reader<BufReader<Section>>>,
    heads: BinaryHeap<Reverse<Head>>,
    /// There are records that no reader can read.
    damaged: bool,
}

/// The next tick of a run. Its place in the order is all but the tick.
struct Head {
    place: (i64, Part, usize),
    tick: TickMessage,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

/// A stretch of a file.
struct Section {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Merged {
    /// Opens the recordings and finds their runs.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(recordings: &[Recording]) -> io::Result<Self> {
        let (mut sections, mut any_damaged) = (Vec::new(), false);
        for recording in recordings {
            let file = Arc::new(File::open(&recording.path)?);
            let (starts, damaged) = starts(&file, recording.bytes)?;
            any_damaged |= damaged;
            let ends = starts.iter().skip(1).copied().chain([recording.bytes]);
            sections.extend(starts.iter().zip(ends).map(|(at, end)| (recording.part, file.clone(), *at, end)));
        }
        let buffer = (BUFFERS / sections.len().max(1)).min(LARGEST_BUFFER);
        let mut merged = Self { runs: Vec::new(), heads: BinaryHeap::new(), damaged: any_damaged };
        for (part, file, at, end) in sections {
            merged.runs.push(Reader::new(BufReader::with_capacity(buffer, Section { file, at, end })));
            merged.advance(part, merged.runs.len() - 1)?;
        }
        Ok(merged)
    }

    /// The next tick.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next_tick(&mut self) -> io::Result<Option<(Part, TickMessage)>> {
        let Some(Reverse(Head { place: (_, part, run), tick })) = self.heads.pop() else { return Ok(None) };
        self.advance(part, run)?;
        Ok(Some((part, tick)))
    }

    /// Whether there are records that cannot be read. They are passed over.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    fn advance(&mut self, part: Part, run: usize) -> io::Result<()> {
        loop {
            match self.runs[run].next() {
                Some(Ok(tick)) => {
                    self.heads.push(Reverse(Head { place: (second(&tick), part, run), tick }));
                    return Ok(());
                }
                Some(Err(FrameError::Io { source, .. })) => return Err(source),
                None => return Ok(()),
                Some(Err(_)) => {}
            }
        }
    }
}

/// Where the runs of a file begin, and whether it has records that cannot be read.
fn starts(file: &Arc<File>, bytes: u64) -> io::Result<(Vec<u64>, bool)> {
    let section = Section { file: file.clone(), at: 0, end: bytes };
    let mut reader = Reader::new(BufReader::with_capacity(LARGEST_BUFFER, section));
    let (mut starts, mut last, mut damaged) = (vec![0], i64::MIN, false);
    loop {
        let at = reader.offset();
        match reader.next() {
            Some(Ok(tick)) => {
                if second(&tick) < last && starts.len() < MAX_RUNS {
                    starts.push(at);
                }
                last = second(&tick);
            }
            Some(Err(FrameError::Io { source, .. })) => return Err(source),
            Some(Err(_)) => damaged = true,
            None => return Ok((starts, damaged)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use marketstream_proto::framing;
    use proptest::prelude::*;

    use super::*;

    fn tick(second: i64, sequence: u64) -> TickMessage {
        TickMessage { ts: second * 1_000_000, cid: 7, tt: "last".into(), sequence, ..TickMessage::default() }
    }

    fn recording(folder: &tempfile::TempDir, part: Part, seconds: &[i64], tail: &[u8]) -> Recording {
        let mut bytes = Vec::new();
        for (at, sequence) in seconds.iter().zip(1..) {
            framing::append(&mut bytes, &tick(*at, sequence)).unwrap();
        }
        bytes.extend(tail);
        let path = folder.path().join(format!("{part:?}"));
        fs::write(&path, &bytes).unwrap();
        Recording { path, part, bytes: bytes.len() as u64 }
    }

    fn read(recordings: &[Recording]) -> (Vec<(i64, Part, u64)>, bool) {
        let mut merged = Merged::open(recordings).unwrap();
        let mut all = Vec::new();
        while let Some((part, tick)) = merged.next_tick().unwrap() {
            all.push((second(&tick), part, tick.sequence));
        }
        (all, merged.is_damaged())
    }

    #[test]
    fn live_comes_before_fetched_and_each_in_its_own_order() {
        let folder = tempfile::tempdir().unwrap();
        let live = recording(&folder, Part::Live, &[5, 5, 9, 8], &[0, 0, 0, 9, 1]);
        let fetched = recording(&folder, Part::Backfill, &[7, 8, 5, 6], &[]);
        let (read, damaged) = read(&[live, fetched]);
        let (l, b) = (Part::Live, Part::Backfill);
        assert_eq!(read, [(5, l, 1), (5, l, 2), (5, b, 3), (6, b, 4), (7, b, 1), (8, l, 4), (8, b, 2), (9, l, 3)]);
        assert!(damaged, "a torn tail");
    }

    #[test]
    fn what_was_appended_meanwhile_waits_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut live = recording(&folder, Part::Live, &[1, 2], &[0, 0, 0, 2, 255, 255]);
        assert_eq!(read(std::slice::from_ref(&live)), (vec![(1, Part::Live, 1), (2, Part::Live, 2)], true));
        live.bytes /= 2;
        assert_eq!(read(&[live]).0, [(1, Part::Live, 1)]);
    }

    proptest! {
        /// However disordered the files are: every tick comes once, and in order as long as the runs can be told apart.
        #[test]
        fn nothing_is_lost_or_doubled(live in prop::collection::vec(0_i64..50, 0..200), fetched in prop::collection::vec(0_i64..50, 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let both = [recording(&folder, Part::Live, &live, &[]), recording(&folder, Part::Backfill, &fetched, &[])];
            let (read, _) = read(&both);
            let numbered = |part, seconds: &[i64]| seconds.iter().zip(1..).map(|(at, n)| (*at, part, n)).collect::<Vec<_>>();
            let mut expected = [numbered(Part::Live, &live), numbered(Part::Backfill, &fetched)].concat();
            expected.sort_unstable();
            prop_assert_eq!(read, expected);
        }
    }
}
