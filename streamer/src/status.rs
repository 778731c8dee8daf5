//! `status.streamer` from the facts, and which of its changes are transitions.

use std::time::Duration;

use jiff::Timestamp;
use marketstream_crds::{
    ContractStatus, CorruptStatus, GapCounts, GatewayError, LoginStatus, PacingStatus, RetentionStatus, SealingStatus,
    SocketStatus, StorageStatus, StreamState, StreamStatus, StreamerStatus, Time,
};

use crate::{
    clock::Now,
    facts::{ContractFacts, Facts, Gaps},
    health::silence,
    session::socket::Socket,
};

/// Longest text of a status field.
const MAX_TEXT: usize = 512;

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub pod_uid: String,
}

/// The report as of now: silence and downtime are counted to this moment.
#[must_use]
pub fn build(facts: &Facts, identity: &Identity) -> StreamerStatus {
    let now = facts.clock.now();
    let snapshot = facts.session.borrow().clone();
    let gateway = facts.gateway.borrow().clone();
    let streams: Vec<StreamStatus> = snapshot
        .streams
        .iter()
        .map(|stream| {
            let silent = silence(stream.counted_from, stream.pulse.last_tick(), now.mono);
            StreamStatus {
                contract: stream.key.contract.clone(),
                tick: stream.key.tick,
                state: stream.state,
                silent_seconds: seconds(silent),
                last_tick_seconds: stream.pulse.last_tick().map(|tick| seconds(now.mono.saturating_sub(tick))),
                since: stream.since.into(),
                session: stream.session,
                error: stream.error.as_ref().map(|error| aged(error, now.wall)),
                corrupt: stream.pulse.last_corrupt().map(|(at, reason)| CorruptStatus {
                    age_seconds: seconds(now.mono.saturating_sub(at)),
                    message: text(&reason),
                }),
                delayed: stream.delayed,
                restarts: stream.restarts,
            }
        })
        .collect();
    let count = |state| streams.iter().filter(|stream| stream.state == state).count();
    // Recorded, from the one source or the other.
    let flowing = count(StreamState::Flowing) + count(StreamState::Overflow);
    let idle = [StreamState::Idle, StreamState::Quiet, StreamState::Halted, StreamState::Expired].map(count);
    let idle: usize = idle.iter().sum();
    let last_tick = snapshot.streams.iter().filter_map(|stream| stream.pulse.last_tick_time()).max();
    StreamerStatus {
        pod: identity.pod.clone(),
        pod_uid: identity.pod_uid.clone(),
        client_id: snapshot.client_id,
        heartbeat_time: now.wall.into(),
        last_tick_time: last_tick.map(Time::from),
        summary: format!("{flowing}/{}", streams.len() - idle),
        flowing: flowing as i32,
        total: streams.len() as i32,
        socket: socket(&snapshot.socket, now.mono),
        upstream: snapshot.link.upstream(now.mono),
        farms: snapshot.link.farms(now.mono),
        command_port: gateway.command_port,
        login: gateway.login.as_ref().map(|login| LoginStatus {
            state: login.state,
            for_seconds: seconds(age(login.at, now.wall)),
            message: Some(text(&login.message)),
        }),
        pacing: snapshot.cooldown.as_ref().filter(|cooldown| cooldown.until > now.mono).map(|cooldown| PacingStatus {
            remaining_seconds: seconds(cooldown.until.saturating_sub(now.mono)),
            code: cooldown.code,
            message: text(&cooldown.message),
        }),
        streams,
        contracts: snapshot.contracts.iter().filter_map(|facts| contract(facts, now.wall)).collect(),
        storage: storage(facts),
        gaps: Some(gaps(&snapshot.gaps, now)),
        action: snapshot.action.clone(),
    }
}

/// What is said of a contract that expires.
#[must_use]
pub fn contract(facts: &ContractFacts, now: Timestamp) -> Option<ContractStatus> {
    let expiry = facts.expiry.as_ref()?;
    Some(ContractStatus {
        contract: facts.name.clone(),
        con_id: facts.con_id,
        local_symbol: facts.local_symbol.clone(),
        last_trade_date: expiry.last_day().to_string(),
        days_left: expiry.days_left(now),
        follows: facts.follows,
        next: facts.next.clone(),
    })
}

/// What is said of the data volume, and of what becomes of the recordings there.
#[must_use]
pub fn storage(facts: &Facts) -> StorageStatus {
    StorageStatus { sealing: sealing(facts), retention: retention(facts), ..facts.storage.borrow().clone() }
}

fn sealing(facts: &Facts) -> Option<SealingStatus> {
    let sealing = facts.sealing.borrow();
    let archive = sealing.archive.as_ref();
    let failed = sealing.failed.as_ref().or(archive.and_then(|archive| archive.error.as_ref()))?;
    let unarchived = archive.map_or(0, |archive| i32::try_from(archive.pending).unwrap_or(i32::MAX));
    Some(SealingStatus { unarchived, message: text(failed) })
}

fn retention(facts: &Facts) -> Option<RetentionStatus> {
    let deleted = facts.sealing.borrow().deleted?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Some(RetentionStatus {
        deleted_files: number(deleted.files),
        deleted_bytes: number(deleted.bytes),
        held_files: number(deleted.held),
    })
}

fn gaps(gaps: &Gaps, now: Now) -> GapCounts {
    let counts = gaps.0.counts();
    // The ledger holds a few thousand at most.
    let count = |count: usize| count as i32;
    GapCounts {
        open: count(counts.open),
        filled: count(counts.filled),
        approximate: count(counts.approximate),
        unfillable: count(counts.unfillable),
        eta_seconds: gaps.eta_seconds(now),
    }
}

fn socket(socket: &Socket, now: Duration) -> SocketStatus {
    SocketStatus {
        state: socket.state,
        endpoint: socket.endpoint.as_ref().map(ToString::to_string),
        since: socket.since.into(),
        down_seconds: socket.down_since.map_or(0.0, |since| seconds(now.saturating_sub(since))),
        ever_connected: socket.ever_connected,
        message: socket.message.as_deref().map(text),
    }
}

fn aged(error: &GatewayError, now: Timestamp) -> GatewayError {
    GatewayError { age_seconds: seconds(age(error.time.get(), now)), ..error.clone() }
}

/// How long ago a stamp of this machine was. A calendar that was set back makes it new again, which does no harm.
fn age(then: Timestamp, now: Timestamp) -> Duration {
    let age = now.duration_since(then);
    if age.is_negative() { Duration::ZERO } else { age.unsigned_abs() }
}

/// Seconds with millisecond resolution.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}

/// A text as long as the resource allows. Its bounds count characters.
#[must_use]
pub fn text(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
