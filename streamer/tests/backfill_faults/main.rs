//! Each fault of the simulator's catalogue whose ticks history can give back. With an exact history nothing is missing,
//! doubled or altered afterwards, by the simulator's own comparison; with a history like IBKR's every difference lies in a
//! gap that says so. All run at once, each with a gateway and a streamer of its own, since most of the time is spent
//! waiting.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod realistic;

use std::{collections::BTreeSet, future::Future, panic::AssertUnwindSafe, time::Duration};

use common::*;
use futures::{
    FutureExt,
    future::{LocalBoxFuture, join_all},
};
use ib_gateway_sim::{faults::KINDS, history::Mode};
use marketstream_crds::{ActionKind, MarketStreamSpec, StreamState, StreamerStatus};
use marketstream_streamer::{
    backfill::ledger::{Gap, GapCause, GapState},
    facts::StreamFacts,
};
use serde_json::{Value, json};

/// Longest wait for one step of one case, with all others on the same machine.
const PATIENT: Duration = Duration::from_secs(120);

/// How long the gateway's own restart takes, seconds.
const RESTART_S: u32 = 4;

const STREAMS: [&str; 2] = ["sim1/Last", "sim1/BidAsk"];

/// A gateway and a streamer that records from it.
struct Scene {
    gateway: Gateway,
    streamer: Streamer,
    spec: MarketStreamSpec,
}

impl Scene {
    async fn until(&self, what: &str, condition: impl Fn(&StreamerStatus) -> bool) {
        self.streamer.until_within(PATIENT, what, condition).await;
    }

    /// It is known of each stream that it may miss ticks.
    async fn until_missed(&self) {
        let open = || self.streamer.gaps().iter().filter(|gap| gap.state == GapState::Open).count();
        self.until("a gap of each stream", |status| status.flowing == 0 && open() == STREAMS.len()).await;
    }

    /// A loss that is over long before any silence is called one, but costs a second of ticks.
    async fn brief(mut self, path: &str, lost: Value, back: Value) -> Self {
        self.spec.recovery.stale_after = marketstream_crds::Duration::from_secs(600);
        self.streamer.apply(&self.spec);
        let patient = |facts: &StreamFacts| facts.stale_after == Duration::from_secs(600);
        let session = || self.streamer.facts().session.borrow().clone();
        until("the manifest is taken", async || session().streams.iter().all(patient)).await;
        self.gateway.post(path, lost).await;
        let begun = now_s();
        until("a second passed", async || now_s() > begun + 1).await;
        self.gateway.post(path, back).await;
        // A machine that stood still may have lost the session, too.
        let cause = |gap: &Gap| matches!(gap.cause, GapCause::LinkLost | GapCause::SessionLost);
        let gaps = || self.streamer.gaps().into_iter().filter(cause).map(|gap| gap.stream).collect::<BTreeSet<_>>();
        self.until("a gap of each stream", |_| gaps().len() == STREAMS.len()).await;
        self
    }

    /// Nothing flows any more.
    async fn until_silent(&self) {
        self.until("the silence", |status| status.flowing == 0).await;
    }

    /// The session is lost, and stays so for a while.
    async fn until_down(&self) {
        self.until("the session is down", |status| status.socket.down_seconds > 1.5).await;
    }

    /// What level 2 does.
    fn restart_streams(&self, id: &str) {
        self.streamer.send(&self.spec, None, Some(action(id, ActionKind::RestartStreams, &STREAMS, 851)));
    }
}

/// Whether a case costs ticks at all.
#[derive(Clone, Copy, PartialEq)]
enum Costs {
    Ticks,
    Nothing,
}

type Act = Box<dyn FnOnce(Scene) -> LocalBoxFuture<'static, Scene>>;

struct Case {
    name: &'static str,
    costs: Costs,
    act: Act,
}

fn case<F>(name: &'static str, costs: Costs, act: impl FnOnce(Scene) -> F + 'static) -> Case
where
    F: Future<Output = Scene> + 'static,
{
    Case { name, costs, act: Box::new(|scene| act(scene).boxed_local()) }
}

/// A fault that lasts until the session has been lost for a while.
fn lost(name: &'static str, fault: Value, close: bool) -> Case {
    case(name, Costs::Ticks, async move |scene: Scene| {
        scene.gateway.begin(fault).await;
        if close {
            scene.gateway.close_sockets().await;
        }
        scene.until_down().await;
        scene.gateway.end_faults().await;
        scene
    })
}

