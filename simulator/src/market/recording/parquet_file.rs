//! A table of ticks as Parquet, with any of the usual compressions but gzip, Brotli and LZ4.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;

use super::table::{self, COLUMNS, Problem, Row, Table};
use super::{Recording, RecordingError};

/// What is written. Rows of other programs may have more columns, in any order.
const SCHEMA: &str = "message ticks {
    required int64 ts_event (TIMESTAMP(MICROS, true));
    optional double price;
    optional double size;
    optional binary exchange (STRING);
    optional binary conditions (STRING);
    optional double bid;
    optional double ask;
    optional double bid_size;
    optional double ask_size;
}";

pub(super) fn load(path: &Path) -> Result<Recording, RecordingError> {
    let io = |cause| RecordingError::Io { path: path.to_owned(), cause };
    let broken = |error: ParquetError| RecordingError::Table { path: path.to_owned(), what: error.to_string() };
    let reader = SerializedFileReader::new(File::open(path).map_err(io)?).map_err(broken)?;
    let names = reader.metadata().file_metadata().schema();
    if !names.get_fields().iter().any(|field| field.name() == table::TS_EVENT) {
        let what = format!("no column {}", table::TS_EVENT);
        return Err(RecordingError::Table { path: path.to_owned(), what });
    }
    let mut table = Table::default();
    for (number, record) in reader.get_row_iter(None).map_err(broken)?.enumerate() {
        let record = record.map_err(broken)?;
        let row = record.get_column_iter().try_fold(Row::default(), |row, (name, field)| take(row, name, field));
        row.and_then(|row| table.push(&row)).map_err(|(column, what)| RecordingError::Cell {
            path: path.to_owned(),
            row: number + 1,
            column,
            what,
        })?;
    }
    Ok(table.finish())
}

/// Puts a field into its place in the row; fields of other columns into none.
fn take(mut row: Row, name: &str, field: &Field) -> Result<Row, Problem> {
    let Some(column) = COLUMNS.into_iter().find(|column| *column == name) else { return Ok(row) };
    if matches!(field, Field::Null) {
        return Ok(row);
    }
    let place = match column {
        table::TS_EVENT => {
            row.ts_event = match *field {
                Field::Long(us) | Field::TimestampMicros(us) => Some(us),
                Field::TimestampMillis(ms) => ms.checked_mul(1_000),
                _ => return Err((column, "neither microseconds (INT64) nor TIMESTAMP in ms or µs")),
            };
            return Ok(row);
        }
        table::EXCHANGE | table::CONDITIONS => {
            let Field::Str(text) = field else { return Err((column, "not text (UTF8)")) };
            let place = if column == table::EXCHANGE { &mut row.exchange } else { &mut row.conditions };
            *place = Some(text.clone());
            return Ok(row);
        }
        table::PRICE => &mut row.price,
        table::SIZE => &mut row.size,
        table::BID => &mut row.bid,
        table::ASK => &mut row.ask,
        table::BID_SIZE => &mut row.bid_size,
        _ => &mut row.ask_size,
    };
    *place = match *field {
        Field::Double(value) => Some(value),
        Field::Float(value) => Some(f64::from(value)),
        Field::Long(value) => Some(value as f64),
        Field::Int(value) => Some(f64::from(value)),
        _ => return Err((column, "not a number (DOUBLE, FLOAT or an integer)")),
    };
    Ok(row)
}

pub(super) fn write(recording: &Recording, file: File) -> io::Result<File> {
    encode(&table::rows(recording), file).map_err(io::Error::other)
}

fn encode(rows: &[Row], file: File) -> Result<File, ParquetError> {
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = SerializedFileWriter::new(file, Arc::new(parse_message_type(SCHEMA)?), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    let times: Vec<_> = rows.iter().filter_map(|row| row.ts_event).collect();
    if let Some(mut column) = group.next_column()? {
        column.typed::<Int64Type>().write_batch(&times, None, None)?;
        column.close()?;
    }
    let text = |value: &Option<String>| value.as_deref().map(ByteArray::from);
    let double = |of: fn(&Row) -> Option<f64>| rows.iter().map(of).collect::<Vec<_>>();
    optional::<DoubleType>(&mut group, double(|row| row.price))?;
    optional::<DoubleType>(&mut group, double(|row| row.size))?;
    optional::<ByteArrayType>(&mut group, rows.iter().map(|row| text(&row.exchange)).collect())?;
    optional::<ByteArrayType>(&mut group, rows.iter().map(|row| text(&row.conditions)).collect())?;
    optional::<DoubleType>(&mut group, double(|row| row.bid))?;
    optional::<DoubleType>(&mut group, double(|row| row.ask))?;
    optional::<DoubleType>(&mut group, double(|row| row.bid_size))?;
    optional::<DoubleType>(&mut group, double(|row| row.ask_size))?;
    group.close()?;
    writer.into_inner()
}

/// Writes the next column of the schema.
fn optional<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: Vec<Option<T::T>>,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<_> = values.into_iter().flatten().collect();
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(&present, Some(&levels), None)?;
        column.close()?;
    }
    Ok(())
}
