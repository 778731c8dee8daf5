use proptest::prelude::*;

use super::*;

#[test]
fn a_path_as_ib_stream_writes_it() {
    let file = HourFile::of_tick(711_280_073, TickKind::BidAsk, 1_795_469_313_000_000);
    let path = file.path().unwrap();
    assert_eq!(path, Path::new("2026/11/23/21/711280073_bid_ask_1795467600.pb"));
    assert_eq!(HourFile::parse(&Path::new("/data").join(path)), Some(file));
}

#[test]
fn other_files_are_not_ours() {
    for path in [
        "2026/11/23/21/711280073_bid_ask_1795467600_backfill.pb",
        "2026/11/23/21/711280073_bid_ask_1795467600.jsonl",
        "2026/11/23/20/711280073_bid_ask_1795467600.pb",
        "2026/11/23/21/711280073_bid_ask_1795467601.pb",
        "2026/11/23/21/+711280073_bid_ask_1795467600.pb",
        "2026/11/23/21/711280073_quotes_1795467600.pb",
        "711280073_bid_ask_1795467600.pb",
        "spec.json",
    ] {
        assert_eq!(HourFile::parse(Path::new(path)), None, "{path}");
    }
}

#[test]
fn a_time_outside_the_calendar_has_no_path() {
    assert!(HourFile::of_tick(1, TickKind::Last, i64::MAX).path().is_err());
    assert!(HourFile::of_tick(1, TickKind::Last, i64::MIN).path().is_err());
}

proptest! {
    #[test]
    fn every_path_reads_back(
        second in 0_i64..253_402_300_800,
        micros in 0_i64..1_000_000,
        con_id in 1..=i32::MAX,
        kind in prop::sample::select(TickKind::ALL.to_vec()),
    ) {
        let file = HourFile::of_tick(con_id, kind, second * 1_000_000 + micros);
        prop_assert!(file.hour <= second && second < file.hour + 3600);
        prop_assert_eq!(HourFile::parse(&file.path().unwrap()), Some(file));
        let backfill = file.path_of(Part::Backfill).unwrap();
        prop_assert_eq!(HourFile::parse_part(&backfill), Some((file, Part::Backfill)));
        prop_assert_eq!(HourFile::parse(&backfill), None);
    }
}
