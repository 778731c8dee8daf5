//! Retention (`spec.storage.retentionDays`): what is old goes from the volume once another copy has it. Recordings go when
//! they are sealed and, with an archive, archived; sealed files go when they are archived, and stay without an archive.

use std::{fs, io, path::Path};

use marketstream_proto::layout::{HourFile, Part};
use serde::{Deserialize, Serialize};

use super::{
    plan::{Hour, SECONDS_PER_HOUR},
    record::{self, DayRecord, may_delete},
    staging::Staging,
    work::{Hours, recordings},
};
use crate::{
    backfill::{
        ledger::{Gap, GapCause, Recorded},
        store::Files,
    },
    sums,
};

const SECONDS_PER_DAY: i64 = 86_400;
/// Folders of the layout above a file, each of which goes with its last file.
const FOLDERS: usize = 4;

/// What went, and what stays though it is old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Files, recordings and sealed ones.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Recordings that are old enough, and not sealed or archived yet.
    pub held: u64,
}

/// Deletes what is older than so many days, counted from `now` (seconds since 1970) or from the newest recording,
/// whichever is earlier: neither a clock that is ahead nor a long pause deletes anything. For so many seconds of
/// `patience` an open gap holds its hours back. `archive` is the address of the archive, if there is one. The caller holds
/// the lock of sealing.
///
/// # Errors
/// When the volume refuses it. The next look goes on.
pub fn apply(data_dir: &Path, now: i64, days: i32, patience: i64, archive: Option<&str>) -> io::Result<Deleted> {
    let streams = recordings(data_dir, 0)?;
    let Some(cutoff) = cutoff(&streams, now, days) else { return Ok(Deleted::default()) };
    let (staging, ledger) = (Staging::open(data_dir)?, Files::new(data_dir).ledger());
    let mut deleted = Deleted::default();
    for stream in record::streams(data_dir)? {
        let mut records = record::days(data_dir, stream, 0)?;
        let hours = streams.get(&stream).map(Vec::as_slice).unwrap_or_default();
        let mut left = Vec::new();
        for hour in hours {
            let end = hour.start + SECONDS_PER_HOUR;
            // As in sealing; what a person has asked for is fetched however old it is.
            let waited_for = |gap: &Gap| now < end + patience || gap.cause == GapCause::Requested;
            let of_hour = |gap: &&Gap| gap.stream == stream && gap.waits_for(hour.start, end);
            let waits = ledger.gaps().iter().filter(of_hour).any(waited_for);
            if end > cutoff {
                left.push(*hour);
            } else if waits || !may_delete(&records, hour, archive) {
                deleted.held += 1;
                left.push(*hour);
            } else {
                delete_recordings(data_dir, stream, hour, &mut deleted)?;
            }
        }
        for record in records.iter_mut().filter(|record| record.to <= cutoff) {
            let archived = archive.is_some_and(|url| record.complete && record.is_archived(url));
            let recorded = left.iter().any(|hour| reaches(hour, record));
            if archived && !recorded {
                delete_sealed(data_dir, record, &staging, &mut deleted)?;
            }
        }
    }
    // Streams of which nothing is sealed.
    let unsealed = streams.iter().filter(|(stream, _)| !record::is_known(data_dir, **stream));
    let old = |hour: &&Hour| hour.start + SECONDS_PER_HOUR <= cutoff;
    deleted.held += unsealed.map(|(_, hours)| hours.iter().filter(old).count() as u64).sum::<u64>();
    Ok(deleted)
}

/// The first second that stays. `None` when nothing is recorded.
fn cutoff(streams: &Hours, now: i64, days: i32) -> Option<i64> {
    let newest = streams.values().filter_map(|hours| hours.last()).map(|hour| hour.start + SECONDS_PER_HOUR).max()?;
    Some(newest.min(now).saturating_sub(i64::from(days) * SECONDS_PER_DAY))
}

fn reaches(hour: &Hour, record: &DayRecord) -> bool {
    hour.start < record.to && hour.start + SECONDS_PER_HOUR > record.from
}

fn delete_recordings(data_dir: &Path, stream: Recorded, hour: &Hour, deleted: &mut Deleted) -> io::Result<()> {
    let file = HourFile { hour: hour.start, con_id: stream.con_id, kind: stream.kind };
    for (part, bytes) in [(Part::Live, hour.live), (Part::Backfill, hour.backfill)] {
        let path = data_dir.join(file.path_of(part).map_err(io::Error::other)?);
        // A fill that somebody has just asked for is not sealed.
        if bytes == 0 || fs::metadata(&path)?.len() != bytes {
            continue;
        }
        fs::remove_file(&path)?;
        match fs::remove_file(sums::path_of(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        tracing::debug!(file = %path.display(), bytes, "deleted: it is sealed, and older than spec.storage.retentionDays");
        deleted.files += 1;
        deleted.bytes += bytes;
        // A folder that is not empty stays.
        for folder in path.ancestors().skip(1).take(FOLDERS) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    Ok(())
}

/// The record comes first: whoever reads it knows that the files are wanted no more.
fn delete_sealed(data_dir: &Path, record: &mut DayRecord, staging: &Staging, deleted: &mut Deleted) -> io::Result<()> {
    let known = std::mem::replace(&mut record.deleted, true);
    if !known {
        record.keep(data_dir, staging)?;
    }
    match fs::remove_dir_all(data_dir.join(record.folder())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            deleted.files += record.files.len() as u64;
            deleted.bytes += record.files.values().map(|file| file.bytes).sum::<u64>();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use marketstream_proto::TickKind;

    use super::*;

    const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };

    #[test]
    fn age_counts_from_the_newest_recording_and_never_from_a_clock_that_is_ahead() {
        let hour = |start| Hour { start, live: 1, backfill: 0 };
        let streams = BTreeMap::from([(STREAM, vec![hour(0), hour(100 * SECONDS_PER_HOUR)])]);
        let newest = 101 * SECONDS_PER_HOUR;
        assert_eq!(cutoff(&streams, newest - 1_800, 2), Some(newest - 1_800 - 2 * SECONDS_PER_DAY));
        assert_eq!(cutoff(&streams, 10 * newest, 2), Some(newest - 2 * SECONDS_PER_DAY));
        assert_eq!(cutoff(&BTreeMap::new(), newest, 2), None);
    }
}
