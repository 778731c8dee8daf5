//! Sealing: recorded hours to Parquet, for readers that are not ours (docs/storage.md).
//!
//! [`plan`] says what is due and [`days`] which trading day a second belongs to: both pure. [`runs`] reads the
//! recordings in order, [`rows`] and [`columns`] make rows and columns of them, [`staging`] lets files appear whole,
//! [`record`] remembers what is sealed, [`damage`] puts aside what the disk has spoiled, [`sides`] writes the side tables, [`work`] puts them together for a stream, and [`retention`] deletes
//! what is old.
//! [`read`] is the way back.
//!
//! It runs in a process of its own that ends when everything due is done ([`child`] starts it): so its memory and its
//! processor time are not the recorder's.

pub mod child;
pub mod columns;
pub mod command;
pub mod damage;
pub mod days;
pub mod decimal;
pub mod instruments;
pub mod plan;
pub mod read;
pub mod record;
pub mod retention;
pub mod rows;
pub mod runs;
pub mod sides;
pub mod staging;
pub mod work;

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use jiff::{Timestamp, tz::TimeZone};
use marketstream_crds::MarketStreamSpec;
use serde::{Deserialize, Serialize};

use self::{
    instruments::Instrument,
    plan::Policy,
    staging::Staging,
    work::{Place, recordings},
};
use crate::backfill::store::Files;

/// Held by the process that seals: two would throw away each other's half-written files.
const LOCK: &str = ".marketstream/seal.lock";
/// How far a usual look reaches behind the time that open gaps are waited for: a trading day and the longest pause.
const RECENT: i64 = 7 * 86_400;

/// What a look has sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Files that were written.
    pub files: u64,
    /// Ticks in them.
    pub rows: u64,
    /// Hours that are over and wait for their gaps.
    pub waiting: u64,
}

/// How long an open gap holds its hours back, in seconds. Without backfill nothing would ever close it.
#[must_use]
pub fn patience(spec: Option<&MarketStreamSpec>) -> i64 {
    let backfill = spec.map(|spec| spec.backfill.clone()).unwrap_or_default();
    if backfill.enabled { i64::try_from(backfill.max_age.get().as_secs()).unwrap_or(i64::MAX / 4) } else { 0 }
}

/// From when on a look sees recordings, seconds since 1970. A look at `all` finds what was fetched for long ago, too.
#[must_use]
pub fn horizon(now: i64, patience: i64, all: bool) -> i64 {
    if all { 0 } else { now.saturating_sub(patience).saturating_sub(RECENT).max(0) }
}

/// Seals everything that is due at `now`, of recordings since `since` (seconds since 1970 both). The caller holds the
/// [`lock`].
///
/// # Errors
/// When the volume refuses it. What was sealed before stays sealed, and the next look goes on.
pub fn seal(data_dir: &Path, now: i64, since: i64, patience: i64) -> io::Result<Sealed> {
    let staging = Staging::open(data_dir)?;
    // The ledger first: a gap is settled after its ticks are stored, so an hour without open gaps has them all.
    let mut ledger = Files::new(data_dir).ledger();
    // What is in memory only holds its hours back like a gap.
    ledger.lose_unwritten();
    damage::forget_known(data_dir, &staging, &ledger)?;
    let streams = recordings(data_dir, since)?;
    let place = Place { data_dir, staging: &staging };
    let mut sealed = Sealed::default();
    for (stream, hours) in streams {
        let instrument = instruments::read(data_dir, stream.con_id);
        let known = instrument.as_ref().map(Instrument::days).unwrap_or_default();
        let zone = instrument.as_ref().map_or(TimeZone::UTC, Instrument::zone);
        let gaps: Vec<_> = ledger.gaps().iter().filter(|gap| gap.stream == stream).cloned().collect();
        let policy = Policy { now, patience, gaps: &gaps, known: &known, zone: &zone };
        let done = place.seal(stream, &hours, since, &policy)?;
        sealed.files += done.files;
        sealed.rows += done.rows;
        sealed.waiting += done.waiting;
    }
    sides::write(data_dir, &staging, ledger.gaps(), since)?;
    Ok(sealed)
}

/// Keeps others from sealing and archiving until it is dropped. `None` when one is at it.
///
/// # Errors
/// When the volume refuses the file.
pub fn lock(data_dir: &Path) -> io::Result<Option<File>> {
    let path = data_dir.join(LOCK);
    fs::create_dir_all(path.parent().unwrap_or(data_dir))?;
    let file = File::create(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// The present, in seconds since 1970.
#[must_use]
pub fn now_s() -> i64 {
    Timestamp::now().as_second()
}
