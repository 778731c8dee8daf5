//! Whole years, from fixed seeds.

use marketstream_years::{
    operator::Broken,
    summary,
    tally::{Tally, Verdict},
    trace::Trace,
    year::{Ladder, run},
};

/// Seeds of the fast test; `make year` runs a thousand.
const SEEDS: u64 = 20;

fn year(seed: u64, ladder: Ladder) -> Tally {
    run(seed, ladder, &mut Trace::default())
}

fn broken(kind: Broken) -> Tally {
    let mut sum = Tally::default();
    (1..=4).for_each(|seed| sum.add(&year(seed, Ladder::Broken(kind))));
    sum
}

#[test]
fn the_naive_ladder_does_harm_on_the_same_years() {
    let summary = summary::many(1, SEEDS, false);
    let (ours, naive) = (&summary.ladder.tally, &summary.naive.tally);
    assert!(ours.faults > 1000 * SEEDS, "{}", ours.faults);
    assert!(naive.harmful > 100 * SEEDS, "{}", naive.harmful);
    assert!(naive.needless > 1000 * SEEDS, "{}", naive.needless);
    assert!(naive.missed > 100 * SEEDS, "{}", naive.missed);
    let failing: Vec<_> = summary.failing.iter().map(|failing| (failing.seed, failing.findings.first())).collect();
    assert!(ours.is_clean(), "replay with `make year SEED=n`: {failing:?}");
}

#[test]
fn a_ladder_that_never_acts_misses_what_an_action_ends() {
    let tally = broken(Broken::NeverActs);
    assert!(tally.missed > 20, "{}", tally.missed);
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
fn findings_are_told_with_their_time() {
    let tally = year(1, Ladder::Naive);
    let harmful = tally.findings.iter().find(|finding| finding.verdict == Verdict::Harmful).unwrap();
    let mut trace = Trace { lines: Some(Vec::new()) };
    assert_eq!(run(1, Ladder::Naive, &mut trace), tally);
    let lines = trace.lines.unwrap();
    assert!(lines.iter().any(|line| line.contains("Harmful") && line.contains(harmful.why)));
    assert!(lines.iter().any(|line| line.contains("FAULT")));
}
