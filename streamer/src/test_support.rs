//! What several unit tests share.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use marketstream_crds::{GatewayError, MarketStreamSpec, Session, SocketState, StreamState, TickType};

use crate::{
    clock::{Clock, Now},
    engine::Manifest,
    facts::{Gaps, Snapshot, StreamFacts},
    notices::Link,
    plan::StreamKey,
    session::socket::Socket,
};

/// A spec from its JSON, with all defaults.
pub fn spec(json: serde_json::Value) -> MarketStreamSpec {
    serde_json::from_value(json).unwrap()
}

/// What a resource with this spec says, and no more.
pub fn manifest(spec: MarketStreamSpec) -> Manifest {
    Manifest { spec, client_id: None, action: None, late: false, acknowledged: None, retry_login: None, stored: false }
}

/// The BidAsk stream of a contract, silent since the start of the process unless it flows.
pub fn stream(contract: &str, state: StreamState) -> StreamFacts {
    let silent = matches!(state, StreamState::Stale | StreamState::Rejected);
    StreamFacts {
        key: StreamKey { contract: contract.to_owned(), tick: TickType::BidAsk, roll: 0 },
        con_id: Some(711_280_073),
        symbol: Some(contract.to_uppercase()),
        stale_after: Duration::from_secs(60),
        state,
        since: Timestamp::UNIX_EPOCH,
        session: Session::Open,
        counted_from: silent.then_some(Duration::ZERO),
        error: None,
        restarts: 0,
        request: None,
        delayed: false,
        pulse: Arc::default(),
    }
}

/// A refusal by the gateway.
pub fn error(code: i32, message: &str) -> GatewayError {
    GatewayError { code, message: message.to_owned(), time: Timestamp::UNIX_EPOCH.into(), age_seconds: 0.0 }
}

/// What a session with these streams knows.
pub fn snapshot(connected: bool, streams: Vec<StreamFacts>) -> Snapshot {
    let mut socket = Socket::new(Now { mono: Duration::ZERO, ..Clock::start().now() });
    socket.state = if connected { SocketState::Connected } else { SocketState::Closed };
    socket.message = (!connected).then(|| "the gateway is gone".to_owned());
    Snapshot {
        socket,
        client_id: 851,
        link: Link::default(),
        cooldown: None,
        retry_pause: Duration::from_secs(5),
        endpoints: Vec::new(),
        streams,
        contracts: Vec::new(),
        gaps: Gaps::default(),
        action: None,
        reportable: true,
        monitor_interval: Duration::from_secs(15),
        retention_days: None,
    }
}
