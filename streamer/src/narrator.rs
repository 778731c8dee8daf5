//! The lines that ib-stream's users search its log for, word for word, when what they say is true.
//!
//! Two of them stand where they happen: each attempt to connect, and the actions in the engine.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use marketstream_crds::{ActionKind, Incident, SocketState};
use marketstream_recovery::codes::{ErrorClass, classify};
use tokio::sync::watch;
use tracing::Level;

use crate::{
    clock::Clock,
    facts::{Recovery, Snapshot, StreamFacts},
    flow::Flow,
    health::silence,
};

/// The seed's monitor cycle: what lasts is told again.
const CYCLE: Duration = Duration::from_secs(60);
/// A connection was reset, and is up again.
pub const RESET_DONE: &str = "✅ Connection reset completed successfully";
/// IBKR's code for a tick-by-tick request that it refuses, here since another session has the market data.
const REFUSED: i32 = 10189;
const OTHER_ADDRESS: &str = "Trading TWS session is connected from a different IP address";
/// The level at which only a person can help.
const CRITICAL: u8 = 4;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its level. What the seed calls CRITICAL is an error that begins with this word.
    pub level: Level,
    /// Its text.
    pub text: String,
}

fn line(level: Level, text: impl Into<String>) -> Line {
    Line { level, text: text.into() }
}

/// What was told, so that everything is told when it begins, and again each cycle while it lasts.
#[derive(Debug, Default)]
pub struct Narrator {
    channels: Option<(bool, bool)>,
    socket: Option<SocketState>,
    errors: BTreeMap<String, String>,
    rungs: BTreeMap<String, u8>,
    /// A session was up in the life of this process.
    was_up: bool,
    cycle_at: Duration,
}

impl Narrator {
    /// What is to be told at `now`, on the monotonic clock.
    pub fn tell(&mut self, session: &Snapshot, recovery: &Recovery, now: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        // Before a manifest nothing is monitored.
        if session.streams.is_empty() {
            return lines;
        }
        let cycle = now >= self.cycle_at;
        if cycle {
            self.cycle_at = now + CYCLE;
        }
        self.channels(session, cycle, &mut lines);
        self.socket(session, &mut lines);
        self.errors(session, &mut lines);
        self.rungs(session, recovery, now, cycle, &mut lines);
        if session.socket.is_up() && !std::mem::replace(&mut self.was_up, true) && was_replaced(recovery) {
            lines.push(line(Level::INFO, RESET_DONE));
        }
        lines
    }

    /// When it has something to tell even if nothing changes.
    #[must_use]
    pub fn due(&self) -> Duration {
        self.cycle_at
    }

    fn channels(&mut self, session: &Snapshot, cycle: bool, lines: &mut Vec<Line>) {
        let connected = session.socket.is_up();
        let channels = (connected, Flow::of(&session.streams, connected).data);
        let before = self.channels.replace(channels);
        if cycle || before != Some(channels) {
            let text =
                format!("Monitor cycle: socket_connected={}, data_flowing={}", truth(channels.0), truth(channels.1));
            lines.push(line(Level::INFO, text));
        }
        // While the first ticks are awaited nothing is wrong yet.
        let silent = session.streams.iter().any(|stream| stream.state == marketstream_crds::StreamState::Stale);
        let began = before.is_some_and(|before| before != (true, false));
        if channels == (true, false) && began && silent && !session.streams.iter().any(competes) {
            lines.push(line(Level::INFO, format!("No Error {REFUSED} (distinguishes from TWS conflict)")));
        }
    }

    fn socket(&mut self, session: &Snapshot, lines: &mut Vec<Line>) {
        let state = session.socket.state;
        if self.socket.replace(state) == Some(state) {
            return;
        }
        let kind = match state {
            SocketState::Connecting | SocketState::Connected => return,
            SocketState::NoHandshake | SocketState::ProbeTimeout => "timeout",
            SocketState::Refused | SocketState::Closed | SocketState::ClientIdInUse | SocketState::NotAGateway => {
                "failure"
            }
        };
        let reason = session.socket.message.as_deref().unwrap_or("no reason is known");
        lines.push(line(Level::WARN, format!("Connection {kind} errors: {reason}")));
    }

