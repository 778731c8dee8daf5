//! The HTTP server: probes, metrics, health and readers' endpoints as ib-stream has them. `openapi.json` describes it.

mod background;
mod gaps;
mod health;
mod messages;
mod metrics;
mod parameters;
mod problem;
mod pump;
mod query;
mod record;
mod service;
mod socket;
mod sse;
mod target;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    thread,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
    serve::ListenerExt,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Semaphore, mpsc::Sender},
};
use tokio_util::sync::CancellationToken;

use self::{
    health::{Picture, Status},
    problem::Problem,
};
use crate::{
    engine::Event,
    facts::{Facts, Heart},
    reach,
    status::{Identity, build},
};

/// A loop that did not turn for so long will not turn again. Generous, since a disk may take its time for a sync and a
/// restart of the process would not make it faster.
const STILL_BOUND: Duration = Duration::from_secs(120);

/// Longest wait for each step of a connection test.
const REACH_BOUND: Duration = Duration::from_secs(5);

/// What the server shows.
#[derive(Clone)]
pub struct View {
    /// Who it is.
    pub identity: Identity,
    /// The facts.
    pub facts: Facts,
    /// Where requests of people go.
    pub requests: Sender<Event>,
    /// Signs of life of all loops.
    pub hearts: Vec<(&'static str, Arc<Heart>)>,
}

/// Live streams that are read at once; each holds a queue of a few MiB at most.
const MAX_READERS: usize = 64;
/// Range queries that are answered at once; each holds a few thousand ticks.
const MAX_QUERIES: usize = 8;
/// Threads that read files for all of them, piece by piece in turn.
const FILE_THREADS: usize = 4;
/// A peer that confirms nothing for so long is gone: a reader that stopped reading must not hold its socket for ever.
const PEER_BOUND: Duration = Duration::from_secs(60);
/// How long readers have to take the word that the streamer ends.
const FAREWELL: Duration = Duration::from_millis(250);

/// The view, and what all requests share.
#[derive(Clone)]
struct Served {
    view: View,
    readers: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    /// Live readers that did not keep up.
    slow_readers: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Served {
    fn new(view: View, stop: CancellationToken) -> Self {
        Self {
            view,
            readers: Arc::new(Semaphore::new(MAX_READERS)),
            sockets: Arc::new(Semaphore::new(MAX_READERS)),
            queries: Arc::new(Semaphore::new(MAX_QUERIES)),
            slow_readers: Arc::default(),
            stop,
        }
    }

    fn live_readers(&self) -> usize {
        MAX_READERS.saturating_sub(self.readers.available_permits())
    }
}

/// Serves on a thread of its own, so that a busy session does not make the probes fail, until `stop`.
///
/// # Errors
/// When the address cannot be bound or no thread can be started.
pub fn serve(listen: SocketAddr, view: View, stop: CancellationToken) -> std::io::Result<thread::JoinHandle<()>> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(FILE_THREADS).build()?;
    let listener = {
        let _context = runtime.enter();
        TcpListener::from_std(listener)?
    };
    thread::Builder::new().name("http".to_owned()).spawn(move || {
        let served = Served::new(view, stop.clone());
        let (server, farewell) = (axum::serve(listener.tap_io(bound), router(served.clone())), served);
        // Open connections are not waited for for long: at the end of the process the port must close at once.
        runtime.block_on(async {
            tokio::select! {
                served = server => if let Err(error) = served { tracing::error!(%error, "the HTTP server ended") },
                () = async {
                    stop.cancelled().await;
                    let all = u32::try_from(MAX_READERS).unwrap_or(u32::MAX);
                    let _ = tokio::time::timeout(FAREWELL, farewell.readers.acquire_many(all)).await;
                } => {}
            }
        });
        // A thread that reads a file is not waited for.
        runtime.shutdown_background();
    })
}

/// Bounds what a peer that has vanished, or does not read, costs.
fn bound(stream: &mut TcpStream) {
    let socket = socket2::SockRef::from(&*stream);
    let bounded = socket.set_tcp_user_timeout(Some(PEER_BOUND)).and_then(|()| socket.set_tcp_nodelay(true));
    if let Err(error) = bounded {
        tracing::debug!(%error, "a connection cannot be bounded");
    }
}

/// The routes with their methods.
fn routes() -> Vec<(&'static str, &'static str, MethodRouter<Served>)> {
    vec![
        ("get", "/livez", get(livez)),
        ("get", "/readyz", get(readyz)),
        ("get", "/metrics", get(metrics)),
        ("get", "/openapi.json", get(openapi)),
        ("get", "/", get(info)),
        ("get", "/v2/info", get(info)),
        ("get", "/stream/info", get(info)),
        ("get", "/health", get(health)),
        ("get", "/system/health", get(system_health)),
        ("get", "/background/status", get(background_status)),
        ("get", "/background/health", get(background_health)),
        ("get", "/background/health/summary", get(background_summary)),
        ("get", "/background/health/{contract}", get(contract_health)),
        ("get", "/storage/status", get(storage_status)),
        ("get", "/time/status", get(time_status)),
        ("get", "/v1/status", get(status)),
        ("get", "/v1/gaps", get(list_gaps)),
        ("post", "/v1/backfill", post(backfill)),
        ("get", "/v1/test-connection", get(test_connection)),
        ("get", "/v2/stream/{contract}/live", get(sse::all)),
        ("get", "/v2/stream/{contract}/live/{tick}", get(sse::one)),
        ("get", "/v2/stream/{contract}/buffer", get(sse::buffer)),
        // ib-stream's own clients ask under these.
        ("get", "/v2/stream/{contract}", get(sse::all)),
        ("get", "/v2/stream/{contract}/{tick}", get(sse::one)),
        ("get", "/stream/{contract}", get(sse::all)),
        ("get", "/stream/{contract}/{tick}", get(sse::one)),
        ("get", "/v2/ws/stream", get(socket::upgrade)),
        ("get", "/v3/buffer/{contract}/query", get(query::query)),
    ]
}

fn router(served: Served) -> Router {
    let router = routes().into_iter().fold(Router::new(), |router, (_, path, method)| router.route(path, method));
    router.fallback(unknown).with_state(served)
}

/// A path that nothing is served under: ib-stream has more of them.
async fn unknown(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(64).collect();
    Problem::not_served(format!(
        "{path} is not served here: /openapi.json lists what is, the manual what to use instead"
    ))
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

async fn livez(State(Served { view, .. }): State<Served>) -> (StatusCode, String) {
    alive(still(&view.hearts))
}

/// The loops that stand still, and for how long.
fn still(hearts: &[(&'static str, Arc<Heart>)]) -> impl Iterator<Item = (&'static str, Duration)> {
    hearts.iter().map(|(name, heart)| (*name, heart.still())).filter(|(_, still)| *still > STILL_BOUND)
}

fn alive(still: impl Iterator<Item = (&'static str, Duration)>) -> (StatusCode, String) {
    let lines = still.map(|(name, still)| format!("the {name} loop has not turned for {} s\n", still.as_secs()));
    let lines: String = lines.collect();
    if lines.is_empty() { (StatusCode::OK, "ok\n".to_owned()) } else { (StatusCode::SERVICE_UNAVAILABLE, lines) }
}

async fn readyz(State(Served { view, .. }): State<Served>) -> (StatusCode, String) {
    let snapshot = view.facts.session.borrow().clone();
    if let Some(alarm) = view.facts.recovery.borrow().alarm() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{alarm}\n"));
    }
    if snapshot.socket.is_up() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let reason = snapshot.socket.message.as_deref().unwrap_or("the first connection is being made");
    (StatusCode::SERVICE_UNAVAILABLE, format!("no API session ({:?}): {reason}\n", snapshot.socket.state))
}

async fn metrics(State(served): State<Served>) -> Response {
    match metrics::render(&served) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn health(State(served): State<Served>) -> Json<serde_json::Value> {
    Json(health::overall(&Picture::of(&served)))
}

/// What `status.streamer` says, and the word of recovery.
async fn status(State(Served { view, .. }): State<Served>) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "streamer": build(&view.facts, &view.identity),
        "recovery": *view.facts.recovery.borrow(),
    }))
}

async fn system_health(State(served): State<Served>) -> (StatusCode, Json<serde_json::Value>) {
    let picture = Picture::of(&served);
    let status = match picture.status {
        Status::Degraded => StatusCode::SERVICE_UNAVAILABLE,
        Status::Healthy | Status::Warning => StatusCode::OK,
    };
    (status, Json(health::system(&picture)))
}

async fn info() -> Json<serde_json::Value> {
    Json(service::info())
}

async fn storage_status(State(served): State<Served>) -> Json<serde_json::Value> {
    let facts = &served.view.facts;
    Json(service::storage(&Picture::of(&served), &facts.data_dir, facts.feed.waiting()))
}

async fn time_status(State(served): State<Served>) -> Json<serde_json::Value> {
    Json(service::time(&Picture::of(&served)))
}

async fn background_status(State(served): State<Served>) -> Json<serde_json::Value> {
    Json(background::status(&Picture::of(&served)))
}

async fn background_health(State(served): State<Served>) -> Json<serde_json::Value> {
    Json(background::health(&Picture::of(&served)))
}

async fn background_summary(State(served): State<Served>) -> Json<serde_json::Value> {
    Json(background::summary(&Picture::of(&served)))
}

async fn contract_health(State(served): State<Served>, Path(contract): Path<String>) -> Response {
    let (status, answer) = background::contract(&Picture::of(&served), &contract);
    (status, Json(answer)).into_response()
}

async fn test_connection(State(Served { view, .. }): State<Served>) -> Json<serde_json::Value> {
    let endpoints = view.facts.session.borrow().endpoints.clone();
    let tests = endpoints.iter().map(async |endpoint| {
        let reached = reach::test(endpoint, REACH_BOUND).await;
        serde_json::json!({"endpoint": endpoint.to_string(), "reach": reached, "text": reached.to_string()})
    });
    Json(futures::future::join_all(tests).await.into())
}

async fn list_gaps(State(Served { view, .. }): State<Served>) -> Json<serde_json::Value> {
    Json(gaps::list(&view.facts))
}

async fn backfill(
    State(Served { view, .. }): State<Served>,
    Query(parameters): Query<HashMap<String, String>>,
) -> Response {
    match gaps::request(&parameters, &view.facts, view.facts.clock.now().wall.as_second()) {
        Ok(request) => {
            if view.requests.try_send(Event::Backfill(request)).is_err() {
                // Full of other requests; or the session has died, which the liveness probe says.
                return (StatusCode::SERVICE_UNAVAILABLE, "too many requests: try again in a second\n").into_response();
            }
            (StatusCode::ACCEPTED, "asked for: /v1/gaps shows what becomes of it\n").into_response()
        }
        Err(problem) => (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
