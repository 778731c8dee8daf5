//! Records in a file: a big-endian `u32` length, then the message.
//!
//! A crash can leave a torn record at the end. [`repair`] cuts it off before anything is appended, because what stands
//! behind a torn record is unreadable. After a power cut the missing bytes may be zeros, and a record with its last bytes
//! zeroed may still look like a tick; so no record ends in a zero: its number, or what stands behind it, does not.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use prost::Message;

use crate::TickMessage;

/// Bytes of the length before each record.
pub const HEADER_BYTES: usize = 4;
/// Longest record. A tick takes less than 200 bytes; a longer length is not a length but a torn or foreign file.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// Most bytes that a record's number takes: two of the tag and ten of the value.
const NUMBER_BYTES: usize = 12;

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The file cannot be read.
    #[error("cannot read the record at byte {offset}: {source}")]
    Io {
        /// Where the record begins.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file ends within the record, or the record ends in a zero with nothing else behind it: it is being written, or
    /// a crash tore it.
    #[error("the record at byte {offset} is incomplete")]
    Incomplete {
        /// Where the record begins.
        offset: u64,
    },
    /// The length is 0 or above [`MAX_RECORD_BYTES`]; nothing behind it can be read.
    #[error("the record at byte {offset} has the impossible length {length}")]
    Length {
        /// Where the record begins.
        offset: u64,
        /// The length that stands there.
        length: u32,
    },
    /// The length is plausible and the content is not a tick. The reader goes on with the next record.
    #[error("the record at byte {offset} is not a tick: {source}")]
    Decode {
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
}

/// Appends one framed record to `buffer`.
///
/// # Errors
/// When the record is empty or longer than [`MAX_RECORD_BYTES`], or has no number and ends in a zero; nothing is appended
/// then.
pub fn append(buffer: &mut Vec<u8>, tick: &TickMessage) -> Result<(), Unstorable> {
    let (before, bytes) = (buffer.len(), tick.encoded_len());
    if bytes == 0 || bytes > MAX_RECORD_BYTES {
        return Err(Unstorable::Size(bytes));
    }
    buffer.reserve(HEADER_BYTES + bytes);
    // At most MAX_RECORD_BYTES, so it fits.
    buffer.extend_from_slice(&(bytes as u32).to_be_bytes());
    tick.encode_raw(buffer);
    if buffer.last() == Some(&0) {
        // A volume of 0 behind the number, or no number.
        buffer.truncate(before);
        if tick.sequence == 0 {
            return Err(Unstorable::Zero);
        }
        append_numbered(buffer, &TickMessage { sequence: 0, ..tick.clone() }.encode_to_vec(), tick.sequence);
    }
    Ok(())
}

/// Encodes a tick that has no number yet, without a frame, and returns how many bytes it took.
///
/// # Errors
/// When the record would be empty, or longer than [`MAX_RECORD_BYTES`] with its number; nothing is appended then.
pub fn encode_unnumbered(bodies: &mut Vec<u8>, tick: &TickMessage) -> Result<usize, Unstorable> {
    let bytes = tick.encoded_len();
    if bytes == 0 || bytes > MAX_RECORD_BYTES - NUMBER_BYTES {
        return Err(Unstorable::Size(bytes));
    }
    bodies.reserve(bytes);
    tick.encode_raw(bodies);
    Ok(bytes)
}

/// Frames what [`encode_unnumbered`] made, and numbers it, from 1. The number stands last, which only a tick with fields behind
/// it shows (a fetched one, or one with a volume): readers of protobuf take fields in any order.
pub fn append_numbered(buffer: &mut Vec<u8>, body: &[u8], sequence: u64) {
    let number = TickMessage { sequence, ..TickMessage::default() };
    let bytes = body.len() + number.encoded_len();
    // At most MAX_RECORD_BYTES, so it fits.
    buffer.extend_from_slice(&(bytes as u32).to_be_bytes());
    buffer.extend_from_slice(body);
    number.encode_raw(buffer);
}

/// A record that cannot be stored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unstorable {
    /// The framing cannot hold it.
    #[error("a record of {0} bytes cannot be stored: 1 to {MAX_RECORD_BYTES} are possible")]
    Size(usize),
    /// It ends in a zero, as one does that a power cut has torn: it has no number.
    #[error("a record that ends in a zero cannot be stored: number it, from 1")]
    Zero,
}

