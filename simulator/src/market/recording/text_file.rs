//! The compact text: gzip-compressed or plain. First line `ib-gateway-sim ticks 1 <length in whole seconds>`, then one
//! line per tick, ascending in time: `q,<ms>,<bid>,<ask>,<bid size>,<ask size>` or `t,<ms>,<price>,<size>`, `<ms>` being
//! milliseconds since the start of the recording. Lines that begin with `#` are comments.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Recording, RecordingError, quote, trade};

const MAGIC: &str = "ib-gateway-sim ticks 1 ";

/// First two bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

pub(super) fn load(path: &Path) -> Result<Recording, RecordingError> {
    let io = |cause| RecordingError::Io { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(io)?;
    let reader: Box<dyn Read> =
        if bytes.starts_with(&GZIP) { Box::new(MultiGzDecoder::new(&*bytes)) } else { Box::new(&*bytes) };
    let mut recording = Recording::default();
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.map_err(io)?;
        take_line(&mut recording, number, &line).map_err(|what| RecordingError::Malformed {
            path: path.to_owned(),
            line: number + 1,
            what,
        })?;
    }
    Ok(recording)
}

fn take_line(recording: &mut Recording, number: usize, line: &str) -> Result<(), &'static str> {
    if number == 0 {
        let length = line.strip_prefix(MAGIC).and_then(|length| length.trim().parse().ok());
        recording.length_s = length.filter(|length| *length > 0).ok_or("not a recording of ib-gateway-sim")?;
        return Ok(());
    }
    if line.is_empty() || line.starts_with('#') {
        return Ok(());
    }
    let mut fields = line.split(',');
    let kind = fields.next().unwrap_or_default();
    let at_ms: u32 = fields.next().and_then(|at| at.parse().ok()).ok_or("bad time")?;
    if u64::from(at_ms) >= u64::from(recording.length_s) * 1_000 {
        return Err("time beyond the length");
    }
    let at = u64::from(at_ms) * 1_000;
    let numbers: Vec<f64> = fields.map_while(|field| field.parse().ok().filter(|n: &f64| n.is_finite())).collect();
    let last = match (kind, numbers.as_slice()) {
        ("q", &[bid, ask, bid_size, ask_size]) => {
            recording.quotes.push((at, quote(bid, ask, bid_size, ask_size)));
            recording.quotes.iter().rev().nth(1).map(|quote| quote.0)
        }
        ("t", &[price, size]) => {
            recording.trades.push((at, trade(price, size, "", "")));
            recording.trades.iter().rev().nth(1).map(|trade| trade.0)
        }
        _ => return Err("neither a quote nor a trade"),
    };
    if last.is_some_and(|last| last > at) { Err("not in the order of time") } else { Ok(()) }
}

/// Writes it compressed. Times are cut to milliseconds; exchanges and sale conditions have no place in this format.
pub(super) fn write(recording: &Recording, file: File) -> io::Result<File> {
    let mut lines: Vec<(u64, String)> = Vec::with_capacity(recording.quotes.len() + recording.trades.len());
    lines.extend(
        recording
            .quotes
            .iter()
            .map(|(at, q)| (*at, format!("q,{},{},{},{},{}", at / 1_000, q.bid, q.ask, q.bid_size, q.ask_size))),
    );
    lines.extend(recording.trades.iter().map(|(at, t)| (*at, format!("t,{},{},{}", at / 1_000, t.price, t.size))));
    lines.sort_by_key(|(at, _)| *at);
    let mut out = GzEncoder::new(file, Compression::best());
    writeln!(out, "{MAGIC}{}", recording.length_s)?;
    for (_, line) in lines {
        writeln!(out, "{line}")?;
    }
    out.finish()
}
