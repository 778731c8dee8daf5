//! What scripts and alerts match on stands in the manual: each condition, each reason, each event.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use marketstream_crds::{ActionKind, Cause};

const MANUAL: [&str; 2] = [include_str!("../../docs/recovery.md"), include_str!("../../docs/operator.md")];
const CONDITIONS: &str = include_str!("../../crds/src/conditions.rs");
const EVENTS: &str = include_str!("../../crds/src/events.rs");

/// The values of a source file's text constants.
fn constants(source: &str) -> Vec<&str> {
    let lines = source.lines().filter(|line| line.trim_start().starts_with("pub const"));
    lines.map(|line| line.split('"').nth(1).unwrap()).collect()
}

#[test]
fn the_manual_names_every_condition_reason_and_event() {
    let actions = [ActionKind::RestartStreams, ActionKind::Reconnect, ActionKind::RestartGateway, ActionKind::RollPod];
    let mut names = constants(CONDITIONS);
    names.extend(constants(EVENTS));
    names.extend(Cause::ALL.map(Cause::as_str));
    names.extend(actions.map(ActionKind::as_str));
    assert!(names.contains(&"Ready") && names.contains(&"StreamsSilent") && names.contains(&"RollRefused"));
    let named = |name: &str| MANUAL.iter().any(|page| page.contains(&format!("`{name}`")));
    let missing: Vec<&str> = names.into_iter().filter(|name| !named(name)).collect();
    assert!(missing.is_empty(), "neither docs/recovery.md nor docs/operator.md has {missing:?}");
}

/// A name that is written out in the operator or in `recovery` would escape the test above.
#[test]
fn conditions_and_events_are_named_by_their_constants() {
    let sources = [
        include_str!("../src/conditions.rs"),
        include_str!("../src/tell.rs"),
        include_str!("../src/reconcile.rs"),
        include_str!("../src/validate.rs"),
        include_str!("../../recovery/src/notice.rs"),
    ];
    for source in sources {
        let code = source.split("#[cfg(test)]").next().unwrap();
        let loose: Vec<&str> = code
            .lines()
            .filter(|line| {
                ["reason: \"", "action: \"", "type_: \"", "status: \""].iter().any(|part| line.contains(part))
            })
            .filter(|line| !line.contains("status: \"Unknown\"") && !line.contains("\"True\""))
            .collect();
        assert!(loose.is_empty(), "use a constant of marketstream_crds: {loose:?}");
    }
}
