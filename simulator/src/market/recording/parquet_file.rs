//! A table of ticks as Parquet, with any of the usual compressions but gzip, Brotli and LZ4.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{
    Compression, ConvertedType, LogicalType, Repetition, TimeUnit, TimestampType, Type as PhysicalType, ZstdLevel,
};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{Type, TypePtr};

use super::table::{self, COLUMNS, Row, Table};
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
    let wrong = |what: String| RecordingError::Table { path: path.to_owned(), what };
    let broken = |error: ParquetError| wrong(error.to_string());
    let reader = SerializedFileReader::new(File::open(path).map_err(io)?).map_err(broken)?;
    let schema = reader.metadata().file_metadata().schema();
    let columns = columns(schema).map_err(wrong)?;
    let nanoseconds = columns.iter().any(|column| is_nanoseconds(column));
    let projection = Type::group_type_builder(schema.name()).with_fields(columns).build().map_err(broken)?;
    let mut table = Table::default();
    for (number, record) in reader.get_row_iter(Some(projection)).map_err(broken)?.enumerate() {
        let mut row = Row::default();
        for (name, field) in record.map_err(broken)?.get_column_iter() {
            put(&mut row, name, field);
        }
        if nanoseconds {
            row.ts_event = row.ts_event.map(|at| at.div_euclid(1_000));
        }
        table.push(&row).map_err(|(column, what)| RecordingError::Cell {
            path: path.to_owned(),
            row: number + 1,
            column,
            what,
        })?;
    }
    Ok(table.finish())
}

/// Those columns of a file that are ours, their types checked. The rest is not read.
fn columns(schema: &Type) -> Result<Vec<TypePtr>, String> {
    let ours: Vec<_> = schema.get_fields().iter().filter(|field| COLUMNS.contains(&field.name())).cloned().collect();
    if !ours.iter().any(|column| column.name() == table::TS_EVENT) {
        return Err(format!("no column {}", table::TS_EVENT));
    }
    for column in &ours {
        let (fits, wanted) = match column.name() {
            table::TS_EVENT => (is_time(column), "microseconds as INT64, or a TIMESTAMP"),
            table::EXCHANGE | table::CONDITIONS => (is_text(column), "text (UTF8)"),
            _ => (is_number(column), "a number (DOUBLE, FLOAT or a signed integer)"),
        };
        if !fits {
            return Err(format!("column {}: not {wanted}", column.name()));
        }
    }
    Ok(ours)
}

/// How a column's values are stored, and what they mean; none of a column of lists or groups.
fn kind(column: &Type) -> Option<(PhysicalType, ConvertedType)> {
    let info = column.get_basic_info();
    let plain = column.is_primitive() && info.repetition() != Repetition::REPEATED;
    plain.then(|| (column.get_physical_type(), info.converted_type()))
}

fn is_time(column: &Type) -> bool {
    use ConvertedType::{INT_64, NONE, TIMESTAMP_MICROS, TIMESTAMP_MILLIS};
    matches!(kind(column), Some((PhysicalType::INT64, NONE | INT_64 | TIMESTAMP_MICROS | TIMESTAMP_MILLIS)))
}

/// What many programs write by default. The older notation of types has no name for it.
fn is_nanoseconds(column: &Type) -> bool {
    let logical = column.get_basic_info().logical_type_ref();
    matches!(logical, Some(LogicalType::Timestamp(TimestampType { unit: TimeUnit::NANOS, .. })))
}

fn is_text(column: &Type) -> bool {
    matches!(kind(column), Some((PhysicalType::BYTE_ARRAY, ConvertedType::UTF8)))
}

fn is_number(column: &Type) -> bool {
    use ConvertedType::{INT_32, INT_64, NONE};
    matches!(
        kind(column),
        Some(
            (PhysicalType::DOUBLE | PhysicalType::FLOAT, NONE)
                | (PhysicalType::INT32, NONE | INT_32)
                | (PhysicalType::INT64, NONE | INT_64)
        )
    )
}

/// Puts a field into its place in the row. What [`columns`] lets through has no other fields than these.
fn put(row: &mut Row, name: &str, field: &Field) {
    let number = match *field {
        Field::Double(value) => Some(value),
        Field::Float(value) => Some(f64::from(value)),
        Field::Long(value) => Some(value as f64),
        Field::Int(value) => Some(f64::from(value)),
        _ => None,
    };
    let text = if let Field::Str(text) = field { Some(text.clone()) } else { None };
    match name {
        table::TS_EVENT => {
            row.ts_event = match *field {
                Field::Long(at) | Field::TimestampMicros(at) => Some(at),
                Field::TimestampMillis(at) => at.checked_mul(1_000),
                _ => None,
            }
        }
        table::EXCHANGE => row.exchange = text,
        table::CONDITIONS => row.conditions = text,
        table::PRICE => row.price = number,
        table::SIZE => row.size = number,
        table::BID => row.bid = number,
        table::ASK => row.ask = number,
        table::BID_SIZE => row.bid_size = number,
        table::ASK_SIZE => row.ask_size = number,
        _ => {}
    }
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
