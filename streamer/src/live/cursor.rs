//! How far a reader is: the identifier of an event, from which a reader that was cut off reads on.

use std::{collections::BTreeMap, fmt, str::FromStr};

use marketstream_proto::{TickKind, layout::SECONDS_PER_HOUR};

/// Hours that are kept of each kind: at the turn of an hour a tick of the old one may follow one of the new.
const HOURS_KEPT: usize = 2;
/// Longest text: six kinds of two hours each.
const MAX_TEXT: usize = 512;

/// The last record that a reader has of the hourly files of one contract, by kind of tick and start of the hour. Its
/// text is the contract's number, a slash, and `kind:hour:sequence`, joined by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    con_id: i32,
    last: BTreeMap<(TickKind, i64), u64>,
}

/// A text that is no cursor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the id of an event of this stream")]
pub struct NotACursor;

impl Cursor {
    /// Of a reader of this contract who has nothing yet.
    #[must_use]
    pub fn new(con_id: i32) -> Self {
        Self { con_id, last: BTreeMap::new() }
    }

    /// IBKR's identifier of the contract.
    #[must_use]
    pub fn con_id(&self) -> i32 {
        self.con_id
    }

    /// The reader got this record.
    pub fn took(&mut self, kind: TickKind, hour: i64, sequence: u64) {
        let known = self.last.entry((kind, hour)).or_default();
        *known = sequence.max(*known);
        if self.hours(kind).count() > HOURS_KEPT
            && let Some(oldest) = self.first_hour(kind)
        {
            self.last.remove(&(kind, oldest));
        }
    }

    /// Whether the reader got this record before. Hours before the known ones are done.
    #[must_use]
    pub fn has(&self, kind: TickKind, hour: i64, sequence: u64) -> bool {
        match self.last.get(&(kind, hour)) {
            Some(last) => sequence <= *last,
            None => self.first_hour(kind).is_some_and(|first| hour < first),
        }
    }

    /// The oldest hour that may have more for the reader; `None` if it has nothing of this kind.
    #[must_use]
    pub fn first_hour(&self, kind: TickKind) -> Option<i64> {
        self.hours(kind).next()
    }

    fn hours(&self, kind: TickKind) -> impl Iterator<Item = i64> + '_ {
        self.last.range((kind, i64::MIN)..=(kind, i64::MAX)).map(|((_, hour), _)| *hour)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.con_id)?;
        for (index, ((kind, hour), sequence)) in self.last.iter().enumerate() {
            let comma = if index > 0 { ',' } else { '/' };
            write!(f, "{comma}{}:{hour}:{sequence}", kind.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let record = |text: &str| {
            let mut parts = text.split(':');
            let kind = TickKind::parse(parts.next()?)?;
            let (hour, sequence): (i64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let whole = parts.next().is_none() && hour >= 0 && hour % SECONDS_PER_HOUR == 0;
            whole.then_some((kind, hour, sequence))
        };
        if text.len() > MAX_TEXT {
            return Err(NotACursor);
        }
        let (con_id, records) = text.split_once('/').ok_or(NotACursor)?;
        let mut cursor = Self::new(con_id.parse().map_err(|_| NotACursor)?);
        for part in records.split(',') {
            let (kind, hour, sequence) = record(part).ok_or(NotACursor)?;
            cursor.took(kind, hour, sequence);
        }
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 1_795_467_600;

    #[test]
    fn a_cursor_is_read_back() {
        let mut cursor = Cursor::new(7);
        cursor.took(TickKind::Last, HOUR, 7);
        cursor.took(TickKind::BidAsk, HOUR, 9);
        cursor.took(TickKind::Last, HOUR + 3_600, 1);
        let text = cursor.to_string();
        assert_eq!(text, format!("7/last:{HOUR}:7,last:{}:1,bid_ask:{HOUR}:9", HOUR + 3_600));
        assert_eq!(text.parse(), Ok(cursor));
        for text in
            ["", "last:3600:1", "7", "7/", "7/last", "7/last:1:1", "7/last:3600:x", "7/lost:3600:1", "7/last:3600:1:1"]
        {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
    }

    #[test]
    fn a_late_tick_of_the_old_hour_is_new_and_older_hours_are_done() {
        let mut cursor = Cursor::new(7);
        cursor.took(TickKind::Last, HOUR, 7);
        cursor.took(TickKind::Last, HOUR + 3_600, 2);
        assert!(cursor.has(TickKind::Last, HOUR, 7) && !cursor.has(TickKind::Last, HOUR, 8));
        assert!(cursor.has(TickKind::Last, HOUR - 3_600, 99) && !cursor.has(TickKind::Last, HOUR + 7_200, 1));
        assert!(!cursor.has(TickKind::BidAsk, HOUR, 1));
        cursor.took(TickKind::Last, HOUR + 7_200, 1);
        assert!(cursor.has(TickKind::Last, HOUR, 8));
        assert_eq!(cursor.first_hour(TickKind::Last), Some(HOUR + 3_600));
    }
}
