//! Makes a recording of real ticks from the BTC/USD sample of the Python package `ob-analytics` 0.1.0: every
//! order-book event and every trade of half an hour at Bitstamp. The sample has no quotes: they follow from its orders.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::market::recording::{Recording, RecordingError};
use crate::market::tick::{Quote, Trade};

/// Rows at the start of the orders that are the opening book: loaded, not replayed.
const OPENING_ROWS: usize = 6_512;

/// Rows at the end of the orders that were added to close the file: no market event.
const CLOSING_ROWS: usize = 6_518;

/// Asks of the opening book that were gone already and would keep the book crossed.
const STALE_ASKS: [u64; 2] = [2_002_347_646_152_704, 2_002_347_642_003_458];

/// Prices that stand for "none".
const SENTINELS: [f64; 2] = [0.0, 999_999_999.0];

/// What a sample turned into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Changes of the best bid or offer, in price or size.
    pub quotes: usize,
    /// Trades.
    pub trades: usize,
    /// Quotes whose bid is not below the offer.
    pub crossed: usize,
    /// Longest pause between quotes, milliseconds, the seam of the loop included.
    pub longest_quote_pause_ms: u64,
    /// Longest pause between trades, milliseconds, the seam of the loop included.
    pub longest_trade_pause_ms: u64,
}

/// Why a sample cannot be turned into a recording.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The recording cannot be written.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Of the file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A row is not as expected.
    #[error("{}, line {line}: not a row of the sample", path.display())]
    Row {
        /// Of the file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// There are no rows to speak of.
    #[error("{}: too short to be the sample", path.display())]
    Short {
        /// Of the file.
        path: PathBuf,
    },
}

/// Reads the sample's two files and writes the recording.
///
/// # Errors
/// See [`PrepareError`].
pub fn btcusd(orders: &Path, trades: &Path, out: &Path) -> Result<Facts, PrepareError> {
    let recording = read(orders, trades)?;
    recording.save(out)?;
    let (longest_quote_pause_ms, longest_trade_pause_ms) = recording.longest_pauses_ms();
    Ok(Facts {
        quotes: recording.quotes.len(),
        trades: recording.trades.len(),
        crossed: recording.quotes.iter().filter(|(_, quote)| quote.bid >= quote.ask).count(),
        longest_quote_pause_ms,
        longest_trade_pause_ms,
    })
}

fn read(orders: &Path, trades: &Path) -> Result<Recording, PrepareError> {
    let rows = rows(orders, parse_order)?;
    let short = || PrepareError::Short { path: orders.to_owned() };
    let live_end = rows.len().checked_sub(CLOSING_ROWS).filter(|end| *end > OPENING_ROWS).ok_or_else(short)?;
    let start_ms = rows[0].at_ms;
    let since_start = |at_ms: i64| u64::try_from(at_ms - start_ms).unwrap_or(0) * 1_000;
    let mut book = Book::default();
    for row in &rows[..OPENING_ROWS] {
        book.apply(row);
    }
    let mut recording = Recording::default();
    let live = &rows[OPENING_ROWS..live_end];
    for millisecond in live.chunk_by(|a, b| a.at_ms == b.at_ms) {
        for row in millisecond {
            book.apply(row);
        }
        if let (Some(quote), Some(row)) = (book.best(), millisecond.first())
            && recording.quotes.last().is_none_or(|(_, last)| *last != quote)
        {
            recording.quotes.push((since_start(row.at_ms), quote));
        }
    }
    let mut prints = self::rows(trades, parse_trade)?;
    prints.sort_by_key(|(at_ms, ..)| *at_ms);
    let trade = |price, size| Trade { price, size, exchange: "", conditions: "", past_limit: false, unreported: false };
    recording.trades = prints.into_iter().map(|(at, price, size)| (since_start(at), trade(price, size))).collect();
    let last = recording.quotes.iter().map(|q| q.0).chain(recording.trades.iter().map(|t| t.0)).max();
    recording.length_s = u32::try_from(last.unwrap_or(0) / 1_000_000).unwrap_or(0) + 1;
    Ok(recording)
}

struct Order {
    id: u64,
    at_ms: i64,
    price: f64,
    volume: f64,
    gone: bool,
    bid: bool,
}

fn parse_order(line: &str) -> Option<Order> {
    let mut fields = line.split(',');
    let id = fields.next()?.parse().ok()?;
    let at_ms = fields.nth(1)?.parse().ok()?;
    let price = fields.next()?.parse().ok()?;
    let volume = fields.next()?.parse().ok()?;
    let gone = fields.next()? == "deleted";
    Some(Order { id, at_ms, price, volume, gone, bid: fields.next()? == "bid" })
}

fn parse_trade(line: &str) -> Option<(i64, f64, f64)> {
    let mut fields = line.split(',').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The order book. Prices and volumes are kept in hundred-millionths, so that sums are exact.
#[derive(Default)]
struct Book {
    orders: HashMap<u64, (bool, i64, i64)>,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

const UNITS: f64 = 1e8;

impl Book {
    fn apply(&mut self, order: &Order) {
        if SENTINELS.contains(&order.price) || STALE_ASKS.contains(&order.id) {
            return;
        }
        if let Some((bid, price, volume)) = self.orders.remove(&order.id) {
            self.add(bid, price, -volume);
        }
        if !order.gone {
            let (price, volume) = ((order.price * UNITS).round() as i64, (order.volume * UNITS).round() as i64);
            self.orders.insert(order.id, (order.bid, price, volume));
            self.add(order.bid, price, volume);
        }
    }

    fn add(&mut self, bid: bool, price: i64, volume: i64) {
        let side = if bid { &mut self.bids } else { &mut self.asks };
        let level = side.entry(price).or_default();
        *level += volume;
        if *level <= 0 {
            side.remove(&price);
        }
    }

    fn best(&self) -> Option<Quote> {
        let (bid, bid_size) = self.bids.last_key_value()?;
        let (ask, ask_size) = self.asks.first_key_value()?;
        let unit = |value: i64| value as f64 / UNITS;
        Some(Quote {
            bid: unit(*bid),
            ask: unit(*ask),
            bid_size: unit(*bid_size),
            ask_size: unit(*ask_size),
            bid_past_low: false,
            ask_past_high: false,
        })
    }
}

/// All rows after the header line of a CSV file, which may be gzip-compressed.
fn rows<T>(path: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, PrepareError> {
    let io = |cause| PrepareError::Io { path: path.to_owned(), cause };
    let file = File::open(path).map_err(io)?;
    let compressed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(reader).lines().enumerate().skip(1) {
        let row = parse(line.map_err(io)?.trim_end());
        rows.push(row.ok_or_else(|| PrepareError::Row { path: path.to_owned(), line: number + 1 })?);
    }
    Ok(rows)
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
