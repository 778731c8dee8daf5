//! The admin HTTP server: faults, journal, and what goes on.

mod history;
mod lifecycle;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::clock::ClockSetting;
use crate::faults::{Fault, KINDS};
use crate::journal::query;
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::server::{BeginError, Core};

/// Longest span of one journal query, seconds: an answer is built in memory.
const MAX_SPAN_S: i64 = 24 * 3_600;

type Parameters = Query<HashMap<String, String>>;

/// Serves until the simulator stops.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener) {
    if let Err(error) = axum::serve(listener, router(core)).await {
        tracing::error!(%error, "admin server ended");
    }
}

/// The routes. A scenario takes them too.
pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/status", get(status))
        .route("/sessions", get(sessions))
        .route("/requests", get(requests))
        .route("/journal", get(journal))
        .route("/clock", get(clock).put(set_clock))
        .route("/faults", get(list_faults).post(begin_fault).delete(end_faults))
        .route("/faults/kinds", get(async || Json(KINDS)))
        .route("/faults/{id}", delete(end_fault))
        .route("/sockets/close", post(close_sockets))
        .route("/crash", post(crash))
        .merge(history::routes())
        .merge(lifecycle::router())
        .with_state(core)
}

/// An answer to a request that cannot be served.
struct Problem(StatusCode, String);

impl Problem {
    fn bad(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Io(error) => error.into(),
            BeginError::Burst(error) => Self::bad(error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

async fn status(State(core): State<Arc<Core>>) -> Json<Value> {
    let (logged_in, listening) = core.login_and_port();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_ms": core.started_us / 1_000,
        "logged_in": logged_in,
        "listening": listening,
        "connections": core.sessions().len(),
        "faults": core.faults().len(),
        "ticks_sent": core.ticks_sent.load(Ordering::Relaxed),
    }))
}

async fn clock(State(core): State<Arc<Core>>) -> Json<Value> {
    let now = jiff::Timestamp::from_microsecond(core.clock.now_us()).map(|now| now.to_string()).unwrap_or_default();
    Json(json!({"at": now, "speed": core.clock.speed()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockSpec {
    /// The moment; the real one when absent.
    at: Option<jiff::Timestamp>,
    speed: Option<f64>,
}

async fn set_clock(State(core): State<Arc<Core>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let ClockSpec { at, speed } =
        serde_json::from_slice(&body).map_err(|error| Problem::bad(format!("bad body: {error}")))?;
    let setting = ClockSetting { at_us: at.map(jiff::Timestamp::as_microsecond), speed: speed.unwrap_or(1.0) };
    core.clock.set(setting).map_err(|error| Problem::bad(error.to_string()))?;
    Ok(clock(State(core)).await)
}

async fn sessions(State(core): State<Arc<Core>>) -> Response {
    Json(core.sessions()).into_response()
}

async fn requests(State(core): State<Arc<Core>>, Query(parameters): Parameters) -> Result<Response, Problem> {
    let since_ms = number(&parameters, "since_ms")?.unwrap_or(0);
    let lines = tokio::task::spawn_blocking(move || core.requests.since(since_ms)).await;
    Ok(ndjson(lines.map_err(std::io::Error::other)??))
}

async fn journal(State(core): State<Arc<Core>>, Query(parameters): Parameters) -> Result<Response, Problem> {
    let required = |name| number(&parameters, name)?.ok_or_else(|| Problem::bad(format!("{name} is missing")));
    let (from, to) = (required("from")?, required("to")?);
    let span = to.checked_sub(from).filter(|_| from >= 0);
    if !span.is_some_and(|span| (0..=MAX_SPAN_S).contains(&span)) {
        return Err(Problem::bad(format!(
            "from must be at least 0, and to at most {MAX_SPAN_S} seconds later and not before it"
        )));
    }
    let con_id = number(&parameters, "con_id")?.map(i32::try_from).transpose();
    let con_id = con_id.map_err(|_| Problem::bad("con_id is out of range"))?;
    let tick = parameters.get("tick").map(|name| {
        TickType::from_name(name).ok_or_else(|| Problem::bad("tick must be one of Last, AllLast, BidAsk, MidPoint"))
    });
    let tick = tick.transpose()?;
    let lines = tokio::task::spawn_blocking(move || journal_lines(&core, (from, to), con_id, tick)).await;
    Ok(ndjson(lines.map_err(std::io::Error::other)??))
}

fn journal_lines(
    core: &Core,
    span: (i64, i64),
    con_id: Option<i32>,
    tick: Option<TickType>,
) -> std::io::Result<Vec<u8>> {
    let mut streams = core.requests.streams();
    // One that is named in full need not have been subscribed.
    if let (Some(con_id), Some(tick)) = (con_id, tick) {
        streams.insert(Stream { con_id, tick });
    }
    streams.retain(|stream| con_id.is_none_or(|id| id == stream.con_id) && tick.is_none_or(|t| t == stream.tick));
    let mut evidence = query::Evidence { sent: core.journal.sent(span.0, span.1)?, altered: core.altered.ticks(span)? };
    let now_us = core.clock.now_us();
    let mut lines = Vec::new();
    for tick in query::ticks(&core.market, streams, span, now_us, &mut evidence) {
        serde_json::to_writer(&mut lines, &tick)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

async fn list_faults(State(core): State<Arc<Core>>) -> Response {
    Json(core.faults()).into_response()
}

async fn begin_fault(State(core): State<Arc<Core>>, body: Bytes) -> Result<Response, Problem> {
    let value: Value = serde_json::from_slice(&body).map_err(|error| Problem::bad(format!("not JSON: {error}")))?;
    let fault = Fault::from_json(&value).map_err(|error| Problem::bad(error.to_string()))?;
    let id = core.begin_fault(fault)?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))).into_response())
}

async fn end_faults(State(core): State<Arc<Core>>) -> Result<Response, Problem> {
    Ok(Json(json!({"ended": core.end_fault(None)?})).into_response())
}

async fn end_fault(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let id: u64 = id.parse().map_err(|_| Problem::bad("the id of a fault is a number"))?;
    let ended = core.end_fault(Some(id))?;
    if ended.is_empty() {
        return Err(Problem(StatusCode::NOT_FOUND, format!("no fault {id}")));
    }
    Ok(Json(json!({"ended": ended})).into_response())
}

async fn close_sockets(State(core): State<Arc<Core>>, Query(parameters): Parameters) -> Result<Response, Problem> {
    let reset = match parameters.get("how").map(String::as_str) {
        None | Some("rst") => true,
        Some("fin") => false,
        Some(_) => return Err(Problem::bad("how must be rst or fin")),
    };
    Ok(Json(json!({"closed": core.close_sockets(reset)})).into_response())
}

async fn crash(State(core): State<Arc<Core>>) -> StatusCode {
    tracing::error!("crash asked for");
    core.crash.cancel();
    StatusCode::ACCEPTED
}

fn number(parameters: &HashMap<String, String>, name: &str) -> Result<Option<i64>, Problem> {
    let parse = |text: &String| text.parse().map_err(|_| Problem::bad(format!("{name} must be a whole number")));
    parameters.get(name).map(parse).transpose()
}

fn ndjson(lines: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}
