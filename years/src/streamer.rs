//! The streamer, as far as the operator can see it: what it finds out about the world by itself, and what it does at
//! once. It knows what a client of the gateway knows, and no faults.

use std::collections::BTreeMap;

use marketstream_crds::{Action, ActionKind, ActionState, FarmState, SocketState, StreamState, Upstream};
use marketstream_recovery::codes::{ErrorClass, classify};

use crate::{
    clock::{HOUR, MINUTE, Ms, SECOND, sooner},
    judge::{Seen, Verdict, judge},
    market::{House, Mask, members},
    world::{Refused, Signal, World},
};

/// One stream.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) running: Option<Ms>,
    wanted_at: Option<Ms>,
    first_asked: Option<Ms>,
    asked_at: Ms,
    pub(crate) last_tick: Option<Ms>,
    /// The last trade that the contract's market-data line told of, whether or not the stream had it.
    traded: Option<Ms>,
    /// Until when it was known that nothing had to come.
    excused: Option<Ms>,
    pub(crate) error: Option<(i32, &'static str, Ms)>,
    refused: Option<Ms>,
    refusals: usize,
    canary: bool,
    pub(crate) restarts: i32,
    pub(crate) verdict: Verdict,
    pub(crate) since: Ms,
}

/// The API session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    pub(crate) state: SocketState,
    pub(crate) since: Ms,
    pub(crate) down_since: Option<Ms>,
    pub(crate) ever_connected: bool,
}

/// The streamer's process.
#[derive(Debug)]
pub struct Streamer {
    /// The pod that it runs in.
    pub uid: u32,
    pub(crate) socket: Socket,
    pub(crate) client_id: i32,
    pub(crate) upstream: Option<(Upstream, Ms, Option<i32>)>,
    pub(crate) farms: BTreeMap<&'static str, (FarmState, Ms)>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) acknowledged: Option<(String, ActionState)>,
    pub(crate) failing_since: Option<Ms>,
    pub(crate) pacing: Option<(Ms, i32, &'static str)>,
    connect_at: Option<Ms>,
    probe_fails_at: Option<Ms>,
    id_refusals: u32,
    hold: Option<Hold>,
    verify: Option<(Ms, Ms)>,
    provoked: bool,
    pending: Option<(String, Mask)>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    since: Ms,
    due: Ms,
    turn: usize,
}

/// A look-up of the contracts comes before the first requests of a session.
const LOOK_UP: Ms = 300;
/// After a cancel, before the next request.
const AFTER_CANCEL: Ms = 200;
/// After the end of a session, before the next attempt.
const AFTER_DISCONNECT: Ms = 100;
/// Two probes in a row without an answer.
const PROBES: Ms = 15 * SECOND;
/// A handshake without an answer.
const HANDSHAKE: Ms = 10 * SECOND;
/// Between two attempts with a client ID that is in use; after three comes the next ID.
const ID_PAUSE: Ms = 5 * SECOND;
/// After a notice of return, until what is silent still is asked for again.
const VERIFY: Ms = 40 * SECOND;
/// A request that is not refused for so long is accepted.
const ACCEPTED: Ms = 10 * SECOND;
/// Between two requests for the same stream.
const SPACING: Ms = 15 * SECOND;
/// How long requests pause after they came too fast.
const COOL_DOWN: Ms = MINUTE;

impl Streamer {
    /// A process that has just started in the world's pod.
    #[must_use]
    pub fn start(world: &World, client_id: i32, found: Option<&Action>, now: Ms) -> Self {
        let entry = Entry {
            running: None,
            wanted_at: None,
            first_asked: None,
            asked_at: Ms::MIN / 2,
            last_tick: None,
            traded: None,
            excused: None,
            error: None,
            refused: None,
            refusals: 0,
            canary: false,
            restarts: 0,
            verdict: Verdict::default(),
            since: now,
        };
        Self {
            uid: world.pod.uid,
            socket: Socket { state: SocketState::Connecting, since: now, down_since: Some(now), ever_connected: false },
            client_id,
            upstream: None,
            farms: BTreeMap::new(),
            entries: vec![entry; world.manifest.streams.len()],
            acknowledged: found.map(|action| (action.id.clone(), ActionState::Superseded)),
            failing_since: None,
            pacing: None,
            connect_at: Some(now + SECOND),
            probe_fails_at: None,
            id_refusals: 0,
            hold: None,
            verify: None,
            provoked: false,
            pending: None,
        }
    }

