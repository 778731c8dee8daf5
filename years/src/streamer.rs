//! The streamer, as far as the operator can see it: what it finds out about the world by itself, and what it does at
//! once. It knows what a client of the gateway knows, and no faults.

mod actions;
mod hold;
mod requests;
mod session;
mod witness;

use std::collections::BTreeMap;

use hold::Hold;
use marketstream_crds::{Action, ActionState, FarmState, SocketState, StreamState, Upstream};
use marketstream_recovery::codes::{ErrorClass, classify};
use requests::SPACING;
use witness::{Own, Shown, Witness, lead};

use crate::{
    clock::{Ms, SECOND, sooner},
    judge::{Seen, Verdict, judge},
    market::{Mask, members},
    world::{DELAYED, World},
};

/// One stream.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) running: Option<Ms>,
    wanted_at: Option<Ms>,
    first_asked: Option<Ms>,
    asked_at: Ms,
    pub(crate) last_tick: Option<Ms>,
    /// When a tick came last that cannot be true.
    pub(crate) corrupt: Option<Ms>,
    pub(crate) witness: Witness,
    pub(crate) error: Option<(i32, &'static str, Ms)>,
    refused: Option<Ms>,
    refusals: usize,
    canary: bool,
    pub(crate) restarts: i32,
    pub(crate) verdict: Verdict,
    pub(crate) since: Ms,
}

impl Entry {
    /// Whether it is refused for another reason than a competing session.
    fn refused_itself(&self) -> bool {
        let error = self.error.filter(|_| self.refused.is_some());
        error.is_some_and(|(code, text, _)| classify(code, text) != ErrorClass::CompetingSession)
    }
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
    /// When the link to IBKR or a farm came back last.
    restored: Option<Ms>,
    provoked: bool,
    pending: Option<(String, Mask)>,
}

/// A request that is not refused for so long is accepted.
const ACCEPTED: Ms = 10 * SECOND;

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
            corrupt: None,
            witness: Witness::default(),
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
            restored: None,
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
        let told = world.sentinels() & world.manifest.lined;
        for index in members(world.trading()) {
            if let Some(tick) = world.manifest.streams[index].tape.last(from, to) {
                self.entries[index].witness.print(tick, told & (1 << index) != 0);
            }
        }
        self.receive(world, from, to);
    }

    fn receive(&mut self, world: &World, from: Ms, to: Ms) {
        for index in members(world.delivering()) {
            if let Some(tick) = world.manifest.streams[index].tape.last(from, to) {
                self.heard(index, tick);
            }
        }
        for index in members(world.corrupt()) {
            // The first one is enough.
            if let Some(tick) = world.manifest.streams[index].tape.next(from + 1, to + 1) {
                self.corrupted(index, tick);
            }
        }
    }

    fn heard(&mut self, index: usize, tick: Ms) {
        let entry = &mut self.entries[index];
        entry.last_tick = Some(tick);
        (entry.refused, entry.error, entry.refusals) = (None, None, 0);
        entry.witness.heard();
        if entry.canary && self.hold.take().is_some() {
            for entry in &mut self.entries {
                (entry.canary, entry.refusals) = (false, 0);
                if entry.running.is_none() {
                    entry.wanted_at = Some(tick);
                }
            }
        }
    }

    /// Does what is due.
    pub fn step(&mut self, world: &mut World, now: Ms) {
        if self.probe_fails_at.is_some_and(|at| at <= now) {
            self.probe_fails_at = None;
            if self.up() && !world.answers() {
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
        self.receive(world, now - 1, now);
        self.failing_since = if world.writable() { None } else { self.failing_since.or(Some(now)) };
        self.pacing = self.pacing.filter(|(until, ..)| *until > now);
        self.judge(world, now);
        self.provoke(world, now);
    }

    fn judge(&mut self, world: &World, now: Ms) {
        let held = self.hold.is_some();
        let away = self.upstream.is_some_and(|(state, ..)| state == Upstream::Down);
        let may_ask = self.up() && !held && self.pacing.is_none() && !away;
        let is = |mask: Mask, index: usize| mask & (1 << index) != 0;
        let (delivering, corrupt, speaks) = (world.delivering(), world.corrupt(), world.sentinels());
        let (delayed, halted) = (world.delayed(), world.halted());
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let stream = &world.manifest.streams[index];
            if accepted_at(entry, held).is_some_and(|at| at <= now) {
                // What could not be had before is not missed.
                if entry.refused_itself() {
                    entry.witness.excuse(now);
                }
                entry.refused = None;
            }
            let shown = Shown {
                lined: is(world.manifest.lined, index),
                speaks: is(speaks, index),
                delayed: is(delayed, index),
                halted: is(halted, index),
                may_ask,
            };
            let seen = Seen {
                first_asked: entry.first_asked,
                last_tick: entry.last_tick,
                refused: entry.refused.is_some(),
                delivering: is(delivering, index),
                lead: lead(stream, shown.lined),
            };
            let hours = world.bells.session(&world.manifest, index);
            let verdict = judge(stream, hours, &world.manifest.spec.recovery, seen, now);
            let (running, first_asked, last_tick) = (entry.running, entry.first_asked, entry.last_tick);
            let own = Own { running, first_asked, last_tick, restored: self.restored };
            let mut verdict = entry.witness.refine(stream, verdict, own, shown, now);
            if entry.running.is_some() && is(corrupt, index) {
                verdict.due = sooner(verdict.due, stream.tape.next(now + 1, verdict.closes));
            }
            if verdict.state == StreamState::Rejected && entry.refused.is_none() && entry.error.is_none() {
                entry.error = entry.witness.delayed().map(|told| (DELAYED.0, DELAYED.1, told));
            }
            let opened =
                entry.verdict.session == marketstream_crds::Session::Closed && verdict.session != entry.verdict.session;
            if opened && !held && entry.refused.is_some() {
                entry.wanted_at = entry.wanted_at.map(|at| at.min(now));
            }
            if entry.verdict.state != verdict.state {
                entry.since = now;
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
            next = sooner(next, self.hold.as_ref().map(|hold| hold.due));
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