/// A fault that happens once.
fn once(name: &'static str, costs: Costs, fault: Value) -> Case {
    case(name, costs, async move |scene: Scene| {
        scene.gateway.begin(fault).await;
        if costs == Costs::Ticks {
            scene.until("a gap", |status| status.gaps.is_some_and(|gaps| gaps.open + gaps.filled > 0)).await;
        }
        scene
    })
}

fn cases() -> Vec<Case> {
    let all = json!({"all": true});
    let garbage = |what: &str| json!({"kind": "garbage", "scope": {"all": true}, "what": what});
    let (scope, everything) = (all.clone(), all.clone());
    let silence = json!({"kind": "silence", "scope": all, "cure": "Never"});
    let forgotten = json!({"kind": "lose_subscriptions", "scope": all});
    vec![
        lost("refuse", json!({"kind": "refuse"}), true),
        lost("hang", json!({"kind": "hang"}), false),
        lost("no_handshake", json!({"kind": "no_handshake"}), true),
        lost("blackhole", json!({"kind": "blackhole", "connections": "all"}), false),
        lost("slow_link", json!({"kind": "slow_link", "bytes_per_s": 30}), false),
        lost("client_id_in_use", json!({"kind": "client_id_in_use", "client_id": 851}), true),
        once("half_frame", Costs::Ticks, json!({"kind": "half_frame"})),
        once("garbage", Costs::Ticks, garbage("bad_length")),
        once("garbage", Costs::Nothing, garbage("unknown_message")),
        once("burst", Costs::Nothing, json!({"kind": "burst", "con_id": SIM1, "tick": "BidAsk", "ticks": 20_000})),
        case("silence", Costs::Ticks, async move |scene: Scene| {
            scene.gateway.begin(silence).await;
            scene.until_missed().await;
            scene.gateway.end_faults().await;
            scene
        }),
        case("lose_subscriptions", Costs::Ticks, async move |scene: Scene| {
            scene.gateway.begin(forgotten).await;
            scene.until_silent().await;
            scene.restart_streams("1");
            scene
        }),
        case("reject", Costs::Ticks, async move |scene: Scene| {
            let text = "Requested market data is not subscribed";
            scene.gateway.begin(json!({"kind": "reject", "scope": scope, "code": 354, "text": text})).await;
            scene.restart_streams("1");
            let refused =
                |status: &StreamerStatus| status.streams.iter().all(|stream| stream.state == StreamState::Rejected);
            scene.until("the refusal", refused).await;
            scene.gateway.end_faults().await;
            scene.restart_streams("2");
            scene
        }),
        case("delayed", Costs::Ticks, async move |scene: Scene| {
            scene.gateway.begin(json!({"kind": "delayed", "scope": everything})).await;
            scene.restart_streams("1");
            until("the second subscriptions", async || scene.gateway.requests("subscribe").await.len() >= 4).await;
            let begun = now_s();
            until("seconds passed", async || now_s() > begun + 2).await;
            scene.gateway.end_faults().await;
            scene.restart_streams("2");
            until("the third subscriptions", async || scene.gateway.requests("subscribe").await.len() >= 6).await;
            scene
        }),
        case("competing", Costs::Ticks, async |scene: Scene| {
            scene.gateway.begin(json!({"kind": "competing"})).await;
            scene.until_silent().await;
            scene.gateway.end_faults().await;
            scene
        }),
        case("link lost, data kept", Costs::Ticks, async |scene: Scene| {
            scene.gateway.post("/upstream", json!({"up": false})).await;
            scene.until_silent().await;
            scene.gateway.post("/upstream", json!({"up": true, "data": "kept"})).await;
            scene
        }),
        case("link lost, and a lie that data were kept", Costs::Ticks, async |scene: Scene| {
            scene.gateway.post("/upstream", json!({"up": false})).await;
            scene.until_silent().await;
            scene.gateway.post("/upstream", json!({"up": true, "data": "lying"})).await;
            scene
        }),
        case("a farm down and up", Costs::Ticks, async |scene: Scene| {
            scene.gateway.post("/farms/usfarm", json!({"link": "down"})).await;
            scene.until_silent().await;
            scene.gateway.post("/farms/usfarm", json!({"link": "up"})).await;
            scene
        }),
        case("the link flaps", Costs::Ticks, async |scene: Scene| {
            scene.brief("/upstream", json!({"up": false}), json!({"up": true, "data": "kept"})).await
        }),
        case("a farm flaps", Costs::Ticks, async |scene: Scene| {
            scene.brief("/farms/usfarm", json!({"link": "down"}), json!({"link": "up"})).await
        }),
        case("a crash and a new start of the gateway", Costs::Ticks, async |mut scene: Scene| {
            let Scene { gateway, streamer, .. } = scene;
            let down = async || {
                streamer.until_within(PATIENT, "the session is down", |status| status.socket.down_seconds > 1.5).await;
            };
            scene.gateway = gateway.restart(down).await;
            scene.streamer = streamer;
            scene
        }),
        case("IBC's restart", Costs::Ticks, async |scene: Scene| {
            // It comes at the next whole minute, which is why the patience is longer than that.
            let before = scene.streamer.status().socket.since;
            scene.gateway.post("/ibc/RESTART", json!(null)).await;
            scene.until("another session", |status| status.socket.since != before).await;
            scene
        }),
        case("link lost, data lost", Costs::Ticks, async |scene: Scene| {
            scene.gateway.post("/upstream", json!({"up": false})).await;
            scene.until_silent().await;
            scene.gateway.post("/upstream", json!({"up": true, "data": "lost"})).await;
            scene
        }),
    ]
}

