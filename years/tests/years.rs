//! Whole years, from fixed seeds.

use marketstream_years::{
    operator::Broken,
    summary,
    tally::Tally,
    trace::Trace,
    year::{Ladder, run},
};

/// Seeds of the fast test; `make year` runs a thousand.
const SEEDS: u64 = 20;
/// What our ladder still gets wrong in them (missed, needless, harmful). It may only shrink; the goal is zero.
const LEFT: (u64, u64, u64) = (0, 0, 1);

fn year(seed: u64, ladder: Ladder) -> Tally {
    run(seed, ladder, &mut Trace::default())
}

fn years(seeds: u64, ladder: Ladder) -> Tally {
    let mut sum = Tally::default();
    (1..=seeds).for_each(|seed| sum.add(&year(seed, ladder)));
    sum
}

fn broken(kind: Broken) -> Tally {
    years(3, Ladder::Broken(kind))
}

#[test]
fn our_ladder_gets_no_worse() {
    let ours = years(SEEDS, Ladder::Ours);
    assert!(ours.faults > 1000 * SEEDS, "{}", ours.faults);
    assert!(ours.needed > 50 * SEEDS, "{}", ours.needed);
    let left = (ours.missed, ours.needless, ours.harmful);
    assert!(
        left.0 <= LEFT.0 && left.1 <= LEFT.1 && left.2 <= LEFT.2,
        "{left:?}; `make year SEEDS={SEEDS}` names the seeds"
    );
}

#[test]
fn the_naive_ladder_does_harm_on_the_same_years() {
    let naive = years(4, Ladder::Naive);
    assert!(naive.harmful > 4 * 1000, "{}", naive.harmful);
    assert!(naive.needless > 4 * 1000, "{}", naive.needless);
    assert!(naive.missed > 4 * 100, "{}", naive.missed);
}

#[test]
fn the_summary_adds_years_up_and_names_those_that_fail() {
    let summary = summary::many(2, 2, false);
    let mut ours = year(2, Ladder::Ours);
    ours.add(&year(3, Ladder::Ours));
    assert_eq!((summary.ladder.tally.faults, summary.ladder.tally.made), (ours.faults, ours.made));
    let clean = |seed| year(seed, Ladder::Ours).is_clean();
    let failing: Vec<u64> = summary.failing.iter().map(|failing| failing.seed).collect();
    assert_eq!(failing, (2..=3).filter(|seed| !clean(*seed)).collect::<Vec<_>>());
    assert!(summary.ladder.detection_seconds.median > 0.0);
    let table = summary::table(&summary);
    assert!(table.lines().any(|line| line.starts_with("  harmful")), "{table}");
}

#[test]
fn a_ladder_that_never_acts_misses_what_an_action_ends() {
    let tally = broken(Broken::NeverActs);
    assert!(tally.missed > 15, "{}", tally.missed);
    assert_eq!((tally.made, tally.harmful, tally.needless), (0, 0, 0));
}

#[test]
fn a_ladder_that_always_rolls_does_harm() {
    let tally = broken(Broken::AlwaysRolls);
    assert!(tally.harmful > 100, "{}", tally.harmful);
    assert!(tally.needless > 100, "{}", tally.needless);
}

#[test]
fn a_seed_gives_the_same_year_each_time() {
    let (first, second) = (year(3, Ladder::Ours), year(3, Ladder::Ours));
    assert_eq!(first, second);
    assert_ne!(first.faults, year(4, Ladder::Ours).faults);
}

#[test]
fn findings_are_in_the_time_line() {
    let tally = year(1, Ladder::Naive);
    assert!(!tally.findings.is_empty());
    let mut trace = Trace { lines: Some(Vec::new()) };
    assert_eq!(run(1, Ladder::Naive, &mut trace), tally);
    let lines = trace.lines.unwrap();
    for event in ["FALSE CRITICAL", "FAULT", "ACTION", "streamer:", "over:"] {
        assert!(lines.iter().any(|line| line.contains(event)), "{event}");
    }
}
