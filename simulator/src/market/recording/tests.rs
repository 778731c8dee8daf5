use std::sync::Arc;

use super::*;
use crate::market::catalog::{BTC_USD_CON_ID, Catalog};

fn sample() -> Recording {
    Recording {
        length_s: 3,
        quotes: [(0, 1.0, 2.0), (10_000, 1.5, 2.5), (999_000, 1.0, 3.0), (2_000_000, 1.0, 2.0)]
            .map(|(at, bid, ask)| (at, quote(bid, ask, 0.5, 1.25)))
            .to_vec(),
        trades: vec![(500_000, trade(2.0, 0.1, "", "")), (500_000, trade(2.0, 0.1, "", ""))],
    }
}

/// With all that the tables can hold.
fn rich() -> Recording {
    let mut recording = sample();
    recording.quotes[1] = (10_001, quote(-0.25, 1e9, 0.0, 1e-8));
    recording.trades.push((2_999_999, trade(0.1 + 0.2, 3.0, "BATS", "T, I")));
    recording
}

fn contract() -> Contract {
    Catalog::on(jiff::civil::date(2026, 11, 24)).by_id(BTC_USD_CON_ID).unwrap().clone()
}

#[test]
fn survives_its_file_in_each_format() {
    let dir = tempfile::tempdir().unwrap();
    for (name, recording) in
        [("x.ticks", sample()), ("x", sample()), ("x.csv", rich()), ("x.CSV", rich()), ("x.parquet", rich())]
    {
        let path = dir.path().join(name);
        recording.save(&path).unwrap();
        assert_eq!(Recording::load(&path).unwrap(), recording, "{name}");
    }
    let magic = |name: &str| std::fs::read(dir.path().join(name)).unwrap()[..4].to_vec();
    assert_eq!(magic("x.csv"), b"ts_e");
    assert_eq!(magic("x.parquet"), b"PAR1");
    assert_eq!(magic("x.ticks")[..2], [0x1f, 0x8b]);
}

#[test]
fn loops_with_real_spacing() {
    let contract = contract();
    for start in [0, 3, 3_000_000, 1_800_000_003] {
        let start = start / 3 * 3;
        let quotes = sample().bodies(TickType::BidAsk, start, &contract);
        assert_eq!(quotes.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 10_000, 999_000]);
        // 1.5 before the seam and at 0; 2.0 at 10 ms and 999 ms.
        assert_eq!(sample().bodies(TickType::MidPoint, start, &contract), [(10_000, Body::Mid(2.0))]);
        assert_eq!(sample().bodies(TickType::MidPoint, start + 2, &contract), [(0, Body::Mid(1.5))]);
        assert_eq!(sample().bodies(TickType::Last, start, &contract).len(), 2);
        assert!(sample().bodies(TickType::BidAsk, start + 1, &contract).is_empty());
    }
}

#[test]
fn a_trade_without_an_exchange_is_the_contracts() {
    let exchange = |second| {
        let trades: Vec<_> = rich().trades(second, &contract()).collect();
        trades[0].1.exchange
    };
    assert_eq!([exchange(0), exchange(2)], ["PAXOS", "BATS"]);
}

#[test]
fn knows_the_quote_in_force() {
    let bid = |second, until| sample().last_quote(second, until).unwrap();
    assert_eq!(bid(0, 9_999), quote(1.0, 2.0, 0.5, 1.25));
    assert_eq!(bid(0, 10_000), quote(1.5, 2.5, 0.5, 1.25));
    assert_eq!(bid(1, 0), quote(1.0, 3.0, 0.5, 1.25));
    let late = Recording { quotes: sample().quotes[1..].to_vec(), ..sample() };
    assert_eq!(late.last_quote(3, 9_999), Some(quote(1.0, 2.0, 0.5, 1.25)), "of the loop before");
}

#[test]
fn knows_its_pauses() {
    assert_eq!(sample().longest_pauses_ms(), (1_001, 3_000));
}

fn message(name: &str, content: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    let text = Recording::load(&path).unwrap_err().to_string();
    text.strip_prefix(&path.display().to_string()).unwrap().to_owned()
}

#[test]
fn refuses_text_that_is_no_recording() {
    let message = |content: &str| message("x.ticks", content.as_bytes());
    assert_eq!(message("hello"), ", line 1: not a recording of ib-gateway-sim");
    assert_eq!(message("ib-gateway-sim ticks 1 0\n"), ", line 1: not a recording of ib-gateway-sim");
    assert_eq!(message("ib-gateway-sim ticks 1 2\n"), ": no quotes");
    assert_eq!(message("ib-gateway-sim ticks 1 2\nq,1,1,2,3\n"), ", line 2: neither a quote nor a trade");
    assert_eq!(message("ib-gateway-sim ticks 1 2\nq,2000,1,2,3,4\n"), ", line 2: time beyond the length");
    assert_eq!(message("ib-gateway-sim ticks 1 2\nq,5,1,2,3,4\nq,4,1,2,3,4\n"), ", line 3: not in the order of time");
}

#[test]
fn reads_csv_of_other_programs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.csv");
    // Other columns, another order, spaces, no conditions, real times.
    let text = "sequence, bid, ask, bid_size, ask_size, ts_event, price, size, exchange\n\
                1, 99.5, 100, 3, 4, 1793293200250000, , , \n\
                2, , , , , 1793293201000001, 100, 0.5, IEX\n";
    std::fs::write(&path, text).unwrap();
    let expected = Recording {
        length_s: 2,
        quotes: vec![(250_000, quote(99.5, 100.0, 3.0, 4.0))],
        trades: vec![(1_000_001, trade(100.0, 0.5, "IEX", ""))],
    };
    assert_eq!(Recording::load(&path).unwrap(), expected);
}

