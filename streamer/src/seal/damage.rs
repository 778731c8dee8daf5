//! Recordings that changed on the disk after they were written, or that nobody can read: what is bad is put aside before
//! the hour is sealed, and becomes a gap, which history fills.
//!
//! What was found stands in a file until the ledger of gaps has it, since the two are written by two processes.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use marketstream_proto::{
    TickMessage,
    framing::{FrameError, Reader},
    layout::SECONDS_PER_HOUR,
};
use serde::{Deserialize, Serialize};

use super::{runs::Recording, staging::Staging};
use crate::{
    backfill::{
        ledger::{Ledger, Recorded},
        merge::second,
    },
    sums::{self, Sums},
};

/// Found, and not in the ledger yet.
const FOUND: &str = ".marketstream/damage.json";
/// Where damaged files are kept as they were found.
const QUARANTINE: &str = ".marketstream/quarantine/recordings";

/// Ticks in a row that show where a recording goes on behind what cannot be read.
const SURE: usize = 4;
/// How far that is looked for, bytes.
const LOOK_AHEAD: u64 = 256 * 1024;

/// Ticks that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Of this stream.
    #[serde(flatten)]
    pub stream: Recorded,
    /// IBKR's second of the last good tick before them, since 1970, or the start of the hour.
    pub after: i64,
    /// IBKR's second of the first good one behind them, or the last second of the hour.
    pub before: i64,
}

/// What was found and is not in the ledger.
///
/// # Errors
/// When the file cannot be read.
pub fn found(data_dir: &Path) -> io::Result<Vec<Damage>> {
    match fs::read(data_dir.join(FOUND)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        content => Ok(serde_json::from_slice(&content?)?),
    }
}

/// Forgets what the ledger has by now.
///
/// # Errors
/// When the volume refuses it.
pub fn forget_known(data_dir: &Path, staging: &Staging, ledger: &Ledger) -> io::Result<()> {
    let found = found(data_dir)?;
    let left: Vec<Damage> = found.iter().copied().filter(|damage| !ledger.has_damage(damage)).collect();
    if left == found { Ok(()) } else { staging.write(&data_dir.join(FOUND), &serde_json::to_vec(&left)?) }
}

/// Whether a recording is not as it was written.
///
/// # Errors
/// When it cannot be read.
pub fn has_bad_blocks(recording: &Recording) -> io::Result<bool> {
    Ok(!sums::bad_blocks(&recording.path, recording.bytes)?.is_empty())
}

/// Puts a damaged recording of the hour aside, and in its place what is good of it.
///
/// # Errors
/// When the volume refuses it, or somebody has just appended to the recording: the next look tries again.
pub fn mend(data_dir: &Path, staging: &Staging, stream: Recorded, hour: i64, recording: &Recording) -> io::Result<()> {
    let path = &recording.path;
    let (good, damage) = examine(stream, hour, recording)?;
    if damage.is_empty() {
        return Ok(());
    }
    let mut content = File::open(path)?;
    let staged = Path::new("mended");
    let mut mended = staging.create(staged)?;
    for range in &good {
        content.seek(SeekFrom::Start(range.start))?;
        io::copy(&mut Read::by_ref(&mut content).take(range.end - range.start), &mut mended)?;
    }
    if content.metadata()?.len() != recording.bytes {
        return Err(io::Error::other(format!("{}: it has just grown", path.display())));
    }
    let mut all = found(data_dir)?;
    all.extend(&damage);
    staging.write(&data_dir.join(FOUND), &serde_json::to_vec(&all)?)?;
    let aside = put_aside(data_dir, path)?;
    tracing::warn!(file = %path.display(), aside = %aside.display(), ?damage, "a recording is damaged");
    // Without checksums the new file is unverified; with those of the old one it would be all bad.
    match fs::remove_file(sums::path_of(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let bytes = mended.bytes()?;
    staging.publish(staged, mended, path)?;
    Sums::resume(path, bytes)?.close()
}

/// Keeps the file as it was found, beside earlier ones of its name.
fn put_aside(data_dir: &Path, path: &Path) -> io::Result<std::path::PathBuf> {
    let folder = data_dir.join(QUARANTINE);
    fs::create_dir_all(&folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut number = 1;
    loop {
        let aside = folder.join(format!("{name}.{number}"));
        match fs::hard_link(path, &aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            // Some network file systems have no links.
            Err(_) => return fs::copy(path, &aside).map(|_| aside),
        }
    }
}

/// The stretches of whole, good records, and what is missing between them.
fn examine(stream: Recorded, hour: i64, recording: &Recording) -> io::Result<(Vec<Range<u64>>, Vec<Damage>)> {
    let bad = sums::bad_blocks(&recording.path, recording.bytes)?;
    let ours = |tick: &TickMessage| {
        (tick.cid, tick.tt.as_str()) == (stream.con_id, stream.kind.as_str())
            && (hour..hour + SECONDS_PER_HOUR).contains(&second(tick))
    };
    let (mut good, mut damage) = (Vec::<Range<u64>>::new(), Vec::new());
    let (mut last, mut missing) = (hour, None);
    let mut begin = Some(0);
    while let Some(from) = begin.take() {
        let mut content = File::open(&recording.path)?;
        content.seek(SeekFrom::Start(from))?;
        let mut reader = Reader::new(BufReader::new(content.take(recording.bytes - from)));
        loop {
            let at = from + reader.offset();
            let Some(record) = reader.next() else { break };
            let end = from + reader.offset();
            match record {
                Ok(tick) if ours(&tick) && !bad.iter().any(|block| block.start < end && at < block.end) => {
                    let second = second(&tick);
                    damage.extend(missing.take().map(|after| Damage { stream, after, before: second.max(after) }));
                    last = second;
                    match good.last_mut().filter(|range| range.end == at) {
                        Some(range) => range.end = end,
                        None => good.push(at..end),
                    }
                }
                Err(FrameError::Io { source, .. }) => return Err(source),
                Ok(tick) if ours(&tick) => _ = missing.get_or_insert(last),
                // Its length may be wrong as well.
                Ok(_) | Err(FrameError::Decode { .. } | FrameError::Incomplete { .. } | FrameError::Length { .. }) => {
                    missing.get_or_insert(last);
                    begin = goes_on(recording, at + 1, ours)?;
                    break;
                }
            }
        }
    }
    damage.extend(missing.map(|after| Damage { stream, after, before: (hour + SECONDS_PER_HOUR - 1).max(after) }));
    Ok((good, damage))
}

/// Where records begin again from a byte on: several ticks that are `ours` in a row, or all to the end.
fn goes_on(recording: &Recording, from: u64, ours: impl Fn(&TickMessage) -> bool) -> io::Result<Option<u64>> {
    let ahead = recording.bytes.saturating_sub(from).min(LOOK_AHEAD);
    let mut window = Vec::new();
    let mut content = File::open(&recording.path)?;
    content.seek(SeekFrom::Start(from))?;
    content.take(ahead).read_to_end(&mut window)?;
    let to_the_end = from + ahead == recording.bytes;
    let sure = |at: &usize| {
        let mut reader = Reader::new(&window[*at..]);
        let ticks = reader.by_ref().take(SURE).take_while(|tick| tick.as_ref().is_ok_and(&ours)).count();
        ticks == SURE || (ticks > 0 && to_the_end && at + reader.offset() as usize == window.len())
    };
    Ok((0..window.len()).find(sure).map(|at| from + at as u64))
}
