//! Many years: run over all cores, added up, and told as a table and as JSON.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde::Serialize;

use crate::{
    clock::{Ms, seconds},
    tally::{Finding, Tally},
    trace::Trace,
    year::{Ladder, run},
};

/// What came of the years of many seeds.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many seeds, from which one on.
    pub seeds: u64,
    /// The first seed.
    pub first_seed: u64,
    /// Our ladder.
    pub ladder: Column,
    /// The naive one, on the same years.
    pub naive: Column,
    /// Seeds in which our ladder earned a verdict that it should not.
    pub failing: Vec<Failing>,
}

/// One ladder over all years.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// The counts.
    #[serde(flatten)]
    pub tally: Tally,
    /// From the first harm to the first warning.
    pub detection_seconds: Latency,
    /// From the first harm to its end, where an action ended it.
    pub recovery_seconds: Latency,
}

/// Seconds that something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of them took no longer.
    pub median: f64,
    /// All but one in a hundred took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A seed to replay.
#[derive(Debug, Serialize)]
pub struct Failing {
    /// The seed.
    pub seed: u64,
    /// What was found in its year.
    pub findings: Vec<Finding>,
}

impl Latency {
    fn of(times: &mut [Ms]) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let index = ((times.len().max(1) - 1) as f64 * share).round() as usize;
            times.get(index).copied().map_or(0.0, seconds)
        };
        Self { median: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

impl Column {
    fn close(&mut self) {
        self.detection_seconds = Latency::of(&mut self.tally.detection);
        self.recovery_seconds = Latency::of(&mut self.tally.recovery);
    }
}

/// Runs the years of `seeds` seeds from `first` on.
#[must_use]
pub fn many(first: u64, seeds: u64, progress: bool) -> Summary {
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Summary { seeds, first_seed: first, ..Summary::default() });
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let told = Mutex::new(Told { started: Instant::now(), last: Instant::now(), done: 0 });
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if index >= seeds {
                        return;
                    }
                    let seed = first + index;
                    let ours = run(seed, Ladder::Ours, &mut Trace::default());
                    let naive = run(seed, Ladder::Naive, &mut Trace::default());
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    if !ours.findings.is_empty() {
                        total.failing.push(Failing { seed, findings: ours.findings.clone() });
                    }
                    total.ladder.tally.add(&ours);
                    total.naive.tally.add(&naive);
                    drop(total);
                    if progress {
                        told.lock().unwrap_or_else(PoisonError::into_inner).tell(seeds);
                    }
                }
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.failing.sort_by_key(|failing| failing.seed);
    total.ladder.close();
    total.naive.close();
    total
}

/// How far it is: a line that moves at a terminal, a line each ten seconds elsewhere.
struct Told {
    started: Instant,
    last: Instant,
    done: u64,
}

impl Told {
    fn tell(&mut self, seeds: u64) {
        self.done += 1;
        let terminal = std::io::stderr().is_terminal();
        if self.done < seeds && self.last.elapsed().as_secs() < if terminal { 1 } else { 10 } {
            return;
        }
        self.last = Instant::now();
        let (begin, end) = if terminal { ("\r", "") } else { ("", "\n") };
        let left = self.started.elapsed().as_secs_f64() / self.done as f64 * (seeds - self.done) as f64;
        eprint!("{begin}    {} of {seeds} years, {left:.0}s left {end}", self.done);
        if terminal && self.done == seeds {
            eprintln!();
        }
        // Progress that nobody reads is no reason to stop.
        let _ = std::io::stderr().flush();
    }
}

/// A row of the table: what it says, and how it is read from a column.
type Row = (&'static str, fn(&Column) -> String);

const ROWS: [Row; 15] = [
    ("faults", |column| column.tally.faults.to_string()),
    ("  detected", |column| column.tally.detected.to_string()),
    ("  missed", |column| column.tally.missed.to_string()),
    ("    of these false Critical", |column| column.tally.false_critical.to_string()),
    ("actions needed", |column| column.tally.needed.to_string()),
    ("actions made", |column| column.tally.made.to_string()),
    ("  needless", |column| column.tally.needless.to_string()),
    ("  harmful", |column| column.tally.harmful.to_string()),
    ("  undecidable", |column| column.tally.undecidable.to_string()),
    ("detection, median", |column| format!("{:.1} s", column.detection_seconds.median)),
    ("detection, p99", |column| format!("{:.1} s", column.detection_seconds.p99)),
    ("detection, max", |column| format!("{:.1} s", column.detection_seconds.max)),
    ("recovery, median", |column| format!("{:.1} s", column.recovery_seconds.median)),
    ("recovery, p99", |column| format!("{:.1} s", column.recovery_seconds.p99)),
    ("recovery, max", |column| format!("{:.1} s", column.recovery_seconds.max)),
];

/// The table for people.
#[must_use]
pub fn table(summary: &Summary) -> String {
    let mut text = format!("{:<28}{:>14}{:>14}\n", format!("{} years", summary.seeds), "ladder", "naive");
    for (name, read) in ROWS {
        text += &format!("{name:<28}{:>14}{:>14}\n", read(&summary.ladder), read(&summary.naive));
    }
    text
}
