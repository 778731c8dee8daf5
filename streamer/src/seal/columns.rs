//! Rows to Parquet: a table is a list of columns, each with a name and the way to a row's value.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel},
    data_type::{
        BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
        Int64Type,
    },
    errors::Result,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::{Type, TypePtr},
};

use super::decimal::{self, PRECISION, SCALE};

/// Rows that wait in memory for their row group: some 10 MiB of ticks. Readers skip and parallelise by row groups.
const GROUP: usize = 32_768;
/// Bytes of a 38-digit decimal.
const DECIMAL_BYTES: i32 = 16;
/// Beyond level 3 zstd takes much more time for little less space.
const ZSTD: i32 = 3;

/// What kind of value a column has, and how a row gives it.
pub enum Get<R> {
    /// Microseconds since 1970, UTC.
    Time(fn(&R) -> Option<i64>),
    /// Days since 1970.
    Date(fn(&R) -> Option<i32>),
    /// A whole number.
    Whole(fn(&R) -> Option<i64>),
    /// A double.
    Double(fn(&R) -> Option<f64>),
    /// The exact decimal of a double (see [`decimal`]).
    Decimal(fn(&R) -> Option<f64>),
    /// A text.
    Text(fn(&R) -> Option<&str>),
    /// Yes or no.
    Flag(fn(&R) -> bool),
}

/// A column: its name, and its value.
pub type Column<R> = (&'static str, Get<R>);

/// Writes rows to a Parquet file, one row group after the other. Its memory does not grow with the file.
pub struct TableWriter<R: 'static, W: Write + Send> {
    columns: &'static [Column<R>],
    output: SerializedFileWriter<W>,
    waiting: Vec<R>,
    rows: u64,
}

impl<R, W: Write + Send> TableWriter<R, W> {
    /// A new file; `notes` go to its metadata.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(output: W, columns: &'static [Column<R>], notes: &[(&str, String)]) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD)?))
            .set_created_by("marketstream".to_owned())
            .set_key_value_metadata(Some(
                notes.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect(),
            ))
            .build();
        let output = SerializedFileWriter::new(output, schema(columns)?, Arc::new(properties))?;
        Ok(Self { columns, output, waiting: Vec::new(), rows: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When a row group is full and cannot be written.
    pub fn push(&mut self, row: R) -> Result<()> {
        self.waiting.push(row);
        self.rows += 1;
        if self.waiting.len() >= GROUP { self.write_group() } else { Ok(()) }
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the rest and the footer, and gives the output back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<W> {
        self.write_group()?;
        self.output.into_inner()
    }

    fn write_group(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut group = self.output.next_row_group()?;
        for (_, get) in self.columns {
            write_column(&mut group, get, &self.waiting)?;
        }
        group.close()?;
        self.waiting.clear();
        Ok(())
    }
}

fn write_column<R, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    get: &Get<R>,
    rows: &[R],
) -> Result<()> {
    // The schema was made of the same columns.
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    match get {
        Get::Time(get) | Get::Whole(get) => write::<Int64Type>(&mut column, rows.iter().map(get))?,
        Get::Date(get) => write::<Int32Type>(&mut column, rows.iter().map(get))?,
        Get::Double(get) => write::<DoubleType>(&mut column, rows.iter().map(get))?,
        Get::Decimal(get) => {
            let mut buffer = String::new();
            let exact = |value| decimal::exact(value, &mut buffer);
            let bytes = |value: i128| FixedLenByteArray::from(value.to_be_bytes().to_vec());
            let mut exact = exact;
            write::<FixedLenByteArrayType>(
                &mut column,
                rows.iter().map(|row| get(row).and_then(&mut exact).map(bytes)),
            )?;
        }
        Get::Text(get) => {
            write::<ByteArrayType>(&mut column, rows.iter().map(|row| get(row).map(ByteArray::from)))?;
        }
        Get::Flag(get) => write::<BoolType>(&mut column, rows.iter().map(|row| Some(get(row))))?,
    }
    column.close()
}

fn write<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let (mut values, mut present) = (Vec::new(), Vec::with_capacity(cells.size_hint().0));
    for cell in cells {
        present.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    column.typed::<T>().write_batch(&values, Some(&present), None)?;
    Ok(())
}

fn schema<R>(columns: &[Column<R>]) -> Result<TypePtr> {
    let field = |(name, get): &Column<R>| {
        let (physical, logical) = match get {
            Get::Time(_) => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
            Get::Date(_) => (Physical::INT32, Some(LogicalType::Date)),
            Get::Whole(_) => (Physical::INT64, None),
            Get::Double(_) => (Physical::DOUBLE, None),
            Get::Decimal(_) => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::decimal(SCALE as i32, PRECISION))),
            Get::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Get::Flag(_) => (Physical::BOOLEAN, None),
        };
        let mut field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        if matches!(get, Get::Decimal(_)) {
            field = field.with_length(DECIMAL_BYTES).with_precision(PRECISION).with_scale(SCALE as i32);
        }
        field.build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<_>>()?;
    Type::group_type_builder("marketstream").with_fields(fields).build().map(Arc::new)
}
