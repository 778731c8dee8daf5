use super::*;
use crate::market::catalog::{BTC_USD_CON_ID, Catalog};

fn quote(bid: f64, ask: f64) -> Quote {
    Quote { bid, ask, bid_size: 0.5, ask_size: 1.25, bid_past_low: false, ask_past_high: false }
}

fn sample() -> Recording {
    Recording {
        length_s: 3,
        quotes: vec![(0, quote(1.0, 2.0)), (10, quote(1.5, 2.5)), (999, quote(1.0, 3.0)), (2_000, quote(1.0, 2.0))],
        trades: vec![(500, 2.0, 0.1), (500, 2.0, 0.1)],
    }
}

#[test]
fn survives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.ticks");
    sample().save(&path).unwrap();
    assert_eq!(Recording::load(&path).unwrap(), sample());
}

#[test]
fn loops_with_real_spacing() {
    let catalog = Catalog::on(jiff::civil::date(2026, 11, 24));
    let contract = catalog.by_id(BTC_USD_CON_ID).unwrap();
    for start in [0, 3, 3_000_000, 1_800_000_003] {
        let start = start / 3 * 3;
        let quotes = sample().bodies(TickType::BidAsk, start, contract);
        assert_eq!(quotes.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 10_000, 999_000]);
        // 1.5 before the seam and at 0; 2.0 at 10 ms and 999 ms.
        assert_eq!(sample().bodies(TickType::MidPoint, start, contract), [(10_000, Body::Mid(2.0))]);
        assert_eq!(sample().bodies(TickType::MidPoint, start + 2, contract), [(0, Body::Mid(1.5))]);
        assert_eq!(sample().bodies(TickType::Last, start, contract).len(), 2);
        assert!(sample().bodies(TickType::BidAsk, start + 1, contract).is_empty());
    }
}

#[test]
fn knows_its_pauses() {
    assert_eq!(sample().longest_pauses_ms(), (1_001, 3_000));
}

#[test]
fn refuses_what_is_no_recording() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.ticks");
    let message = |content: &str| {
        std::fs::write(&path, content).unwrap();
        let text = Recording::load(&path).unwrap_err().to_string();
        text.rsplit_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(message("hello"), "not a recording of ib-gateway-sim");
    assert_eq!(message("ib-gateway-sim ticks 1 0\n"), "not a recording of ib-gateway-sim");
    assert_eq!(message("ib-gateway-sim ticks 1 2\n"), "no quotes");
    assert_eq!(message("ib-gateway-sim ticks 1 2\nq,1,1,2,3\n"), "neither a quote nor a trade");
    assert_eq!(message("ib-gateway-sim ticks 1 2\nq,2000,1,2,3,4\n"), "time beyond the length");
    assert_eq!(message("ib-gateway-sim ticks 1 2\nq,5,1,2,3,4\nq,4,1,2,3,4\n"), "not in the order of time");
}
