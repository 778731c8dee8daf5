//! The cause table of `docs/recovery.md` is what the rules say. `make generate` writes it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, fmt::Write, fs, path::PathBuf};

use marketstream_crds::{Cause, Scope};
use marketstream_recovery::{Critical, Policy, Restart, Rule, rule};
use serde_json::{Map, Value};

const BEGIN: &str = "<!-- Generated from recovery/src/rules.rs by `make generate`. -->\n";
const END: &str = "<!-- End of the generated part. -->\n";

fn levels(rule: &Rule) -> String {
    let mut levels = vec![];
    if rule.warn {
        levels.push("1".to_owned());
    }
    match rule.restart {
        Restart::Never => {}
        Restart::Once => levels.push("2".to_owned()),
        Restart::Again => levels.push("2, again and again with doubled pauses".to_owned()),
    }
    let strengths: Vec<&str> = rule.reset.iter().map(|kind| kind.as_str()).collect();
    let reset = format!("3 ({})", strengths.join(", "));
    if !rule.reset.is_empty() && !rule.late_reset {
        levels.push(reset.clone());
    }
    match rule.critical {
        Critical::Never => {}
        Critical::AtOnce => levels.push("4 at once".to_owned()),
        Critical::Due => levels.push("4".to_owned()),
        Critical::Late => levels.push("4, each an hour later".to_owned()),
    }
    if rule.late_reset {
        levels.push(format!("then {reset}, not before 30 min outside of maintenance windows"));
    }
    if levels.is_empty() { "none".to_owned() } else { levels.join("; ") }
}

fn table() -> String {
    let mut text = "| cause | scope | evidence | levels | what a person can do |\n|---|---|---|---|---|\n".to_owned();
    for cause in Cause::ALL {
        let rule = rule(cause);
        let scope = match rule.scope {
            Some(Scope::Session) => "session",
            Some(Scope::Stream) => "stream",
            None => "either",
        };
        let levels = levels(&rule);
        writeln!(text, "| `{cause}` | {scope} | {} | {levels} | {} |", rule.evidence, rule.advice).unwrap();
    }
    let names = |which: fn(&Rule) -> bool| {
        let names: Vec<String> =
            Cause::ALL.into_iter().filter(|cause| which(&rule(*cause))).map(|cause| format!("`{cause}`")).collect();
        names.join(", ")
    };
    writeln!(text, "\nLevels 3 and 4 of {} wait for the end of a maintenance window.", names(|rule| rule.maintenance))
        .unwrap();
    writeln!(text, "What follows {} has a clock of its own.", names(|rule| rule.hold)).unwrap();
    text
}

#[test]
fn the_cause_table_in_the_manual_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/recovery.md");
    let current = fs::read_to_string(&path).unwrap();
    let (before, rest) = current.split_once(BEGIN).expect("docs/recovery.md has the line where the table begins");
    let (_, after) = rest.split_once(END).expect("docs/recovery.md has the line where the table ends");
    let expected = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(current == expected, "docs/recovery.md is stale: run `make generate` and commit the result");
}

/// Each constant of the policy has its row in the operator's manual, with its default.
#[test]
fn the_constants_in_the_manual_are_those_of_the_policy() {
    let Value::Object(mut policy) = serde_json::to_value(Policy::default()).unwrap() else { panic!("no object") };
    // What IBKR's resets are stands in the code, with its source.
    policy["resets"] = "IBKR's own".into();
    let manual = include_str!("../../docs/operator.md");
    let table = manual.split_once("| constant | default | meaning |").expect("the table of constants").1;
    let mut told = Map::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let names = cells[0].trim_start_matches("| ").split(", ").map(|name| name.trim_matches('`').to_owned());
        let values = cells[1].split(", ").map(|value| value.parse().map_or_else(|_| value.into(), |n: u64| n.into()));
        told.extend(names.zip(values));
    }
    assert_eq!(Value::Object(told), Value::Object(policy), "docs/operator.md beside the defaults of the policy");
}

#[test]
fn every_cause_says_what_speaks_for_it_and_what_to_do() {
    for cause in Cause::ALL {
        let rule = rule(cause);
        assert!(!rule.evidence.is_empty() && !rule.advice.is_empty(), "{cause}");
        assert!(!rule.advice.ends_with('.') && !rule.advice.contains('|') && !rule.evidence.contains('|'), "{cause}");
    }
}
