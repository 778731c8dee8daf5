//! The look-ups of contracts: when a refusal is a passing one.

use super::*;
use crate::engine::bench::Bench;

/// The first contract is refused for the fifth time, so long after the session's start. Returns when it is asked for
/// next after these notices, from then on.
fn asked_after(bench: &mut Bench, session: SignedDuration, before: &[(i32, &str)], after: &[(i32, &str)]) -> Duration {
    let now = bench.engine.now();
    bench.engine.socket.since = now.wall - session;
    before.iter().for_each(|(code, text)| bench.notice(*code, text));
    let task = AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
    let entry = bench.engine.contracts.get_mut("a").unwrap();
    (entry.failures, entry.under_way) = (4, Some((1, task)));
    let refused = Unresolved::Refused(NO_DEFINITION, "No security definition has been found".to_owned());
    bench.engine.details(1, "a", Err(refused), now);
    after.iter().for_each(|(code, text)| bench.notice(*code, text));
    bench.engine.contracts["a"].ask_at.saturating_sub(bench.engine.now().mono)
}

#[tokio::test]
async fn what_was_refused_while_the_gateway_could_not_know_better_is_asked_for_when_it_can() {
    let day = Duration::from_secs(24 * 3600);
    let broken = (2157, "Sec-def data farm connection is broken:secdefnj");
    let up = (2158, "Sec-def data farm connection is OK:secdefnj");
    let lost = (1100, "Connectivity between IBKR and TWS has been lost");
    let restored = (1102, "Connectivity between IBKR and TWS has been restored - data maintained");
    let market = (2104, "Market data farm connection is OK:usfarm");
    for (minutes, before, after, at_once) in [
        (60, &[broken][..], &[up][..], true),
        (60, &[lost], &[restored], true),
        (5, &[], &[up], true),
        (5, &[], &[market], false),
        (60, &[broken], &[], false),
        // Then there is no such contract.
        (60, &[], &[up], false),
        (60, &[broken, up], &[up], false),
    ] {
        let session = SignedDuration::from_mins(minutes);
        let pause = asked_after(&mut Bench::new(), session, before, after);
        assert_eq!(pause.is_zero(), at_once, "{minutes} min, {before:?}, {after:?}: in {pause:?}");
        assert!(at_once || pause > day / 2);
    }
}
