//! The login, the link to IBKR, the farms and other sessions, by HTTP.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Problem;
use crate::lifecycle::{CompetingSpec, Link, UpstreamSpec};
use crate::server::Core;

/// Longest time of anything here, seconds: more than a week.
const MAX_S: f64 = 1e6;

/// The routes.
pub(super) fn router() -> Router<Arc<Core>> {
    Router::new()
        .route("/life", get(life))
        .route("/login/confirm", post(confirm))
        .route("/upstream", post(upstream))
        .route("/farms/{name}", post(farm))
        .route("/competing", post(begin_competing).delete(end_competing))
        .route("/ibc/{command}", post(command))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FarmSpec {
    link: Link,
    /// Whether subscriptions go on when it comes up; the gateway's setting when absent.
    keeps_subscriptions: Option<bool>,
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad(format!("bad body: {error}")))
}

fn check(name: &str, seconds: Option<f64>) -> Result<(), Problem> {
    match seconds {
        Some(seconds) if !(seconds > 0.0 && seconds <= MAX_S) => {
            Err(Problem::bad(format!("{name} must be more than 0 and at most {MAX_S} seconds")))
        }
        _ => Ok(()),
    }
}

async fn life(State(core): State<Arc<Core>>) -> Json<Value> {
    Json(core.live(|life, _| {
        json!({
            "login": life.phase(),
            "upstream": life.upstream_is_up(),
            "farms": life.farms().list(),
            "remembered": life.remembered(),
        })
    }))
}

async fn confirm(State(core): State<Arc<Core>>) -> Result<Json<Value>, Problem> {
    if core.live(|life, now_us| life.confirm(now_us)) {
        Ok(Json(json!({"confirmed": true})))
    } else {
        Err(Problem(StatusCode::CONFLICT, "no second factor waits to be confirmed".to_owned()))
    }
}

async fn upstream(State(core): State<Arc<Core>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let spec: UpstreamSpec = read(&body)?;
    check("for_s", spec.for_s)?;
    core.live(|life, now_us| life.set_upstream(spec, now_us));
    Ok(Json(json!({"up": spec.up})))
}

async fn farm(State(core): State<Arc<Core>>, Path(name): Path<String>, body: Bytes) -> Result<Json<Value>, Problem> {
    let FarmSpec { link, keeps_subscriptions } = read(&body)?;
    core.live(|life, now_us| life.set_farm(&name, link, keeps_subscriptions, now_us)).map_err(Problem::bad)?;
    Ok(Json(json!({"farm": name, "link": link})))
}

async fn begin_competing(State(core): State<Arc<Core>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let spec: CompetingSpec = if body.is_empty() { CompetingSpec::default() } else { read(&body)? };
    check("for_s", spec.for_s)?;
    check("flaps_s", spec.flaps_s)?;
    core.live(|life, now_us| life.begin_competing(spec, now_us));
    Ok(Json(json!({"competing": true})))
}

async fn end_competing(State(core): State<Arc<Core>>) -> Result<Json<Value>, Problem> {
    if core.live(|life, now_us| life.end_competing(now_us)) {
        Ok(Json(json!({"competing": false})))
    } else {
        Err(Problem(StatusCode::NOT_FOUND, "there is no competing session".to_owned()))
    }
}

async fn command(State(core): State<Arc<Core>>, Path(command): Path<String>) -> Json<Value> {
    let reply = core.command(&command);
    core.live(|_, _| ());
    Json(json!({"reply": reply.text}))
}
