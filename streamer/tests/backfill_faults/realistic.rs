//! What must hold of a recording whose gaps were filled from a history that is filtered, conflated and shifted.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

use ib_gateway_sim::history::{HistoryConfig, Mode};
use marketstream_proto::TickKind;
use marketstream_streamer::backfill::{
    ledger::{Gap, GapState},
    work::MARGIN,
};
use serde_json::Value;

use super::common::*;

/// As filtered, conflated and shifted as the original's. When it is asked makes no difference, so that the truth can be
/// asked for later.
pub fn history() -> HistoryConfig {
    HistoryConfig { mode: Mode::Realistic, late: false, settle: false, ..HistoryConfig::default() }
}

/// The lines that were recorded live.
pub fn live(data: &Path) -> Vec<Value> {
    lines(data).into_iter().filter(|line| line["backfill"] != true).collect()
}

/// Checks the seconds from `from` to `to`, the latter not included. `before` is what was recorded live before the gaps
/// were filled; `costs` says whether ticks were lost.
pub async fn check(
    gateway: &Gateway,
    data: &Path,
    gaps: &[Gap],
    before: &[Value],
    costs: bool,
    (from, to): (i64, i64),
) {
    let stored = lines(data);
    let kept: HashSet<String> = stored.iter().map(Value::to_string).collect();
    assert!(before.iter().all(|tick| kept.contains(&tick.to_string())), "a live tick changed");
    let mut approximate = BTreeSet::new();
    for (kind, tick, what) in [(TickKind::Last, "Last", "TRADES"), (TickKind::BidAsk, "BidAsk", "BID_ASK")] {
        let of_stream: Vec<&Gap> = gaps.iter().filter(|gap| gap.stream.kind == kind).collect();
        let stream = Stream { gateway, tick, what, stored: &stored, gaps: &of_stream };
        for gap in &of_stream {
            stream.check_agreement(gap).await;
            stream.check_inside(gap).await;
            if gap.state == GapState::Approximate {
                approximate.insert(tick);
            }
        }
        // Elsewhere nothing is touched.
        for (from, to) in stream.outside(from, to) {
            let verdict = gateway.judge(data, from, to).await;
            let stream = verdict.streams.iter().find(|stream| stream.tick.name() == tick).unwrap();
            let counts = stream.counts;
            assert_eq!(
                counts.doubled + counts.altered + counts.unknown + counts.missing_of_generated,
                0,
                "{stream:#?}"
            );
        }
    }
    assert!(!costs || approximate.contains("BidAsk"), "conflated quotes are exact, so nothing is proven: {gaps:#?}");
}

struct Stream<'a> {
    gateway: &'a Gateway,
    tick: &'static str,
    what: &'static str,
    stored: &'a [Value],
    gaps: &'a [&'a Gap],
}

impl Stream<'_> {
    /// Stored ticks by second: all of them, and those that came live.
    fn counts(&self) -> BTreeMap<i64, (u64, u64)> {
        let mut counts = BTreeMap::<i64, (u64, u64)>::new();
        for line in self.stored.iter().filter(|line| line["tick"] == self.tick) {
            let count = counts.entry(line["time_s"].as_i64().unwrap()).or_default();
            count.0 += 1;
            count.1 += u64::from(line["backfill"] != true);
        }
        counts
    }

    /// What the simulator knows of its own alterations, by second; the last one is not included.
    async fn truth(&self, from: i64, to: i64) -> Vec<(i64, BTreeMap<&'static str, u64>)> {
        let path = format!("/history/truth?con_id={SIM1}&what={}&from={from}&to={to}", self.what);
        let lines = self.gateway.lines(&path).await;
        let counts = |line: &Value| {
            let counts = ["live", "answered", "equal"].map(|name| (name, line[name].as_u64().unwrap()));
            (line["second"].as_i64().unwrap(), counts.into_iter().collect())
        };
        lines.iter().map(counts).collect()
    }

    fn is_lost(&self, second: i64) -> bool {
        self.gaps.iter().any(|gap| gap.range().unwrap().contains(&second))
    }

    /// Common ticks in all ticks of the seconds beside a gap that were recorded whole.
    async fn check_agreement(&self, gap: &Gap) {
        let range = gap.range().unwrap();
        let (first, end) = (range.start() - MARGIN, range.end() + MARGIN);
        let live: Vec<i64> = self.counts().into_iter().filter(|(_, (_, live))| *live > 0).map(|(at, _)| at).collect();
        let begun = live.iter().copied().find(|at| (first..=end).contains(at)).unwrap();
        let ended = live.iter().copied().rfind(|at| (first..=end).contains(at)).unwrap();
        let (mut common, mut all) = (0, 0);
        for (second, truth) in self.truth(begun + 1, ended).await {
            if !self.is_lost(second) {
                common += truth["equal"];
                all += truth["live"] + truth["answered"] - truth["equal"];
            }
        }
        let share = |part: u32, whole: u32| f64::from(part) / f64::from(whole);
        let truth = (all > 0).then(|| share(u32::try_from(common).unwrap(), u32::try_from(all).unwrap()));
        let near = |(found, truth): (f64, f64)| (found - truth).abs() < 1e-9;
        let agrees = gap.agreement.zip(truth).map_or(gap.agreement == truth, near);
        assert!(agrees, "{}: {:?} and not {truth:?}: {gap:#?}", self.tick, gap.agreement);
        let exact = truth.is_some_and(|truth| truth >= 1.0);
        assert_eq!(gap.state, if exact { GapState::Filled } else { GapState::Approximate }, "{gap:#?}");
    }

    /// The history as it is, where nothing came live; else at least what did.
    async fn check_inside(&self, gap: &Gap) {
        let (range, counts) = (gap.range().unwrap(), self.counts());
        for (second, truth) in self.truth(*range.start(), range.end() + 1).await {
            let (all, live) = counts.get(&second).copied().unwrap_or_default();
            let enough = if live == 0 { all == truth["answered"] } else { all >= truth["answered"].max(live) };
            assert!(enough, "{} {second}: {all}, {live} of them live, and {truth:?}: {gap:#?}", self.tick);
        }
    }

    /// The stretches without a gap.
    fn outside(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let good: Vec<i64> = (from..to).filter(|second| !self.is_lost(*second)).collect();
        good.chunk_by(|a, b| a + 1 == *b).map(|stretch| (stretch[0], stretch[stretch.len() - 1] + 1)).collect()
    }
}
