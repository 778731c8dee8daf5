//! The HTTP server: probes, metrics, and `/health` as ib-stream has it.

mod gaps;
mod health;
mod metrics;

use std::{collections::HashMap, net::SocketAddr, sync::Arc, thread, time::Duration};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{net::TcpListener, runtime, sync::mpsc::Sender};
use tokio_util::sync::CancellationToken;

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

/// Serves on a thread of its own, so that a busy session does not make the probes fail, until `stop`.
///
/// # Errors
/// When the address cannot be bound or no thread can be started.
pub fn serve(listen: SocketAddr, view: View, stop: CancellationToken) -> std::io::Result<thread::JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(listen))?;
    thread::Builder::new().name("http".to_owned()).spawn(move || {
        let server = axum::serve(listener, router(view));
        // Open connections are not waited for: at the end of the process the port must close at once.
        runtime.block_on(async {
            tokio::select! {
                served = server => if let Err(error) = served { tracing::error!(%error, "the HTTP server ended") },
                () = stop.cancelled() => {}
            }
        });
    })
}

/// The routes.
pub fn router(view: View) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/v1/status", get(status))
        .route("/v1/gaps", get(list_gaps))
        .route("/v1/backfill", post(backfill))
        .route("/v1/test-connection", get(test_connection))
        .with_state(view)
}

async fn livez(State(view): State<View>) -> (StatusCode, String) {
    let still: Vec<String> = view
        .hearts
        .iter()
        .filter(|(_, heart)| heart.still() > STILL_BOUND)
        .map(|(name, heart)| format!("the {name} loop has not turned for {} s", heart.still().as_secs()))
        .collect();
    if still.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", still.join("\n")))
    }
}

async fn readyz(State(view): State<View>) -> (StatusCode, String) {
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

async fn metrics(State(view): State<View>) -> Response {
    match metrics::render(&view.facts) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn health(State(view): State<View>) -> Json<serde_json::Value> {
    Json(health::render(&view.facts))
}

/// What `status.streamer` says, and the word of recovery.
async fn status(State(view): State<View>) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "streamer": build(&view.facts, &view.identity),
        "recovery": *view.facts.recovery.borrow(),
    }))
}

async fn test_connection(State(view): State<View>) -> Json<serde_json::Value> {
    let endpoints = view.facts.session.borrow().endpoints.clone();
    let tests = endpoints.iter().map(async |endpoint| {
        let reached = reach::test(endpoint, REACH_BOUND).await;
        serde_json::json!({"endpoint": endpoint.to_string(), "reach": reached, "text": reached.to_string()})
    });
    Json(futures::future::join_all(tests).await.into())
}

async fn list_gaps(State(view): State<View>) -> Json<serde_json::Value> {
    Json(gaps::list(&view.facts))
}

async fn backfill(State(view): State<View>, Query(parameters): Query<HashMap<String, String>>) -> Response {
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
