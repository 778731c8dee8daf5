//! The engine without a gateway: what it makes of events.

use marketstream_crds::{StreamState, TickType, Upstream};
use serde_json::json;

use super::{stream::Origin, *};
use crate::backfill::ledger::{GapCause, GapState};
use crate::session::details::Resolved;
use crate::{
    recorder::Recorder,
    test_support::{manifest, spec},
};

pub(super) struct Bench {
    pub engine: Engine,
    published: watch::Receiver<Arc<Snapshot>>,
    recorder: Option<Recorder>,
    _data: tempfile::TempDir,
}

impl Bench {
    /// Two contracts, three streams, two lines.
    pub fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let clock = Clock::start();
        let heart = Arc::new(Heart::new(clock));
        let cadence = crate::recorder::Cadence { flush: Duration::from_secs(1), sync: Duration::from_secs(1) };
        let recorder = Recorder::start(data.path().to_owned(), cadence, clock, heart.clone()).unwrap();
        let tools = Tools {
            clock,
            counters: Arc::default(),
            heart,
            store: Store::new(data.path()),
            feed: recorder.feed(),
            gateway: Place::in_pod(),
            backfill_lag: Duration::from_secs(60),
        };
        let (mut engine, published) = Engine::new(tools, "uid".to_owned());
        let spec = spec(json!({
            "contracts": [
                {"name": "a", "conId": 1, "ticks": ["Last", "BidAsk"]},
                {"name": "b", "conId": 2, "ticks": ["Last"]},
            ],
            "gateway": {"external": {"host": "127.0.0.1", "ports": [1]}},
            "limits": {"tickByTick": 2},
        }));
        engine.take_manifest(manifest(spec));
        Self { engine, published, recorder: Some(recorder), _data: data }
    }

    pub fn notice(&mut self, code: i32, text: &str) {
        let notice = Notice {
            request_id: None,
            code,
            message: text.to_owned(),
            error_time: None,
            advanced_order_reject_json: String::new(),
        };
        let generation = self.engine.generation;
        self.engine.take_event(Event::Notice { generation, notice });
    }

    fn stream(&mut self, key: &str) -> &mut StreamEntry {
        self.engine.streams.iter_mut().find(|(known, _)| known.to_string() == key).unwrap().1
    }

    fn wanted(&self) -> Vec<String> {
        let wanted = self.engine.streams.iter().filter(|(_, stream)| stream.wanted_at.is_some());
        wanted.map(|(key, _)| key.to_string()).collect()
    }

    fn not_wanted(&mut self) {
        self.engine.streams.values_mut().for_each(|stream| stream.wanted_at = None);
    }

    fn states(&mut self) -> Vec<StreamState> {
        self.engine.turn();
        self.published.borrow().streams.iter().map(|stream| stream.state).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.stop();
        }
    }
}

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

/// A stream that has ticked at 100 s, and its contract's line.
fn silent_since_100_s(bench: &mut Bench) -> (StreamKey, Now) {
    let at = Now { mono: Duration::from_secs(100), ..bench.engine.now() };
    let task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
    let stream = bench.stream("a/Last");
    stream.start(1, task, at.mono);
    stream.pulse.at_second(at.wall.as_second());
    stream.pulse.beat(at);
    bench.engine.lines.get_mut("a").unwrap().pretend(Duration::from_secs(50));
    bench.line_speaks(90);
    let key = bench.engine.streams.keys().find(|key| key.to_string() == "a/Last").cloned().unwrap();
    (key, at)
}

impl Bench {
    fn line_speaks(&mut self, second: u64) {
        let mut seen = self.engine.lines["a"].seen.lock();
        seen.expect(Duration::from_secs(60));
        seen.speaks(Duration::from_secs(second));
    }

    /// The state at that second, and whether a gap is open.
    fn judged(&mut self, key: &StreamKey, at: Now, second: u64) -> (StreamState, bool) {
        self.engine.judge(Now { mono: Duration::from_secs(second), ..at });
        let open = self.engine.gaps.is_open(gaps::recorded(&self.engine.contracts, key).unwrap());
        (self.engine.streams[key].verdict.state, open)
    }
}

#[tokio::test]
async fn a_silence_is_witnessed_only_while_the_line_speaks() {
    use StreamState::{Flowing, Quiet, Stale};
    let mut bench = Bench::new();
    let (key, at) = silent_since_100_s(&mut bench);
    // It goes on speaking: nothing traded.
    bench.line_speaks(112);
    for (second, expected) in [(155, (Flowing, false)), (161, (Quiet, false)), (190, (Quiet, false))] {
        bench.line_speaks(second - 20);
        assert_eq!(bench.judged(&key, at, second), expected, "{second}");
    }
    // Its last word was at 170 s: from 200 s on nobody knows, and from 230 s on it is stale.
    assert_eq!(bench.judged(&key, at, 199), (Quiet, false));
    assert_eq!(bench.judged(&key, at, 200), (Quiet, true));
    assert_eq!(bench.judged(&key, at, 231), (Stale, true));
}