/// Records trades and quotes through the fault, waits until the gaps are settled, and judges all seconds.
async fn run(Case { name, costs, act }: Case, mode: Mode) {
    let gateway = Gateway::start_with(|config| {
        config.life.restart_s = RESTART_S;
        if mode == Mode::Realistic {
            config.history = realistic::history();
        }
    })
    .await;
    let data = tempfile::tempdir().unwrap();
    let spec = spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]);
    let streamer = Streamer::start(data.path());
    let scene = Scene { gateway, streamer, spec };
    scene.streamer.apply(&scene.spec);
    scene.until("all streams flow", |status| status.total == 2 && status.flowing == 2).await;
    let from = now_s() + 1;
    until("seconds were recorded", async || now_s() > from + 1).await;
    let scene = act(scene).await;
    scene.until(name, |status| status.flowing == status.total).await;
    let live = realistic::live(data.path());
    let settled = |status: &StreamerStatus| {
        status
            .gaps
            .is_some_and(|gaps| gaps.open == 0 && (costs == Costs::Nothing || gaps.filled + gaps.approximate > 0))
    };
    scene.until("every gap is settled", settled).await;
    let gaps = scene.streamer.gaps();
    let to = now_s() - 1;
    scene.streamer.stop().await;
    let added = gaps.iter().any(|gap| gap.added > 0);
    assert!(added || costs == Costs::Nothing, "{name}: nothing was lost, so nothing is proven: {gaps:#?}");
    match mode {
        Mode::Ideal => {
            let verdict = scene.gateway.judge(data.path(), from, to).await;
            assert!(verdict.total.stored > 0 && verdict.complete(), "{name}: {verdict:#?}\n{gaps:#?}");
            // Between two gaps that follow each other nothing may be left to compare.
            let exact = |gap: &Gap| gap.state == GapState::Filled || gap.agreement.is_none();
            assert!(gaps.iter().all(exact), "{name}: {gaps:#?}");
        }
        Mode::Realistic => {
            realistic::check(&scene.gateway, data.path(), &gaps, &live, costs == Costs::Ticks, (from, to)).await;
        }
    }
}

async fn run_all(mode: Mode) {
    let cases = cases();
    let tried: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    // A new kind of fault needs a case.
    for kind in KINDS.iter().filter(|kind| kind.fillable) {
        assert!(tried.contains(kind.kind), "no case for {}", kind.kind);
    }
    let run = async |case: Case| {
        let name = case.name;
        // One that fails must not hide the others.
        let passed = AssertUnwindSafe(run(case, mode)).catch_unwind().await.is_ok();
        (name, passed)
    };
    let ended = join_all(cases.into_iter().map(run)).await;
    let failed: Vec<&str> = ended.into_iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_history_has_is_complete_after_each_fault() {
    run_all(Mode::Ideal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_like_ibkrs_touches_nothing_but_the_gaps_and_they_say_how_far_it_agrees() {
    run_all(Mode::Realistic).await;
}