#[test]
fn refuses_malformed_csv_and_says_where() {
    let rows =
        |rows: &str| message("x.csv", format!("ts_event,price,size,bid,ask,bid_size,ask_size\n{rows}").as_bytes());
    assert_eq!(message("x.csv", b""), ": no column ts_event in the first line");
    assert_eq!(message("x.csv", b"time,bid\n1,2\n"), ": no column ts_event in the first line");
    assert_eq!(rows(""), ": no quotes");
    assert_eq!(rows("1,5,2,,,,\n"), ": no quotes");
    assert_eq!(rows("1.5,,,1,2,3,4\n"), ", row 1, column ts_event: not whole microseconds");
    assert_eq!(rows(",,,1,2,3,4\n"), ", row 1, column ts_event: empty");
    assert_eq!(rows("2,,,1,2,3,4\n1,,,1,2,3,4\n"), ", row 2, column ts_event: not in the order of time");
    assert_eq!(
        rows("1,,,1,2,3,4\n9000000000000000000,,,1,2,3,4\n"),
        ", row 2, column ts_event: more than 136 years after the first row"
    );
    assert_eq!(rows("1,,,1,two,3,4\n"), ", row 1, column ask: not a number");
    assert_eq!(rows("1,,,1,NaN,3,4\n"), ", row 1, column ask: not a finite number");
    assert_eq!(rows("1,,,1,,3,4\n"), ", row 1, column ask: empty");
    assert_eq!(rows("1,,,1,2,-3,4\n"), ", row 1, column bid_size: negative");
    assert_eq!(rows("1,5,,,,,\n"), ", row 1, column size: empty");
    assert_eq!(rows("1,5,1,1,2,3,4\n"), ", row 1, column price: a row is a trade or a quote, not both");
    assert_eq!(rows("1,,,,,,\n"), ", row 1, column price: a row needs price or bid");
    let ragged = rows("1,,,1,2,3\n");
    assert!(ragged.contains("record 1") && ragged.contains("6 fields"), "{ragged}");
}

#[test]
fn refuses_malformed_parquet_and_says_what() {
    assert!(message("x.parquet", b"ts_event,bid").starts_with(": "));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    sample().save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(message("x.parquet", &whole[..whole.len() - 9]).starts_with(": "));
    // Pages damaged behind an intact footer.
    let mut damaged = whole;
    damaged[4..60].fill(0xff);
    assert!(message("x.parquet", &damaged).starts_with(": "));
}

/// A Parquet file with one row: `5` in each column of a schema, of which all are required INT64 or DOUBLE.
fn parquet_of(schema: &str) -> Vec<u8> {
    use parquet::data_type::{DoubleType, Int64Type};
    use parquet::file::writer::SerializedFileWriter;
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let columns: Vec<_> = schema.get_fields().to_vec();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in columns {
        let mut out = group.next_column().unwrap().unwrap();
        match column.get_physical_type() {
            parquet::basic::Type::INT64 => out.typed::<Int64Type>().write_batch(&[5], None, None).unwrap(),
            _ => out.typed::<DoubleType>().write_batch(&[5.0], None, None).unwrap(),
        };
        out.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn reads_parquet_of_other_programs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    let sizes = "required int64 bid_size; required int64 ask_size; required int64 sequence (INTEGER(64, false));";
    for (time, at) in [
        ("required int64 ts_event", 5),
        ("required int64 ts_event (TIMESTAMP(MICROS, true))", 5),
        ("required int64 ts_event (TIMESTAMP(MILLIS, true))", 5_000),
        ("required int64 ts_event (TIMESTAMP(NANOS, true))", 0),
    ] {
        let schema = format!("message m {{ {sizes} required double bid; required double ask; {time}; }}");
        std::fs::write(&path, parquet_of(&schema)).unwrap();
        let expected = Recording { length_s: 1, quotes: vec![(at, quote(5.0, 5.0, 5.0, 5.0))], trades: Vec::new() };
        assert_eq!(Recording::load(&path).unwrap(), expected, "{time}");
    }
}

#[test]
fn refuses_parquet_columns_of_other_types() {
    let types = |columns: &str| message("x.parquet", &parquet_of(&format!("message m {{ {columns} }}")));
    assert_eq!(types("required double bid;"), ": no column ts_event");
    assert_eq!(types("required double ts_event;"), ": column ts_event: not microseconds as INT64, or a TIMESTAMP");
    assert_eq!(
        types("required int64 ts_event; required int64 bid (DECIMAL(9, 2));"),
        ": column bid: not a number (DOUBLE, FLOAT or a signed integer)"
    );
    assert_eq!(types("required int64 ts_event; required int64 exchange;"), ": column exchange: not text (UTF8)");
    assert_eq!(types("required int64 ts_event; required double price;"), ", row 1, column size: empty");
}

#[test]
fn refuses_more_ticks_in_a_second_than_can_be_numbered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.csv");
    let mut recording = sample();
    let crowd = |count: usize| vec![(2_500_000, quote(1.0, 2.0, 1.0, 1.0)); count];
    recording.quotes = crowd(MAX_PER_SECOND);
    recording.save(&path).unwrap();
    Recording::load(&path).unwrap();
    recording.quotes = crowd(MAX_PER_SECOND + 1);
    recording.save(&path).unwrap();
    let error = Recording::load(&path).unwrap_err().to_string();
    assert!(error.ends_with("more than 60000 quotes or trades in second 2"), "{error}");
}
