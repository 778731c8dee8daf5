//! What the demo shows while it runs: the table of `kubectl get mstream` when it changes, and events as they come.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures::StreamExt;
use k8s_openapi::{api::events::v1::Event, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use marketstream_crds::MarketStream;
use tokio::task::JoinHandle;

use crate::{cluster::Cluster, events, table::Table};

const COLUMNS: usize = 100;
/// Widest cells of the table's columns in any state of the demo, so that its rows stay aligned.
const WIDTHS: [usize; 8] = [4, 5, 12, 5, 12, 7, 9, 5];
/// Reasons of events that only fill the screen.
const NOISE: [&str; 3] = ["Pulled", "Created", "Unhealthy"];

/// Whether the next table needs its header again.
static HEADER: AtomicBool = AtomicBool::new(true);

/// Prints a heading.
pub(super) fn say(text: &str) {
    println!("\n{} ==> {text}", Timestamp::now().strftime("%H:%M:%S"));
    HEADER.store(true, Ordering::Relaxed);
}

/// Two watches that print until they are ended.
pub(super) struct Progress(Vec<JoinHandle<()>>);

impl Progress {
    /// Begins to show a namespace.
    pub(super) fn begin(cluster: &Cluster, namespace: &str) -> Self {
        let (first, second) = (cluster.clone(), cluster.clone());
        let (here, there) = (namespace.to_owned(), namespace.to_owned());
        Self(vec![
            tokio::spawn(async move { tables(&first, &here).await }),
            tokio::spawn(async move { all_events(&second, &there).await }),
        ])
    }

    /// Stops showing.
    pub(super) fn end(self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn tables(cluster: &Cluster, namespace: &str) {
    let marketstreams: Api<MarketStream> = cluster.api(namespace);
    let watch = watcher(marketstreams, watcher::Config::default()).default_backoff().applied_objects();
    let mut changes = Box::pin(watch);
    let mut shown: Option<Table> = None;
    let mut widths = WIDTHS.to_vec();
    while changes.next().await.is_some() {
        // A table that cannot be had now is had at the next change.
        let Ok(table) = Table::of_marketstreams(cluster, namespace).await else { continue };
        if shown.as_ref().is_none_or(|shown| !shown.says_the_same(&table)) {
            let header = usize::from(!HEADER.swap(false, Ordering::Relaxed));
            let lines = table.lines(&mut widths);
            lines.iter().skip(header).for_each(|line| println!("  {}", events::cut(line, COLUMNS - 2)));
            shown = Some(table);
        }
    }
}

async fn all_events(cluster: &Cluster, namespace: &str) {
    let events: Api<Event> = cluster.api(namespace);
    let mut changes = Box::pin(watcher(events, watcher::Config::default()).default_backoff().applied_objects());
    let mut counts: HashMap<String, i32> = HashMap::new();
    while let Some(change) = changes.next().await {
        let Ok(event) = change else { continue };
        let count = events::count(&event);
        let known = counts.insert(event.name_any(), count);
        if known != Some(count)
            && let Some(event) = telling(event)
        {
            println!("{}", events::line(&event, COLUMNS));
        }
    }
}

/// The event, if it tells the story. There is one MarketStream: its name would only take room from its notes.
fn telling(event: Event) -> Option<Event> {
    let kind = event.regarding.as_ref().and_then(|object| object.kind.as_deref()).unwrap_or_default();
    let noise = NOISE.contains(&event.reason.as_deref().unwrap_or_default());
    match kind {
        "MarketStream" => Some(Event { regarding: None, ..event }),
        "StatefulSet" | "Pod" if !noise => Some(event),
        _ => None,
    }
}
