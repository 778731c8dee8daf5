//! Sealing a large hour takes no more memory than a small one.

use std::process::Command;

use marketstream_proto::TickKind;
use marketstream_streamer::seal::command::Report;

use super::data::{Data, HOUR};

/// Long ago, so that the day is over.
const START: i64 = 1_700_000_000 - 1_700_000_000 % HOUR;
/// A few row groups, and five times as many.
const TICKS: [u64; 2] = [100_000, 500_000];
/// What the larger may take more: an allocator that does not give back at once.
const SLACK: u64 = 8 << 20;

/// The most memory of the process that seals so many quotes of one hour.
fn peak(ticks: u64) -> u64 {
    let mut data = Data::new();
    data.record(TickKind::BidAsk, START, ticks);
    let output = Command::new(env!("CARGO_BIN_EXE_marketstream-streamer"))
        .args(["seal", "--data-dir"])
        .arg(data.path())
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(report.sealed.map(|sealed| sealed.rows), Some(ticks), "{:?}", report.error);
    let peak = report.peak_bytes.unwrap();
    println!("{ticks} ticks: {} MiB", peak >> 20);
    peak
}

#[test]
fn memory_does_not_grow_with_the_hour() {
    let [small, large] = TICKS.map(peak);
    assert!(large <= small + SLACK, "{small} bytes, and {large} for five times as many ticks");
}
