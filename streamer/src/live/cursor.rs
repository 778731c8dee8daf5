//! How far a reader is: the identifier of an event, from which a reader that was cut off reads on.

use std::{collections::BTreeMap, fmt, str::FromStr};

use marketstream_proto::{
    TickKind,
    layout::{Part, SECONDS_PER_HOUR},
};

/// Hours that are kept of each kind and part: at the turn of an hour a tick of the old one may follow one of the new.
const HOURS_KEPT: usize = 2;
/// Longest text: six kinds of two parts and two hours each.
const MAX_TEXT: usize = 1280;
/// What stands behind the kind of ticks that were fetched, as in the names of their files.
const BACKFILL: &str = "_backfill";

/// The last record that a reader has of the hourly files of one contract, by kind of tick, part and start of the hour. Its
/// text is the contract's number, a slash, and `kind:hour:sequence`, joined by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    con_id: i32,
    last: BTreeMap<(TickKind, Part, i64), u64>,
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
    pub fn took(&mut self, kind: TickKind, part: Part, hour: i64, sequence: u64) {
        let known = self.last.entry((kind, part, hour)).or_default();
        *known = sequence.max(*known);
        let oldest = self.hours(kind, part).next().filter(|_| self.hours(kind, part).count() > HOURS_KEPT);
        if let Some(oldest) = oldest {
            self.last.remove(&(kind, part, oldest));
        }
    }

    /// Whether the reader got this record before. Hours before the known ones are done.
    #[must_use]
    pub fn has(&self, kind: TickKind, part: Part, hour: i64, sequence: u64) -> bool {
        match self.last.get(&(kind, part, hour)) {
            Some(last) => sequence <= *last,
            None => self.hours(kind, part).next().is_some_and(|first| hour < first),
        }
    }

    /// The oldest hour that may have more of these parts for the reader; `None` if it has nothing of this kind.
    #[must_use]
    pub fn first_hour(&self, kind: TickKind, parts: &[Part]) -> Option<i64> {
        parts.iter().filter_map(|part| self.hours(kind, *part).next()).min()
    }

    fn hours(&self, kind: TickKind, part: Part) -> impl Iterator<Item = i64> + '_ {
        self.last.range((kind, part, i64::MIN)..=(kind, part, i64::MAX)).map(|((.., hour), _)| *hour)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.con_id)?;
        for (index, ((kind, part, hour), sequence)) in self.last.iter().enumerate() {
            let comma = if index > 0 { ',' } else { '/' };
            let part = if *part == Part::Backfill { BACKFILL } else { "" };
            write!(f, "{comma}{}{part}:{hour}:{sequence}", kind.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let record = |text: &str| {
            let mut parts = text.split(':');
            let name = parts.next()?;
            let (kind, part) = match name.strip_suffix(BACKFILL) {
                Some(kind) => (kind, Part::Backfill),
                None => (name, Part::Live),
            };
            let kind = TickKind::parse(kind)?;
            let (hour, sequence): (i64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let whole = parts.next().is_none() && hour >= 0 && hour % SECONDS_PER_HOUR == 0;
            whole.then_some((kind, part, hour, sequence))
        };
        if text.len() > MAX_TEXT {
            return Err(NotACursor);
        }
        let (con_id, records) = text.split_once('/').ok_or(NotACursor)?;
        let mut cursor = Self::new(con_id.parse().map_err(|_| NotACursor)?);
        for one in records.split(',') {
            let (kind, part, hour, sequence) = record(one).ok_or(NotACursor)?;
            cursor.took(kind, part, hour, sequence);
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
        cursor.took(TickKind::Last, Part::Live, HOUR, 7);
        cursor.took(TickKind::BidAsk, Part::Live, HOUR, 9);
        cursor.took(TickKind::Last, Part::Live, HOUR + 3_600, 1);
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
        cursor.took(TickKind::Last, Part::Live, HOUR, 7);
        cursor.took(TickKind::Last, Part::Live, HOUR + 3_600, 2);
        assert!(cursor.has(TickKind::Last, Part::Live, HOUR, 7) && !cursor.has(TickKind::Last, Part::Live, HOUR, 8));
        assert!(
            cursor.has(TickKind::Last, Part::Live, HOUR - 3_600, 99)
                && !cursor.has(TickKind::Last, Part::Live, HOUR + 7_200, 1)
        );
        assert!(!cursor.has(TickKind::BidAsk, Part::Live, HOUR, 1));
        cursor.took(TickKind::Last, Part::Live, HOUR + 7_200, 1);
        assert!(cursor.has(TickKind::Last, Part::Live, HOUR, 8));
        assert_eq!(cursor.first_hour(TickKind::Last, &[Part::Live]), Some(HOUR + 3_600));
    }

    #[test]
    fn what_was_fetched_is_counted_by_itself() {
        let both = [Part::Live, Part::Backfill];
        let mut cursor = Cursor::new(7);
        cursor.took(TickKind::Last, Part::Live, HOUR, 7);
        assert!(!cursor.has(TickKind::Last, Part::Backfill, HOUR, 1));
        cursor.took(TickKind::Last, Part::Backfill, HOUR - 3_600, 3);
        assert!(cursor.has(TickKind::Last, Part::Backfill, HOUR - 3_600, 3));
        assert!(!cursor.has(TickKind::Last, Part::Backfill, HOUR, 3));
        let text = cursor.to_string();
        assert_eq!(text, format!("7/last:{HOUR}:7,last_backfill:{}:3", HOUR - 3_600));
        assert_eq!(text.parse(), Ok(cursor.clone()));
        assert_eq!(cursor.first_hour(TickKind::Last, &both), Some(HOUR - 3_600));
        assert_eq!(cursor.first_hour(TickKind::Last, &both[..1]), Some(HOUR));
        // All kinds of all parts and hours fit into an id.
        for (kind, part) in TickKind::ALL.into_iter().flat_map(|kind| both.map(|part| (kind, part))) {
            for hour in [253_402_297_200, 253_402_300_800 - 7_200] {
                cursor.took(kind, part, hour, u64::MAX);
            }
        }
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
}
