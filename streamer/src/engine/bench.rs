//! The engine without a gateway, for the tests of its parts.

use marketstream_crds::{GatewayError, StreamState};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::{
    recorder::Recorder,
    session::details::Resolved,
    test_support::{manifest, spec},
};

/// An engine, and what it works with.
pub struct Bench {
    pub engine: Engine,
    pub published: watch::Receiver<Arc<Snapshot>>,
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

    /// The gateway sends a notice.
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

    /// A stream by its name.
    pub fn stream(&mut self, key: &str) -> &mut StreamEntry {
        self.engine.streams.iter_mut().find(|(known, _)| known.to_string() == key).unwrap().1
    }

    /// The streams that are to be asked for.
    pub fn wanted(&self) -> Vec<String> {
        let wanted = self.engine.streams.iter().filter(|(_, stream)| stream.wanted_at.is_some());
        wanted.map(|(key, _)| key.to_string()).collect()
    }

    /// None is to be asked for any more.
    pub fn not_wanted(&mut self) {
        self.engine.streams.values_mut().for_each(|stream| stream.wanted_at = None);
    }

    /// The states that are published after a turn.
    pub fn states(&mut self) -> Vec<StreamState> {
        self.engine.turn();
        self.published.borrow().streams.iter().map(|stream| stream.state).collect()
    }

    /// The first contract's line says something in that second.
    pub fn line_speaks(&mut self, second: u64) {
        let mut seen = self.engine.lines["a"].seen.lock();
        seen.expect(Duration::from_secs(60));
        seen.speaks(Duration::from_secs(second));
    }

    /// The look-up of the first contract has told what it is.
    pub fn resolve(&mut self) {
        let resolved = Resolved::known_before(1, "CME", None, false);
        self.engine.contracts.get_mut("a").unwrap().resolved = Some(resolved);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.stop();
        }
    }
}

/// A stream that has ticked at 100 s, and its contract's line.
pub fn silent_since_100_s(bench: &mut Bench) -> (StreamKey, Now) {
    let at = Now { mono: Duration::from_secs(100), ..bench.engine.now() };
    let task = AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
    let stream = bench.stream("a/Last");
    stream.start(1, task, at.mono);
    stream.pulse.at_second(at.wall.as_second());
    stream.pulse.beat(at);
    bench.engine.lines.get_mut("a").unwrap().pretend(Duration::from_secs(50));
    bench.line_speaks(90);
    let key = bench.engine.streams.keys().find(|key| key.to_string() == "a/Last").cloned().unwrap();
    (key, at)
}

/// What the gateway told at that time.
pub fn refusal(code: i32, at: Now) -> GatewayError {
    GatewayError { code, message: "told".to_owned(), time: at.wall.into(), age_seconds: 0.0 }
}
