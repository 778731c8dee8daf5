//! What is sealed, and what of it is archived: one small file for each stream and trading day,
//! `.marketstream/sealed/{kind}/{conId}/{date}.json` below the data directory. Whoever deletes recordings asks here
//! whether they may go (docs/storage.md).

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    days::Day,
    plan::{Hour, SECONDS_PER_HOUR},
    staging::Staging,
};
use crate::backfill::ledger::Recorded;

const FOLDER: &str = ".marketstream/sealed";
/// How far from its date a day may reach: half the longest pause between two days, a session over midnight, and a time
/// zone, generously.
const REACH: i64 = 8 * 86_400;

/// One trading day of one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayRecord {
    /// Which stream.
    #[serde(flatten)]
    pub stream: Recorded,
    /// The trading day.
    pub date: Date,
    /// First second that belongs to it, since 1970.
    pub from: i64,
    /// First second behind it.
    pub to: i64,
    /// The day is over, and all of it is in one file.
    pub complete: bool,
    /// The sealed hours by their start, seconds since 1970. An hour in which a day ends has a part in both days.
    pub hours: BTreeMap<i64, SealedHour>,
    /// The files in the day's folder by their names.
    pub files: BTreeMap<String, SealedFile>,
    /// What the archive has of it.
    pub archived: Option<Archived>,
    /// Its files were old, and are in the archive only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// A sealed hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedHour {
    /// Length of the live recording when it was sealed, bytes.
    pub live: u64,
    /// Length of what was fetched for it, bytes.
    pub backfill: u64,
    /// Ticks of the hour in this day.
    pub rows: u64,
    /// Those of them that were fetched.
    pub fetched: u64,
    /// How often it was sealed.
    pub rev: u32,
    /// A gap with ticks that were fetched for it was not settled yet: how far they can be trusted may have changed since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
}

impl SealedHour {
    /// Whether it is sealed as its recordings are now. `waits` says whether a gap of the hour is not settled.
    #[must_use]
    pub fn is_current(&self, hour: &Hour, waits: bool) -> bool {
        (self.live, self.backfill) == (hour.live, hour.backfill) && (waits || !self.unsettled)
    }
}

/// A sealed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFile {
    /// How often it was written.
    pub rev: u32,
    /// Ticks.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
}

/// What an archive has of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The archive's address.
    pub url: String,
    /// Revision of each file that is there.
    pub files: BTreeMap<String, u32>,
}

impl DayRecord {
    /// A day of which nothing is sealed.
    #[must_use]
    pub fn new(stream: Recorded, Day { date, from, to }: Day) -> Self {
        let (hours, files) = (BTreeMap::new(), BTreeMap::new());
        Self { stream, date, from, to, complete: false, hours, files, archived: None, deleted: false }
    }

    /// Its seconds.
    #[must_use]
    pub fn day(&self) -> Day {
        Day { date: self.date, from: self.from, to: self.to }
    }

    /// Whether that archive has all of it, as it is sealed now.
    #[must_use]
    pub fn is_archived(&self, url: &str) -> bool {
        let revisions = |file: (&String, &SealedFile)| (file.0.clone(), file.1.rev);
        let here: BTreeMap<_, _> = self.files.iter().map(revisions).collect();
        self.archived.as_ref().is_some_and(|archived| archived.url == url && archived.files == here)
    }

    /// The folder of its Parquet files, below the data directory.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let (kind, con_id, date) = (self.stream.kind.as_str(), self.stream.con_id, self.date);
        PathBuf::from(format!("parquet/ticks/tick={kind}/con_id={con_id}/date={date}"))
    }

    /// The name of the day's file.
    #[must_use]
    pub fn day_file(&self) -> String {
        format!("{}_{}_{}.parquet", self.stream.con_id, self.stream.kind.as_str(), self.date)
    }

    /// The name of one hour's file.
    #[must_use]
    pub fn part_file(&self, hour: i64) -> String {
        format!("{}_{}_{}_{hour}.parquet", self.stream.con_id, self.stream.kind.as_str(), self.date)
    }

    fn path(&self, data_dir: &Path) -> PathBuf {
        folder_of(data_dir, self.stream).join(format!("{}.json", self.date))
    }

    /// Keeps it, whole or not at all.
    ///
    /// # Errors
    /// When the volume refuses it.
    pub fn keep(&self, data_dir: &Path, staging: &Staging) -> io::Result<()> {
        staging.write(&self.path(data_dir), &serde_json::to_vec(self)?)
    }
}

/// The days of a stream that end after `since` (seconds since 1970), in order of time.
///
/// # Errors
/// When a record cannot be read: what is sealed must be known before anything is.
pub fn days(data_dir: &Path, stream: Recorded, since: i64) -> io::Result<Vec<DayRecord>> {
    days_of(data_dir, stream, since..i64::MAX)
}

/// The days of a stream with any of these seconds (since 1970), in order of time.
///
/// # Errors
/// As [`days`].
pub fn days_of(data_dir: &Path, stream: Recorded, seconds: Range<i64>) -> io::Result<Vec<DayRecord>> {
    let mut days = Vec::new();
    let entries = match fs::read_dir(folder_of(data_dir, stream)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(days),
        entries => entries?,
    };
    // Names are enough to pass over what is far away; a day of sessions may begin or end some days beside its date.
    let near = seconds.start.saturating_sub(REACH)..seconds.end.saturating_add(REACH);
    for entry in entries {
        let path = entry?.path();
        let date = path.file_stem().and_then(|date| date.to_str()?.parse::<Date>().ok());
        let Some(date) = date.filter(|_| path.extension().is_some_and(|extension| extension == "json")) else {
            continue;
        };
        if date.to_zoned(jiff::tz::TimeZone::UTC).is_ok_and(|at| !near.contains(&at.timestamp().as_second())) {
            continue;
        }
        let record: DayRecord = serde_json::from_slice(&fs::read(&path)?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))?;
        if record.to > seconds.start && record.from < seconds.end {
            days.push(record);
        }
    }
    days.sort_by_key(|day| day.from);
    Ok(days)
}

