//! Whole years, from fixed seeds.

use std::sync::LazyLock;

use marketstream_years::{
    dice::Dice,
    market::Manifest,
    operator::Broken,
    summary,
    tally::Tally,
    trace::Trace,
    year::{Ladder, run},
};

/// Seeds of the fast test; `make year` runs a thousand.
const SEEDS: u64 = 20;

/// Our ladder over those years: the most expensive of these tests shares it.
static OURS: LazyLock<Tally> = LazyLock::new(|| years(SEEDS, Ladder::Ours));

/// Every fault that the catalogue promises.
const CATALOGUE: [&str; 27] = [
    "upstream down",
    "farm down",
    "competing session",
    "competing session, untold",
    "gateway crash",
    "gateway stays down",
    "gateway hangs",
    "subscriptions die",
    "daily restart",
    "login needs a person",
    "client ID held",
    "not entitled",
    "no line left",
    "contract invalid",
    "pacing",
    "delayed data",
    "delayed data, untold",
    "corrupt data",
    "network cut",
    "disk full",
    "streamer crash",
    "API server cut off",
    "late reports",
    "node lost",
    "operator down",
    "clock off",
    "trading halt",
];

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
fn our_ladder_misses_nothing_and_does_nothing_needless_or_harmful() {
    let ours = &*OURS;
    assert!(ours.faults > 1000 * SEEDS, "{}", ours.faults);
    assert!(ours.needed > 50 * SEEDS, "{}", ours.needed);
    assert_eq!(
        (ours.missed, ours.needless, ours.harmful),
        (0, 0, 0),
        "`make year SEEDS={SEEDS}` names the seeds: {:#?}",
        ours.findings
    );
}

#[test]
fn every_fault_of_the_catalogue_happens() {
    let happened: Vec<&str> = OURS.kinds.keys().copied().collect();
    let missing: Vec<&&str> = CATALOGUE.iter().filter(|name| !happened.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let unknown: Vec<&&str> = happened.iter().filter(|name| !CATALOGUE.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn some_years_lack_market_data_lines() {
    let lined = |seed: u64| {
        let manifest = Manifest::draw(&mut Dice::new(seed, 1), 2026);
        (manifest.lined == manifest.all(), manifest.lined == 0)
    };
    let drawn: Vec<(bool, bool)> = (1..=100).map(lined).collect();
    let count = |like: fn(&(bool, bool)) -> bool| drawn.iter().filter(|drawn| like(drawn)).count();
    assert!((60..90).contains(&count(|(all, _)| *all)), "{}", count(|(all, _)| *all));
    assert!((5..30).contains(&count(|(_, none)| *none)), "{}", count(|(_, none)| *none));
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
    let report = serde_json::to_value(&summary).unwrap();
    assert_eq!(report["seeds"], 2);
    for ladder in ["ladder", "naive"] {
        for count in ["faults", "detected", "missed", "needed", "made", "needless", "harmful", "undecidable"] {
            assert!(report[ladder][count].is_u64(), "{ladder}.{count}: {report:#}");
        }
    }
    assert_eq!(report["ladder"]["made"], ours.made);
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
