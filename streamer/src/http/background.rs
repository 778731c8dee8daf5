//! `/background/…`: what is recorded, contract by contract, with ib-stream's field names.

use axum::http::StatusCode;
use jiff::Timestamp;
use marketstream_crds::{Session, StreamState};
use serde_json::{Map, Value, json};

use super::health::{MAX_CONTRACTS, Picture};
use crate::{
    cli::stored_kind, facts::StreamFacts, live::envelope::iso, seal::instruments::Session as TradingSession,
    status::seconds,
};

const SECONDS_PER_MINUTE: f64 = 60.0;
const HOURS_PER_DAY: i32 = 24;

/// ib-stream's words for a contract, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    Unknown,
    Healthy,
    OffHours,
    Degraded,
    Unhealthy,
}

impl Condition {
    const ALL: [Self; 5] = [Self::Healthy, Self::Degraded, Self::Unhealthy, Self::OffHours, Self::Unknown];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::OffHours => "OFF_HOURS",
            Self::Degraded => "DEGRADED",
            Self::Unhealthy => "UNHEALTHY",
        }
    }

    fn of(streams: &[StreamFacts], connected: bool) -> Self {
        let all = |is: fn(&StreamFacts) -> bool| streams.iter().all(is);
        let bad = |stream: &StreamFacts| matches!(stream.state, StreamState::Stale | StreamState::Rejected);
        if !connected {
            Self::Unhealthy
        } else if all(|stream| stream.session == Session::Closed) {
            Self::OffHours
        } else if all(bad) {
            Self::Unhealthy
        } else if streams.iter().any(bad) {
            Self::Degraded
        } else if all(|stream| stream.state == StreamState::Pending) {
            Self::Unknown
        } else {
            Self::Healthy
        }
    }

    /// Over all contracts: the worst; closed only if all are; unknown only if nothing better is known.
    fn overall(contracts: &[Self]) -> Self {
        let worst = contracts.iter().copied().filter(|one| *one >= Self::Degraded).max();
        worst.unwrap_or_else(|| {
            if contracts.is_empty() {
                Self::Unknown
            } else if contracts.iter().all(|one| *one == Self::OffHours) {
                Self::OffHours
            } else if contracts.contains(&Self::Healthy) {
                Self::Healthy
            } else {
                Self::Unknown
            }
        })
    }
}

/// `/background/status`.
pub fn status(picture: &Picture) -> Value {
    let contracts: Map<String, Value> = picture
        .contracts()
        .map(|streams| {
            let running = streams.iter().filter(|stream| is_active(stream, picture.connected));
            let entry = json!({
                "symbol": symbol(streams),
                "enabled": true,
                "expected_tick_types": streams.iter().map(kind).collect::<Vec<_>>(),
                "active_tick_types": running.clone().map(kind).collect::<Vec<_>>(),
                "stream_count": running.count(),
                "buffer_hours": buffer_hours(picture),
            });
            (key(streams), entry)
        })
        .collect();
    json!({
        "enabled": true,
        "timestamp": picture.timestamp(),
        "status": {
            "running": true,
            "tws_connected": picture.connected,
            "total_contracts": contracts.len(),
            "active_contracts": active_contracts(picture),
            "total_streams": picture.session.streams.len(),
            "contracts": contracts,
        },
        "config": {
            "max_tracked_contracts": MAX_CONTRACTS,
            "reconnect_delay": seconds(picture.session.retry_pause),
            "tracked_contracts_count": contracts.len(),
        },
    })
}

/// `/background/health`.
pub fn health(picture: &Picture) -> Value {
    let conditions: Vec<Condition> =
        picture.contracts().map(|streams| Condition::of(streams, picture.connected)).collect();
    let contracts: Map<String, Value> =
        picture.contracts().map(|streams| (key(streams), one(picture, streams))).collect();
    let count = |wanted: Condition| conditions.iter().filter(|condition| **condition == wanted).count();
    let distribution: Map<String, Value> = Condition::ALL
        .into_iter()
        .map(|condition| (condition.as_str().to_ascii_lowercase(), count(condition).into()))
        .collect();
    json!({
        "enabled": true,
        "timestamp": picture.timestamp(),
        "overall_status": Condition::overall(&conditions).as_str(),
        "contracts": contracts,
        "summary": {
            "total_contracts": conditions.len(),
            "status_distribution": distribution,
            "last_updated": picture.timestamp(),
        },
        "last_updated": picture.timestamp(),
    })
}

/// `/background/health/summary`.
pub fn summary(picture: &Picture) -> Value {
    let stale = |streams: &&[StreamFacts]| streams.iter().any(|stream| stream.state == StreamState::Stale);
    let healthy = |streams: &&[StreamFacts]| Condition::of(streams, picture.connected) == Condition::Healthy;
    json!({
        "enabled": true,
        "timestamp": picture.timestamp(),
        "total_contracts": picture.contracts().count(),
        "active_contracts": active_contracts(picture),
        "stale_contracts": picture.contracts().filter(stale).count(),
        "healthy_contracts": picture.contracts().filter(healthy).count(),
        "staleness_threshold_minutes": picture.contracts().map(threshold_minutes).reduce(f64::min),
        "tws_connected": picture.connected,
        "last_updated": picture.timestamp(),
    })
}

