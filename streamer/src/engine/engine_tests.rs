//! The engine: what it makes of events.

use marketstream_crds::{StreamState, TickType, Upstream};

use super::{
    bench::{Bench, silent_since_100_s},
    stream::Origin,
    *,
};
use crate::{backfill::ledger::GapCause, session::details::Resolved, test_support::manifest};

#[tokio::test]
async fn data_lost_asks_for_every_stream_with_a_line() {
    let mut bench = Bench::new();
    bench.not_wanted();
    bench.notice(1100, "Connectivity between IBKR and TWS has been lost");
    bench.engine.turn();
    assert!(bench.published.borrow().link.is_down());
    assert!(bench.wanted().is_empty());
    bench.notice(1101, "Connectivity between IBKR and TWS has been restored - data lost");
    assert_eq!(bench.wanted(), ["a/Last", "a/BidAsk"]);
    let restored = bench.engine.link.upstream(bench.engine.now().mono).map(|upstream| upstream.state);
    assert_eq!(restored, Some(Upstream::Up));
    // Requests that follow so soon may be lost, too.
    assert!(bench.engine.verify_if_due(bench.engine.now()).is_some());
}

#[tokio::test]
async fn too_many_requests_are_followed_by_a_pause_and_a_look_at_what_was_dropped() {
    let mut bench = Bench::new();
    bench.notice(100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)");
    let until = bench.engine.cooldown.as_ref().unwrap().until;
    assert!(until > bench.engine.now().mono && bench.engine.verify_if_due(bench.engine.now()).unwrap() > until);
}

#[tokio::test]
async fn notices_of_an_earlier_session_are_ignored() {
    let mut bench = Bench::new();
    bench.engine.generation += 1;
    let notice = Notice {
        request_id: None,
        code: 1100,
        message: String::new(),
        error_time: None,
        advanced_order_reject_json: String::new(),
    };
    bench.engine.take_event(Event::Notice { generation: 0, notice });
    assert_eq!(bench.engine.link, Link::default());
}

#[tokio::test]
async fn a_new_port_of_the_gateway_is_tried_first_where_the_manifest_has_it() {
    let mut bench = Bench::new();
    let mut spec = bench.engine.spec.clone().unwrap();
    spec.gateway.external.as_mut().unwrap().ports = vec![7497, 4002];
    bench.engine.take_manifest(manifest(spec));
    let text = |port: &str| {
        format!(
            "TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port - {port}"
        )
    };
    bench.notice(1300, &text("4002"));
    assert_eq!(bench.engine.last_good.as_ref().map(|endpoint| endpoint.port), Some(4002));
    // One that is not listed is not guessed, and what was good is so no more.
    for other in ["5000", "99999", ""] {
        bench.notice(1300, &text(other));
        assert_eq!(bench.engine.last_good, None, "{other:?}");
    }
}

#[tokio::test]
async fn a_competing_session_holds_every_stream_with_a_line() {
    let mut bench = Bench::new();
    bench.notice(10197, "No market data during competing live session");
    assert!(bench.wanted().is_empty());
    assert_eq!(bench.states(), [StreamState::Rejected; 3]);
    let code = |bench: &mut Bench, key: &str| bench.stream(key).error.as_ref().map(|error| error.code);
    assert_eq!((code(&mut bench, "a/Last"), code(&mut bench, "b/Last")), (Some(10197), Some(0)));
    // A new session tries at once, with one stream only.
    let now = bench.engine.now();
    bench.engine.ask_for_all(now.mono);
    assert_eq!(bench.engine.hold.as_ref().map(Canary::due), Some(now.mono));
    assert!(bench.wanted().is_empty());
    // So it does when a farm is back, whose streams could not tell.
    let restored = |bench: &mut Bench, code: i32| {
        let before = bench.engine.now().mono;
        bench.engine.hold = Some(Canary::new(before));
        bench.notice(code, "Market data farm connection:usfuture");
        bench.engine.hold.as_ref().unwrap().due() < before + Duration::from_secs(30)
    };
    assert!(!restored(&mut bench, 2103) && restored(&mut bench, 2104));
    bench.engine.end_hold(now);
    assert_eq!(bench.wanted(), ["a/Last", "a/BidAsk"]);
}

