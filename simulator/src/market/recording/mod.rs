//! Recorded ticks, replayed for ever at their real spacing: again a pure function of time.
//!
//! A file's ending tells its format: `.csv` and `.parquet` are the tables of [`table`], anything else is the compact text
//! of [`text_file`].

mod csv_file;
mod parquet_file;
mod table;
mod text_file;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::catalog::Contract;
use super::generate::middles;
use super::tick::{Body, Quote, TickType, Trade};

/// Most quotes or trades in one second of a recording: what the journal can number.
const MAX_PER_SECOND: usize = 60_000;

/// Microseconds in a second.
const SECOND_US: u64 = 1_000_000;

/// Ticks of one contract over a span of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// Length, whole seconds, at least 1. The replay at epoch second `s` is at `s mod length_s`.
    pub length_s: u32,
    /// Changes of the best bid and offer, by microseconds from the start, ascending.
    pub quotes: Vec<(u64, Quote)>,
    /// Trades, by microseconds from the start, ascending. An empty exchange is the contract's own.
    pub trades: Vec<(u64, Trade)>,
}

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Of the recording.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It is not a recording.
    #[error("{}, line {line}: {what}", path.display())]
    Malformed {
        /// Of the recording.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// It is no table of ticks.
    #[error("{}: {what}", path.display())]
    Table {
        /// Of the recording.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A value of a table of ticks is not usable.
    #[error("{}, row {row}, column {column}: {what}", path.display())]
    Cell {
        /// Of the recording.
        path: PathBuf,
        /// From 1; the line of names does not count.
        row: usize,
        /// Name of the column.
        column: &'static str,
        /// What is wrong there.
        what: &'static str,
    },
}

/// How a recording is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Csv,
    Parquet,
}

