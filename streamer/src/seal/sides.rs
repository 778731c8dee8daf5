//! The side tables: instruments, sessions, gaps, and what each trading day has (coverage).

use std::{collections::BTreeSet, fs, io, path::Path};

use jiff::civil::Date;

use super::{
    columns::{Column, Get, TableWriter},
    instruments::{self, Instrument, Session},
    record::{self, DayRecord},
    staging::Staging,
};
use crate::backfill::ledger::{Gap, GapState};

/// Folder of all sealed files, below the data directory.
pub const PARQUET: &str = "parquet";
const MICROS: i64 = 1_000_000;

const INSTRUMENTS: &[Column<Instrument>] = &[
    ("con_id", Get::Whole(|row| Some(row.con_id.into()))),
    ("contract", Get::Text(|row| Some(&row.contract))),
    ("symbol", Get::Text(|row| some(&row.symbol))),
    ("local_symbol", Get::Text(|row| some(&row.local_symbol))),
    ("sec_type", Get::Text(|row| some(&row.sec_type))),
    ("exchange", Get::Text(|row| some(&row.exchange))),
    ("currency", Get::Text(|row| some(&row.currency))),
    ("multiplier", Get::Text(|row| some(&row.multiplier))),
    ("trading_class", Get::Text(|row| some(&row.trading_class))),
    ("last_trade_date", Get::Text(|row| some(&row.last_trade_date))),
    ("min_tick", Get::Double(|row| Some(row.min_tick))),
    ("min_tick_exact", Get::Decimal(|row| Some(row.min_tick))),
    ("long_name", Get::Text(|row| some(&row.long_name))),
    ("time_zone", Get::Text(|row| some(&row.time_zone))),
];

const SESSIONS: &[Column<(i32, Session)>] = &[
    ("con_id", Get::Whole(|row| Some(row.0.into()))),
    ("date", Get::Date(|row| days_since_1970(row.1.date))),
    ("kind", Get::Text(|row| Some(if row.1.liquid { "liquid" } else { "trading" }))),
    ("open", Get::Time(|row| row.1.open.checked_mul(MICROS))),
    ("close", Get::Time(|row| row.1.close.checked_mul(MICROS))),
];

/// A gap, with the names that the streamer's HTTP port gives its cause and its state.
struct GapRow {
    gap: Gap,
    cause: String,
    state: String,
}

const GAPS: &[Column<GapRow>] = &[
    ("id", Get::Whole(|row| i64::try_from(row.gap.id).ok())),
    ("contract", Get::Text(|row| Some(&row.gap.contract))),
    ("con_id", Get::Whole(|row| Some(row.gap.stream.con_id.into()))),
    ("tick", Get::Text(|row| Some(row.gap.stream.kind.as_str()))),
    ("after", Get::Time(|row| row.gap.after?.checked_mul(MICROS))),
    ("before", Get::Time(|row| row.gap.before?.checked_mul(MICROS))),
    ("cause", Get::Text(|row| Some(&row.cause))),
    ("state", Get::Text(|row| Some(&row.state))),
    ("added", Get::Whole(|row| i64::try_from(row.gap.added).ok())),
    ("agreement", Get::Double(|row| row.gap.agreement)),
    ("reason", Get::Text(|row| row.gap.reason.as_deref())),
];

/// What a stream has of a trading day.
struct Coverage {
    day: DayRecord,
    /// Seconds of the day in which ticks may be missing.
    unfilled: i64,
    /// Seconds of the day that history filled as far as it goes.
    approximate: i64,
}

const COVERAGE: &[Column<Coverage>] = &[
    ("con_id", Get::Whole(|row| Some(row.day.stream.con_id.into()))),
    ("tick", Get::Text(|row| Some(row.day.stream.kind.as_str()))),
    ("from", Get::Time(|row| row.day.from.checked_mul(MICROS))),
    ("to", Get::Time(|row| row.day.to.checked_mul(MICROS))),
    ("complete", Get::Flag(|row| row.day.complete)),
    ("hours", Get::Whole(|row| i64::try_from(row.day.hours.len()).ok())),
    ("ticks", Get::Whole(|row| i64::try_from(row.day.hours.values().map(|hour| hour.rows).sum::<u64>()).ok())),
    ("fetched", Get::Whole(|row| i64::try_from(row.day.hours.values().map(|hour| hour.fetched).sum::<u64>()).ok())),
    ("unfilled_seconds", Get::Whole(|row| Some(row.unfilled))),
    ("approximate_seconds", Get::Whole(|row| Some(row.approximate))),
    ("rev", Get::Whole(|row| row.day.files.values().map(|file| file.rev.into()).max())),
];

