//! `/health` and `/system/health` with ib-stream's field names, and with what is true.

use std::{sync::Arc, time::Duration};

use marketstream_crds::{StorageStatus, StreamState};
use serde::Serialize;
use serde_json::{Value, json};

use super::{MAX_READERS, Served, service::FORMAT, still};
use crate::{
    clock::Now,
    drift::{Drift, Verdict},
    facts::{Recovery, Snapshot, StreamFacts},
    flow::Flow,
    status,
};

/// ib-stream's name of the service.
pub const SERVICE: &str = "ib-stream";
/// Contracts of a manifest.
pub const MAX_CONTRACTS: usize = 100;
/// Recovery has acted, and that has not helped yet.
const ACTED: u8 = 2;

/// The worst that is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// What should flow flows.
    Healthy,
    /// Something needs attention, and data flow.
    Warning,
    /// Data that should come do not come.
    Degraded,
}

impl Status {
    /// ib-stream's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Degraded => "degraded",
        }
    }
}

/// ib-stream's `time_sync`: its only time server is the gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeSync {
    #[serde(rename = "status", serialize_with = "word")]
    verdict: Verdict,
    message: String,
    drift_ms: Option<f64>,
    precision_ms: Option<f64>,
    servers_available: u8,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn word<S: serde::Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.as_str())
}

impl TimeSync {
    /// What is known at `now` on the monotonic clock.
    fn of(drift: &Drift, now: Duration) -> Self {
        let ms = |seconds: f64| (seconds * 1e6).round() / 1e3;
        let sample = drift.gateway(now);
        let told = sample.map(|sample| {
            let (off, precision) = (ms(sample.drift), ms(sample.precision));
            format!("this machine's clock is {off} ms ahead of the gateway's, right to {precision} ms")
        });
        let early = drift.least_delay().filter(|least| *least < 0.0);
        let early = early.map(|least| format!("ticks came {} ms before IBKR's second of them", ms(-least)));
        let said: Vec<String> = told.into_iter().chain(early).collect();
        Self {
            verdict: drift.verdict(now),
            message: if said.is_empty() {
                "the gateway was not asked for its time lately".to_owned()
            } else {
                said.join("; ")
            },
            drift_ms: sample.map(|sample| ms(sample.drift)),
            precision_ms: sample.map(|sample| ms(sample.precision)),
            servers_available: sample.is_some().into(),
        }
    }
}

/// All that the health endpoints tell, at one moment.
pub struct Picture {
    /// The worst that is true.
    pub status: Status,
    /// Why it is not healthy, for people.
    pub issues: Vec<String>,
    /// Whether the API session is up.
    pub connected: bool,
    /// Whether everything flows that should flow now.
    pub data_flowing: bool,
    /// Whether any stream's session is open; `None` if no stream's hours are known.
    pub market_open: Option<bool>,
    /// When.
    pub now: Now,
    /// What the session knows.
    pub session: Arc<Snapshot>,
    /// Its streams, contract by contract: while a future rolls, one name has two.
    pub streams: Vec<StreamFacts>,
    /// The data volume.
    pub storage: StorageStatus,
    /// This machine's clock.
    pub time: TimeSync,
    /// Live streams that are being read.
    pub readers: usize,
}

impl Picture {
    /// As of now.
    pub fn of(served: &Served) -> Self {
        let facts = &served.view.facts;
        let still: Vec<&str> = still(&served.view.hearts).map(|(name, _)| name).collect();
        let (session, storage) = (facts.session.borrow().clone(), status::storage(facts));
        let recovery = facts.recovery.borrow().clone();
        let now = facts.clock.now();
        let time = TimeSync::of(&facts.counters.drift, now.mono);
        Self::new(session, storage, &recovery, &still, time, now, served.live_readers())
    }

    fn new(
        session: Arc<Snapshot>,
        storage: StorageStatus,
        recovery: &Recovery,
        still: &[&str],
        time: TimeSync,
        now: Now,
        readers: usize,
    ) -> Self {
        let connected = session.socket.is_up();
        let mut streams = session.streams.clone();
        streams.sort_by_cached_key(|stream| (stream.key.contract.clone(), stream.key.roll, stream.key.tick));
        let flow = Flow::of(&streams, connected);
        let mut findings = findings(&session, &storage, recovery);
        for name in still {
            findings.push((Status::Degraded, format!("the {name} loop stands still, so the rest may be out of date")));
        }
        if time.verdict == Verdict::Far {
            findings.push((Status::Warning, time.message.clone()));
        }
        findings.sort_by_key(|(status, _)| std::cmp::Reverse(*status));
        Self {
            status: findings.first().map_or(Status::Healthy, |(status, _)| *status),
            issues: findings.into_iter().map(|(_, text)| text).collect(),
            connected,
            data_flowing: flow.data,
            market_open: flow.open,
            now,
            session,
            streams,
            storage,
            time,
            readers,
        }
    }

    /// Streams in this state.
    pub fn count(&self, state: StreamState) -> usize {
        self.session.streams.iter().filter(|stream| stream.state == state).count()
    }