    /// Whether there is a session.
    pub(crate) fn up(&self) -> bool {
        self.socket.state == SocketState::Connected
    }

    /// Ticks came between two moments in which nothing else happened.
    pub fn listen(&mut self, world: &World, from: Ms, to: Ms) {
        for index in members(world.trading() & world.sentinels()) {
            if let Some(tick) = world.manifest.streams[index].tape.last(from, to) {
                self.entries[index].traded = Some(tick);
            }
        }
        for index in members(world.delivering()) {
            if let Some(tick) = world.manifest.streams[index].tape.last(from, to) {
                self.heard(index, tick);
            }
        }
    }

    fn heard(&mut self, index: usize, tick: Ms) {
        let entry = &mut self.entries[index];
        entry.last_tick = Some(tick);
        (entry.refused, entry.error, entry.refusals) = (None, None, 0);
        if entry.canary && self.hold.take().is_some() {
            for entry in &mut self.entries {
                (entry.canary, entry.refusals) = (false, 0);
                if entry.running.is_none() {
                    entry.wanted_at = Some(tick);
                }
            }
        }
    }

    /// Takes in what the world says.
    pub fn hear(&mut self, signal: Signal, world: &mut World, now: Ms) {
        match signal {
            Signal::Notice(code, farm) => self.noticed(code, farm, now),
            Signal::Told(streams, code, text) => {
                for index in members(streams) {
                    self.entries[index].running = None;
                    self.refused(index, code, text, now);
                }
            }
            Signal::Closed => self.lost(SocketState::Closed, now),
            Signal::Gateway => {
                if self.up() && world.hung() {
                    self.probe_fails_at.get_or_insert(now + PROBES);
                } else if !self.up() {
                    let retry = if world.manifest.house == House::External { 5 * SECOND } else { SECOND / 2 };
                    self.connect_at = Some(self.connect_at.map_or(now + retry, |at| at.min(now + retry)));
                }
            }
            Signal::Died | Signal::Born => {}
        }
    }

    fn noticed(&mut self, code: i32, farm: &'static str, now: Ms) {
        match code {
            1100 | 2110 => self.upstream = Some((Upstream::Down, now, None)),
            1101 | 1102 => self.upstream = Some((Upstream::Up, now, Some(code))),
            2103 => drop(self.farms.insert(farm, (FarmState::Broken, now))),
            _ => drop(self.farms.insert(farm, (FarmState::Ok, now))),
        }
        match code {
            1101 => self.restart(Mask::MAX, now),
            1102 | 2104 => self.verify = Some((now, now + VERIFY)),
            _ => {}
        }
    }

    fn lost(&mut self, state: SocketState, now: Ms) {
        self.enter(state, now);
        self.connect_at = Some(now + AFTER_DISCONNECT);
        (self.verify, self.probe_fails_at) = (None, None);
        // The last word about the link stays until the next session tells otherwise.
        self.upstream = self.upstream.filter(|(state, ..)| *state == Upstream::Down);
        self.farms.clear();
        for entry in &mut self.entries {
            (entry.running, entry.wanted_at, entry.canary) = (None, None, false);
        }
    }

    fn enter(&mut self, state: SocketState, now: Ms) {
        if self.socket.state != state {
            (self.socket.state, self.socket.since) = (state, now);
        }
        if state == SocketState::Connected {
            (self.socket.ever_connected, self.socket.down_since) = (true, None);
        } else {
            self.socket.down_since.get_or_insert(now);
        }
    }

