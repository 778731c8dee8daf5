//! Simulated years: what the ladder does about every fault, beside the naive one. `make year` runs it.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use marketstream_years::{
    operator::Broken,
    summary::{self, Summary},
    trace::Trace,
    year::{Ladder, name, run},
};

/// Simulates years of faults and judges what the ladder does about them.
#[derive(Parser)]
#[command(about)]
struct Args {
    /// How many years, one for each seed.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Replays one seed and prints its time-line.
    #[arg(long)]
    seed: Option<u64>,
    /// The ladder whose time-line is printed.
    #[arg(long, value_enum, default_value_t = Choice::Ladder)]
    ladder: Choice,
    /// Where the counts are written as JSON.
    #[arg(long, default_value = "target/year/report.json")]
    report: PathBuf,
}

/// Ladders by name.
#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    /// Ours.
    Ladder,
    /// The seed's.
    Naive,
    /// Ours, and it never acts.
    NeverActs,
    /// Ours, and it always replaces the pod.
    AlwaysRolls,
}

impl From<Choice> for Ladder {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Ladder => Self::Ours,
            Choice::Naive => Self::Naive,
            Choice::NeverActs => Self::Broken(Broken::NeverActs),
            Choice::AlwaysRolls => Self::Broken(Broken::AlwaysRolls),
        }
    }
}

/// Failing seeds that are printed; the report has all of them.
const SHOWN: usize = 10;

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        return Ok(replay(seed, args.ladder.into()));
    }
    let summary = summary::many(args.first, args.seeds, true);
    if let Some(folder) = args.report.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let report = serde_json::to_string_pretty(&summary)?;
    fs::write(&args.report, report).with_context(|| format!("cannot write {}", args.report.display()))?;
    print!("{}", summary::table(&summary));
    println!("\nThe counts are in {}.", args.report.display());
    Ok(failing(&summary))
}

fn replay(seed: u64, ladder: Ladder) -> ExitCode {
    let mut trace = Trace { lines: Some(Vec::new()) };
    let tally = run(seed, ladder, &mut trace);
    for line in trace.lines.unwrap_or_default() {
        println!("{line}");
    }
    for finding in &tally.findings {
        println!("{} {:?}: {}: {}", name(finding.at), finding.verdict, finding.fault, finding.why);
    }
    if tally.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failing(summary: &Summary) -> ExitCode {
    if summary.failing.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\n{} years have verdicts that no ladder should earn:", summary.failing.len());
    for failing in summary.failing.iter().take(SHOWN) {
        if let Some(finding) = failing.findings.first() {
            let at = name(finding.at);
            println!(
                "  make year SEED={}: {at} {:?}: {}: {}",
                failing.seed, finding.verdict, finding.fault, finding.why
            );
        }
    }
    ExitCode::FAILURE
}
