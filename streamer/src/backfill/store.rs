//! The files of one stream: what they have of some seconds, and what is added to them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Write},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use marketstream_proto::{
    TickMessage,
    framing::{self, FrameError, Reader},
    layout::{HourFile, Part, SECONDS_PER_HOUR},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    budget::Kept,
    ledger::{Ledger, Recorded},
    merge::{missing, second},
};
use crate::{
    disk,
    seal::instruments::{self, Session},
    sums::Sums,
};

const LEDGER: &str = ".marketstream/gaps.json";
const BUDGET: &str = ".marketstream/history-requests.json";

/// The data directory.
#[derive(Debug, Clone)]
pub struct Files {
    data_dir: PathBuf,
    /// Held by whoever adds: an attempt that was given up may still be at the disk when the next one gets there.
    adding: Arc<Mutex<()>>,
}

impl Files {
    /// Below this directory.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), adding: Arc::default() }
    }

    /// Everything that is stored of these seconds, live and fetched.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&self, stream: Recorded, seconds: &RangeInclusive<i64>) -> io::Result<Vec<TickMessage>> {
        let mut found = Vec::new();
        for hour in hours(seconds) {
            for part in [Part::Live, Part::Backfill] {
                self.each(stream, hour, part, |tick| {
                    if seconds.contains(&second(&tick)) {
                        found.push(tick);
                    }
                })?;
            }
        }
        Ok(found)
    }

    /// IBKR's second of the last live tick before `before`, looking back at most `hours_back` hours.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn last_before(&self, stream: Recorded, before: i64, hours_back: i64) -> io::Result<Option<i64>> {
        let newest = before.div_euclid(SECONDS_PER_HOUR);
        for hour in (newest - hours_back..=newest).rev() {
            let mut last = None;
            self.each(stream, hour * SECONDS_PER_HOUR, Part::Live, |tick| {
                last = last.max(Some(second(&tick)).filter(|second| *second < before));
            })?;
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }

    fn each(&self, stream: Recorded, hour: i64, part: Part, mut take: impl FnMut(TickMessage)) -> io::Result<()> {
        let file = match File::open(self.path(stream, hour, part)?) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for record in Reader::new(BufReader::with_capacity(128 * 1024, file)) {
            match record {
                Ok(tick) => take(tick),
                Err(FrameError::Io { source, .. }) => return Err(source),
                // A last record that is being written, or damage that the recorder deals with.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn path(&self, stream: Recorded, hour: i64, part: Part) -> io::Result<PathBuf> {
        let file = HourFile { hour, con_id: stream.con_id, kind: stream.kind };
        Ok(self.data_dir.join(file.path_of(part).map_err(io::Error::other)?))
    }

    /// The sessions of a contract that are known, past ones included; none when nothing is kept of it.
    #[must_use]
    pub fn sessions(&self, con_id: i32) -> Vec<Session> {
        instruments::read(&self.data_dir, con_id).map(|known| known.sessions).unwrap_or_default()
    }

    /// Adds what is [`missing`] in the seconds of a gap of what history has, durably. Returns how many ticks that were.
    ///
    /// # Errors
    /// When the volume refuses it; whole records stay.
    pub fn complete(&self, stream: Recorded, gap: &RangeInclusive<i64>, history: &[TickMessage]) -> io::Result<u64> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = || history.iter().map(second).filter(|second| gap.contains(second));
        let Some((first, last)) = seconds().min().zip(seconds().max()) else { return Ok(0) };
        let add = missing(gap, &self.read(stream, &(first..=last))?, history);
        self.add(stream, &add)?;
        Ok(add.len() as u64)
    }

    /// Appends ticks to the backfill files of their hours, durably. Numbers go on from what a file holds.
    ///
    /// # Errors
    /// When the volume refuses it; whole records stay.
    pub fn add(&self, stream: Recorded, ticks: &[TickMessage]) -> io::Result<()> {
        let mut rest = ticks;
        while let Some(first) = rest.first() {
            let hour = second(first) - second(first).rem_euclid(SECONDS_PER_HOUR);
            let length = rest.iter().take_while(|tick| hours(&(second(tick)..=second(tick))).eq([hour])).count();
            let (now, later) = rest.split_at(length);
            self.append(&self.path(stream, hour, Part::Backfill)?, now)?;
            rest = later;
        }
        Ok(())
    }

    fn append(&self, path: &Path, ticks: &[TickMessage]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.data_dir);
        disk::create_folders(folder)?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let found = framing::repair(&mut file)?;
        let mut bytes = Vec::new();
        for (tick, sequence) in ticks.iter().zip(found.last_sequence + 1..) {
            let tick = TickMessage { sequence, ..tick.clone() };
            framing::append(&mut bytes, &tick).map_err(io::Error::other)?;
        }
        let stored = file.write_all(&bytes).and_then(|()| file.sync_data()).and_then(|()| disk::sync_folder(folder));
        stored.inspect_err(|_| {
            // The next attempt must not find ticks that only the page cache knows; nor could what stands behind a
            // half-written record be read.
            let _ = file.set_len(found.kept);
        })?;
        let mut sums = Sums::resume(path, found.kept)?;
        sums.add(&bytes);
        sums.close()
    }

    /// The ledger as it was kept last; empty when there is none, or it cannot be read.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.load(LEDGER)
    }

    /// What was asked of history lately, as it was kept last; nothing when it cannot be read.
    #[must_use]
    pub fn budget(&self) -> Kept {
        self.load(BUDGET)
    }

    fn load<T: DeserializeOwned + Default>(&self, name: &str) -> T {
        let Ok(bytes) = fs::read(self.data_dir.join(name)) else { return T::default() };
        serde_json::from_slice(&bytes)
            .inspect_err(|error| tracing::warn!(%error, "{name} on the volume cannot be read"))
            .unwrap_or_default()
    }

    /// Keeps the ledger, whole or not at all.
    ///
    /// # Errors
    /// When the volume refuses it.
    pub fn keep(&self, ledger: &Ledger) -> io::Result<()> {
        self.save(LEDGER, ledger)
    }

    /// Keeps what was asked of history, whole or not at all.
    ///
    /// # Errors
    /// When the volume refuses it.
    pub fn keep_budget(&self, budget: &Kept) -> io::Result<()> {
        self.save(BUDGET, budget)
    }

    fn save(&self, name: &str, content: &impl Serialize) -> io::Result<()> {
        let path = self.data_dir.join(name);
        let partial = path.with_extension("partial");
        let folder = path.parent().unwrap_or(&self.data_dir);
        disk::create_folders(folder)?;
        let mut file = File::create(&partial)?;
        file.write_all(&serde_json::to_vec(content)?)?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        disk::sync_folder(folder)
    }
}