    /// Carries an action out.
    pub fn act(&mut self, action: &Action, world: &mut World, now: Ms) {
        self.pending = None;
        let settle = |state| Some((action.id.clone(), state));
        match action.kind {
            ActionKind::RestartStreams if !self.can_ask() => {
                self.acknowledged = settle(ActionState::Failed);
            }
            ActionKind::RestartStreams => {
                let streams = world.manifest.of_keys(&action.streams);
                self.restart(streams, now);
                self.acknowledged = settle(ActionState::Accepted);
                self.pending = Some((action.id.clone(), streams));
            }
            ActionKind::Reconnect => {
                self.acknowledged = settle(ActionState::Accepted);
                self.pending = Some((action.id.clone(), 0));
                self.client_id = action.client_id;
                self.reconnect(world, now);
            }
            ActionKind::RestartGateway => {
                let done = world.restart_gateway(now);
                self.acknowledged = settle(if done { ActionState::Done } else { ActionState::Failed });
            }
            ActionKind::RollPod => {}
        }
    }

    /// Whether a request could be served.
    pub(crate) fn can_ask(&self) -> bool {
        let away = self.upstream.is_some_and(|(state, ..)| state == Upstream::Down);
        self.up() && self.hold.is_none() && !away
    }

    /// Cancels streams and asks for them again.
    pub fn resubscribe(&mut self, streams: Mask, now: Ms) {
        self.restart(streams, now);
    }

    /// Ends the session and makes a new one.
    pub fn reconnect(&mut self, world: &mut World, now: Ms) {
        if self.up() {
            world.own_outage.get_or_insert(now);
        }
        world.disconnect();
        self.lost(SocketState::Closed, now);
    }

    fn restart(&mut self, streams: Mask, now: Ms) {
        let held = self.hold.is_some();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if streams & (1 << index) != 0 {
                (entry.running, entry.canary) = (None, false);
                entry.wanted_at = (!held).then_some(now + AFTER_CANCEL);
            }
        }
    }

    /// Does what is due.
    pub fn step(&mut self, world: &mut World, now: Ms) {
        if self.probe_fails_at.is_some_and(|at| at <= now) {
            self.probe_fails_at = None;
            if self.up() && world.hung() {
                world.disconnect();
                self.lost(SocketState::ProbeTimeout, now);
            }
        }
        if self.connect_at.is_some_and(|at| at <= now) {
            self.connect(world, now);
        }
        if self.up() {
            self.send_canary(world, now);
            self.verify_silent(now);
            self.ask(world, now);
        }
        for index in members(world.delivering()) {
            if let Some(tick) = world.manifest.streams[index].tape.last(now - 1, now) {
                self.heard(index, tick);
            }
        }
        self.failing_since = if world.writable() { None } else { self.failing_since.or(Some(now)) };
        self.pacing = self.pacing.filter(|(until, ..)| *until > now);
        self.judge(world, now);
        self.provoke(world, now);
    }

    fn connect(&mut self, world: &mut World, now: Ms) {
        self.connect_at = None;
        let (state, retry) = match world.connect(self.client_id) {
            Ok(()) => {
                (self.id_refusals, self.provoked, self.upstream) = (0, false, None);
                self.enter(SocketState::Connected, now);
                self.settle(0, ActionState::Done);
                match &mut self.hold {
                    Some(hold) => hold.due = now + LOOK_UP,
                    None => self.entries.iter_mut().for_each(|entry| entry.wanted_at = Some(now + LOOK_UP)),
                }
                return;
            }
            Err(Refused::ClientId) => {
                self.id_refusals += 1;
                if self.id_refusals.is_multiple_of(3) {
                    self.client_id = world.manifest.spec.gateway.client_id.next(self.client_id);
                }
                (SocketState::ClientIdInUse, Some(now + ID_PAUSE))
            }
            // Whether it is answered later is seen at the next attempt.
            Err(Refused::NoHandshake) if self.socket.state == SocketState::NoHandshake => {
                (SocketState::NoHandshake, Some(now + MINUTE))
            }
            Err(Refused::NoHandshake) if self.socket.state == SocketState::ProbeTimeout => {
                // The handshake is awaited first.
                let waited = now - self.socket.since >= HANDSHAKE;
                let state = if waited { SocketState::NoHandshake } else { SocketState::ProbeTimeout };
                (state, Some(now + HANDSHAKE))
            }
            Err(Refused::NoHandshake) => (SocketState::NoHandshake, Some(now + MINUTE)),
            // The world tells when that changes.
            Err(Refused::Closed) => (SocketState::Refused, None),
        };
        self.enter(state, now);
        self.connect_at = retry;
        if state != SocketState::ClientIdInUse {
            self.settle(0, ActionState::Failed);
        }
    }