    /// The contracts with their streams, in the order of their names.
    pub fn contracts(&self) -> impl Iterator<Item = &[StreamFacts]> {
        let same = |one: &StreamFacts, other: &StreamFacts| {
            (&one.key.contract, one.key.roll) == (&other.key.contract, other.key.roll)
        };
        self.streams.chunk_by(same)
    }

    /// The present, as ib-stream writes it.
    pub fn timestamp(&self) -> String {
        crate::live::envelope::iso(self.now.wall)
    }

    /// Ticks of its streams since the process started.
    pub fn ticks(&self) -> u64 {
        self.session.streams.iter().map(|stream| stream.pulse.ticks()).sum()
    }

    fn background(&self) -> &'static str {
        match (self.connected, self.data_flowing) {
            (false, _) => "disconnected",
            (true, true) => "running",
            (true, false) => "degraded",
        }
    }
}

/// What is not as it should be.
fn findings(session: &Snapshot, storage: &StorageStatus, recovery: &Recovery) -> Vec<(Status, String)> {
    let mut found = Vec::new();
    if !session.socket.is_up() {
        let reason = session.socket.message.as_deref().unwrap_or("the first connection is being made");
        found.push((Status::Degraded, format!("no API session: {reason}")));
    }
    for stream in &session.streams {
        let error = stream.error.as_ref().map(|error| format!(" ({} {})", error.code, error.message));
        let error = error.unwrap_or_default();
        match stream.state {
            StreamState::Stale => found.push((Status::Degraded, format!("{}: no data{error}", stream.key))),
            StreamState::Rejected => found.push((Status::Warning, format!("{}: refused{error}", stream.key))),
            _ => {}
        }
        if stream.delayed {
            found.push((Status::Warning, format!("{}: the data are delayed", stream.key)));
        }
    }
    if !storage.writable {
        let reason = storage.message.as_deref().unwrap_or("writes fail");
        found.push((Status::Warning, format!("the data volume takes no ticks: {reason}")));
    }
    if let Some(sealing) = &storage.sealing {
        let waiting = sealing.unarchived;
        let text = format!("sealing or archiving fails ({waiting} files wait for the archive): {}", sealing.message);
        found.push((Status::Warning, text));
    }
    if let level @ 1.. = recovery.level {
        let cause = recovery.incidents.first().map_or("unknown", |incident| incident.cause.as_str());
        let status = if level >= ACTED { Status::Degraded } else { Status::Warning };
        found.push((status, format!("recovery is at level {level}, cause {cause}")));
    }
    found
}

/// `/health`.
pub fn overall(picture: &Picture) -> Value {
    let session = &picture.session;
    let endpoint = session.socket.endpoint.as_ref().map(ToString::to_string);
    let ports: Vec<u16> = session.endpoints.iter().map(|endpoint| endpoint.port).collect();
    json!({
        "service": SERVICE,
        "status": picture.status.as_str(),
        "timestamp": picture.timestamp(),
        "tws_connected": picture.connected,
        // ib-stream has two sessions; here one does both.
        "connection_details": {
            "main_service_connected": picture.connected,
            "background_streaming_connected": picture.connected,
            "main_client_id": session.client_id,
            "background_client_id": session.client_id,
            "endpoint": endpoint,
            "message": session.socket.message,
        },
        "active_streams": picture.readers,
        "background_streams": session.streams.len(),
        "total_active_streams": picture.readers + session.streams.len(),
        "max_streams": MAX_READERS,
        "client_id": session.client_id,
        "connection_ports": ports,
        "storage": {
            "enabled": true,
            "formats": [FORMAT],
            "queue_sizes": {},
            "message_stats": {"v2_messages": 0, "v3_messages": picture.ticks(), "conversion_errors": 0},
            "writable": picture.storage.writable,
            "dropped": picture.storage.dropped,
            "message": picture.storage.message,
        },
        "background_streaming": {
            "enabled": true,
            "tracked_contracts": picture.contracts().count(),
            "status": picture.background(),
            "data_flowing": picture.data_flowing,
            "market_open": picture.market_open,
            "flowing_streams": picture.count(StreamState::Flowing),
        },
        "features": {
            "sse_streaming": true,
            "websocket_streaming": true,
            "v3_storage": true,
            "background_tracking": true,
        },
        "issues": picture.issues,
    })
}

/// `/system/health`. Contracts are looked up in the same process, so there is one service.
pub fn system(picture: &Picture) -> Value {
    let storage = if picture.storage.writable { "healthy" } else { "critical" };
    json!({
        "system_status": picture.status.as_str(),
        "timestamp": picture.timestamp(),
        "services": {
            SERVICE: {
                "status": picture.status.as_str(),
                "tws_connected": picture.connected,
                "time_sync": picture.time,
            },
        },
        "storage": {"status": storage},
        "summary": {
            "healthy_services": usize::from(picture.status != Status::Degraded),
            "total_services": 1,
            "issues": picture.issues,
        },
    })
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