#[tokio::test]
async fn the_canary_is_the_stream_that_should_tick_soonest_and_may() {
    let mut bench = Bench::new();
    let mut spec = bench.engine.spec.clone().unwrap();
    spec.contracts[0].stale_after = Some(marketstream_crds::Duration::from_secs(900));
    spec.limits.tick_by_tick = 3;
    bench.engine.take_manifest(manifest(spec));
    bench.notice(10197, "No market data during competing live session");
    let order = |bench: &Bench| {
        let keys = bench.engine.telling(bench.engine.streams.keys().cloned().collect());
        keys.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(order(&bench), ["b/Last", "a/Last", "a/BidAsk"]);
    let now = bench.engine.now();
    bench.stream("b/Last").refuse(Origin::Gateway, 203, "The security is not available or allowed.", now);
    assert_eq!(order(&bench), ["a/Last", "a/BidAsk", "b/Last"]);
}

#[tokio::test]
async fn what_has_expired_leaves_its_lines_to_the_others() {
    let mut bench = Bench::new();
    let mut spec = bench.engine.spec.clone().unwrap();
    spec.limits.lines = 1;
    bench.engine.take_manifest(manifest(spec));
    let lined = |bench: &Bench| {
        let lined = bench.engine.streams.iter().filter(|(_, stream)| stream.lined);
        lined.map(|(key, _)| key.to_string()).collect::<Vec<_>>()
    };
    bench.engine.turn();
    assert_eq!(lined(&bench), ["a/Last", "a/BidAsk"]);
    assert_eq!(bench.engine.lines.keys().collect::<Vec<_>>(), ["a"]);
    let expiry = crate::roll::Expiry::read("20200320", "US/Central");
    let resolved = Resolved::known_before(1, "CME", expiry, false);
    bench.engine.contracts.get_mut("a").unwrap().resolved = Some(resolved.clone());
    bench.states();
    assert_eq!(bench.states(), [StreamState::Expired, StreamState::Expired, StreamState::Pending]);
    assert_eq!(lined(&bench), ["b/Last"]);
    assert_eq!(bench.engine.lines.keys().collect::<Vec<_>>(), ["b"]);
    // More lines than streams are no reason to hold one.
    let mut spec = bench.engine.spec.clone().unwrap();
    (spec.limits.lines, spec.limits.tick_by_tick) = (9, 9);
    bench.engine.take_manifest(manifest(spec));
    bench.states();
    assert_eq!((lined(&bench), bench.engine.lines.len()), (vec!["b/Last".to_owned()], 1));
    // The name means a contract again that trades.
    bench.engine.contracts.get_mut("a").unwrap().resolved = Some(Resolved { expiry: None, ..resolved });
    bench.states();
    bench.states();
    assert_eq!((lined(&bench).len(), bench.engine.lines.len()), (3, 2));
}

#[tokio::test]
async fn an_unknown_contract_holds_back_its_own_streams_only() {
    let mut bench = Bench::new();
    bench.stream("b/Last").lined = true;
    let now = bench.engine.now();
    let refused = || Err(Unresolved::Refused(200, "No security definition has been found".to_owned()));
    // Nothing of that name was asked for.
    bench.engine.details(99, "a", refused(), now);
    assert!(!bench.stream("a/Last").is_refused());
    bench.engine.contract_refused("a", 200, "unknown", marketstream_recovery::codes::ErrorClass::ContractInvalid, now);
    assert!(bench.stream("a/Last").is_refused_by(Origin::Contract));
    assert!(bench.stream("a/BidAsk").is_refused_by(Origin::Contract));
    assert!(!bench.stream("b/Last").is_refused_by(Origin::Contract));
}

#[tokio::test]
async fn after_a_restored_link_only_silent_streams_that_run_are_asked_for_again() {
    let mut bench = Bench::new();
    bench.not_wanted();
    let now = bench.engine.now();
    for key in ["a/Last", "a/BidAsk"] {
        let task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
        bench.stream(key).start(1, task, now.mono);
    }
    bench.notice(1102, "Connectivity between IBKR and TWS has been restored - data maintained");
    let due = bench.engine.verify_if_due(bench.engine.now()).unwrap();
    assert!(due > now.mono + Duration::from_secs(39));
    let heard = bench.engine.now();
    bench.stream("a/Last").pulse.beat(heard);
    let later = Now { mono: due, ..bench.engine.now() };
    assert_eq!(bench.engine.verify_if_due(later), None);
    assert_eq!(bench.wanted(), ["a/BidAsk"]);
}

#[tokio::test]
async fn a_lost_session_is_made_again_after_the_manifests_pause() {
    let mut bench = Bench::new();
    let now = bench.engine.now();
    let endpoint = Endpoint { host: "gw".to_owned(), port: 4002 };
    bench.engine.lost(&Failure::closed(&endpoint), now);
    assert_eq!(bench.engine.connect_if_due(now), Some(now.mono + Duration::from_secs(5)));
    // A session that we end ourselves is not lost.
    bench.engine.end_session(now);
    let due = bench.engine.connect_if_due(now).unwrap();
    assert!(due > now.mono && due < now.mono + Duration::from_secs(1), "{due:?}");
}

/// A subscription that has received more than it has recorded: it needs several turns for the rest.
fn busy_subscription() -> (tokio_util::task::AbortOnDropHandle<()>, Arc<std::sync::atomic::AtomicBool>) {
    let recorded = Arc::<std::sync::atomic::AtomicBool>::default();
    let done = recorded.clone();
    let task = tokio::spawn(async move {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    (tokio_util::task::AbortOnDropHandle::new(task), recorded)
}

#[tokio::test]
async fn what_a_lost_session_has_brought_is_recorded_and_the_end_waits_for_it() {
    for ends_at_once in [false, true] {
        let mut bench = Bench::new();
        let now = bench.engine.now();
        let (task, recorded) = busy_subscription();
        bench.stream("a/Last").start(1, task, now.mono);
        bench.engine.lost(&Failure::closed(&Endpoint { host: "gw".to_owned(), port: 4002 }), now);
        assert!(!bench.stream("a/Last").is_running());
        if ends_at_once {
            bench.engine.shut_down().await;
        } else {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
        assert!(recorded.load(std::sync::atomic::Ordering::Relaxed), "ends at once: {ends_at_once}");
    }
}

#[tokio::test]
async fn an_unknown_message_is_a_gap_of_every_stream_that_runs_and_not_again_soon() {
    let mut bench = Bench::new();
    let now = bench.engine.now();
    let task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
    bench.stream("a/Last").start(1, task, now.mono);
    bench.notice(-5, "unknown message type 999");
    let gaps = |bench: &Bench| bench.engine.gaps.published().0.counts().open;
    assert_eq!(gaps(&bench), 1, "the others do not run");
    let key = bench.engine.streams.keys().find(|key| key.to_string() == "a/Last").cloned().unwrap();
    bench.engine.ticked(&key, 1, 1, now);
    assert!(!bench.engine.gaps.is_open(gaps::recorded(&bench.engine.contracts, &key).unwrap()));
    bench.notice(-5, "unknown message type 999");
    assert_eq!(gaps(&bench), 1);
}

/// Of the only stream that has any: the seconds of its gaps, and why.
fn gaps_of(bench: &Bench) -> Vec<(Option<i64>, Option<i64>, GapCause)> {
    let ledger = bench.engine.gaps.published().0;
    ledger.gaps().iter().map(|gap| (gap.after, gap.before, gap.cause)).collect()
}

#[tokio::test]
async fn a_gap_has_the_seconds_of_the_ticks_beside_it_however_late_the_engine_hears_of_them() {
    let mut bench = Bench::new();
    let (key, at) = silent_since_100_s(&mut bench);
    // Ticks of later seconds were recorded before the engine came to read of the loss.
    bench.stream("a/Last").pulse.at_second(16);
    bench.engine.take_event(Event::Lagged { key: key.clone(), behind: Some(10) });
    bench.engine.take_event(Event::Tick { key: key.clone(), serial: 1, second: 13 });
    assert_eq!(gaps_of(&bench), [(Some(10), Some(13), GapCause::Dropped)]);
    // What an earlier subscription has brought does not end what is lost since.
    bench.engine.end_session(at);
    let lost = (Some(16), None, GapCause::SessionLost);
    assert_eq!(gaps_of(&bench)[1..], [lost], "at once, not when it is asked for again");
    bench.engine.take_event(Event::Tick { key: key.clone(), serial: 1, second: 17 });
    let task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
    bench.stream("a/Last").start(2, task, at.mono);
    bench.engine.take_event(Event::Tick { key: key.clone(), serial: 1, second: 18 });
    assert_eq!(gaps_of(&bench)[1..], [lost]);
    bench.engine.take_event(Event::Tick { key, serial: 2, second: 30 });
    assert_eq!(gaps_of(&bench)[1..], [(Some(16), Some(30), GapCause::SessionLost)]);
}

#[tokio::test]
async fn an_outage_without_an_end_ends_when_ticks_come_again() {
    let mut bench = Bench::new();
    let (key, at) = silent_since_100_s(&mut bench);
    let since = at.mono + Duration::from_secs(1);
    bench.engine.link.apply(1100, "Connectivity between IBKR and TWS has been lost", since);
    bench.engine.watch_outages();
    let later = |seconds: u64| Now { mono: since + Duration::from_secs(seconds), ..at };
    bench.engine.look_after_link(later(30));
    assert!(bench.engine.link.is_down());
    bench.engine.streams[&key].pulse.tick(later(30), at.wall.as_second() + 130);
    bench.engine.look_after_link(later(31));
    assert!(!bench.engine.link.is_down());
    let behind = Some(at.wall.as_second());
    assert_eq!(gaps_of(&bench), [(behind, behind.map(|second| second + 130), GapCause::LinkLost)]);
}

#[tokio::test]
async fn what_the_disk_has_lost_is_a_gap_and_what_it_has_not_taken_is_one_after_a_restart() {
    use crate::{
        backfill::ledger::{GapCause, GapState, Recorded},
        recorder::Trouble,
    };
    let mut bench = Bench::new();
    let stream = |con_id| Recorded { con_id, kind: marketstream_proto::TickKind::Last };
    let trouble = Trouble { unwritten: [(stream(9), 70)].into(), lost: [(stream(9), 50)].into(), ended: false };
    bench.engine.disk_told(trouble);
    let now = bench.engine.now();
    bench.engine.gaps.finish(now).await;
    let brief = |book: &gaps::Book| {
        let gaps = book.published().0;
        let of = |gap: &crate::backfill::ledger::Gap| (gap.contract.clone(), gap.after, gap.cause, gap.state);
        gaps.gaps().iter().map(of).collect::<Vec<_>>()
    };
    let lost = ("9".to_owned(), Some(50), GapCause::Unwritten, GapState::Open);
    assert_eq!(brief(&bench.engine.gaps), std::slice::from_ref(&lost));
    // Another process finds both in the ledger.
    let data = bench.engine.tools.store.data_dir();
    assert_eq!(brief(&gaps::Book::open_dir(data, now)), [lost]);
    bench.engine.gaps.close(stream(9), 60, now);
    bench.engine.gaps.finish(now).await;
    let again = brief(&gaps::Book::open_dir(bench.engine.tools.store.data_dir(), now));
    assert_eq!(again[1], ("9".to_owned(), Some(70), GapCause::Unwritten, GapState::Open));
}

#[tokio::test]
async fn a_refusal_that_crowding_explains_is_followed_by_a_request_with_more_distance() {
    let mut bench = Bench::new();
    let now = bench.engine.now();
    let refused = |bench: &mut Bench, con_id: i32, ticks: &[TickType]| {
        bench.not_wanted();
        ticks.iter().for_each(|tick| bench.engine.spacing.asked(con_id, *tick, now.mono));
        let task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
        bench.stream("a/BidAsk").start(1, task, now.mono);
        let key = bench.engine.streams.keys().find(|key| key.to_string() == "a/BidAsk").cloned().unwrap();
        let text = "Max number of tick-by-tick requests has been reached.".to_owned();
        bench.engine.stream_ended(&key, 1, End::Refused(10190, text), now);
        let stream = bench.stream("a/BidAsk");
        (stream.is_refused(), stream.wanted_at.map(|at| at - now.mono))
    };
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    assert_eq!(refused(&mut bench, 1, &[TickType::BidAsk]), (true, minutes(5)), "nothing crowds it");
    assert_eq!(refused(&mut bench, 1, &[TickType::Last, TickType::BidAsk]), (false, minutes(0)));
    let spacing = Duration::from_secs(15);
    let earliest = |bench: &Bench, tick| bench.engine.spacing.earliest(1, tick, spacing, now.mono) - now.mono;
    assert_eq!(earliest(&bench, TickType::MidPoint), spacing, "now it keeps its distance to all types");
    // Refused again although it had kept it: the lines are taken.
    bench.engine.spacing = Spacing::default();
    bench.engine.spacing.insist(true);
    assert_eq!(refused(&mut bench, 1, &[TickType::BidAsk]), (true, minutes(5)));
    assert_eq!(earliest(&bench, TickType::MidPoint), Duration::ZERO);
}

#[tokio::test]
async fn it_reports_only_after_the_resource_was_read() {
    let mut bench = Bench::new();
    bench.engine.turn();
    assert!(bench.published.borrow().reportable);
    let (engine, published) = Engine::new(
        Tools {
            clock: Clock::start(),
            counters: Arc::default(),
            heart: bench.engine.tools.heart.clone(),
            store: bench.engine.tools.store.clone(),
            feed: bench.engine.tools.feed.clone(),
            gateway: Place::in_pod(),
            backfill_lag: Duration::from_secs(60),
        },
        "uid".to_owned(),
    );
    engine.publish_changes();
    assert!(!published.borrow().reportable);
}