#[tokio::test]
async fn a_line_that_spoke_early_and_died_with_its_stream_hides_no_loss() {
    for (last_words, witnessed) in [
        (&[103][..], false),
        (&[110], false),
        (&[119, 130], false),
        // It had paused itself.
        (&[132], false),
        (&[115, 160], false),
        (&[119, 140], true),
        (&[110, 130, 158], true),
    ] {
        let mut bench = Bench::new();
        let (key, at) = silent_since_100_s(&mut bench);
        last_words.iter().for_each(|second| bench.line_speaks(*second));
        let quiet = bench.judged(&key, at, 161);
        assert_eq!(quiet, (StreamState::Quiet, !witnessed), "last words at {last_words:?} s");
        // Both are back: what was lost in between is asked of history.
        bench.ticks(&key, at, 165);
        let gaps = bench.silences(at);
        assert_eq!(gaps, usize::from(!witnessed), "last words at {last_words:?} s");
    }
}

#[tokio::test]
async fn a_line_has_nothing_to_witness_before_the_silence_counts() {
    for (first_word, open) in [(1_020, false), (1_040, true)] {
        let mut bench = Bench::new();
        let (key, at) = silent_since_100_s(&mut bench);
        // As after a night: the session opened then.
        bench.stream("a/Last").first_asked = Some(Duration::from_secs(1_000));
        [first_word, 1_045, 1_055].iter().for_each(|second| bench.line_speaks(*second));
        assert_eq!(bench.judged(&key, at, 1_061), (StreamState::Quiet, open), "first word at {first_word} s");
        bench.ticks(&key, at, 1_062);
        assert_eq!(bench.silences(at), usize::from(open), "first word at {first_word} s");
    }
}

#[tokio::test]
async fn a_silence_that_grew_doubtful_while_the_engine_stood_still_is_a_gap_all_the_same() {
    for (quiet_at, last_words, gaps) in [
        // It was called quiet at 161 s, and nobody has looked since.
        (Some(161), &[115, 140][..], 1),
        (Some(161), &[115, 140, 165], 0),
        // The line was back before the stream.
        (Some(161), &[115, 140, 188], 1),
        // Nobody has looked at all.
        (None, &[], 1),
        (None, &[115, 140, 165], 0),
        (None, &[115, 140, 188], 1),
    ] {
        let mut bench = Bench::new();
        let (key, at) = silent_since_100_s(&mut bench);
        bench.judged(&key, at, 101);
        let (before, after): (Vec<u64>, Vec<u64>) = last_words.iter().partition(|second| **second < 161);
        before.into_iter().for_each(|second| bench.line_speaks(second));
        if let Some(second) = quiet_at {
            assert_eq!(bench.judged(&key, at, second), (StreamState::Quiet, false));
        }
        after.into_iter().for_each(|second| bench.line_speaks(second));
        bench.ticks(&key, at, 190);
        assert_eq!(bench.silences(at), gaps, "{quiet_at:?}, last words at {last_words:?} s");
    }
}

impl Bench {
    /// A tick comes at that second, and the engine hears of it if it wants to.
    fn ticks(&mut self, key: &StreamKey, at: Now, second: u64) {
        let now = Now { mono: Duration::from_secs(second), ..at };
        let ibkr = at.wall.as_second() + 1;
        if self.engine.streams[key].pulse.tick(now, ibkr) {
            self.engine.ticked(key, 1, ibkr, now);
        }
    }

    /// How many silences have become gaps; all of them have ended.
    fn silences(&self, at: Now) -> usize {
        let ledger = self.engine.gaps.published().0;
        let gaps = ledger.gaps().iter();
        gaps.inspect(|gap| {
            assert_eq!((gap.cause, gap.state), (GapCause::Silence, GapState::Pending));
            assert_eq!(gap.after, Some(at.wall.as_second()));
        })
        .count()
    }
}

impl Bench {
    /// The look-up of the first contract has told what it is.
    fn resolve(&mut self) {
        let resolved = Resolved::known_before(1, "CME", None, false);
        self.engine.contracts.get_mut("a").unwrap().resolved = Some(resolved);
    }
}

