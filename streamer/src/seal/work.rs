//! Sealing one stream: the plan carried out, file by file. After each file its record is kept, so that a restart goes on
//! where it stopped.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::civil::Date;
use marketstream_proto::layout::{HourFile, Part};

use super::{
    columns::TableWriter,
    damage,
    plan::{Hour, Plan, Policy, SECONDS_PER_HOUR, Task, hours_of, plan},
    record::{self, DayRecord, SealedFile, SealedHour},
    rows::{Fills, Row, TICKS},
    runs::{Merged, Recording},
    staging::{Paced, Staging},
};
use crate::{backfill::ledger::Recorded, recordings};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Files that were written.
    pub files: u64,
    /// Ticks in them.
    pub rows: u64,
    /// Hours that are over and wait for their gaps.
    pub waiting: u64,
    /// Dates of which something was written.
    pub dates: Vec<Date>,
}

/// Where things are.
pub struct Place<'a> {
    /// The data directory.
    pub data_dir: &'a Path,
    /// Where files are prepared.
    pub staging: &'a Staging,
}

impl Place<'_> {
    /// Seals what is due of a stream. `hours` are its recordings since `since` (seconds since 1970), in order.
    ///
    /// # Errors
    /// When the volume refuses it. What was sealed before stays sealed.
    pub fn seal(&self, stream: Recorded, hours: &[Hour], since: i64, policy: &Policy<'_>) -> io::Result<Done> {
        let mut records = record::days(self.data_dir, stream, since)?;
        // A day that began before is not seen whole: a look at everything sees to it.
        let first = records.iter().filter(|record| record.from < since).map(|record| record.to).max().unwrap_or(since);
        records.retain(|record| record.from >= since);
        let hours = &hours[hours.partition_point(|hour| hour.start < first)..];
        let Plan { tasks, waiting, gone } = plan(stream, hours, policy, &mut records);
        for date in gone {
            let (con_id, kind) = (stream.con_id, stream.kind.as_str());
            tracing::warn!(con_id, kind, %date, "ticks came for a day whose recordings are partly deleted; it stays as it is");
        }
        let mut done = Done { waiting: waiting as u64, ..Done::default() };
        for task in tasks {
            let (Task::Part(date, _) | Task::Day(date)) = task;
            let Some(record) = records.iter_mut().find(|record| record.date == date) else { continue };
            let rows = match task {
                Task::Part(_, hour) => self.part(record, hour, policy)?,
                Task::Day(_) => self.day(record, &hours_of(record.day(), hours), policy)?,
            };
            record.keep(self.data_dir, self.staging)?;
            done.files += 1;
            done.rows += rows;
            if !done.dates.contains(&date) {
                done.dates.push(date);
            }
        }
        Ok(done)
    }

    fn part(&self, record: &mut DayRecord, hour: Hour, policy: &Policy<'_>) -> io::Result<u64> {
        let name = record.part_file(hour.start);
        let staged = PathBuf::from(&name);
        let mut output = self.table(record, &staged, &name)?;
        let sealed = self.hour(record, hour, policy, &mut output)?;
        let file = output.finish()?;
        record.hours.insert(hour.start, sealed);
        if sealed.rows > 0 {
            let written = SealedFile { rev: next_rev(record, &name), rows: sealed.rows, bytes: file.bytes()? };
            self.staging.publish(&staged, file, &self.data_dir.join(record.folder()).join(&name))?;
            record.files.insert(name, written);
        }
        Ok(sealed.rows)
    }

    fn day(&self, record: &mut DayRecord, hours: &[Hour], policy: &Policy<'_>) -> io::Result<u64> {
        let name = record.day_file();
        let staged = Path::new("day").join(&name);
        let mut output = self.table(record, &staged, &name)?;
        let mut sealed = Vec::new();
        for hour in hours {
            sealed.push((hour.start, self.hour(record, *hour, policy, &mut output)?));
        }
        let rows = output.rows();
        let file = output.finish()?;
        let written = SealedFile { rev: next_rev(record, &name), rows, bytes: file.bytes()? };
        record.hours.extend(sealed);
        record.complete = true;
        record.files.clear();
        if rows > 0 {
            self.staging.replace_folder(Path::new("day"), file, &self.data_dir.join(record.folder()))?;
            record.files.insert(name, written);
        }
        Ok(rows)
    }

    fn table(&self, record: &DayRecord, staged: &Path, name: &str) -> io::Result<TableWriter<Row, Paced>> {
        let notes = [
            ("marketstream.con_id", record.stream.con_id.to_string()),
            ("marketstream.tick", record.stream.kind.as_str().to_owned()),
            ("marketstream.date", record.date.to_string()),
            ("marketstream.rev", next_rev(record, name).to_string()),
        ];
        Ok(TableWriter::new(self.staging.create(staged)?, TICKS, &notes)?)
    }

    /// Adds the ticks of an hour that belong to the day.
    fn hour(
        &self,
        record: &DayRecord,
        hour: Hour,
        policy: &Policy<'_>,
        output: &mut TableWriter<Row, Paced>,
    ) -> io::Result<SealedHour> {
        let (hour, mut ticks) = self.open(record.stream, hour)?;
        let known = record.hours.get(&hour.start);
        let waits = policy.waits(hour.start);
        let unchanged = known.filter(|known| known.is_current(&hour, waits));
        let rev = unchanged.map_or_else(|| known.map_or(1, |known| known.rev + 1), |known| known.rev);
        let unsettled = waits && hour.backfill > 0;
        let Hour { live, backfill, .. } = hour;
        let mut sealed = SealedHour { live, backfill, rev, unsettled, ..SealedHour::default() };
        let fills = Fills::of(policy.gaps, record.stream, &(hour.start..=hour.start + SECONDS_PER_HOUR));
        while let Some((part, tick)) = ticks.next_tick()? {
            if !(record.from..record.to).contains(&crate::backfill::merge::second(&tick)) {
                continue;
            }
            sealed.rows += 1;
            sealed.fetched += u64::from(part == Part::Backfill);
            output.push(Row::new(part, tick, &fills, rev))?;
        }
        Ok(sealed)
    }

    /// The ticks of an hour. What is damaged of its recordings is put aside first, which makes them shorter.
    fn open(&self, stream: Recorded, hour: Hour) -> io::Result<(Hour, Merged)> {
        let recordings = self.recordings(stream, hour)?;
        let mut damaged = false;
        for recording in &recordings {
            damaged |= damage::has_bad_blocks(recording)?;
        }
        if !damaged {
            let ticks = Merged::open(&recordings)?;
            if !ticks.is_damaged() {
                return Ok((hour, ticks));
            }
        }
        for recording in &recordings {
            damage::mend(self.data_dir, self.staging, stream, hour.start, recording)?;
        }
        let length = |part: Part| {
            let of_part = recordings.iter().find(|recording| recording.part == part);
            of_part.map_or(Ok(0), |recording| fs::metadata(&recording.path).map(|known| known.len()))
        };
        let hour = Hour { live: length(Part::Live)?, backfill: length(Part::Backfill)?, ..hour };
        Ok((hour, Merged::open(&self.recordings(stream, hour)?)?))
    }

    fn recordings(&self, stream: Recorded, hour: Hour) -> io::Result<Vec<Recording>> {
        let file = HourFile { hour: hour.start, con_id: stream.con_id, kind: stream.kind };
        let parts = [(Part::Live, hour.live), (Part::Backfill, hour.backfill)];
        let of = |(part, bytes)| {
            let path = self.data_dir.join(file.path_of(part).map_err(io::Error::other)?);
            Ok(Recording { path, part, bytes })
        };
        parts.into_iter().filter(|(_, bytes)| *bytes > 0).map(of).collect()
    }
}

fn next_rev(record: &DayRecord, name: &str) -> u32 {
    record.files.get(name).map_or(1, |file| file.rev + 1)
}

/// A stream's recordings of `since` or later, in order.
pub type Hours = std::collections::BTreeMap<Recorded, Vec<Hour>>;

/// All recordings of the hour of `since` (seconds since 1970) and later, by stream.
///
/// # Errors
/// When the volume cannot be read.
pub fn recordings(data_dir: &Path, since: i64) -> io::Result<Hours> {
    let mut hours = Hours::new();
    for (file, part, path) in recordings::find(data_dir, since, |_| true)? {
        let bytes = match fs::metadata(path) {
            // Deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?.len(),
        };
        let stream = hours.entry(Recorded { con_id: file.con_id, kind: file.kind }).or_default();
        if stream.last().is_none_or(|hour| hour.start != file.hour) {
            stream.push(Hour { start: file.hour, live: 0, backfill: 0 });
        }
        if let Some(hour) = stream.last_mut() {
            match part {
                Part::Live => hour.live = bytes,
                Part::Backfill => hour.backfill = bytes,
            }
        }
    }
    Ok(hours)
}
