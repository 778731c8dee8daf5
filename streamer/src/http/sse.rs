//! `/v2/stream/{contract}/live[/{tick}]` and `/v2/stream/{contract}/buffer`: ticks as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, header},
    response::{
        AppendHeaders, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use tokio::sync::mpsc;

use super::{
    Served,
    parameters::{self, Live},
    problem::Problem,
    pump::{Outgoing, Pump, QUEUE},
    target,
};

/// Silence after which a comment is sent, so that neither the client nor a proxy between takes the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After which a client that was cut off comes back.
const RETRY: Duration = Duration::from_secs(2);
/// What a browser sends when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";

pub async fn all(
    State(served): State<Served>,
    Path(contract): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    open(&served, &contract, parameters::live(&pairs, last_event_id(&headers), false)?)
}

pub async fn one(
    State(served): State<Served>,
    Path((contract, tick)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut live = parameters::live(&pairs, last_event_id(&headers), false)?;
    if live.kinds.is_some() {
        return Err(Problem::request("tick_types: leave it out, since the path names one".to_owned()));
    }
    live.kinds = Some(parameters::kinds(&tick)?);
    open(&served, &contract, live)
}

/// What is stored, and then what comes.
pub async fn buffer(
    State(served): State<Served>,
    Path(contract): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let live = parameters::live(&pairs, last_event_id(&headers), true)?;
    let span = live.buffer.unwrap_or_default().as_secs();
    let headers = [
        ("x-stream-protocol", "v2".to_owned()),
        ("x-buffer-enabled", "true".to_owned()),
        ("x-buffer-duration", format!("{span}s")),
    ];
    Ok((AppendHeaders(headers), open(&served, &contract, live)?).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?"))
}

fn open(served: &Served, contract: &str, live: Live) -> Result<Response, Problem> {
    let pump = Pump::new(served, target::find(&served.view.facts, contract)?, live)?;
    let (sender, mut queue) = mpsc::channel(QUEUE);
    tokio::spawn(pump.run(sender));
    let mut first = true;
    let events = stream::poll_fn(move |cx| {
        queue.poll_recv(cx).map(|outgoing| {
            outgoing.map(|outgoing| {
                let event = event(outgoing);
                Ok::<_, Infallible>(if std::mem::take(&mut first) { event.retry(RETRY) } else { event })
            })
        })
    });
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("x-ib-stream-version"), "2.0.0"),
        // nginx would hold events back until its buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let body = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat"));
    Ok((headers, body).into_response())
}

fn event(outgoing: Outgoing) -> Event {
    let event = Event::default().event(outgoing.kind.as_str()).data(outgoing.text);
    match outgoing.id {
        Some(id) => event.id(id),
        None => event,
    }
}
