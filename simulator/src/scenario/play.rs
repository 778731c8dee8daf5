//! Carries a scenario out, as calls of the admin port. A process that starts again goes on where the last one was.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt;

use super::{Action, Event, Scenario};
use crate::admin;
use crate::clock::ClockSetting;
use crate::config::Config;
use crate::journal::requests;
use crate::server::Core;

/// File of a state directory that says how far a scenario is.
const FILE: &str = "scenario.json";

/// How often a clock that may be set is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Longest answer of the admin port that is read.
const MAX_ANSWER: usize = 64 * 1_024;

/// How far a scenario is.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    checksum: u64,
    /// When it began, on the simulator's clock, microseconds since the epoch. `None` until it has.
    begun_us: Option<i64>,
    /// When it began in real time, microseconds since the epoch.
    begun_real_us: i64,
    /// So many events are done.
    done: usize,
    /// Faults that it began and did not end.
    open: Vec<Open>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    handle: String,
    name: Option<String>,
    id: u64,
}

/// A scenario that is being played.
#[derive(Debug)]
pub(crate) struct Play {
    scenario: Arc<Scenario>,
    path: PathBuf,
    progress: Progress,
}

impl Play {
    /// Takes a scenario up where the state directory says it was, or from its begin, and changes the settings to its own.
    ///
    /// # Errors
    /// When the state directory cannot be used.
    pub(crate) fn open(config: &mut Config, scenario: Arc<Scenario>) -> io::Result<Self> {
        scenario.apply(config);
        let path = config.state_dir.join(FILE);
        let progress = read(&path)?.filter(|progress| progress.checksum == scenario.checksum);
        let progress = progress.unwrap_or_else(|| Progress { checksum: scenario.checksum, ..Progress::default() });
        if let Some(begun_us) = progress.begun_us {
            tracing::info!(done = progress.done, of = scenario.events.len(), "scenario: goes on where it was");
            // A clock that the scenario has set has gone on in the meantime.
            if let Some(ClockSetting { at_us: Some(_), speed }) = scenario.clock {
                let passed_us = Timestamp::now().as_microsecond() - progress.begun_real_us;
                config.clock = ClockSetting { at_us: Some(begun_us + (passed_us as f64 * speed) as i64), speed };
            }
        }
        Ok(Self { scenario, path, progress })
    }

    /// Whether the admin port has all that the scenario calls; says what it has not. Nothing happens yet.
    pub(crate) async fn check(&self, core: &Arc<Core>) -> Result<(), String> {
        let router = admin::router(core.clone());
        for Event { line, action, .. } in &self.scenario.events {
            let Action::Call { method, path, .. } = action else { continue };
            let request = Request::builder().method(Method::OPTIONS).uri(path).body(Body::empty());
            let request = request.map_err(|error| format!("line {line}: admin.path: {error}"))?;
            let Ok(response) = router.clone().oneshot(request).await;
            let allowed = response.headers().get(header::ALLOW).and_then(|methods| methods.to_str().ok());
            match allowed {
                Some(methods) if methods.split(',').any(|allowed| allowed == method) => {}
                Some(methods) => {
                    return Err(format!("line {line}: admin.method: {path} takes {methods}, not {method}"));
                }
                None => return Err(format!("line {line}: admin.path: the admin port has no {path}")),
            }
        }
        Ok(())
    }

    fn save(&self) {
        let partial = self.path.with_extension("partial");
        let text = serde_json::to_vec_pretty(&self.progress).map_err(io::Error::from);
        let saved =
            text.and_then(|text| std::fs::write(&partial, text)).and_then(|()| std::fs::rename(&partial, &self.path));
        if let Err(error) = saved {
            tracing::error!(%error, path = %self.path.display(), "scenario: cannot write how far it is");
        }
    }

    /// Plays to the end.
    pub(crate) async fn run(mut self, core: Arc<Core>) {
        let router = admin::router(core.clone());
        let begun_us = *self.progress.begun_us.get_or_insert_with(|| core.clock.now_us());
        if self.progress.begun_real_us == 0 {
            self.progress.begun_real_us = Timestamp::now().as_microsecond();
            self.save();
        }
        let scenario = self.scenario.clone();
        for event in &scenario.events[self.progress.done.min(scenario.events.len())..] {
            wait(&core, begun_us + i64::try_from(event.at.as_micros()).unwrap_or(i64::MAX)).await;
            // Before it happens: it may be the end of this process.
            self.progress.done += 1;
            self.save();
            self.happen(&core, &router, event).await;
        }
        tracing::info!("scenario: done");
    }

    async fn happen(&mut self, core: &Core, router: &Router, event: &Event) {
        match &event.action {
            Action::Begin { handle, name, fault } => {
                let body = serde_json::to_string(fault).unwrap_or_default();
                if let Some(answer) = call(core, router, event.line, "POST", "/faults", body).await
                    && let Some(id) = answer["id"].as_u64().filter(|_| fault.lasts())
                {
                    self.progress.open.push(Open { handle: handle.clone(), name: name.clone(), id });
                    self.save();
                }
            }
            Action::End { handle } => self.end(core, router, event.line, |open| open.handle == *handle).await,
            Action::EndNamed { name } => {
                let meant = |open: &Open| name == super::file::ALL || open.name.as_ref() == Some(name);
                self.end(core, router, event.line, meant).await;
            }
            Action::Call { method, path, body } => {
                call(core, router, event.line, method, path, body.clone()).await;
            }
        }
    }

    async fn end(&mut self, core: &Core, router: &Router, line: u64, meant: impl Fn(&Open) -> bool) {
        let (ended, open): (Vec<Open>, Vec<Open>) = self.progress.open.drain(..).partition(meant);
        self.progress.open = open;
        self.save();
        for fault in ended {
            // Somebody else may have ended it.
            if core.faults().iter().any(|active| active.id == fault.id) {
                call(core, router, line, "DELETE", &format!("/faults/{}", fault.id), String::new()).await;
            }
        }
    }
}

/// Forgets how far a scenario of that state directory was: it will be played from its begin.
///
/// # Errors
/// When the file is there and cannot be removed.
pub(crate) fn forget(state_dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(state_dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn read(path: &Path) -> io::Result<Option<Progress>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits for a moment of a clock that may be set in the meantime.
async fn wait(core: &Core, at_us: i64) {
    while core.clock.now_us() < at_us {
        let left = core.clock.until(at_us).unwrap_or(LOOK);
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// One call of the admin port; its answer as JSON. What goes wrong is logged: the scenario goes on.
async fn call(core: &Core, router: &Router, line: u64, method: &str, path: &str, body: String) -> Option<Value> {
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let response = router.clone().oneshot(request.body(Body::from(body)).ok()?).await.ok()?;
    let status = response.status();
    let bytes = to_bytes(response.into_body(), MAX_ANSWER).await.unwrap_or_default();
    if status.is_success() {
        tracing::info!(line, method, path, "scenario");
    } else {
        tracing::error!(line, method, path, %status, answer = %String::from_utf8_lossy(&bytes), "scenario: step failed");
    }
    let what = format!("{method} {path}");
    core.log(None, None, requests::Event::ScenarioStep { line, call: what, status: status.as_u16() });
    (status != StatusCode::NOT_FOUND).then(|| serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}
