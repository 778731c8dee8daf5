//! Gaps beyond a single fault of the gateway (see `backfill_faults`): restarts, breaks of the session, and what cannot or
//! must not be fetched.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use jiff::{ToSpan, Zoned, civil::Weekday};
use marketstream_crds::{GapCounts, StreamerStatus, TickType};
use marketstream_streamer::{
    backfill::{
        budget::SPACING,
        ledger::{Gap, GapCause, GapState},
    },
    engine,
};
use serde_json::json;

/// The simulator's front MNQ, on whatever day.
const MNQ: i32 = 711_280_073;

/// Longest wait for a gap to be filled: the lag, the requests' spacing, and a busy machine.
const FILLED: Duration = Duration::from_secs(90);

fn settled(status: &StreamerStatus) -> bool {
    status.gaps.is_some_and(|gaps| gaps.open == 0 && gaps.filled + gaps.approximate + gaps.unfillable > 0)
}

/// Waits for a gap that is as wanted.
async fn until_gap(streamer: &Streamer, wanted: impl Fn(&Gap) -> bool) -> Gap {
    let start = tokio::time::Instant::now();
    loop {
        let gaps = streamer.gaps();
        if let Some(gap) = gaps.iter().find(|gap| wanted(gap)) {
            return gap.clone();
        }
        assert!(start.elapsed() < FILLED, "{gaps:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_process_is_filled() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let spec = spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]);
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    let from = now_s() + 1;
    until("seconds were recorded", async || now_s() > from + 2).await;
    streamer.stop().await;
    let stopped = now_s();
    until("seconds passed", async || now_s() > stopped + 3).await;
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_within(FILLED, "every gap is settled", settled).await;
    let (gaps, to) = (streamer.gaps(), now_s() - 1);
    streamer.stop().await;
    assert!(gaps.iter().all(|gap| gap.state == GapState::Filled && gap.added > 0), "{gaps:#?}");
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.total.stored > 0 && verdict.complete(), "{verdict:#?}\n{gaps:#?}");
}

fn request(contract: &str, tick: TickType, from: i64, to: i64) -> engine::Request {
    engine::Request { contract: contract.to_owned(), tick, seconds: from..=to - 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_goes_on_within_the_budget_and_doubles_nothing() {
    const ALLOWED: i32 = 40;
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let mut spec = spec(json!([sim1(&["BidAsk"])]), &[gateway.port()]);
    spec.backfill.requests_per_10_minutes = ALLOWED;
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    let (from, to) = (now_s() - 3_600, now_s() - 2_400);
    streamer.request(request("sim1", TickType::BidAsk, from, to));
    let told = |status: &StreamerStatus| status.gaps.is_some_and(|gaps| gaps.eta_seconds.is_some());
    streamer.until("it is told how long that takes", told).await;
    let asked = async || gateway.requests("history").await;
    let known = |streamer: &Streamer| {
        let asked = |gap: &&Gap| gap.cause == GapCause::Requested;
        streamer.gaps().iter().find(asked).and_then(|gap| gap.progress).map_or(from, |progress| progress.through)
    };
    until("some of it was fetched", async || known(&streamer) > from).await;
    streamer.stop().await;
    let before = asked().await.len();

    let streamer = Streamer::start(data.path());
    // Before it has a gateway to ask.
    until("what was fetched is known", async || known(&streamer) > from).await;
    streamer.apply(&spec);
    let status = streamer.until_within(FILLED, "every gap is settled", settled).await;
    let added: u64 = streamer.gaps().iter().filter(|gap| gap.cause == GapCause::Requested).map(|gap| gap.added).sum();
    streamer.stop().await;
    let gaps = status.gaps.unwrap();
    assert_eq!((gaps.unfillable, gaps.eta_seconds), (0, None));
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.total.stored > 1_000 && verdict.complete(), "{verdict:#?}");
    assert_eq!(added, verdict.total.stored, "the ticks of both processes");
    let asked = asked().await;
    assert!(asked.len() > before, "all was asked for before the restart, so nothing is proven");
    // All of this lies within ten minutes, and quotes count twice.
    assert!(2 * asked.len() <= usize::try_from(ALLOWED).unwrap(), "{asked:#?}");
    let times: Vec<i64> = asked.iter().map(|line| line["at_ms"].as_i64().unwrap()).collect();
    // Half of it, for the way to the gateway.
    let least = i64::try_from(SPACING.as_millis()).unwrap() / 2;
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= least), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_over_the_daily_break_is_fetched_on_both_sides() {
    let gateway = Gateway::start_with(|config| config.market.always_open = false).await;
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start(data.path());
    let mnq = json!({"name": "mnq", "conId": MNQ, "ticks": ["Last"]});
    streamer.apply(&spec(json!([mnq]), &[gateway.port()]));
    until("the contract is known", async || streamer.con_id("mnq").is_some()).await;
    // CME's break is from 16 to 17 o'clock in Chicago; Tuesdays have one, whatever the time of the year.
    let mut day = Zoned::now().with_time_zone(jiff::tz::TimeZone::get("America/Chicago").unwrap()).yesterday().unwrap();
    while day.weekday() != Weekday::Tuesday {
        day = day.yesterday().unwrap();
    }
    let at = |hour: i8| day.date().at(hour, 0, 0, 0).to_zoned(day.time_zone().clone()).unwrap();
    let (from, to) = (at(16).checked_sub(20.seconds()).unwrap(), at(17).checked_add(20.seconds()).unwrap());
    let (from, to) = (from.timestamp().as_second(), to.timestamp().as_second());
    streamer.request(request("mnq", TickType::Last, from, to));
    // On a closed day the stream's own begin stays open.
    let asked_for =
        |gap: &Gap| gap.cause == GapCause::Requested && !matches!(gap.state, GapState::Open | GapState::Pending);
    until_gap(&streamer, asked_for).await;
    streamer.stop().await;
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.complete(), "{verdict:#?}");
    let seconds: Vec<i64> = stored(data.path()).iter().map(|tick| tick.time_s).collect();
    let sides = (seconds.iter().any(|second| *second < to - 3_600), seconds.iter().any(|second| *second >= to - 20));
    assert_eq!(sides, (true, true), "{seconds:?}");
}

/// Records, loses the session while history is refused with that error, and returns the gap when it is settled or was
/// tried.
async fn with_refused_history(code: i32, text: &str, max_age: &str) -> (Gateway, Streamer, tempfile::TempDir, Gap) {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let mut spec = spec(json!([sim1(&["Last"])]), &[gateway.port()]);
    spec.backfill.max_age = max_age.parse().unwrap();
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    gateway.begin(json!({"kind": "reject_history", "scope": {"all": true}, "code": code, "text": text})).await;
    gateway.close_sockets().await;
    let gap = until_gap(&streamer, |gap| gap.reason.is_some()).await;
    (gateway, streamer, data, gap)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ibkr_refuses_for_good_is_unfillable_with_its_words() {
    for (code, text) in [
        (354, "Requested market data is not subscribed."),
        (162, "Historical Market Data Service error message:No market data permissions for PAXOS CRYPTO"),
        (200, "No security definition has been found for the request"),
    ] {
        let (gateway, streamer, _data, gap) = with_refused_history(code, text, "24h").await;
        assert_eq!(gap.state, GapState::Unfillable);
        let reason = gap.reason.unwrap();
        assert!(reason.contains(text) && reason.contains(&format!("error {code}")), "{reason}");
        until("the metrics count it", async || {
            let sent = gateway.requests("error").await.iter().filter(|line| line["code"] == code).count() as u64;
            sent > 0 && streamer.facts().counters.notices().contains(&(code, sent))
        })
        .await;
        let counted = |status: &StreamerStatus| status.gaps.is_some_and(|gaps| gaps.unfillable == 1 && gaps.open == 0);
        streamer.until("the status counts it", counted).await;
        streamer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_older_than_max_age_is_not_asked_for() {
    let (gateway, streamer, _data, gap) = with_refused_history(162, "nobody asks", "1s").await;
    assert_eq!((gap.state, gap.reason.as_deref()), (GapState::Unfillable, Some("older than spec.backfill.maxAge")));
    streamer.stop().await;
    assert!(gateway.requests("history").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_passes_is_followed_by_another_attempt() {
    let text = "Historical Market Data Service error message:HMDS connection attempt failed. Connection will be re-attempted...";
    let (gateway, streamer, _data, gap) = with_refused_history(162, text, "24h").await;
    assert_eq!((gap.state, gap.attempts, gap.postponed), (GapState::Pending, 0, 1));
    gateway.end_faults().await;
    let filled = |status: &StreamerStatus| status.gaps.is_some_and(|gaps| gaps.open == 0 && gaps.filled == 1);
    streamer.until_within(FILLED, "the second attempt", filled).await;
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_type_that_is_not_wanted_is_marked_and_a_person_may_still_ask() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let mut spec = spec(json!([sim1(&["MidPoint"])]), &[gateway.port()]);
    spec.backfill.requests_per_10_minutes = 20;
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    gateway.close_sockets().await;
    let unfillable = |status: &StreamerStatus| status.gaps == Some(GapCounts { unfillable: 1, ..GapCounts::default() });
    streamer.until_within(FILLED, "the gap is marked", unfillable).await;
    assert_eq!(streamer.gaps()[0].reason.as_deref(), Some("its tick type is not in spec.backfill.ticks"));

    // Before anything was recorded.
    let (from, to) = (now_s() - 300, now_s() - 120);
    streamer.request(request("sim1", TickType::MidPoint, from, to));
    let settled =
        |status: &StreamerStatus| status.gaps.is_some_and(|gaps| gaps.open == 0 && gaps.filled + gaps.approximate == 1);
    streamer.until_within(FILLED, "the range is fetched", settled).await;
    streamer.stop().await;
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.total.stored > 0 && verdict.complete(), "{verdict:#?}");
    assert!(lines(data.path()).iter().any(|line| line["backfill"] == true));
}
