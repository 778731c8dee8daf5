//! The way back: the ticks of one hour out of the sealed files, as they stood in its recordings. For whoever reads on
//! after the recordings have been deleted.

use std::{
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use marketstream_proto::{
    Source, TickMessage,
    layout::{HourFile, MICROS_PER_SECOND, Part, SECONDS_PER_HOUR},
};
use parquet::{
    basic::Type as Physical,
    column::reader::{ColumnReader, ColumnReaderImpl, get_typed_column_reader},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::{ParquetError, Result},
    file::{
        metadata::RowGroupMetaData,
        reader::{FileReader, SerializedFileReader},
        statistics::Statistics,
    },
};

use super::record::{self, DayRecord};
use crate::backfill::ledger::Recorded;

/// Rows that are read at once.
const ROWS: usize = 1_000;
/// How often a file is looked for: the files of a day's hours give way to one of the day, and only once.
const LOOKS: usize = 2;
/// The column by which an hour's row groups are found.
const TIME: &str = "ts_event";

/// The sealed files that hold an hour, open: they can be read whatever becomes of their names meanwhile.
pub struct Sealed {
    file: HourFile,
    days: Arc<[SerializedFileReader<File>]>,
    /// Of the live and the backfill recording, when they were sealed.
    bytes: [u64; 2],
    rows: [u64; 2],
}

impl Sealed {
    /// Finds what is sealed of an hour: nothing is no error.
    ///
    /// # Errors
    /// When a record of the sealed days, or a file, cannot be read.
    pub fn open(data_dir: &Path, file: HourFile) -> io::Result<Self> {
        let stream = Recorded { con_id: file.con_id, kind: file.kind };
        let (mut days, mut bytes, mut rows) = (Vec::new(), [0; 2], [0; 2]);
        for day in record::days_of(data_dir, stream, file.hour..file.hour + SECONDS_PER_HOUR)? {
            let Some(hour) = day.hours.get(&file.hour) else { continue };
            bytes = [bytes[0].max(hour.live), bytes[1].max(hour.backfill)];
            // Without the day's folder its ticks are deleted for good.
            if hour.rows > 0
                && let Some(reader) = open_day(data_dir, &day, file.hour)?
            {
                days.push(reader);
                rows = [rows[0] + hour.rows - hour.fetched, rows[1] + hour.fetched];
            }
        }
        Ok(Self { file, days: days.into(), bytes, rows })
    }

    /// Length of the recording that was sealed, bytes; 0 if there was none.
    #[must_use]
    pub fn bytes(&self, part: Part) -> u64 {
        self.bytes[part as usize]
    }

    /// The ticks of a part; `None` if there are none.
    #[must_use]
    pub fn ticks(&self, part: Part) -> Option<SealedTicks> {
        (self.rows[part as usize] > 0).then(|| SealedTicks::new(self, part))
    }
}

/// The file with an hour of a day: the day's, or the hour's own until the day is over.
fn open_day(data_dir: &Path, day: &DayRecord, hour: i64) -> io::Result<Option<SerializedFileReader<File>>> {
    let folder: PathBuf = data_dir.join(day.folder());
    for _ in 0..LOOKS {
        for name in [day.day_file(), day.part_file(hour)] {
            match File::open(folder.join(name)) {
                Ok(file) => return Ok(Some(SerializedFileReader::new(file)?)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}

/// Gives the ticks of an hour's live or backfill recording in the order of that recording, a bounded piece at a time.
///
/// Sealed rows are in the order of IBKR's seconds, which is that of the recording but for its steps back (see
/// [`runs`](super::runs)). Each pass over the rows gives one run; mostly there is one.
pub struct SealedTicks {
    hour: Range<i64>,
    days: Arc<[SerializedFileReader<File>]>,
    template: TickMessage,
    part: Part,
    /// Files and row groups with rows of the hour.
    groups: Vec<(usize, usize)>,
    /// Which of them is next.
    at: usize,
    open: Option<Group>,
    order: Order,
}

impl SealedTicks {
    fn new(Sealed { file, days, .. }: &Sealed, part: Part) -> Self {
        let hour = file.hour * MICROS_PER_SECOND..(file.hour + SECONDS_PER_HOUR) * MICROS_PER_SECOND;
        let groups = days.iter().enumerate().flat_map(|(day, reader)| {
            let groups = reader.metadata().row_groups().iter().enumerate();
            let hour = &hour;
            groups.filter(move |(_, group)| may_hold(group, hour)).map(move |(group, _)| (day, group))
        });
        let groups = groups.collect();
        let template = TickMessage { cid: file.con_id, tt: file.kind.as_str().to_owned(), ..TickMessage::default() };
        Self { hour, days: days.clone(), template, part, groups, at: 0, open: None, order: Order::default() }
    }

    /// The next ticks, of some thousand rows; `None` at the end.
    ///
    /// # Errors
    /// When a file cannot be read, or is none of ours.
    pub fn piece(&mut self) -> io::Result<Option<Vec<TickMessage>>> {
        let group = match &mut self.open {
            Some(group) => group,
            None => match self.groups.get(self.at) {
                Some((day, group)) => self.open.insert(Group::open(&self.days[*day], *group)?),
                None if self.order.again() => {
                    self.at = 0;
                    return Ok(Some(Vec::new()));
                }
                None => return Ok(None),
            },
        };
        let mut ticks = group.read(&self.template)?;
        if group.left == 0 {
            self.open = None;
            self.at += 1;
        }
        let of_part = |tick: &TickMessage| (tick.source() == Source::Backfill) == (self.part == Part::Backfill);
        ticks.retain(|tick| self.hour.contains(&tick.ts) && of_part(tick) && self.order.is_next(tick.sequence));
        Ok(Some(ticks))
    }
}

/// Which of the rows that come by are next, by their numbers.
#[derive(Debug, Default)]
struct Order {
    /// The last number that was given.
    given: u64,
    /// The least number that came too early.
    early: Option<u64>,
    /// Passes that are over.
    passes: u64,
}

impl Order {
    fn is_next(&mut self, number: u64) -> bool {
        match number {
            // Recordings of other programs have no numbers; their order is that of their seconds.
            0 => self.passes == 0,
            number if number <= self.given => false,
            number if number == self.given + 1 => {
                self.given = number;
                true
            }
            number => {
                self.early = Some(self.early.map_or(number, |early| early.min(number)));
                false
            }
        }
    }

    /// All rows have come by: whether they must once more. Numbers may be missing, of records that nobody could read.
    fn again(&mut self) -> bool {
        self.passes += 1;
        let next = self.early.take();
        self.given = next.map_or(self.given, |next| next - 1);
        next.is_some()
    }
}

/// Whether a row group may have rows of these times; one without statistics may.
fn may_hold(group: &RowGroupMetaData, times: &Range<i64>) -> bool {
    let column = group.columns().iter().find(|column| column.column_descr().name() == TIME);
    match column.and_then(|column| column.statistics()) {
        Some(Statistics::Int64(known)) => {
            known.max_opt().is_none_or(|last| *last >= times.start)
                && known.min_opt().is_none_or(|first| *first < times.end)
        }
        _ => true,
    }
}

/// How a cell of a column goes into a tick.
#[derive(Clone, Copy)]
enum Set {
    Whole(fn(&mut TickMessage, i64)),
    Double(fn(&mut TickMessage, f64)),
    Text(fn(&mut TickMessage, String)),
    Flag(fn(&mut TickMessage)),
}

/// The columns that a tick is made of. What was computed for the readers of the files is passed over.
const COLUMNS: &[(&str, Set)] = &[
    (TIME, Set::Whole(|tick, at| tick.ts = at)),
    ("ts_recv", Set::Whole(|tick, at| tick.st = at)),
    ("seq", Set::Whole(|tick, number| tick.sequence = u64::try_from(number).unwrap_or_default())),
    ("price", Set::Double(|tick, price| tick.p = Some(price))),
    ("size", Set::Double(|tick, size| tick.s = Some(size))),
    ("bid", Set::Double(|tick, price| tick.bp = Some(price))),
    ("bid_size", Set::Double(|tick, size| tick.bs = Some(size))),
    ("ask", Set::Double(|tick, price| tick.ap = Some(price))),
    ("ask_size", Set::Double(|tick, size| tick.r#as = Some(size))),
    ("mid", Set::Double(|tick, price| tick.mp = Some(price))),
    ("volume", Set::Double(|tick, volume| tick.volume = Some(volume))),
    ("exchange", Set::Text(|tick, exchange| tick.exchange = Some(exchange))),
    ("conditions", Set::Text(|tick, conditions| tick.conditions = Some(conditions))),
    ("past_limit", Set::Flag(|tick| tick.past_limit = Some(true))),
    ("unreported", Set::Flag(|tick| tick.upt = Some(true))),
    ("bid_past_low", Set::Flag(|tick| tick.bpl = Some(true))),
    ("ask_past_high", Set::Flag(|tick| tick.aph = Some(true))),
    (
        "source",
        Set::Text(|tick, source| {
            if source == "backfill" {
                tick.set_source(Source::Backfill);
            }
        }),
    ),
];

/// A row group that is being read.
struct Group {
    columns: Vec<Box<dyn Fill>>,
    left: usize,
}

impl Group {
    fn open(reader: &SerializedFileReader<File>, group: usize) -> Result<Self> {
        let group = reader.get_row_group(group)?;
        let known = group.metadata().columns();
        let columns = COLUMNS.iter().map(|(name, set)| {
            let at = known.iter().position(|column| column.column_descr().name() == *name);
            let at = at.ok_or_else(|| ParquetError::General(format!("no column {name}")))?;
            fill(name, known[at].column_type(), group.get_column_reader(at)?, set)
        });
        let columns = columns.collect::<Result<_>>()?;
        Ok(Self { columns, left: usize::try_from(group.metadata().num_rows())? })
    }

    /// The next rows, made from `template`.
    fn read(&mut self, template: &TickMessage) -> Result<Vec<TickMessage>> {
        let mut ticks = vec![template.clone(); self.left.min(ROWS)];
        for column in &mut self.columns {
            column.fill(&mut ticks)?;
        }
        self.left -= ticks.len();
        Ok(ticks)
    }
}

/// A column that is being read.
trait Fill: Send {
    /// Puts its next cells into as many ticks.
    fn fill(&mut self, ticks: &mut [TickMessage]) -> Result<()>;
}

struct Cells<T: DataType, S> {
    reader: ColumnReaderImpl<T>,
    set: S,
}

impl<T: DataType, S: Fn(&mut TickMessage, T::T) -> Result<()> + Send> Fill for Cells<T, S> {
    fn fill(&mut self, ticks: &mut [TickMessage]) -> Result<()> {
        let (mut present, mut values) = (Vec::with_capacity(ticks.len()), Vec::new());
        let (rows, ..) = self.reader.read_records(ticks.len(), Some(&mut present), None, &mut values)?;
        if rows < ticks.len() {
            return Err(ParquetError::EOF("a column has too few rows".to_owned()));
        }
        let mut values = values.into_iter();
        let filled = ticks.iter_mut().zip(present).filter(|(_, present)| *present > 0);
        filled.zip(&mut values).try_for_each(|((tick, _), value)| (self.set)(tick, value))
    }
}

fn fill(name: &str, is: Physical, reader: ColumnReader, set: &Set) -> Result<Box<dyn Fill>> {
    fn cells<T: DataType>(
        reader: ColumnReader,
        set: impl Fn(&mut TickMessage, T::T) -> Result<()> + Send + 'static,
    ) -> Box<dyn Fill> {
        Box::new(Cells { reader: get_typed_column_reader::<T>(reader), set })
    }
    Ok(match (*set, is) {
        (Set::Whole(set), Physical::INT64) => cells::<Int64Type>(reader, move |tick, cell| {
            set(tick, cell);
            Ok(())
        }),
        (Set::Double(set), Physical::DOUBLE) => cells::<DoubleType>(reader, move |tick, cell| {
            set(tick, cell);
            Ok(())
        }),
        (Set::Flag(set), Physical::BOOLEAN) => cells::<BoolType>(reader, move |tick, cell| {
            if cell {
                set(tick);
            }
            Ok(())
        }),
        (Set::Text(set), Physical::BYTE_ARRAY) => cells::<ByteArrayType>(reader, move |tick, cell: ByteArray| {
            set(tick, cell.as_utf8()?.to_owned());
            Ok(())
        }),
        _ => return Err(ParquetError::General(format!("column {name} is {is}"))),
    })
}
