//! Every state of a MarketStream that a watch showed, for assertions on what never happened.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt;
use kube::Api;
use marketstream_crds::{ActionKind, MarketStream};
use tokio::task::JoinHandle;

use crate::{view::View, wait};

/// A watch that runs until it is dropped.
pub struct Trace {
    states: Arc<Mutex<Vec<MarketStream>>>,
    task: JoinHandle<()>,
}

impl Trace {
    /// Begins to watch.
    #[must_use]
    pub fn begin(api: &Api<MarketStream>, name: &str) -> Self {
        let states = Arc::new(Mutex::new(Vec::new()));
        let mut changes = Box::pin(wait::objects(api, name));
        let task = tokio::spawn({
            let states = Arc::clone(&states);
            async move {
                while let Some(state) = changes.next().await {
                    states.lock().unwrap_or_else(PoisonError::into_inner).extend(state);
                }
            }
        });
        Self { states, task }
    }

    /// What was seen until now.
    #[must_use]
    pub fn states(&self) -> Vec<MarketStream> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The actions that were written, each once.
    #[must_use]
    pub fn actions(&self) -> Vec<(String, ActionKind)> {
        let mut seen = Vec::new();
        for state in self.states() {
            if let Some(action) = state.action()
                && !seen.iter().any(|(id, _)| *id == action.id)
            {
                seen.push((action.id.clone(), action.kind));
            }
        }
        seen
    }

    /// The pods that reported.
    #[must_use]
    pub fn pods(&self) -> BTreeSet<String> {
        self.states().iter().filter_map(|state| Some(state.streamer()?.pod_uid.clone())).collect()
    }

    /// The client IDs that were to be used.
    #[must_use]
    pub fn client_ids(&self) -> BTreeSet<i32> {
        self.states().iter().map(View::client_id).filter(|id| *id != 0).collect()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.task.abort();
    }
}
