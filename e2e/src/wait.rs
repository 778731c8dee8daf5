//! Waiting for objects to reach a state, through watches, with a deadline.

use std::{fmt::Debug, pin::pin, time::Duration};

use anyhow::{Result, bail};
use futures::StreamExt;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

/// Pause between two looks at something that cannot be watched.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Watches the object until `reached` says so, and returns it (`None` when `reached` accepted that it is gone).
///
/// # Errors
/// When that takes longer than `limit`; the message ends with the object's last state.
pub async fn until<K>(
    api: &Api<K>,
    name: &str,
    what: &str,
    limit: Duration,
    mut reached: impl FnMut(Option<&K>) -> bool,
) -> Result<Option<K>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    let deadline = Instant::now() + limit;
    let mut changes = pin!(objects(api, name));
    let mut last = None;
    loop {
        match timeout_at(deadline, changes.next()).await {
            Ok(Some(object)) if reached(object.as_ref()) => return Ok(object),
            Ok(Some(object)) => last = object,
            Ok(None) => bail!("the watch of {name} ended"),
            Err(_) => bail!("{what}: not within {limit:?}; {name} is now\n{}", describe(last.as_ref())),
        }
    }
}

/// Asks again and again until the answer is there.
///
/// # Errors
/// When that takes longer than `limit`; the message ends with the last reason why not.
pub async fn answer<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(why_not) if Instant::now() >= deadline => {
                return Err(why_not.context(format!("{what}: not within {limit:?}")));
            }
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Every state of one object that the watch shows, `None` while there is none. Errors are retried for ever: the
/// caller has the deadline.
pub fn objects<K>(api: &Api<K>, name: &str) -> impl futures::Stream<Item = Option<K>> + Send + use<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    watcher(api.clone(), only)
        .default_backoff()
        .scan(false, |seen, event| {
            let state = match event {
                Ok(watcher::Event::Init) => {
                    *seen = false;
                    None
                }
                Ok(watcher::Event::InitApply(object)) => {
                    *seen = true;
                    Some(Some(object))
                }
                Ok(watcher::Event::Apply(object)) => Some(Some(object)),
                Ok(watcher::Event::InitDone) if !*seen => Some(None),
                Ok(watcher::Event::Delete(_)) => Some(None),
                Ok(watcher::Event::InitDone) | Err(_) => None,
            };
            std::future::ready(Some(state))
        })
        .filter_map(std::future::ready)
}

/// The part of an object that tells where it stands.
fn describe<K: Serialize>(object: Option<&K>) -> String {
    let Some(object) = object else { return "not there".to_owned() };
    let value = serde_json::to_value(object).unwrap_or(Value::Null);
    let part = value.get("status").unwrap_or(&value);
    serde_json::to_string_pretty(part).unwrap_or_default()
}