/// Starts of the hours that these seconds lie in.
fn hours(seconds: &RangeInclusive<i64>) -> impl Iterator<Item = i64> + use<> {
    let hour = |second: i64| second.div_euclid(SECONDS_PER_HOUR);
    (hour(*seconds.start())..=hour(*seconds.end())).map(|hour| hour * SECONDS_PER_HOUR)
}

#[cfg(test)]
mod tests {
    use marketstream_proto::TickKind;

    use super::super::ledger::GapCause;
    use super::*;

    const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };
    const HOUR: i64 = 1_795_467_600;

    fn tick(second: i64) -> TickMessage {
        TickMessage { ts: second * 1_000_000, cid: 7, tt: "last".into(), p: Some(1.0), ..TickMessage::default() }
    }

    #[test]
    fn ticks_go_to_the_backfill_files_of_their_hours_and_are_numbered_on() {
        let data = tempfile::tempdir().unwrap();
        let files = Files::new(data.path());
        files.add(STREAM, &[tick(HOUR + 3_599), tick(HOUR + 3_600)]).unwrap();
        files.add(STREAM, &[tick(HOUR + 3_598)]).unwrap();
        let read = files.read(STREAM, &(HOUR..=HOUR + 7_200)).unwrap();
        let found: Vec<_> = read.iter().map(|tick| (second(tick) - HOUR, tick.sequence)).collect();
        assert_eq!(found, [(3_599, 1), (3_598, 2), (3_600, 1)]);
        assert_eq!(files.read(STREAM, &(HOUR + 3_599..=HOUR + 3_599)).unwrap().len(), 1);
        // A torn tail is cut off before anything is appended.
        let path = data.path().join("2026/11/23/21/7_last_1795467600_backfill.pb");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0, 0, 0, 9, 1]).unwrap();
        files.add(STREAM, &[tick(HOUR)]).unwrap();
        assert_eq!(files.read(STREAM, &(HOUR..=HOUR)).unwrap().len(), 1);
    }

    #[test]
    fn the_last_live_tick_is_found_and_fetched_ones_do_not_count() {
        let data = tempfile::tempdir().unwrap();
        let files = Files::new(data.path());
        let path = data.path().join("2026/11/23/21/7_last_1795467600.pb");
        let mut bytes = Vec::new();
        for at in [5, 9, 12] {
            framing::append(&mut bytes, &tick(HOUR + at)).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        files.add(STREAM, &[tick(HOUR + 100)]).unwrap();
        assert_eq!(files.last_before(STREAM, HOUR + 7_300, 24).unwrap(), Some(HOUR + 12));
        assert_eq!(files.last_before(STREAM, HOUR + 12, 24).unwrap(), Some(HOUR + 9));
        assert_eq!(files.last_before(STREAM, HOUR + 7_300, 1).unwrap(), None);
    }

    #[test]
    fn the_ledger_and_the_budget_are_kept() {
        let data = tempfile::tempdir().unwrap();
        let files = Files::new(data.path());
        let mut ledger = files.ledger();
        ledger.open("a", STREAM, Some(1), GapCause::SessionLost);
        files.keep(&ledger).unwrap();
        assert_eq!(files.ledger(), ledger);
        fs::write(data.path().join(LEDGER), "{torn").unwrap();
        assert_eq!(files.ledger(), Ledger::default());
        let budget = serde_json::from_str(r#"{"spent":[[5,2]],"closed_until":7}"#).unwrap();
        files.keep_budget(&budget).unwrap();
        assert_eq!(files.budget(), budget);
    }
}