/// `/background/health/{contract}`, by IBKR's identifier or by the name in the manifest.
pub fn contract(picture: &Picture, contract: &str) -> (StatusCode, Value) {
    let found = picture.contracts().find(|streams| {
        let id = streams[0].con_id.map(|id| id.to_string());
        id.as_deref() == Some(contract) || streams[0].key.contract == contract
    });
    if let Some(streams) = found {
        return (StatusCode::OK, one(picture, streams));
    }
    let id: Value = contract.parse::<i64>().map_or_else(|_| contract.into(), Value::from);
    let timestamp = picture.timestamp();
    if id.as_i64().is_some_and(|id| id <= 0) {
        let answer = json!({"error": "Invalid contract ID", "contract_id": id, "timestamp": timestamp});
        return (StatusCode::BAD_REQUEST, answer);
    }
    let tracked: Vec<i32> = picture.contracts().filter_map(|streams| streams[0].con_id).collect();
    let names: Vec<&str> = picture.contracts().map(|streams| streams[0].key.contract.as_str()).collect();
    let answer = json!({
        "error": "Contract not tracked",
        "contract_id": id,
        "tracked_contracts": tracked,
        "tracked_names": names,
        "timestamp": timestamp,
    });
    (StatusCode::NOT_FOUND, answer)
}

fn one(picture: &Picture, streams: &[StreamFacts]) -> Value {
    let mono = picture.now.mono;
    let last = streams.iter().filter_map(|stream| stream.pulse.last_tick()).max();
    let last_time = streams.iter().filter_map(|stream| stream.pulse.last_tick_time()).max();
    let minutes = last.map(|last| seconds(mono.saturating_sub(last)) / SECONDS_PER_MINUTE);
    let entries: Map<String, Value> = streams
        .iter()
        .map(|stream| {
            let entry = json!({
                "tick_type": kind(stream),
                "active": is_active(stream, picture.connected),
                // The client library keeps its own numbers to itself.
                "request_id": stream.request,
                "last_tick": stream.pulse.last_tick_time().map(iso),
                "error_count": u8::from(stream.error.is_some()),
                "last_error": stream.error.as_ref().map(|error| format!("{} {}", error.code, error.message)),
                "state": format!("{:?}", stream.state),
                "since": iso(stream.since),
                "ticks": stream.pulse.ticks(),
                "restarts": stream.restarts,
            });
            (kind(stream).to_owned(), entry)
        })
        .collect();
    let issues: Vec<&str> = picture.session.socket.message.as_deref().into_iter().collect();
    let sessions = |session: Session| streams.iter().any(|stream| stream.session == session);
    let market = match (sessions(Session::Open), sessions(Session::Closed)) {
        (true, _) => "OPEN",
        (false, true) => "CLOSED",
        (false, false) => "UNKNOWN",
    };
    json!({
        "enabled": true,
        "contract_id": streams[0].con_id,
        "name": streams[0].key.contract,
        "timestamp": picture.timestamp(),
        "symbol": symbol(streams),
        "status": Condition::of(streams, picture.connected).as_str(),
        "market_status": market,
        "trading_hours": trading_hours(picture, streams),
        "data_staleness": {
            "last_tick": last_time.map(iso),
            "minutes_ago": minutes,
            "is_stale": streams.iter().any(|stream| stream.state == StreamState::Stale),
            "threshold_minutes": threshold_minutes(streams),
        },
        "streams": entries,
        "connection_issues": issues,
        "last_health_check": picture.timestamp(),
        "metrics": {
            "total_streams_expected": streams.len(),
            "total_streams_active": streams.iter().filter(|stream| is_active(stream, picture.connected)).count(),
            "buffer_hours": buffer_hours(picture),
        },
    })
}

/// When it opens and closes next, by IBKR's trading hours; null before those are known.
fn trading_hours(picture: &Picture, streams: &[StreamFacts]) -> Value {
    let known = picture.session.contracts.iter().find(|contract| Some(contract.con_id) == streams[0].con_id);
    let Some(instrument) = known.and_then(|contract| contract.instrument.as_deref()) else { return Value::Null };
    let now = picture.now.wall.as_second();
    let next = |of: fn(&TradingSession) -> i64| {
        let later = instrument.sessions.iter().filter(|session| !session.liquid).map(of).filter(|at| *at > now);
        later.min().and_then(|at| Timestamp::from_second(at).ok()).map(iso)
    };
    json!({
        "time_zone": instrument.time_zone,
        "next_open": next(|session| session.open),
        "next_close": next(|session| session.close),
    })
}

/// For how long ticks are kept; null: for ever.
fn buffer_hours(picture: &Picture) -> Option<i32> {
    picture.session.retention_days.map(|days| days.saturating_mul(HOURS_PER_DAY))
}

/// Whether data of it come, or would come if anything happened.
fn is_active(stream: &StreamFacts, connected: bool) -> bool {
    let subscribed = matches!(
        stream.state,
        StreamState::Flowing | StreamState::Stale | StreamState::Quiet | StreamState::Halted | StreamState::Idle
    );
    connected && subscribed
}

fn active_contracts(picture: &Picture) -> usize {
    let active = |streams: &&[StreamFacts]| streams.iter().any(|stream| is_active(stream, picture.connected));
    picture.contracts().filter(active).count()
}

fn kind(stream: &StreamFacts) -> &'static str {
    stored_kind(stream.key.tick).as_str()
}

fn symbol(streams: &[StreamFacts]) -> &str {
    streams[0].symbol.as_deref().unwrap_or(&streams[0].key.contract)
}

/// IBKR's identifier once it is known, else the name.
fn key(streams: &[StreamFacts]) -> String {
    streams[0].con_id.map_or_else(|| streams[0].key.contract.clone(), |id| id.to_string())
}

fn threshold_minutes(streams: &[StreamFacts]) -> f64 {
    seconds(streams[0].stale_after) / SECONDS_PER_MINUTE
}
