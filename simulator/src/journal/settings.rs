//! The market's settings beside the journal: with them, another process makes the same ticks again.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::market::MarketConfig;
use crate::market::recording::{Recording, RecordingError};

const FILE: &str = "market.json";
const RECORDINGS: &str = "recordings";

/// Why the settings of a state directory are of no use.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: {cause}; is it the state directory of a simulator?", path.display())]
    Io {
        /// Of the settings.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The file is not what this program writes.
    #[error("{}: {cause}", path.display())]
    Malformed {
        /// Of the settings.
        path: PathBuf,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// A recording of the journal.
    #[error("recording of the journal: {0}")]
    Recording(#[from] RecordingError),
}

/// What of [`MarketConfig`] is in the file; recordings lie beside it, by contract id.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    seed: u64,
    rate: f64,
    always_open: bool,
    today: Date,
    recordings: BTreeMap<i32, Replayed>,
}

/// A recording beside the settings: a table, which knows neither its length nor when its first tick comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Replayed {
    file: String,
    length_s: u32,
    first_us: u64,
}

impl Replayed {
    fn of(con_id: i32, recording: &Recording) -> Self {
        let first = [recording.quotes.first().map(|(at, _)| *at), recording.trades.first().map(|(at, _)| *at)];
        Self {
            file: format!("{RECORDINGS}/{con_id}.parquet"),
            length_s: recording.length_s,
            first_us: first.into_iter().flatten().min().unwrap_or(0),
        }
    }

    fn load(&self, dir: &Path) -> Result<Recording, RecordingError> {
        let mut recording = Recording::load(&dir.join(&self.file))?;
        recording.length_s = self.length_s;
        let missing_us = self.first_us - Self::of(0, &recording).first_us.min(self.first_us);
        recording.quotes.iter_mut().for_each(|(at, _)| *at += missing_us);
        recording.trades.iter_mut().for_each(|(at, _)| *at += missing_us);
        Ok(recording)
    }
}

/// Writes the settings, whole or not at all, and says whether other ones were there before: then the journal of the
/// past no longer fits.
///
/// # Errors
/// When a file cannot be written.
pub fn save(dir: &Path, config: &MarketConfig) -> io::Result<bool> {
    let replayed = config.recordings.iter().map(|(con_id, recording)| (*con_id, Replayed::of(*con_id, recording)));
    let recordings: BTreeMap<_, _> = replayed.collect();
    let MarketConfig { seed, rate, always_open, today, .. } = *config;
    std::fs::create_dir_all(dir.join(RECORDINGS))?;
    for (con_id, replayed) in &recordings {
        config.recordings[con_id].save(&dir.join(&replayed.file)).map_err(io::Error::other)?;
    }
    let settings = Settings { seed, rate, always_open, today, recordings };
    let path = dir.join(FILE);
    let before: Option<Settings> = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let partial = path.with_extension("partial");
    std::fs::write(&partial, serde_json::to_vec_pretty(&settings)?)?;
    std::fs::rename(partial, path)?;
    // The day decides which futures exist, and changes no tick.
    Ok(before.is_some_and(|before| Settings { today, ..before } != settings))
}

/// Reads the settings and recordings.
///
/// # Errors
/// When a file is missing or malformed.
pub fn load(dir: &Path) -> Result<MarketConfig, SettingsError> {
    let path = dir.join(FILE);
    let text = std::fs::read(&path).map_err(|cause| SettingsError::Io { path: path.clone(), cause })?;
    let settings: Settings = serde_json::from_slice(&text).map_err(|cause| SettingsError::Malformed { path, cause })?;
    let mut recordings = HashMap::new();
    for (con_id, replayed) in settings.recordings {
        recordings.insert(con_id, replayed.load(dir)?.into());
    }
    let Settings { seed, rate, always_open, today, .. } = settings;
    Ok(MarketConfig { seed, rate, always_open, today, recordings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::tick::{Quote, Trade};

    #[test]
    fn another_process_gets_the_same_market() {
        let dir = tempfile::tempdir().unwrap();
        let quote = Quote {
            bid: 0.1,
            ask: 1.0 / 3.0,
            bid_size: 1e-8,
            ask_size: 7.0,
            bid_past_low: false,
            ask_past_high: false,
        };
        let trade = Trade { price: 0.2, size: 3.5, exchange: "", conditions: "", past_limit: false, unreported: false };
        let recording = Recording { length_s: 9, quotes: vec![(1_500_001, quote)], trades: vec![(1_700_000, trade)] };
        let mut config = MarketConfig { seed: 7, rate: 2.5, ..MarketConfig::default() };
        config.recordings.insert(5, recording.into());
        assert!(!save(dir.path(), &config).unwrap());
        let loaded = load(dir.path()).unwrap();
        assert_eq!(loaded.recordings, config.recordings);
        assert_eq!((loaded.seed, loaded.rate.to_bits(), loaded.today), (7, 2.5_f64.to_bits(), config.today));
        assert!(!save(dir.path(), &MarketConfig { today: Date::MIN, ..config.clone() }).unwrap());
        assert!(save(dir.path(), &MarketConfig { seed: 8, ..config }).unwrap());
    }

    #[test]
    fn another_directory_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("is it the state directory of a simulator?"), "{error}");
        std::fs::write(dir.path().join(FILE), "{}").unwrap();
        assert!(load(dir.path()).unwrap_err().to_string().contains("market.json: missing field `seed`"));
    }
}