    /// The pending action has done its part for these streams.
    fn settle(&mut self, asked: Mask, state: ActionState) {
        let Some((id, streams)) = &mut self.pending else { return };
        *streams &= !asked;
        if *streams == 0 {
            self.acknowledged = Some((id.clone(), state));
            self.pending = None;
        }
    }

    fn ask(&mut self, world: &mut World, now: Ms) {
        if self.pacing.is_some() {
            return;
        }
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            let due = entry.wanted_at.map(|at| at.max(entry.asked_at + SPACING));
            if entry.running.is_none() && due.is_some_and(|due| due <= now) {
                self.request(index, world, now);
            }
        }
    }

    fn request(&mut self, index: usize, world: &mut World, now: Ms) {
        let entry = &mut self.entries[index];
        // Whatever ran before was cancelled.
        (entry.running, entry.wanted_at, entry.asked_at) = (None, None, now);
        if entry.first_asked.replace(entry.first_asked.unwrap_or(now)).is_some() {
            entry.restarts += 1;
        }
        match world.request(index) {
            Ok(()) => self.entries[index].running = Some(now),
            Err((code, text)) => self.refused(index, code, text, now),
        }
        self.settle(1 << index, ActionState::Done);
    }

    fn refused(&mut self, index: usize, code: i32, text: &'static str, now: Ms) {
        let entry = &mut self.entries[index];
        entry.refusals += 1;
        (entry.refused, entry.error, entry.canary) = (Some(now), Some((code, text, now)), false);
        let pauses: &[Ms] = match classify(code, text) {
            ErrorClass::CompetingSession => return self.begin_hold(code, text, now),
            ErrorClass::NotEntitled => &[30 * SECOND, HOUR],
            ErrorClass::Capacity => &[5 * MINUTE],
            ErrorClass::Pacing => &[COOL_DOWN],
            ErrorClass::ContractInvalid => &[MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 24 * HOUR],
            _ => &[15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE],
        };
        let pause = pauses[(entry.refusals - 1).min(pauses.len() - 1)];
        if pauses == [COOL_DOWN] {
            self.pacing = Some((now + COOL_DOWN, code, text));
        }
        entry.wanted_at = self.hold.is_none().then_some(now + pause);
    }

    fn begin_hold(&mut self, code: i32, text: &'static str, now: Ms) {
        self.hold.get_or_insert(Hold { since: now, due: now + 30 * SECOND, turn: 0 });
        for entry in &mut self.entries {
            entry.wanted_at = None;
            if !entry.canary {
                (entry.refused, entry.error) = (Some(now), Some((code, text, now)));
            }
        }
    }

    fn send_canary(&mut self, world: &mut World, now: Ms) {
        let Some(hold) = &mut self.hold else { return };
        if hold.due > now {
            return;
        }
        hold.due = now + if now - hold.since < 15 * MINUTE { 30 * SECOND } else { MINUTE };
        hold.turn += 1;
        let turn = hold.turn;
        let due = |entry: &Entry| {
            // One that was accepted and has not ticked may have died since.
            (entry.refused.is_some() || entry.running.is_none() || entry.canary) && entry.asked_at + SPACING <= now
        };
        let candidates = self.entries.iter().enumerate().filter(|(_, entry)| due(entry)).map(|(index, _)| index);
        let candidates: Vec<usize> = candidates.collect();
        let open = world.bells.open;
        let opened: Vec<usize> = candidates.iter().copied().filter(|index| open & (1 << index) != 0).collect();
        let choice = if opened.is_empty() { &candidates } else { &opened };
        if let Some(index) = choice.get(turn % choice.len().max(1)).copied() {
            self.request(index, world, now);
            self.entries[index].canary = self.entries[index].running.is_some();
        }
    }

    fn verify_silent(&mut self, now: Ms) {
        let Some((restored, due)) = self.verify.filter(|(_, due)| *due <= now) else { return };
        debug_assert!(restored < due);
        self.verify = None;
        let silent = |entry: &Entry| {
            let closed = entry.verdict.session == marketstream_crds::Session::Closed;
            entry.running.is_some() && !closed && entry.last_tick.is_none_or(|tick| tick < restored)
        };
        let streams = self.entries.iter().enumerate().filter(|(_, entry)| silent(entry));
        let streams = streams.fold(0, |mask, (index, _)| mask | 1 << index);
        self.restart(streams, now);
    }

    /// Everything is silent, and nobody says why: one stream is asked for again, since the answer may tell.
    fn provoke(&mut self, world: &World, now: Ms) {
        let state = |wanted| self.entries.iter().position(|entry| entry.verdict.state == wanted);
        if state(StreamState::Flowing).is_some() || state(StreamState::Pending).is_some() {
            self.provoked = false;
            return;
        }
        let Some(index) = state(StreamState::Stale).filter(|_| self.up() && !self.provoked) else { return };
        let recovery = &world.manifest.spec.recovery;
        let silent = self.entries[index].verdict.silent_from.map_or(0, |from| now - from);
        if self.hold.is_none() && silent >= recovery.warn_after.get().as_millis() as Ms {
            self.provoked = true;
            self.restart(1 << index, now);
        }
    }

    fn judge(&mut self, world: &World, now: Ms) {
        let held = self.hold.is_some();
        let (delivering, sentinels) = (world.delivering(), world.sentinels());
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let (stream, bit) = (&world.manifest.streams[index], 1 << index);
            if accepted_at(entry, held).is_some_and(|at| at <= now) {
                entry.refused = None;
            }
            let seen = Seen {
                first_asked: entry.first_asked,
                last_tick: entry.last_tick,
                refused: entry.refused.is_some(),
                delivering: delivering & bit != 0,
                sentinel: sentinels & bit != 0,
                missed: entry
                    .traded
                    .is_some_and(|traded| traded > entry.last_tick.max(entry.first_asked).unwrap_or(Ms::MIN)),
                excused: entry.excused,
                halted: world.halted() & bit != 0,
            };
            let verdict =
                judge(stream, world.bells.session(&world.manifest, index), &world.manifest.spec.recovery, seen, now);
            let opened =
                entry.verdict.session == marketstream_crds::Session::Closed && verdict.session != entry.verdict.session;
            if opened && !held && entry.refused.is_some() {
                entry.wanted_at = entry.wanted_at.map(|at| at.min(now));
            }
            if entry.verdict.state != verdict.state {
                entry.since = now;
            }
            if matches!(verdict.state, StreamState::Quiet | StreamState::Halted) {
                entry.excused = Some(now);
            }
            entry.verdict = verdict;
        }
    }

    /// When it must be called again, unless the world changes before.
    #[must_use]
    pub fn next(&self) -> Option<Ms> {
        let up = self.up();
        let held = self.hold.is_some();
        let mut next = sooner(self.connect_at, self.probe_fails_at);
        next = sooner(next, self.pacing.map(|(until, ..)| until));
        if up {
            next = sooner(next, self.hold.map(|hold| hold.due));
            next = sooner(next, self.verify.map(|(_, due)| due));
        }
        for entry in &self.entries {
            next = sooner(next, entry.verdict.due);
            next = sooner(next, accepted_at(entry, held));
            if up && entry.running.is_none() && self.pacing.is_none() {
                next = sooner(next, entry.wanted_at.map(|at| at.max(entry.asked_at + SPACING)));
            }
        }
        next
    }
}

fn accepted_at(entry: &Entry, held: bool) -> Option<Ms> {
    let (running, refused) = (entry.running?, entry.refused?);
    (entry.canary || !held).then(|| running.max(refused) + ACCEPTED)
}
