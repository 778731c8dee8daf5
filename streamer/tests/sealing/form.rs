//! A sealed file has the form that the manual describes.

use std::{collections::BTreeSet, fs::File};

use marketstream_proto::TickKind;
use parquet::{
    basic::{Compression, LogicalType, TimeUnit},
    file::reader::{FileReader, SerializedFileReader},
};

use super::data::{Data, HOUR};

const START: i64 = 1_795_464_000;
const MANUAL: &str = include_str!("../../../docs/storage.md");

/// The columns of the manual's table.
fn listed() -> BTreeSet<String> {
    let table = MANUAL.lines().skip_while(|line| *line != "| column | meaning |").skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).map(|line| line.split('|').nth(1).unwrap());
    let names: Vec<String> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    let numbers = ["price", "size", "bid", "ask", "bid_size", "ask_size", "mid", "volume"];
    assert!(names.contains(&"..._exact".to_owned()) && numbers.iter().all(|name| names.contains(&(*name).to_owned())));
    let exact = numbers.map(|name| format!("{name}_exact"));
    names.into_iter().filter(|name| !name.starts_with("...")).chain(exact).collect()
}

#[test]
fn columns_types_dictionaries_and_compression_are_those_of_the_manual() {
    let mut data = Data::new();
    data.record(TickKind::Last, START, 500);
    assert_eq!(data.seal(START + 2 * HOUR).files, 1);
    let path = data.path().join(&data.sealed()[0]);
    assert!(
        data.sealed()[0].starts_with("parquet/ticks/tick=last/con_id=711280073/date=2026-11-23"),
        "{}",
        path.display()
    );
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    let names: BTreeSet<String> = columns.iter().map(|column| column.column_path().string()).collect();
    assert_eq!(names, listed());
    for column in columns {
        let (name, form) = (column.column_path().string(), column.column_descr());
        assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}: {:?}", column.compression());
        match name.as_str() {
            "ts_event" | "ts_recv" => {
                let utc = LogicalType::timestamp(true, TimeUnit::MICROS);
                assert_eq!(form.logical_type_ref(), Some(&utc), "{name}");
            }
            "exchange" | "conditions" | "source" => {
                assert!(column.dictionary_page_offset().is_some(), "{name} has no dictionary");
            }
            exact if exact.ends_with("_exact") => {
                assert_eq!((form.type_precision(), form.type_scale()), (38, 12), "{name}");
            }
            _ => {}
        }
    }
}
