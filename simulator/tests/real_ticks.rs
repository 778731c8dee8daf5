//! The real ticks of half an hour of BTC/USD, in each format of a recording. They are fetched with pip at the first run.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use ib_gateway_sim::market::catalog::BTC_USD_CON_ID;
use ib_gateway_sim::market::recording::Recording;
use ib_gateway_sim::market::tick::{Body, Tick, TickType};
use ib_gateway_sim::market::{Market, MarketConfig, Stream};

/// A multiple of the recording's length: here a loop begins.
const LOOP_START: i64 = 1_795_521_600;
const LENGTH_S: i64 = 1_800;

fn fetch(dir: &Path, name: &str) -> PathBuf {
    let out = dir.join(name);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fetch-btcusd.sh");
    let output =
        Command::new(script).arg(&out).env("IB_GATEWAY_SIM", env!("CARGO_BIN_EXE_ib-gateway-sim")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out
}

fn replay(recording: Recording, tick: TickType, from: i64) -> Vec<Tick> {
    let recordings = HashMap::from([(BTC_USD_CON_ID, Arc::new(recording))]);
    let market = Market::new(MarketConfig { recordings, ..Default::default() });
    let stream = Stream { con_id: BTC_USD_CON_ID, tick };
    (from..from + LENGTH_S).flat_map(|second| market.ticks_of_second(stream, second)).collect()
}

#[test]
fn every_format_replays_the_same_real_ticks() {
    let dir = tempfile::tempdir().unwrap();
    let load = |name| Recording::load(&fetch(dir.path(), name)).unwrap();
    let text = load("btcusd.ticks");
    assert_eq!(i64::from(text.length_s), LENGTH_S);
    assert_eq!((text.quotes.len(), text.trades.len()), (22_267, 284));
    assert!(text.quotes.iter().all(|(_, quote)| quote.bid < quote.ask));
    for name in ["btcusd.csv", "btcusd.parquet"] {
        assert!(load(name) == text, "{name} differs from the text");
    }

    let quotes = replay(text.clone(), TickType::BidAsk, LOOP_START);
    assert_eq!(quotes.len(), 22_267);
    let bodies = |ticks: &[Tick]| ticks.iter().map(|tick| tick.body.clone()).collect::<Vec<_>>();
    let next_loop = replay(text.clone(), TickType::BidAsk, LOOP_START + LENGTH_S);
    assert!(bodies(&next_loop) == bodies(&quotes), "the second loop differs");
    let volume: f64 = replay(text.clone(), TickType::Last, LOOP_START)
        .into_iter()
        .map(|tick| if let Body::Trade(trade) = tick.body { trade.size } else { 0.0 })
        .sum();
    let recorded: f64 = text.trades.iter().map(|(_, trade)| trade.size).sum();
    assert!(recorded > 0.0 && (volume - recorded).abs() < 1e-6, "{volume} {recorded}");
}