/// Reads records one after the other. After [`FrameError::Decode`] it goes on; after any other error it ends.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    offset: u64,
    ended: bool,
    buffer: Vec<u8>,
    /// The next header and how much of it there is, when it had to be looked at already.
    ahead: Option<(Header, usize)>,
}

type Header = [u8; HEADER_BYTES];

impl<R: Read> Reader<R> {
    /// Reads from `input`, which should be buffered.
    pub fn new(input: R) -> Self {
        Self { input, offset: 0, ended: false, buffer: Vec::new(), ahead: None }
    }

    /// Where the next record begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn header(&mut self) -> io::Result<(Header, usize)> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(ahead);
        }
        let mut header = [0; HEADER_BYTES];
        let filled = read_up_to(&mut self.input, &mut header)?;
        Ok((header, filled))
    }

    fn read(&mut self) -> Result<Option<TickMessage>, FrameError> {
        let offset = self.offset;
        let io = |source| FrameError::Io { offset, source };
        let (header, filled) = self.header().map_err(io)?;
        match filled {
            0 => return Ok(None),
            HEADER_BYTES => {}
            _ => return Err(FrameError::Incomplete { offset }),
        }
        let length = u32::from_be_bytes(header);
        let bytes = length as usize;
        if bytes == 0 || bytes > MAX_RECORD_BYTES {
            return Err(FrameError::Length { offset, length });
        }
        self.buffer.resize(bytes, 0);
        if read_up_to(&mut self.input, &mut self.buffer).map_err(io)? < bytes {
            return Err(FrameError::Incomplete { offset });
        }
        if self.buffer.last() == Some(&0) {
            // Torn, unless another record stands behind it: then another program has written it.
            let (header, filled) = self.header().map_err(io)?;
            if filled < HEADER_BYTES || header == [0; HEADER_BYTES] {
                return Err(FrameError::Incomplete { offset });
            }
            self.ahead = Some((header, filled));
        }
        self.offset += (HEADER_BYTES + bytes) as u64;
        TickMessage::decode(self.buffer.as_slice()).map(Some).map_err(|source| FrameError::Decode { offset, source })
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<TickMessage, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read().transpose();
        self.ended = !matches!(item, Some(Ok(_) | Err(FrameError::Decode { .. })));
        item
    }
}

/// Fills `buffer` as far as the input goes.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What [`repair`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Bytes that stay: where the next record is to be appended.
    pub kept: u64,
    /// Bytes of a torn tail that were cut off.
    pub cut: u64,
    /// Records that stay.
    pub records: u64,
    /// Highest sequence number among them; 0 when there is none.
    pub last_sequence: u64,
    /// IBKR's time of the last of them, microseconds since 1970.
    pub last_ts: Option<i64>,
}

/// Reads `file` from its start and cuts off a torn tail: everything behind the last record that is a tick. Undecodable
/// records with good ones behind them stay, since their frame is intact. The position is at the end afterwards.
///
/// # Errors
/// When the file cannot be read or cut.
pub fn repair(file: &mut File) -> io::Result<Repair> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = Reader::new(BufReader::with_capacity(MAX_RECORD_BYTES, &*file));
    let mut found = Repair::default();
    while let Some(record) = reader.next() {
        match record {
            Ok(tick) => {
                found.kept = reader.offset();
                found.records += 1;
                found.last_sequence = found.last_sequence.max(tick.sequence);
                found.last_ts = Some(tick.ts);
            }
            Err(FrameError::Io { source, .. }) => return Err(source),
            Err(FrameError::Incomplete { .. } | FrameError::Length { .. } | FrameError::Decode { .. }) => {}
        }
    }
    drop(reader);
    found.cut = file.metadata()?.len().saturating_sub(found.kept);
    if found.cut > 0 {
        file.set_len(found.kept)?;
    }
    file.seek(SeekFrom::Start(found.kept))?;
    Ok(found)
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
