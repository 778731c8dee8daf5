//! Recorded ticks, replayed for ever at their real spacing: again a pure function of time.
//!
//! File: text, gzip-compressed or plain. First line `ib-gateway-sim ticks 1 <length in whole seconds>`, then one line
//! per tick, ascending in time: `q,<ms>,<bid>,<ask>,<bid size>,<ask size>` or `t,<ms>,<price>,<size>`, `<ms>` being
//! milliseconds since the start of the recording. Lines that begin with `#` are comments.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::catalog::Contract;
use super::generate::middles;
use super::tick::{Body, Quote, TickType, Trade};

const MAGIC: &str = "ib-gateway-sim ticks 1 ";

/// First two bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Ticks of one contract over a span of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// Length, whole seconds, at least 1. The replay at epoch second `s` is at `s mod length_s`.
    pub length_s: u32,
    /// Changes of the best bid and offer, by milliseconds from the start, ascending.
    pub quotes: Vec<(u32, Quote)>,
    /// Trades: milliseconds from the start, price, size; ascending.
    pub trades: Vec<(u32, f64, f64)>,
}

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be read.
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
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a recording.
    pub fn load(path: &Path) -> Result<Self, RecordingError> {
        let io = |cause| RecordingError::Io { path: path.to_owned(), cause };
        let mut bytes = Vec::new();
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(io)?;
        let reader: Box<dyn Read> =
            if bytes.starts_with(&GZIP) { Box::new(MultiGzDecoder::new(&*bytes)) } else { Box::new(&*bytes) };
        let mut recording = Self::default();
        for (number, line) in BufReader::new(reader).lines().enumerate() {
            let line = line.map_err(io)?;
            recording.take_line(number, &line).map_err(|what| RecordingError::Malformed {
                path: path.to_owned(),
                line: number + 1,
                what,
            })?;
        }
        if recording.quotes.is_empty() {
            return Err(RecordingError::Malformed { path: path.to_owned(), line: 1, what: "no quotes" });
        }
        Ok(recording)
    }

    fn take_line(&mut self, number: usize, line: &str) -> Result<(), &'static str> {
        if number == 0 {
            let length = line.strip_prefix(MAGIC).and_then(|length| length.trim().parse().ok());
            self.length_s = length.filter(|length| *length > 0).ok_or("not a recording of ib-gateway-sim")?;
            return Ok(());
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let mut fields = line.split(',');
        let kind = fields.next().unwrap_or_default();
        let at = fields.next().and_then(|at| at.parse().ok()).ok_or("bad time")?;
        if u64::from(at) >= u64::from(self.length_s) * 1_000 {
            return Err("time beyond the length");
        }
        let numbers: Vec<f64> = fields.map_while(|field| field.parse().ok().filter(|n: &f64| n.is_finite())).collect();
        match (kind, numbers.as_slice()) {
            ("q", &[bid, ask, bid_size, ask_size]) => {
                if self.quotes.last().is_some_and(|(last, _)| *last > at) {
                    return Err("not in the order of time");
                }
                let quote = Quote { bid, ask, bid_size, ask_size, bid_past_low: false, ask_past_high: false };
                self.quotes.push((at, quote));
            }
            ("t", &[price, size]) => {
                if self.trades.last().is_some_and(|(last, ..)| *last > at) {
                    return Err("not in the order of time");
                }
                self.trades.push((at, price, size));
            }
            _ => return Err("neither a quote nor a trade"),
        }
        Ok(())
    }

    /// Writes a compressed file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut lines: Vec<(u32, String)> = Vec::with_capacity(self.quotes.len() + self.trades.len());
        lines.extend(
            self.quotes
                .iter()
                .map(|(at, q)| (*at, format!("q,{at},{},{},{},{}", q.bid, q.ask, q.bid_size, q.ask_size))),
        );
        lines.extend(self.trades.iter().map(|(at, price, size)| (*at, format!("t,{at},{price},{size}"))));
        lines.sort_by_key(|(at, _)| *at);
        let partial = path.with_extension("partial");
        let mut out = GzEncoder::new(std::fs::File::create(&partial)?, Compression::best());
        writeln!(out, "{MAGIC}{}", self.length_s)?;
        for (_, line) in lines {
            writeln!(out, "{line}")?;
        }
        out.finish()?.sync_all()?;
        std::fs::rename(partial, path)
    }

    /// Longest pauses, milliseconds: between quotes, and between trades, the seam of the loop included.
    #[must_use]
    pub fn longest_pauses_ms(&self) -> (u32, u32) {
        let pause = |times: Vec<u32>| {
            let seam = times.first().zip(times.last()).map(|(first, last)| first + self.length_s * 1_000 - last);
            times.windows(2).map(|pair| pair[1] - pair[0]).chain(seam).max().unwrap_or(0)
        };
        (pause(self.quotes.iter().map(|q| q.0).collect()), pause(self.trades.iter().map(|t| t.0).collect()))
    }

    /// Ticks of one second: microseconds into it, and what they say.
    pub(super) fn bodies(&self, kind: TickType, second: i64, contract: &Contract) -> Vec<(u32, Body)> {
        let from = u32::try_from(second.rem_euclid(i64::from(self.length_s))).unwrap_or(0) * 1_000;
        let offset_us = |at: u32| (at - from) * 1_000;
        match kind {
            TickType::BidAsk | TickType::MidPoint => {
                let (first, end) = range(&self.quotes, |quote| quote.0, from);
                let quotes = self.quotes[first..end].iter().map(|(at, quote)| (offset_us(*at), quote.clone()));
                if kind == TickType::BidAsk {
                    return quotes.map(|(at, quote)| (at, Body::Quote(quote))).collect();
                }
                let before = first.checked_sub(1).and_then(|index| self.quotes.get(index)).or(self.quotes.last());
                middles(quotes, before.map(|(_, quote)| f64::midpoint(quote.bid, quote.ask)))
            }
            TickType::Last | TickType::AllLast => {
                let (first, end) = range(&self.trades, |trade| trade.0, from);
                let body = |(at, price, size): &(u32, f64, f64)| {
                    let trade = Trade {
                        price: *price,
                        size: *size,
                        exchange: contract.exchange,
                        conditions: "",
                        past_limit: false,
                        unreported: false,
                    };
                    (offset_us(*at), Body::Trade(trade))
                };
                self.trades[first..end].iter().map(body).collect()
            }
        }
    }
}

/// Index range of the entries in the second that begins at `from_ms`.
fn range<T>(entries: &[T], at: impl Fn(&T) -> u32, from_ms: u32) -> (usize, usize) {
    let first = entries.partition_point(|entry| at(entry) < from_ms);
    let end = entries.partition_point(|entry| at(entry) < from_ms + 1_000);
    (first, end)
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
