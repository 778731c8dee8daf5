//! A table of ticks as CSV, with a line of names first.

use std::fs::File;
use std::io;
use std::path::Path;

use super::table::{self, COLUMNS, Problem, Row, Table};
use super::{Recording, RecordingError};

pub(super) fn load(path: &Path) -> Result<Recording, RecordingError> {
    let io = |cause| RecordingError::Io { path: path.to_owned(), cause };
    let broken = |what: String| RecordingError::Table { path: path.to_owned(), what };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(File::open(path).map_err(io)?);
    let names = reader.headers().map_err(|error| broken(error.to_string()))?;
    let places = COLUMNS.map(|column| names.iter().position(|name| name == column));
    if places[0].is_none() {
        return Err(broken(format!("no column {} in the first line", table::TS_EVENT)));
    }
    let mut table = Table::default();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(|error| broken(error.to_string()))?;
        let cells = places.map(|place| place.and_then(|place| record.get(place)).filter(|cell| !cell.is_empty()));
        row(cells).and_then(|row| table.push(&row)).map_err(|(column, what)| RecordingError::Cell {
            path: path.to_owned(),
            row: number + 1,
            column,
            what,
        })?;
    }
    Ok(table.finish())
}

/// Reads the cells, which are in the order of the columns.
fn row(cells: [Option<&str>; COLUMNS.len()]) -> Result<Row, Problem> {
    fn parse<T: std::str::FromStr>(cell: Option<&str>, problem: Problem) -> Result<Option<T>, Problem> {
        cell.map(|cell| cell.parse().map_err(|_| problem)).transpose()
    }
    let number = |place: usize| parse(cells[place], (COLUMNS[place], "not a number"));
    Ok(Row {
        ts_event: parse(cells[0], (COLUMNS[0], "not whole microseconds"))?,
        price: number(1)?,
        size: number(2)?,
        exchange: cells[3].map(str::to_owned),
        conditions: cells[4].map(str::to_owned),
        bid: number(5)?,
        ask: number(6)?,
        bid_size: number(7)?,
        ask_size: number(8)?,
    })
}

pub(super) fn write(recording: &Recording, file: File) -> io::Result<File> {
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(COLUMNS)?;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for row in table::rows(recording) {
        writer.write_record([
            row.ts_event.map(|at| at.to_string()).unwrap_or_default(),
            number(row.price),
            number(row.size),
            row.exchange.unwrap_or_default(),
            row.conditions.unwrap_or_default(),
            number(row.bid),
            number(row.ask),
            number(row.bid_size),
            number(row.ask_size),
        ])?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}
