//! Market-data lines: whom they record for, and when they are asked for again.

use marketstream_crds::MarketStreamSpec;
use serde_json::json;

use super::*;
use crate::{
    engine::tests::Bench,
    test_support::{manifest, spec},
};

/// One tick-by-tick line for two contracts: what exceeds it is recorded from market data.
fn overflowing(ticks: &[&str]) -> MarketStreamSpec {
    spec(json!({
        "contracts": [
            {"name": "a", "conId": 1, "ticks": ["Last"]},
            {"name": "b", "conId": 2, "ticks": ticks},
        ],
        "gateway": {"external": {"host": "127.0.0.1", "ports": [1]}},
        "limits": {"tickByTick": 1, "overflow": "MarketData"},
    }))
}

fn bench(ticks: &[&str]) -> Bench {
    let mut bench = Bench::new();
    plan(&mut bench, overflowing(ticks));
    bench
}

fn plan(bench: &mut Bench, spec: MarketStreamSpec) {
    bench.engine.take_manifest(manifest(spec));
    let now = bench.engine.now();
    bench.engine.assign_lines(now);
    bench.engine.plan_lines(now);
}

fn recorded(bench: &Bench) -> Vec<String> {
    bench.engine.lines["b"].recorded.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_line_is_asked_for_again_when_other_streams_are_recorded_from_it() {
    for (before, after, lines, expected) in [
        (&["BidAsk"][..], &["BidAsk", "MidPoint"][..], 1, &["b/BidAsk", "b/MidPoint"][..]),
        (&["AllLast", "Last"], &["AllLast"], 1, &["b/AllLast"]),
        // The first of them gets a tick-by-tick line.
        (&["BidAsk", "MidPoint"], &["BidAsk", "MidPoint"], 2, &["b/MidPoint"]),
    ] {
        let mut bench = bench(before);
        let wish = bench.engine.lines["b"].wish;
        bench.engine.lines.get_mut("b").unwrap().pretend(Duration::ZERO);
        plan(&mut bench, overflowing(before));
        assert!(bench.engine.lines["b"].is_running(), "nothing has changed");
        let mut spec = overflowing(after);
        spec.limits.tick_by_tick = lines;
        plan(&mut bench, spec);
        assert_eq!(bench.engine.lines["b"].wish, wish);
        assert!(!bench.engine.lines["b"].is_running(), "{before:?} {after:?}");
        assert_eq!(recorded(&bench), expected);
    }
}