impl Format {
    fn of(path: &Path) -> Self {
        let is = |wanted: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted));
        if is("csv") {
            Self::Csv
        } else if is("parquet") {
            Self::Parquet
        } else {
            Self::Text
        }
    }
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a recording with quotes.
    pub fn load(path: &Path) -> Result<Self, RecordingError> {
        let recording = match Format::of(path) {
            Format::Text => text_file::load(path),
            Format::Csv => csv_file::load(path),
            Format::Parquet => parquet_file::load(path),
        }?;
        let fail = |what: String| Err(RecordingError::Table { path: path.to_owned(), what });
        if recording.quotes.is_empty() {
            return fail("no quotes".to_owned());
        }
        match recording.crowded_second() {
            Some(second) => fail(format!("more than {MAX_PER_SECOND} quotes or trades in second {second}")),
            None => Ok(recording),
        }
    }

    /// Writes a file, whole or not at all. In a table the times count from 0.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), RecordingError> {
        let io = |cause| RecordingError::Io { path: path.to_owned(), cause };
        let partial = path.with_extension("partial");
        let file = std::fs::File::create(&partial).map_err(io)?;
        let file = match Format::of(path) {
            Format::Text => text_file::write(self, file),
            Format::Csv => csv_file::write(self, file),
            Format::Parquet => parquet_file::write(self, file),
        }
        .map_err(io)?;
        file.sync_all().and_then(|()| std::fs::rename(partial, path)).map_err(io)
    }

    /// Longest pauses, milliseconds: between quotes, and between trades, the seam of the loop included.
    #[must_use]
    pub fn longest_pauses_ms(&self) -> (u64, u64) {
        let pause = |times: Vec<u64>| {
            let seam = times
                .first()
                .zip(times.last())
                .map(|(first, last)| first + u64::from(self.length_s) * SECOND_US - last);
            times.windows(2).map(|pair| pair[1] - pair[0]).chain(seam).max().unwrap_or(0) / 1_000
        };
        (pause(self.quotes.iter().map(|q| q.0).collect()), pause(self.trades.iter().map(|t| t.0).collect()))
    }

    /// The first second in which there are more ticks of a kind than can be numbered.
    fn crowded_second(&self) -> Option<u64> {
        fn crowded<T>(entries: &[(u64, T)]) -> Option<u64> {
            let mut seconds = entries.chunk_by(|a, b| a.0 / SECOND_US == b.0 / SECOND_US);
            seconds.find(|ticks| ticks.len() > MAX_PER_SECOND).map(|ticks| ticks[0].0 / SECOND_US)
        }
        crowded(&self.quotes).or_else(|| crowded(&self.trades))
    }

    /// Where in the recording the replay is when a second begins, microseconds.
    fn position_us(&self, second: i64) -> u64 {
        second.rem_euclid(i64::from(self.length_s.max(1))).unsigned_abs() * SECOND_US
    }

    /// Ticks of one second: microseconds into it, and what they say.
    pub(super) fn bodies(&self, kind: TickType, second: i64, contract: &Contract) -> Vec<(u32, Body)> {
        match kind {
            TickType::BidAsk | TickType::MidPoint => {
                let from = self.position_us(second);
                let (first, quotes) = of_second(&self.quotes, from);
                let quotes = quotes.iter().map(|(at, quote)| (offset_us(*at, from), quote.clone()));
                if kind == TickType::BidAsk {
                    return quotes.map(|(at, quote)| (at, Body::Quote(quote))).collect();
                }
                let before = first.checked_sub(1).and_then(|index| self.quotes.get(index)).or(self.quotes.last());
                middles(quotes, before.map(|(_, quote)| f64::midpoint(quote.bid, quote.ask)))
            }
            TickType::Last | TickType::AllLast => {
                self.trades(second, contract).map(|(at, trade)| (at, Body::Trade(trade))).collect()
            }
        }
    }

    /// Trades of one second: microseconds into it, and what they say.
    pub(super) fn trades(&self, second: i64, contract: &Contract) -> impl Iterator<Item = (u32, Trade)> {
        let exchange = contract.exchange;
        let from = self.position_us(second);
        of_second(&self.trades, from).1.iter().map(move |(at, trade)| {
            let exchange = if trade.exchange.is_empty() { exchange } else { trade.exchange };
            (offset_us(*at, from), Trade { exchange, ..trade.clone() })
        })
    }

    /// The quote in force at a microsecond of a second: at the start of the loop the last one of the loop before.
    pub(super) fn last_quote(&self, second: i64, until_us: u32) -> Option<Quote> {
        let until = self.position_us(second) + u64::from(until_us);
        let end = self.quotes.partition_point(|(at, _)| *at <= until);
        let before = end.checked_sub(1).and_then(|index| self.quotes.get(index)).or(self.quotes.last());
        before.map(|(_, quote)| quote.clone())
    }
}

/// The entries in the second that begins at `from_us`, and the index of the first.
fn of_second<T>(entries: &[(u64, T)], from_us: u64) -> (usize, &[(u64, T)]) {
    let first = entries.partition_point(|entry| entry.0 < from_us);
    let end = entries.partition_point(|entry| entry.0 < from_us + SECOND_US);
    (first, &entries[first..end])
}

fn offset_us(at: u64, from: u64) -> u32 {
    u32::try_from(at - from).unwrap_or(0)
}

/// A trade as a recording has it.
fn trade(price: f64, size: f64, exchange: &'static str, conditions: &'static str) -> Trade {
    Trade { price, size, exchange, conditions, past_limit: false, unreported: false }
}

fn quote(bid: f64, ask: f64, bid_size: f64, ask_size: f64) -> Quote {
    Quote { bid, ask, bid_size, ask_size, bid_past_low: false, ask_past_high: false }
}

/// A name for as long as the program runs. The exchanges and sale conditions of recordings are few and short.
fn lasting(name: &str) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return known;
    }
    let lasting: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(lasting);
    lasting
}

#[cfg(test)]
mod tests;