/// Whether an hour's recordings may be deleted: each day that the hour reaches into is over and has all that they hold and,
/// with an archive, is archived there. `days` are those of the stream, in order. Pure.
#[must_use]
pub fn may_delete(days: &[DayRecord], hour: &Hour, archive: Option<&str>) -> bool {
    let mut second = hour.start;
    for day in days {
        if !(day.from..day.to).contains(&second) {
            continue;
        }
        let lengths = (hour.live, hour.backfill);
        let sealed = day.hours.get(&hour.start).is_some_and(|sealed| (sealed.live, sealed.backfill) == lengths);
        if !day.complete || !sealed || archive.is_some_and(|url| !day.is_archived(url)) {
            return false;
        }
        second = day.to;
    }
    second >= hour.start + SECONDS_PER_HOUR
}

/// Whether anything of a stream is sealed.
#[must_use]
pub fn is_known(data_dir: &Path, stream: Recorded) -> bool {
    folder_of(data_dir, stream).is_dir()
}

/// Streams of which anything is sealed.
///
/// # Errors
/// When the volume cannot be read.
pub fn streams(data_dir: &Path) -> io::Result<Vec<Recorded>> {
    let mut streams = Vec::new();
    for kind in marketstream_proto::TickKind::ALL {
        let entries = match fs::read_dir(data_dir.join(FOLDER).join(kind.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let con_id = entry?.file_name().to_str().and_then(|name| name.parse().ok());
            streams.extend(con_id.map(|con_id| Recorded { con_id, kind }));
        }
    }
    Ok(streams)
}

fn folder_of(data_dir: &Path, stream: Recorded) -> PathBuf {
    data_dir.join(FOLDER).join(stream.kind.as_str()).join(stream.con_id.to_string())
}

#[cfg(test)]
mod tests {
    use marketstream_proto::TickKind;

    use super::*;

    const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };
    const HOUR: i64 = 1_795_467_600;

    fn day(date: &str, from: i64, to: i64) -> DayRecord {
        DayRecord::new(STREAM, Day { date: date.parse().unwrap(), from, to })
    }

    #[test]
    fn recordings_may_go_when_all_of_them_is_sealed_and_archived() {
        let recorded = Hour { start: HOUR, live: 4, backfill: 0 };
        let may = |days: &[&DayRecord], archive| {
            may_delete(&days.iter().map(|day| (*day).clone()).collect::<Vec<_>>(), &recorded, archive)
        };
        // A day ends in the hour.
        let mut first = day("2026-11-23", HOUR - 80_000, HOUR + 1_800);
        let mut second = day("2026-11-24", HOUR + 1_800, HOUR + 90_000);
        let hour = SealedHour { live: 4, rows: 1, rev: 1, ..SealedHour::default() };
        for day in [&mut first, &mut second] {
            day.hours.insert(HOUR, hour);
        }
        first.files.insert(first.day_file(), SealedFile { rev: 2, rows: 1, bytes: 9 });
        first.complete = true;
        assert!(!may(&[], None) && !may(&[&first], None), "its second half is not sealed");
        assert!(!may(&[&first, &second], None), "the second day is not over: it still needs its recordings");
        second.complete = true;
        assert!(may(&[&first, &second], None) && !may(&[&first, &second], Some("s3://b")));

        for day in [&mut first, &mut second] {
            let files = day.files.iter().map(|(name, file)| (name.clone(), file.rev)).collect();
            day.archived = Some(Archived { url: "s3://b".to_owned(), files });
        }
        assert!(may(&[&first, &second], Some("s3://b")) && !may(&[&first, &second], Some("s3://other")));
        let mut newer = first.clone();
        newer.files.values_mut().for_each(|file| file.rev += 1);
        assert!(
            may(&[&newer, &second], None) && !may(&[&newer, &second], Some("s3://b")),
            "the archive has an older one"
        );
        let grown = Hour { live: 5, ..recorded };
        assert!(!may_delete(&[first, second], &grown, None), "a tick came after the sealing");
    }

    #[test]
    fn records_are_found_by_time_and_a_broken_one_is_an_error() {
        let data = tempfile::tempdir().unwrap();
        let staging = Staging::open(data.path()).unwrap();
        let (old, new) = (day("2020-01-02", 1_577_900_000, 1_577_990_000), day("2026-11-24", HOUR, HOUR + 9_000));
        for day in [&new, &old] {
            day.keep(data.path(), &staging).unwrap();
        }
        assert_eq!(days(data.path(), STREAM, 0).unwrap(), [old, new.clone()]);
        assert_eq!(days(data.path(), STREAM, HOUR).unwrap(), std::slice::from_ref(&new));
        assert_eq!(days(data.path(), STREAM, HOUR + 9_000).unwrap(), []);
        assert_eq!(streams(data.path()).unwrap(), [STREAM]);
        fs::write(new.path(data.path()), "{torn").unwrap();
        assert!(days(data.path(), STREAM, 0).unwrap_err().to_string().contains("2026-11-24.json"));
    }
}
