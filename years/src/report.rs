//! What the streamer writes to the status.

use std::hash::{DefaultHasher, Hash, Hasher};

use marketstream_crds::{
    ActionStatus, CommandPort, CorruptStatus, FarmKind, FarmStatus, GatewayError, LoginStatus, PacingStatus, Restored,
    SocketStatus, StorageStatus, StreamState, StreamStatus, StreamerStatus, Time, Upstream, UpstreamStatus,
};

use crate::{
    clock::{Ms, seconds, stamp},
    market::{House, members},
    streamer::Streamer,
    world::{DELAYED, World},
};

/// Name of a pod's UID.
#[must_use]
pub fn uid(number: u32) -> String {
    format!("pod-{number}")
}

/// Everything in a report that is a transition: equal as long as only time passes.
#[must_use]
pub fn signature(streamer: &Streamer, world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    let socket = streamer.socket;
    (streamer.uid, streamer.client_id, socket.state as u8, socket.since, socket.ever_connected).hash(&mut hasher);
    streamer.upstream.map(|(state, since, _)| (state as u8, since)).hash(&mut hasher);
    for (name, (state, since)) in &streamer.farms {
        (name, *state as u8, since).hash(&mut hasher);
    }
    for entry in &streamer.entries {
        let error = entry.error.map(|(code, _, at)| (code, at));
        (entry.verdict.state as u8, entry.verdict.session as u8, entry.since, error, entry.restarts).hash(&mut hasher);
        entry.witness.delayed().is_some().hash(&mut hasher);
    }
    streamer.acknowledged.as_ref().map(|(id, state)| (id, *state as u8)).hash(&mut hasher);
    (streamer.failing_since, streamer.pacing.map(|(until, ..)| until)).hash(&mut hasher);
    if world.manifest.house != House::External {
        (world.gateway.login.0 as u8, world.gateway.login.1, world.command_port()).hash(&mut hasher);
    }
    hasher.finish()
}

/// The report as it is written at `at`. Its stamps are of the streamer's clock.
#[must_use]
pub fn build(streamer: &Streamer, world: &World, at: Ms) -> StreamerStatus {
    let time = |moment: Ms| Time::from(stamp(moment + world.clock_error()));
    let ago = |moment: Ms| seconds((at - moment).max(0));
    let delivering = world.delivering();
    let mut last_tick_time = None;
    let streams: Vec<StreamStatus> = members(world.manifest.all())
        .map(|index| {
            let (stream, entry) = (&world.manifest.streams[index], &streamer.entries[index]);
            let heard = (delivering & (1 << index) != 0)
                .then(|| stream.tape.last(entry.last_tick.unwrap_or(at - 1), at))
                .flatten()
                .or(entry.last_tick);
            last_tick_time = last_tick_time.max(heard);
            let silent_from = entry.verdict.silent_from.map(|from| heard.map_or(from, |tick| tick.max(from)));
            StreamStatus {
                contract: stream.contract.to_owned(),
                tick: stream.tick,
                state: entry.verdict.state,
                silent_seconds: silent_from.map_or(0.0, ago),
                last_tick_seconds: heard.map(ago),
                since: time(entry.since),
                session: entry.verdict.session,
                error: entry.error.map(|(code, message, when)| GatewayError {
                    code,
                    message: message.to_owned(),
                    time: time(when),
                    age_seconds: ago(when),
                }),
                corrupt: entry
                    .corrupt
                    .map(|tick| CorruptStatus { age_seconds: ago(tick), message: "a tick without a time".to_owned() }),
                delayed: entry.witness.delayed().is_some() || entry.error.is_some_and(|(code, ..)| code == DELAYED.0),
                restarts: entry.restarts,
            }
        })
        .collect();
    let count = |state| streams.iter().filter(|stream| stream.state == state).count();
    let (flowing, idle) = (count(StreamState::Flowing), count(StreamState::Idle));
    let sidecar = world.manifest.house != House::External;
    StreamerStatus {
        pod: "year-0".to_owned(),
        pod_uid: uid(streamer.uid),
        client_id: streamer.client_id,
        heartbeat_time: time(at),
        last_tick_time: last_tick_time.map(time),
        summary: format!("{flowing}/{}", streams.len() - idle),
        flowing: flowing as i32,
        total: streams.len() as i32,
        socket: SocketStatus {
            state: streamer.socket.state,
            endpoint: None,
            since: time(streamer.socket.since),
            down_seconds: streamer.socket.down_since.map_or(0.0, ago),
            ever_connected: streamer.socket.ever_connected,
            message: None,
        },
        upstream: streamer.upstream.map(|(state, since, code)| UpstreamStatus {
            state,
            for_seconds: ago(since),
            restored: code
                .filter(|_| state == Upstream::Up)
                .map(|code| if code == 1101 { Restored::Lost } else { Restored::Maintained }),
        }),
        farms: streamer
            .farms
            .iter()
            .map(|(name, (state, since))| {
                let farm = FarmStatus { kind: FarmKind::MarketData, state: *state, for_seconds: ago(*since) };
                ((*name).to_owned(), farm)
            })
            .collect(),
        command_port: sidecar.then(|| if world.command_port() { CommandPort::Up } else { CommandPort::Down }),
        login: sidecar.then(|| LoginStatus {
            state: world.gateway.login.0,
            for_seconds: ago(world.gateway.login.1),
            message: None,
        }),
        pacing: streamer.pacing.map(|(until, code, message)| PacingStatus {
            remaining_seconds: seconds((until - at).max(0)),
            code,
            message: message.to_owned(),
        }),
        streams,
        contracts: Vec::new(),
        gaps: None,
        storage: StorageStatus {
            writable: streamer.failing_since.is_none(),
            failing_seconds: streamer.failing_since.map_or(0.0, ago),
            dropped: 0,
            message: streamer.failing_since.map(|_| "No space left on device (os error 28)".to_owned()),
            sealing: None,
            retention: None,
        },
        action: streamer.acknowledged.as_ref().map(|(id, state)| ActionStatus {
            id: id.clone(),
            state: *state,
            message: None,
        }),
    }
}