/// Writes the side tables that have changed; `coverage` of the days that end after `since`, seconds since 1970.
///
/// # Errors
/// When the volume refuses it.
pub fn write(data_dir: &Path, staging: &Staging, gaps: &[Gap], since: i64) -> io::Result<()> {
    let instruments = instruments::all(data_dir);
    let sessions = instruments.iter().flat_map(|known| known.sessions.iter().map(|session| (known.con_id, *session)));
    let target = |table: &str| data_dir.join(PARQUET).join(table).join(format!("{table}.parquet"));
    put(staging, &target("sessions"), SESSIONS, sessions.collect())?;
    let row =
        |gap: &Gap| GapRow { gap: gap.clone(), cause: format!("{:?}", gap.cause), state: format!("{:?}", gap.state) };
    put(staging, &target("gaps"), GAPS, gaps.iter().map(row).collect())?;
    put(staging, &target("instruments"), INSTRUMENTS, instruments)?;

    let streams = record::streams(data_dir)?;
    let mut days = Vec::new();
    for stream in streams {
        days.extend(record::days(data_dir, stream, since)?);
    }
    let dates: BTreeSet<Date> = days.iter().map(|day| day.date).collect();
    for date in dates {
        let of_date = days.iter().filter(|day| day.date == date).cloned();
        let rows = of_date.map(|day| coverage(day, gaps)).collect();
        let folder = data_dir.join(PARQUET).join(format!("coverage/date={date}"));
        put(staging, &folder.join("coverage.parquet"), COVERAGE, rows)?;
    }
    Ok(())
}

/// Leaves a table alone that is as it should be: the archive takes a new file for a change.
fn put<R>(staging: &Staging, target: &Path, columns: &'static [Column<R>], rows: Vec<R>) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = TableWriter::new(Vec::new(), columns, &[])?;
    for row in rows {
        table.push(row)?;
    }
    let content = table.finish()?;
    match fs::read(target) {
        Ok(old) if old == content => Ok(()),
        _ => staging.write(target, &content),
    }
}

fn coverage(day: DayRecord, gaps: &[Gap]) -> Coverage {
    let seconds = |wanted: fn(GapState) -> bool| {
        let ranges = gaps.iter().filter(|gap| gap.stream == day.stream && wanted(gap.state));
        union(ranges.filter_map(|gap| within(gap, &day)).collect())
    };
    let unfilled = seconds(|state| matches!(state, GapState::Open | GapState::Pending | GapState::Unfillable));
    let approximate = seconds(|state| state == GapState::Approximate);
    Coverage { day, unfilled, approximate }
}

/// The seconds of a gap within a day. Where the loss began is only known when its look-up is done.
fn within(gap: &Gap, day: &DayRecord) -> Option<(i64, i64)> {
    let from = gap.after?.max(day.from);
    let to = gap.before.map_or(day.to, |before| before.saturating_add(1)).min(day.to);
    (from < to).then_some((from, to))
}

/// Seconds that at least one of the ranges has.
fn union(mut ranges: Vec<(i64, i64)>) -> i64 {
    ranges.sort_unstable();
    let (mut seconds, mut reached) = (0, i64::MIN);
    for (from, to) in ranges {
        seconds += (to - from.max(reached)).max(0);
        reached = reached.max(to);
    }
    seconds
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn days_since_1970(date: Date) -> Option<i32> {
    i32::try_from(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second() / 86_400).ok()
}

#[cfg(test)]
mod tests {
    use marketstream_proto::TickKind;

    use super::*;
    use crate::{
        backfill::ledger::{GapCause, Ledger, Recorded},
        seal::days::Day,
    };

    #[test]
    fn seconds_without_ticks_are_counted_once() {
        let stream = Recorded { con_id: 7, kind: TickKind::Last };
        let day = DayRecord::new(stream, Day { date: Date::constant(2026, 11, 24), from: 1_000, to: 2_000 });
        let mut ledger = Ledger::default();
        for (after, before) in [(900, 1_009), (1_005, 1_014), (1_990, 3_000), (5_000, 6_000)] {
            ledger.open("a", stream, Some(after), GapCause::SessionLost);
            ledger.close(stream, before, 0);
        }
        let coverage = coverage(day, ledger.gaps());
        assert_eq!((coverage.unfilled, coverage.approximate), (15 + 10, 0));
    }

    #[test]
    fn an_unchanged_table_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let staging = Staging::open(data.path()).unwrap();
        let mut ledger = Ledger::default();
        let stream = Recorded { con_id: 7, kind: TickKind::Last };
        ledger.open("a", stream, Some(1), GapCause::SessionLost);
        let path = data.path().join("parquet/gaps/gaps.parquet");
        let written = || fs::metadata(&path).unwrap().modified().unwrap();
        write(data.path(), &staging, ledger.gaps(), 0).unwrap();
        let first = written();
        write(data.path(), &staging, ledger.gaps(), 0).unwrap();
        assert_eq!(written(), first);
        ledger.close(stream, 5, 0);
        write(data.path(), &staging, ledger.gaps(), 0).unwrap();
        assert_ne!(written(), first);
    }
}
