//! Where the files lie: `YYYY/MM/DD/HH/{conId}_{kind}_{epoch of the hour}.pb` below the data directory, in UTC, by
//! IBKR's time of the tick. What was fetched later lies beside it, in `..._backfill.pb`.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};

use crate::TickKind;

/// Seconds of a file's hour.
pub const SECONDS_PER_HOUR: i64 = 3600;
/// Stamps of ticks are in microseconds.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

const EXTENSION: &str = ".pb";
const BACKFILL: &str = "_backfill";

/// How the ticks of a file were obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// As they came.
    Live,
    /// From IBKR's history, to fill a gap.
    Backfill,
}

/// One hourly file of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HourFile {
    /// Start of the hour, in seconds since 1970: a multiple of 3600.
    pub hour: i64,
    /// IBKR's contract identifier.
    pub con_id: i32,
    /// Kind of tick.
    pub kind: TickKind,
}

/// IBKR's times that the layout has a place for, in microseconds since 1970: to the end of the year 9999.
pub const TIMES: std::ops::Range<i64> = 0..253_402_300_800_000_000;

/// A moment that the layout has no place for: before the year 0 or after 9999.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no time that a file can have")]
pub struct OutOfRange(pub i64);

impl HourFile {
    /// The file of a tick with IBKR's time `ts`, in microseconds since 1970.
    #[must_use]
    pub fn of_tick(con_id: i32, kind: TickKind, ts: i64) -> Self {
        let second = ts.div_euclid(MICROS_PER_SECOND);
        Self { hour: second - second.rem_euclid(SECONDS_PER_HOUR), con_id, kind }
    }

    /// Path below the data directory.
    ///
    /// # Errors
    /// When the hour lies outside the years 0 to 9999.
    pub fn path(&self) -> Result<PathBuf, OutOfRange> {
        self.path_of(Part::Live)
    }

    /// Path of one part below the data directory.
    ///
    /// # Errors
    /// When the hour lies outside the years 0 to 9999.
    pub fn path_of(&self, part: Part) -> Result<PathBuf, OutOfRange> {
        let time = Timestamp::from_second(self.hour).map_err(|_| OutOfRange(self.hour))?.to_zoned(TimeZone::UTC);
        if time.year() < 0 {
            return Err(OutOfRange(self.hour));
        }
        let folder = format!("{:04}/{:02}/{:02}/{:02}", time.year(), time.month(), time.day(), time.hour());
        let part = match part {
            Part::Live => "",
            Part::Backfill => BACKFILL,
        };
        Ok(Path::new(&folder).join(format!("{}_{}_{}{part}{EXTENSION}", self.con_id, self.kind.as_str(), self.hour)))
    }

    /// Reads the path of a live file back: relative, or with the data directory before it. `None` for any other file.
    #[must_use]
    pub fn parse(path: &Path) -> Option<Self> {
        Self::parse_part(path).and_then(|(file, part)| (part == Part::Live).then_some(file))
    }

    /// Reads the path of any part back.
    #[must_use]
    pub fn parse_part(path: &Path) -> Option<(Self, Part)> {
        let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?;
        let (name, part) = match name.strip_suffix(BACKFILL) {
            Some(name) => (name, Part::Backfill),
            None => (name, Part::Live),
        };
        let (con_id, rest) = name.split_once('_')?;
        let (kind, hour) = rest.rsplit_once('_')?;
        let file = Self { hour: hour.parse().ok()?, con_id: con_id.parse().ok()?, kind: TickKind::parse(kind)? };
        // The folders and the spelling of the numbers must agree too: there is one path for one file.
        let ours = path.ends_with(file.path_of(part).ok()?) && file.hour % SECONDS_PER_HOUR == 0;
        ours.then_some((file, part))
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
