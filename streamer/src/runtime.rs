//! The streamer without Kubernetes: a session thread and a recorder thread.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use marketstream_crds::Storage;
use tokio::{
    runtime,
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    clock::Clock,
    engine::{Engine, Event, Manifest, Tools},
    facts::{Counters, Facts, Heart, Recovery},
    gateway::{Gateway, Place},
    lock::{InUse, Lock},
    narrator,
    recorder::{Cadence, Recorder},
    seal::child::Sealing,
    store::Store,
};

/// Why the core does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another streamer writes to the data directory.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// A thread or its runtime cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The running core.
#[derive(Debug)]
pub struct Core {
    facts: Facts,
    beside: watch::Sender<Gateway>,
    recovery: watch::Sender<Recovery>,
    sealing: watch::Sender<Sealing>,
    requests: mpsc::Sender<Event>,
    manifests: watch::Sender<Option<Manifest>>,
    stop: CancellationToken,
    session: JoinHandle<()>,
    recorder: Recorder,
    /// Given back when all is written.
    _lock: Lock,
    hearts: Vec<(&'static str, Arc<Heart>)>,
}

impl Core {
    /// Starts it on this data directory; `pod_uid` is whose actions it carries out, `gateway` where a gateway beside
    /// it would be. It waits for a manifest.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(data_dir: &Path, pod_uid: String, gateway: Place, backfill_lag: Duration) -> Result<Self, StartError> {
        Self::start_by(Clock::start(), data_dir, pod_uid, gateway, backfill_lag)
    }

    /// As [`Core::start`], by that clock.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_by(
        clock: Clock,
        data_dir: &Path,
        pod_uid: String,
        gateway: Place,
        backfill_lag: Duration,
    ) -> Result<Self, StartError> {
        let lock = Lock::take(data_dir)?;
        let (session_heart, recorder_heart) = (Arc::new(Heart::new(clock)), Arc::new(Heart::new(clock)));
        let cadence = Cadence::from(&Storage::default());
        let recorder = Recorder::start(data_dir.to_owned(), cadence, clock, recorder_heart.clone())?;
        let counters = Arc::<Counters>::default();
        let tools = Tools {
            clock,
            counters: counters.clone(),
            heart: session_heart.clone(),
            store: Store::new(data_dir),
            feed: recorder.feed(),
            gateway,
            backfill_lag,
        };
        let (engine, published) = Engine::new(tools, pod_uid);
        let (watched, beside) = watch::channel(Gateway::default());
        let (recovery, recovering) = watch::channel(Recovery::default());
        let (sealing, sealing_facts) = watch::channel(Sealing::default());
        let requests = engine.requests();
        // Each says all: what the engine has not seen of earlier ones is out of date.
        let (manifests, inbox) = watch::channel(None);
        let stop = CancellationToken::new();
        // One thread: with two the client library loses frames (measured), and it costs twice the CPU.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let stopped = stop.clone();
        let narrated = narrator::run(clock, published.clone(), recovering.clone());
        let session = thread::Builder::new().name("session".to_owned()).spawn(move || {
            runtime.block_on(async {
                let _narrator = AbortOnDropHandle::new(tokio::spawn(narrated));
                engine.run(inbox, stopped).await;
            });
        })?;
        Ok(Self {
            facts: Facts {
                clock,
                data_dir: data_dir.into(),
                session: published,
                storage: recorder.storage(),
                gateway: beside,
                recovery: recovering,
                live: recorder.live(),
                feed: recorder.feed(),
                sealing: sealing_facts,
                counters,
            },
            beside: watched,
            recovery,
            sealing,
            requests,
            manifests,
            stop,
            session,
            recorder,
            _lock: lock,
            hearts: vec![("session", session_heart), ("recorder", recorder_heart)],
        })
    }

    /// What it knows.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.facts.clone()
    }

    /// Where what is known of the gateway beside this process goes.
    #[must_use]
    pub fn beside(&self) -> watch::Sender<Gateway> {
        self.beside.clone()
    }

    /// Where the word of recovery goes, for health and the log.
    #[must_use]
    pub fn recovery(&self) -> watch::Sender<Recovery> {
        self.recovery.clone()
    }

    /// Where what sealing has done goes.
    #[must_use]
    pub fn sealing(&self) -> watch::Sender<Sealing> {
        self.sealing.clone()
    }

    /// Where requests of people go.
    #[must_use]
    pub fn requests(&self) -> mpsc::Sender<Event> {
        self.requests.clone()
    }

    /// Where manifests go: the newest one counts.
    #[must_use]
    pub fn manifests(&self) -> watch::Sender<Option<Manifest>> {
        self.manifests.clone()
    }

    /// The signs of life of its loops.
    #[must_use]
    pub fn hearts(&self) -> Vec<(&'static str, Arc<Heart>)> {
        self.hearts.clone()
    }

    /// Ends the session in order, then writes and syncs what was recorded. Blocks until that is done.
    pub fn stop(self) {
        self.stop.cancel();
        if self.session.join().is_err() {
            tracing::error!("the session thread had died");
        }
        self.recorder.stop();
    }
}
