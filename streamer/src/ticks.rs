//! `marketstream-streamer ticks`: stored ticks as one JSON object a line, also while they are being written.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use marketstream_proto::{
    Source, TickKind, TickMessage,
    framing::{FrameError, Reader},
    layout::{HourFile, MICROS_PER_SECOND, Part, SECONDS_PER_HOUR},
};
use serde::Serialize;

use crate::recordings;

/// Which ticks are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    /// Only of this contract.
    pub con_id: Option<i32>,
    /// Only of this kind.
    pub kind: Option<TickKind>,
    /// From this IBKR second on.
    pub from: Option<i64>,
    /// Before this IBKR second.
    pub to: Option<i64>,
}

impl Selection {
    fn wants_file(&self, file: &HourFile) -> bool {
        self.con_id.is_none_or(|con_id| con_id == file.con_id)
            && self.kind.is_none_or(|kind| kind == file.kind)
            && self.from.is_none_or(|from| from < file.hour + SECONDS_PER_HOUR)
            && self.to.is_none_or(|to| to > file.hour)
    }

    fn wants_second(&self, second: i64) -> bool {
        self.from.is_none_or(|from| from <= second) && self.to.is_none_or(|to| second < to)
    }
}

/// Prints the selected ticks by hour, contract and kind, live ones first, each file in its own order. An incomplete last record is one
/// that is being written; other damage is reported on standard error, and what can be read is printed.
///
/// # Errors
/// When a file cannot be read, or nobody takes the output (a closed pipe is not an error).
pub fn print(data_dir: &Path, selection: &Selection, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    for (_, _, path) in files(data_dir, selection)? {
        match print_file(&path, selection, &mut output) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            outcome => outcome?,
        }
    }
    match output.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// The files that may hold selected ticks, in the order of [`print`].
///
/// # Errors
/// When a folder cannot be read.
pub fn files(data_dir: &Path, selection: &Selection) -> io::Result<Vec<(HourFile, Part, PathBuf)>> {
    recordings::find(data_dir, selection.from.unwrap_or(i64::MIN), |file| selection.wants_file(file))
}

fn print_file(path: &Path, selection: &Selection, output: &mut impl Write) -> io::Result<()> {
    for record in Reader::new(BufReader::with_capacity(128 * 1024, File::open(path)?)) {
        match record {
            Ok(tick) if selection.wants_second(tick.ts.div_euclid(MICROS_PER_SECOND)) => {
                serde_json::to_writer(&mut *output, &Line::of(&tick))?;
                output.write_all(b"\n")?;
            }
            Ok(_) | Err(FrameError::Incomplete { .. }) => {}
            Err(FrameError::Io { source, .. }) => return Err(source),
            Err(error) => tracing::warn!(file = %path.display(), "{error}"),
        }
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Line<'a> {
    con_id: i32,
    tick: &'a str,
    time_s: i64,
    received_us: i64,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    past_limit: bool,
    #[serde(skip_serializing_if = "is_false")]
    unreported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_size: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_size: Option<f64>,
    #[serde(skip_serializing_if = "is_false")]
    bid_past_low: bool,
    #[serde(skip_serializing_if = "is_false")]
    ask_past_high: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mid: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<f64>,
    /// Fetched later, to fill a gap.
    #[serde(skip_serializing_if = "is_false")]
    backfill: bool,
}

/// A tick as the command prints it.
#[must_use]
pub fn json(tick: &TickMessage) -> serde_json::Value {
    // Numbers and texts only: nothing that could fail.
    serde_json::to_value(Line::of(tick)).unwrap_or_default()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl<'a> Line<'a> {
    fn of(tick: &'a TickMessage) -> Self {
        Self {
            con_id: tick.cid,
            tick: TickKind::parse(&tick.tt).map_or(tick.tt.as_str(), |kind| api_name(kind)),
            time_s: tick.ts.div_euclid(MICROS_PER_SECOND),
            received_us: tick.st,
            sequence: tick.sequence,
            price: tick.p,
            size: tick.s,
            exchange: tick.exchange.as_deref(),
            conditions: tick.conditions.as_deref(),
            past_limit: tick.past_limit(),
            unreported: tick.upt(),
            bid: tick.bp,
            ask: tick.ap,
            bid_size: tick.bs,
            ask_size: tick.r#as,
            bid_past_low: tick.bpl(),
            ask_past_high: tick.aph(),
            mid: tick.mp,
            volume: tick.volume,
            backfill: tick.source() == Source::Backfill,
        }
    }
}

/// IBKR's spelling of a kind, which the manifest uses too; of market data's kinds our own in the same manner.
#[must_use]
pub const fn api_name(kind: TickKind) -> &'static str {
    match kind {
        TickKind::Last => "Last",
        TickKind::AllLast => "AllLast",
        TickKind::BidAsk => "BidAsk",
        TickKind::MidPoint => "MidPoint",
        TickKind::QuoteL1 => "QuoteL1",
        TickKind::RtVolume => "RtVolume",
    }
}

#[cfg(test)]
#[path = "ticks_tests.rs"]
mod tests;