    /// Refusals by the gateway, each once until it changes.
    fn errors(&mut self, session: &Snapshot, lines: &mut Vec<Line>) {
        let mut now = BTreeMap::new();
        for stream in &session.streams {
            // Codes below 1 are not the gateway's.
            let Some(error) = stream.error.as_ref().filter(|error| error.code > 0) else { continue };
            let words = if error.code == REFUSED && competes(stream) { OTHER_ADDRESS } else { &error.message };
            now.insert(stream.key.to_string(), format!("Error {}: {words}", error.code));
        }
        let mut new: Vec<&String> =
            now.iter().filter(|(key, text)| self.errors.get(*key) != Some(*text)).map(|(_, text)| text).collect();
        new.sort();
        new.dedup();
        lines.extend(new.into_iter().map(|text| line(Level::WARN, text)));
        self.errors = now;
    }

    fn rungs(&mut self, session: &Snapshot, recovery: &Recovery, now: Duration, cycle: bool, lines: &mut Vec<Line>) {
        let before = std::mem::take(&mut self.rungs);
        for incident in recovery.incidents.iter().filter(|incident| incident.level > 0) {
            let known = before.get(&incident.id).copied().unwrap_or(0);
            self.rungs.insert(incident.id.clone(), incident.level);
            if known == incident.level && !cycle {
                continue;
            }
            let level = severity(incident.level);
            for streams in session.streams.chunk_by(|one, other| one.key.contract == other.key.contract) {
                let silent = streams.iter().filter(|stream| concerns(incident, stream));
                let silent = silent.map(|stream| silence(stream.counted_from, stream.pulse.last_tick(), now)).max();
                if let Some(silent) = silent.filter(|silent| !silent.is_zero()) {
                    let text = format!(
                        "STALE DATA (Level {}): {} - no data for {}",
                        incident.level,
                        Contract(&streams[0]),
                        Silence(silent)
                    );
                    lines.push(line(level, text));
                }
            }
            if incident.level >= CRITICAL {
                let text = "CRITICAL: Consider service restart - auto-recovery not resolving issue";
                lines.push(line(Level::ERROR, text));
            }
        }
    }
}

/// The seed's levels of the four rungs.
const fn severity(level: u8) -> Level {
    match level {
        2 => Level::INFO,
        CRITICAL.. => Level::ERROR,
        _ => Level::WARN,
    }
}

/// The reset that was decided on replaced the gateway or the pod; the new session is its success.
fn was_replaced(recovery: &Recovery) -> bool {
    let reset = |incident: &Incident| {
        matches!(incident.last_action, Some(ActionKind::RollPod | ActionKind::RestartGateway | ActionKind::Reconnect))
    };
    recovery.incidents.iter().any(reset)
}

fn competes(stream: &StreamFacts) -> bool {
    let class = stream.error.as_ref().map(|error| classify(error.code, &error.message));
    class == Some(ErrorClass::CompetingSession)
}

fn concerns(incident: &Incident, stream: &StreamFacts) -> bool {
    incident.streams.is_empty() || incident.streams.contains(&stream.key.to_string())
}

/// As Python writes it.
const fn truth(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// `Contract 711280073 (MNQ)`.
struct Contract<'a>(&'a StreamFacts);

impl fmt::Display for Contract<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbol = self.0.symbol.as_deref().unwrap_or(&self.0.key.contract);
        match self.0.con_id {
            Some(con_id) => write!(f, "Contract {con_id} ({symbol})"),
            None => write!(f, "Contract ({symbol})"),
        }
    }
}

/// A time as Python writes it: `0:01:30`, `1 day, 0:01:30`.
struct Silence(Duration);

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds / 86_400 {
            0 => {}
            1 => write!(f, "1 day, ")?,
            days => write!(f, "{days} days, ")?,
        }
        write!(f, "{}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
    }
}

/// Writes to the log until the session ends.
pub async fn run(clock: Clock, mut session: watch::Receiver<Arc<Snapshot>>, mut recovery: watch::Receiver<Recovery>) {
    let mut narrator = Narrator::default();
    loop {
        let snapshot = session.borrow_and_update().clone();
        let told = narrator.tell(&snapshot, &recovery.borrow_and_update().clone(), clock.mono());
        for Line { level, text } in told {
            // A level of `tracing` is part of the place that writes.
            match level {
                Level::ERROR => tracing::error!("{text}"),
                Level::WARN => tracing::warn!("{text}"),
                _ => tracing::info!("{text}"),
            }
        }
        let due = narrator.due().max(clock.mono() + Duration::from_secs(1));
        tokio::select! {
            changed = session.changed() => if changed.is_err() { return },
            changed = recovery.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(clock.instant(due)) => {}
        }
    }
}

#[cfg(test)]
#[path = "narrator_tests.rs"]
mod tests;
