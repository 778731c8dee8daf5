//! `/v3/buffer/{contract}/query`: stored ticks of a range, read and sent piece by piece.

use std::{io, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use futures::stream;
use marketstream_proto::{
    TickKind, TickMessage, framing,
    layout::{HourFile, Part},
};
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};

use super::{
    Served,
    parameters::{self, Format, Range},
    problem::Problem,
    pump::STALLED,
    record::{Expanded, Raw},
    target,
};
use crate::live::{Stored, envelope::iso_micros};

const SECONDS_PER_HOUR: i64 = 3600;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Pieces of up to a thousand ticks that wait for the connection.
const QUEUE: usize = 2;

pub async fn query(
    State(served): State<Served>,
    Path(contract): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let facts = &served.view.facts;
    let range = parameters::range(&pairs, facts.clock.now().wall)?;
    let since = range.start_us.div_euclid(MICROS_PER_SECOND);
    let target = target::find_stored(facts, &contract, &range.kinds, since).await?;
    let kinds = target.kinds(Some(range.kinds.clone()))?;
    let permit =
        served.queries.clone().try_acquire_owned().map_err(|_| {
            Problem::busy(format!("{} queries are being answered, which is the limit", super::MAX_QUERIES))
        })?;
    let content_type = match range.format {
        Format::Json => "application/json",
        Format::Protobuf => "application/x-protobuf",
    };
    let (sender, mut queue) = mpsc::channel(QUEUE);
    let answer = Answer { con_id: target.con_id, kinds, data_dir: facts.data_dir.clone(), range, sent: 0 };
    tokio::spawn(answer.send(sender, permit));
    let body = Body::from_stream(stream::poll_fn(move |cx| queue.poll_recv(cx)));
    Ok(([(header::CONTENT_TYPE, content_type), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], body).into_response())
}

struct Answer {
    con_id: i32,
    kinds: Vec<TickKind>,
    data_dir: Arc<std::path::Path>,
    range: Range,
    sent: u64,
}

type Out = mpsc::Sender<io::Result<Bytes>>;

/// The client is gone, or takes nothing.
struct Gone;

impl Answer {
    async fn send(mut self, out: Out, _permit: OwnedSemaphorePermit) {
        let outcome = self.all(&out).await;
        if let Ok(Err(error)) = outcome {
            tracing::warn!(%error, "stored ticks cannot be read");
            // The head is sent already: a cut connection says that the answer is not whole.
            let _ = out.send(Err(error)).await;
        }
    }

    async fn all(&mut self, out: &Out) -> Result<io::Result<()>, Gone> {
        let json = self.range.format == Format::Json;
        if json {
            give(out, self.head()).await?;
        }
        let hour = |micros: i64| micros.div_euclid(MICROS_PER_SECOND * SECONDS_PER_HOUR) * SECONDS_PER_HOUR;
        let hours = (hour(self.range.start_us)..=hour(self.range.end_us - 1)).step_by(SECONDS_PER_HOUR as usize);
        for hour in hours {
            for kind in self.kinds.clone() {
                if let Err(error) = self.hour(HourFile { hour, con_id: self.con_id, kind }, out).await? {
                    return Ok(Err(error));
                }
            }
        }
        if json {
            give(out, format!("],\"total_messages\":{}}}\n", self.sent).into_bytes()).await?;
        }
        Ok(Ok(()))
    }

    fn left(&self) -> u64 {
        self.range.limit.map_or(u64::MAX, |limit| limit - self.sent)
    }

    fn head(&self) -> Vec<u8> {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        let head = json!({
            "contract_id": self.con_id,
            "tick_types": names,
            "format": "json",
            "time_range": {"start": iso_micros(self.range.start_us), "end": iso_micros(self.range.end_us)},
            "raw_format": self.range.raw,
        });
        let mut text = head.to_string();
        // The object goes on with what is not known yet.
        text.pop();
        text.push_str(",\"messages\":[");
        text.into_bytes()
    }

    /// Sends the wanted ticks of an hour.
    async fn hour(&mut self, hour: HourFile, out: &Out) -> Result<io::Result<()>, Gone> {
        if self.left() == 0 {
            return Ok(Ok(()));
        }
        let data_dir = self.data_dir.clone();
        let mut stored = match blocking(move || Stored::open(&data_dir, hour, &[Part::Live, Part::Backfill])).await {
            Ok(stored) => stored,
            Err(error) => return Ok(Err(error)),
        };
        while self.left() > 0 {
            let (range, first, left) = (self.range.clone(), self.sent == 0, self.left());
            let read = move || {
                let Some(mut ticks) = stored.piece(|tick| (range.start_us..range.end_us).contains(&tick.ts))? else {
                    return Ok(None);
                };
                ticks.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                Ok(Some((ticks.len(), encode(&ticks, &range, first)?, stored)))
            };
            let (count, bytes) = match blocking(read).await {
                Ok(Some((count, bytes, rest))) => {
                    stored = rest;
                    (count, bytes)
                }
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            };
            self.sent += count as u64;
            if !bytes.is_empty() {
                give(out, bytes).await?;
            }
            if out.is_closed() {
                return Err(Gone);
            }
        }
        Ok(Ok(()))
    }
}

/// On a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other).flatten()
}

async fn give(out: &Out, bytes: Vec<u8>) -> Result<(), Gone> {
    match timeout(STALLED, out.send(Ok(bytes.into()))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}

fn encode(ticks: &[TickMessage], range: &Range, mut first: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for tick in ticks {
        match range.format {
            Format::Protobuf => framing::append(&mut bytes, tick).map_err(io::Error::other)?,
            Format::Json => {
                bytes.extend_from_slice(if std::mem::take(&mut first) { b"\n" } else { b",\n" });
                if range.raw {
                    serde_json::to_writer(&mut bytes, &Raw::of(tick))?;
                } else {
                    serde_json::to_writer(&mut bytes, &Expanded::of(tick))?;
                }
            }
        }
    }
    Ok(bytes)
}
