//! What a step waits for beyond its threshold and the verification of the last action.

use jiff::Timestamp;
use marketstream_crds::{ActionKind, Cause, Incident, Scope, StreamState};

use crate::{
    cause::Evidence,
    incidents::{Rank, rank},
    ladder::{
        Act, Ladder,
        level::{RESET, RESTART},
        of_silence,
    },
    rules::rule,
    view::{after, before},
    windows::Windows,
};

impl Ladder<'_> {
    /// Takes note of the incidents of this look and before. When a silent session comes back its streams follow one
    /// another, each silent for as long as the others were. None is judged by itself until the session's incident has
    /// settled and the effect of its last new requests is known; its clock goes on meanwhile.
    pub(crate) fn knowing<'i>(mut self, incidents: impl Iterator<Item = &'i Incident>) -> Self {
        let sessions = incidents.filter(|incident| rank(incident) == Rank::Session);
        for incident in sessions {
            let asked = last_action(incident).filter(|_| incident.last_action == Some(ActionKind::RestartStreams));
            self.session_asked = self.session_asked.max(asked);
            let Some(recovered) = incident.recovered_time else { continue };
            let settled = after(recovered.get(), self.policy.settle.get());
            let known = self.verification_end(incident).filter(|_| asked.is_some()).unwrap_or(settled);
            self.session_over = self.session_over.max(Some(settled.max(known)));
        }
        self
    }

    /// When a step that is due at `due` may be taken.
    pub(crate) fn release(&self, incident: &Incident, level: u8, act: Act, due: Timestamp) -> Timestamp {
        let rule = rule(incident.cause);
        let acts = matches!(level, RESTART | RESET);
        let waits = [
            // A roll that is refused asks for nothing.
            self.view.pacing_end().filter(|_| matches!(act, Act::Do(_))),
            self.effect_known(incident).filter(|_| acts),
            self.first_ticks_due(incident).filter(|_| level >= RESTART),
            self.upstream_end(incident).filter(|_| rule.late_reset && level == RESET),
            self.session_over.filter(|_| incident.scope == Scope::Stream && of_silence(incident.cause)),
        ];
        let due = waits.into_iter().flatten().fold(due, Timestamp::max);
        if rule.maintenance && level >= RESET { self.windows().release(due, self.now) } else { due }
    }

    /// When the effect is known of what came before: of a step that the gateway or the session took by itself, of what
    /// the streamer does when the link or a farm is back, and of the last action on contracts that tick so seldom that
    /// its verification tells nothing.
    pub(crate) fn effect_known(&self, incident: &Incident) -> Option<Timestamp> {
        // A session that is up asks for its streams; a login that has begun or ended opens the port.
        let wait = if self.view.connected() { self.policy.verify_restart } else { self.policy.verify_gateway };
        let progress = self.view.progress().map(|step| after(step, wait.get()));
        let slow = self.stale_after(incident).filter(|own| *own > self.view.spec.recovery.stale_after.get());
        // New requests of the whole session were this stream's, too.
        let last = last_action(incident).max(self.session_asked.filter(|_| incident.scope == Scope::Stream));
        progress.max(self.restored_end()).max(last.zip(slow).map(|(last, slow)| after(last, slow)))
    }

    /// After the link to IBKR or a farm is back the streamer looks after its streams by itself.
    pub(crate) fn restored_end(&self) -> Option<Timestamp> {
        let back = self.view.restored().max(self.view.farm_restored(self.policy.settle.get()));
        back.map(|back| after(back, self.policy.verify_restored.get()))
    }

    /// The session is up again, and nothing has been silent in it for long enough to be missed: when the first of its
    /// streams is.
    fn first_ticks_due(&self, incident: &Incident) -> Option<Timestamp> {
        let of_data = !matches!(incident.cause, Cause::NotReporting | Cause::StorageFull);
        // One that is silent for a reason of its own tells nothing of the session.
        let evidence = Evidence::new(self.view, self.policy, self.now);
        let silent = || self.view.streams().iter().any(|stream| evidence.silent(stream));
        let young = of_data && incident.scope == Scope::Session && self.view.connected() && !silent();
        let never = self.view.spec.recovery.zombie_timeout.get();
        let pending = self.view.streams().iter().filter(|stream| stream.state == StreamState::Pending);
        let ends = pending.map(|stream| {
            let asked = before(self.view.report.received, stream.silent_seconds);
            after(asked, never.max(self.view.stale_after(&stream.contract)))
        });
        ends.min().filter(|_| young)
    }

    /// What is lost is not on this side of IBKR: a reset comes when the link has been away for long, windows not counted.
    fn upstream_end(&self, incident: &Incident) -> Option<Timestamp> {
        // A notice that it is back starts the clock again.
        let told = self.view.link_lost().max(self.view.restored());
        let lost = told.map_or(incident.since.get(), |told| told.max(incident.since.get()));
        Some(self.windows().outside(lost, self.policy.upstream_patience.get()))
    }

    fn windows(&self) -> &Windows {
        self.windows.get_or_init(|| Windows::new(self.view.spec, self.policy))
    }
}

/// When something was done for an incident last.
fn last_action(incident: &Incident) -> Option<Timestamp> {
    incident.rungs.iter().rev().find(|rung| rung.action.is_some()).map(|rung| rung.time.get())
}
