//! `/history`: how true the history is, and what it alters.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::{Parameters, Problem, ndjson, number};
use crate::history::{HistoryConfig, What};
use crate::server::Core;

/// Longest span of one question, seconds.
const MAX_SPAN_S: i64 = 24 * 3_600;

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new().route("/history", get(settings).post(change)).route("/history/truth", get(truth))
}

async fn settings(State(core): State<Arc<Core>>) -> Json<HistoryConfig> {
    Json(core.history())
}

async fn change(State(core): State<Arc<Core>>, body: Bytes) -> Result<Json<HistoryConfig>, Problem> {
    let changes: Value = serde_json::from_slice(&body).map_err(|error| Problem::bad(format!("not JSON: {error}")))?;
    core.change_history(&changes).map(Json).map_err(|error| Problem::bad(error.to_string()))
}

/// What the history alters, a line for each second.
async fn truth(State(core): State<Arc<Core>>, Query(parameters): Parameters) -> Result<Response, Problem> {
    let required = |name| number(&parameters, name)?.ok_or_else(|| Problem::bad(format!("{name} is missing")));
    let (from, to) = (required("from")?, required("to")?);
    if !to.checked_sub(from).is_some_and(|span| (0..=MAX_SPAN_S).contains(&span)) {
        return Err(Problem::bad(format!("to must be at most {MAX_SPAN_S} seconds later than from and not before it")));
    }
    let con_id = i32::try_from(required("con_id")?).map_err(|_| Problem::bad("con_id is out of range"))?;
    let name = parameters.get("what").map(String::as_str);
    let what = What::ALL.into_iter().find(|what| Some(what.name()) == name);
    let what = what.ok_or_else(|| Problem::bad("what must be one of TRADES, BID_ASK, MIDPOINT"))?;
    let asked_us = match number(&parameters, "asked_ms")? {
        Some(asked_ms) => asked_ms.saturating_mul(1_000),
        None => core.clock.now_us(),
    };
    let work = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        for second in core.truth(con_id, what, from..to, asked_us) {
            serde_json::to_writer(&mut lines, &second)?;
            lines.push(b'\n');
        }
        Ok::<_, serde_json::Error>(lines)
    });
    let lines = work.await.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
    Ok(ndjson(lines))
}