fn refusal(code: i32, at: Now) -> marketstream_crds::GatewayError {
    marketstream_crds::GatewayError { code, message: "told".to_owned(), time: at.wall.into(), age_seconds: 0.0 }
}

#[tokio::test]
async fn that_data_are_delayed_is_as_old_as_the_lines_last_word() {
    let mut bench = Bench::new();
    let (key, at) = silent_since_100_s(&mut bench);
    bench.engine.lines.get_mut("a").unwrap().restart(Duration::from_secs(9_999_999));
    for hour in [1, 27] {
        let now = Now {
            mono: at.mono + Duration::from_secs(3_600 * hour),
            wall: at.wall + jiff::SignedDuration::from_hours(hour as i64),
        };
        bench.engine.lines.get_mut("a").unwrap().refused = Some(refusal(10167, now));
        bench.engine.judge(now);
        let stream = &bench.engine.streams[&key];
        assert_eq!(stream.verdict.state, StreamState::Rejected);
        assert_eq!(stream.error.as_ref().map(|error| error.time), Some(now.wall.into()), "after {hour} hours");
    }
    // The stream's own refusal is another matter.
    bench.stream("a/Last").error = Some(refusal(354, at));
    bench.engine.judge(at);
    assert_eq!(bench.engine.streams[&key].error.as_ref().map(|error| error.code), Some(354));
}

#[tokio::test]
async fn a_live_tick_makes_void_what_the_line_was_told_before() {
    let mut bench = Bench::new();
    let (key, at) = silent_since_100_s(&mut bench);
    bench.engine.lines.get_mut("a").unwrap().restart(Duration::from_secs(9_999_999));
    bench.stream("a/Last").pulse.at_second(at.wall.as_second() - 60);
    for (told_before, state) in [(90, StreamState::Stale), (30, StreamState::Rejected)] {
        let told = Now { wall: at.wall - jiff::SignedDuration::from_secs(told_before), ..at };
        bench.engine.lines.get_mut("a").unwrap().refused = Some(refusal(10167, told));
        let now = Now { mono: Duration::from_secs(161), ..at };
        bench.engine.judge(now);
        assert_eq!(bench.engine.streams[&key].verdict.state, state, "told {told_before} s before");
    }
}

#[tokio::test]
async fn what_a_gateway_refused_is_missed_only_since_it_gives_it_again() {
    for (origin, excused) in [(Origin::Gateway, true), (Origin::Hold, false)] {
        let mut bench = Bench::new();
        let (_, at) = silent_since_100_s(&mut bench);
        let stream = bench.stream("a/Last");
        stream.refuse(origin, 354, "told", at);
        stream.accepted(at.mono);
        assert!(!stream.is_refused());
        assert_eq!(stream.excused_until, excused.then_some(at.mono), "{origin:?}");
    }
}

#[tokio::test]
async fn streams_that_were_denied_live_data_are_asked_for_when_their_line_has_them_again() {
    let mut bench = Bench::new();
    let (_, at) = silent_since_100_s(&mut bench);
    bench.resolve();
    bench.not_wanted();
    bench.engine.lines.get_mut("a").unwrap().refused = Some(refusal(10167, at));
    bench.stream("a/Last").error = Some(refusal(10167, at));
    // It speaks, and has not shown of what kind its data are.
    bench.engine.look_after_lines(at);
    assert!(bench.wanted().is_empty() && bench.engine.lines["a"].is_delayed());
    bench.engine.lines["a"].seen.lock().live = true;
    bench.engine.look_after_lines(at);
    assert_eq!(bench.wanted(), ["a/Last"]);
    assert!(!bench.engine.lines["a"].is_delayed());
    bench.not_wanted();
    bench.engine.look_after_lines(at);
    assert!(bench.wanted().is_empty(), "once");
}

#[tokio::test]
async fn a_line_is_not_dead_for_having_been_silent_while_its_session_was_closed() {
    let mut bench = Bench::new();
    let (_, at) = silent_since_100_s(&mut bench);
    bench.resolve();
    let mut restarted = |opened: u64| {
        let now = Now { mono: Duration::from_secs(5_000), ..at };
        bench.engine.lines.get_mut("a").unwrap().pretend(Duration::from_secs(50));
        bench.line_speaks(90);
        let stream = bench.stream("a/Last");
        stream.pulse.beat(now);
        (stream.verdict.state, stream.verdict.counted_from) = (StreamState::Flowing, Some(Duration::from_secs(opened)));
        bench.engine.look_after_lines(now);
        !bench.engine.lines["a"].is_running()
    };
    // The session opened just now, or long enough ago for the line to have spoken.
    assert_eq!((restarted(4_999), restarted(4_600)), (false, true));
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
