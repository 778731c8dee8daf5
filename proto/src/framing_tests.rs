use std::io::Write;

use proptest::prelude::*;

use super::*;

fn tick(sequence: u64) -> TickMessage {
    TickMessage { ts: 1_795_469_313_000_000, cid: 1, tt: "last".to_owned(), sequence, ..TickMessage::default() }
}

fn framed(ticks: &[TickMessage]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for tick in ticks {
        append(&mut bytes, tick).unwrap();
    }
    bytes
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn ticks() -> impl Strategy<Value = Vec<TickMessage>> {
    let price = prop::option::of(any::<f64>().prop_filter("NaN is not equal to itself", |price| !price.is_nan()));
    prop::collection::vec(
        (1_i64..i64::MAX, any::<i64>(), price, prop::option::of(".{0,40}"), 1..=u64::MAX).prop_map(
            |(ts, st, p, exchange, sequence)| TickMessage { ts, st, p, exchange, sequence, ..TickMessage::default() },
        ),
        0..20,
    )
}

#[test]
fn an_impossible_length_ends_the_reading() {
    for length in [0_u32, MAX_RECORD_BYTES as u32 + 1, u32::MAX] {
        let mut bytes = framed(&[tick(1)]);
        let good = bytes.len() as u64;
        bytes.extend(length.to_be_bytes());
        bytes.extend(framed(&[tick(2)]));
        let mut reader = Reader::new(bytes.as_slice());
        assert_eq!(reader.next().unwrap().unwrap(), tick(1));
        let error = reader.next().unwrap().unwrap_err();
        assert!(matches!(error, FrameError::Length { offset, length: l } if offset == good && l == length), "{error}");
        assert!(reader.next().is_none());
    }
}

#[test]
fn a_bad_record_between_good_ones_costs_only_itself() {
    let mut bytes = framed(&[tick(1)]);
    bytes.extend([0, 0, 0, 2, 0xff, 0xff]);
    bytes.extend(framed(&[tick(2)]));
    let length = bytes.len() as u64;
    let read: Vec<_> = Reader::new(bytes.as_slice()).collect();
    assert!(matches!(read.as_slice(), [Ok(_), Err(FrameError::Decode { .. }), Ok(_)]));

    let mut file = file_of(&bytes);
    assert_eq!(
        repair(&mut file).unwrap(),
        Repair { kept: length, cut: 0, records: 2, last_sequence: 2, last_ts: Some(tick(2).ts) }
    );
}

#[test]
fn an_undecodable_tail_is_cut_off() {
    let mut bytes = framed(&[tick(7)]);
    let good = bytes.len() as u64;
    bytes.extend([0, 0, 0, 2, 0xff, 0xff]);
    let mut file = file_of(&bytes);
    assert_eq!(
        repair(&mut file).unwrap(),
        Repair { kept: good, cut: 6, records: 1, last_sequence: 7, last_ts: Some(tick(7).ts) }
    );
    assert_eq!(file.metadata().unwrap().len(), good);
}

#[test]
fn a_tail_of_zeros_is_cut_off() {
    let mut bytes = framed(&[tick(1)]);
    let good = bytes.len() as u64;
    bytes.extend([0; 4096]);
    let mut file = file_of(&bytes);
    assert_eq!(
        repair(&mut file).unwrap(),
        Repair { kept: good, cut: 4096, records: 1, last_sequence: 1, last_ts: Some(tick(1).ts) }
    );
}

#[test]
fn a_record_of_another_program_that_ends_in_a_zero_is_no_torn_tail() {
    let foreign = TickMessage { p: Some(0.0), ..TickMessage::default() }.encode_to_vec();
    assert_eq!(foreign.last(), Some(&0));
    let mut bytes = u32::try_from(foreign.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(&foreign);
    let alone = bytes.len() as u64;
    let behind = framed(&[tick(1), tick(2)]);
    bytes.extend_from_slice(&behind);
    let found = repair(&mut file_of(&bytes)).unwrap();
    assert_eq!((found.records, found.cut, found.last_sequence), (3, 0, 2));
    // With nothing but zeros behind it, it cannot be told from a torn one.
    for zeros in [0, 3, 4, 9] {
        let tail = [&bytes[..bytes.len() - behind.len()], &vec![0; zeros]].concat();
        let found = repair(&mut file_of(&tail)).unwrap();
        assert_eq!((found.records, found.cut), (0, alone + zeros as u64));
    }
}

#[test]
fn a_record_that_no_reader_would_take_is_not_written() {
    let mut buffer = Vec::new();
    let long = TickMessage { exchange: Some("x".repeat(MAX_RECORD_BYTES)), ..tick(1) };
    assert!(append(&mut buffer, &long).is_err());
    assert!(encode_unnumbered(&mut buffer, &long).is_err());
    assert_eq!(append(&mut buffer, &TickMessage::default()), Err(Unstorable::Size(0)));
    assert_eq!(encode_unnumbered(&mut buffer, &TickMessage::default()), Err(Unstorable::Size(0)));
    let unnumbered = TickMessage { p: Some(0.0), sequence: 0, ..tick(0) };
    assert_eq!(append(&mut buffer, &unnumbered), Err(Unstorable::Zero));
    assert!(buffer.is_empty());
    let without_volume = TickMessage { volume: Some(0.0), ..tick(9) };
    assert_eq!(
        Reader::new(framed(std::slice::from_ref(&without_volume)).as_slice()).next().unwrap().unwrap(),
        without_volume
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(ticks in ticks()) {
        let bytes = framed(&ticks);
        let read: Result<Vec<_>, _> = Reader::new(bytes.as_slice()).collect();
        prop_assert_eq!(read.unwrap(), ticks);
    }

    #[test]
    fn what_is_numbered_later_is_read_the_same(ticks in ticks(), sequence in 1..=u64::MAX) {
        let mut bytes = Vec::new();
        for tick in &ticks {
            let mut body = Vec::new();
            let length = encode_unnumbered(&mut body, &TickMessage { sequence: 0, ..tick.clone() }).unwrap();
            prop_assert_eq!(length, body.len());
            append_numbered(&mut bytes, &body, sequence);
        }
        let numbered: Vec<_> = ticks.into_iter().map(|tick| TickMessage { sequence, ..tick }).collect();
        // Byte for byte: none of them has a field behind the number.
        prop_assert_eq!(&bytes, &framed(&numbered));
        let read: Result<Vec<_>, _> = Reader::new(bytes.as_slice()).collect();
        prop_assert_eq!(read.unwrap(), numbered);
    }

    /// Wherever a crash cuts the file, all whole records before it survive, and appending goes on behind them.
    #[test]
    fn any_cut_is_repaired(ticks in ticks(), share in 0.0..1.0_f64) {
        let bytes = framed(&ticks);
        let cut = (bytes.len() as f64 * share) as usize;
        let whole = Reader::new(&bytes[..cut]).take_while(Result::is_ok).count();
        let mut file = file_of(&bytes[..cut]);
        let repaired = repair(&mut file).unwrap();
        prop_assert_eq!(repaired.records as usize, whole);
        prop_assert_eq!(repaired.kept + repaired.cut, cut as u64);

        file.write_all(&framed(&[tick(99)])).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let read: Vec<_> = Reader::new(BufReader::new(file)).map(Result::unwrap).collect();
        prop_assert_eq!(&read[..whole], &ticks[..whole]);
        prop_assert_eq!(&read[whole..], &[tick(99)]);
    }

    /// No bytes make the reader panic or run on for ever.
    #[test]
    fn foreign_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let records = Reader::new(bytes.as_slice()).count();
        prop_assert!(records <= bytes.len() / HEADER_BYTES + 1);
        let mut file = file_of(&bytes);
        let first = repair(&mut file).unwrap();
        let second = repair(&mut file).unwrap();
        prop_assert_eq!((second.kept, second.cut), (first.kept, 0));
    }
}
