//! `backfill`: history of any range, asked of a running streamer.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use axum::http::{Method, Uri};
use marketstream_crds::{StreamerStatus, TickType, stream_key};
use serde::Deserialize;

use super::client::ask;
use crate::{
    backfill::ledger::{Gap, GapCause, GapState},
    cli::{BackfillArgs, stored_kind},
};

/// How often the ledger is looked at while a range is waited for.
const LOOK: Duration = Duration::from_secs(1);

/// What `/v1/gaps` answers.
#[derive(Debug, Deserialize)]
struct Ledger {
    gaps: Vec<Gap>,
}

/// Asks for `from..to` of a contract: of one tick type, or of all that the manifest records. With `wait` it returns once
/// all is settled. Moments are RFC 3339, or seconds since 1970. Returns what became of it, in words.
///
/// # Errors
/// When the streamer does not answer, or refuses: then in its words.
pub async fn backfill(address: SocketAddr, args: &BackfillArgs) -> anyhow::Result<String> {
    let known = ledger(address).await?.iter().map(|gap| gap.id).max().unwrap_or(0);
    let contract = &args.contract;
    let ticks = match args.tick {
        Some(tick) => vec![tick],
        None => recorded(address, contract).await?,
    };
    for tick in &ticks {
        let (tick, from, to) = (tick.as_str(), &args.from, &args.to);
        let path = format!("/v1/backfill?contract={contract}&tick={tick}&from={from}&to={to}");
        let uri: Uri = path.parse().context("--from, --to and the name must not contain spaces")?;
        ask(address, Method::POST, &uri).await?;
    }
    let mut lines = Vec::new();
    for tick in &ticks {
        let what = stream_key(contract, *tick);
        lines.push(if args.wait {
            let gap = settled(address, contract, *tick, known).await?;
            let reason = gap.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("{what}: {:?}, {} ticks added{reason}", gap.state, gap.added)
        } else {
            format!("{what}: asked for")
        });
    }
    Ok(lines.join("\n"))
}

/// The tick types of a contract of the manifest.
async fn recorded(address: SocketAddr, contract: &str) -> anyhow::Result<Vec<TickType>> {
    let text = ask(address, Method::GET, &Uri::from_static("/v1/status")).await?;
    let mut status: serde_json::Value = serde_json::from_str(&text)?;
    let status: StreamerStatus = serde_json::from_value(status["streamer"].take())?;
    let ticks: Vec<TickType> =
        status.streams.iter().filter(|stream| stream.contract == contract).map(|stream| stream.tick).collect();
    ensure!(!ticks.is_empty(), "the manifest has no contract named {contract}");
    Ok(ticks)
}

/// Waits until the request that is newer than the gap `known` is settled.
async fn settled(address: SocketAddr, contract: &str, tick: TickType, known: u64) -> anyhow::Result<Gap> {
    loop {
        let ours = |gap: &Gap| {
            let same = gap.contract == contract && gap.stream.kind == stored_kind(tick);
            same && gap.id > known && gap.cause == GapCause::Requested
        };
        let gap = ledger(address).await?.into_iter().find(ours);
        if let Some(gap) = gap.filter(|gap| !matches!(gap.state, GapState::Open | GapState::Pending)) {
            return Ok(gap);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn ledger(address: SocketAddr) -> anyhow::Result<Vec<Gap>> {
    let text = ask(address, Method::GET, &Uri::from_static("/v1/gaps")).await?;
    Ok(serde_json::from_str::<Ledger>(&text).context("/v1/gaps has another form")?.gaps)
}
