//! Opens, follows and closes incidents. Each has its own clock.

use jiff::Timestamp;
use marketstream_crds::{ActionKind, Cause, Incident, Scope, StreamState, StreamStatus};

use crate::{
    cause::{Evidence, Finding},
    ladder::{Ladder, of_refusal},
    policy::Policy,
    rules::rule,
    view::{View, after},
};

/// Bounds of the lists in status (see the CRD).
const MAX_OPEN: usize = 16;

/// Incidents after this look: those still open, and those that this look closed.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    pub(crate) open: Vec<Incident>,
    pub(crate) closed: Vec<Incident>,
    /// When the passing of time alone changes the evidence.
    pub(crate) changes: Vec<Timestamp>,
}

/// Follows the open incidents of `view.status` with the evidence of now.
pub(crate) fn update(view: &View<'_>, policy: &Policy, now: Timestamp) -> Incidents {
    let evidence = Evidence::new(view, policy, now);
    let mut tracker = Tracker { view, policy, now, evidence: &evidence, result: Incidents::default() };
    let known = |rank: Rank| view.status.incidents.iter().filter(move |incident| self::rank(incident) == rank).cloned();
    let (around, session) = (known(Rank::Around).next(), known(Rank::Session).next());
    let streams: Vec<Incident> = known(Rank::Stream).collect();
    // A report that is older than this operator may be of any age: it is no evidence, and nothing is known to have changed.
    let confirmed = |finding: &Finding| view.report.confirmed || finding.cause == Cause::NotReporting;
    match evidence.session().filter(confirmed) {
        Some(finding) if !concerns_data(finding.cause) => {
            tracker.fault_around(around, finding);
            tracker.result.open.extend(session.into_iter().chain(streams));
        }
        Some(finding) => {
            around.into_iter().for_each(|incident| tracker.close(incident));
            // The session's fault explains its streams' silence. A Zombie explains nothing: it may be a dead stream in the
            // pause of a thin one, and the dead one's clock goes on. Nor does a session that we make anew for a stream.
            let stands = |incident: &Incident| {
                let own = incident.last_action == Some(ActionKind::Reconnect) && tracker.verifying(incident);
                finding.cause == Cause::Zombie || own
            };
            let refused = |incident: &Incident| finding.cause == Cause::Zombie && tracker.is_refused(incident);
            let (refused, streams): (Vec<_>, Vec<_>) = streams.into_iter().partition(refused);
            let (standing, explained): (Vec<_>, Vec<_>) = streams.into_iter().partition(stands);
            tracker.session_fault(session, finding);
            tracker.result.open.extend(standing);
            explained.into_iter().for_each(|incident| tracker.close(incident));
            // What IBKR refuses is not silent.
            if finding.cause == Cause::Zombie {
                tracker.stream_faults(refused, of_refusal);
            }
        }
        // A pod that is being replaced has not reported yet.
        None if view.streamer().is_none() || !view.report.confirmed => {
            tracker.result.open.extend(around.into_iter().chain(session).chain(streams))
        }
        None => {
            around.into_iter().for_each(|incident| tracker.follow(incident, false));
            let recovering = session.as_ref().is_none_or(|_| session_recovered(view, &evidence));
            if let Some(incident) = session {
                tracker.follow(incident, !recovering);
            }
            if recovering { tracker.stream_faults(streams, |_| true) } else { tracker.result.open.extend(streams) }
        }
    }
    let mut result = tracker.result;
    result.changes = evidence.changes();
    result
}

/// Whether data flow again, or nothing has to flow.
fn session_recovered(view: &View<'_>, evidence: &Evidence<'_>) -> bool {
    // A stream that is silent for a reason of its own has an incident of its own.
    let waiting = view.any(StreamState::Pending) || view.streams().iter().any(|stream| evidence.silent(stream));
    view.any_flows() || (!view.streams().is_empty() && !waiting)
}

/// What an incident is about. See [`waits_for`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// What is around the data: they cannot be kept, or nothing is heard of them.
    Around,
    /// The data of the whole session.
    Session,
    /// Some streams.
    Stream,
}

pub(crate) fn rank(incident: &Incident) -> Rank {
    match incident.scope {
        Scope::Session if !concerns_data(incident.cause) => Rank::Around,
        Scope::Session => Rank::Session,
        Scope::Stream => Rank::Stream,
    }
}

/// Whether an incident waits, and keeps its clock, as long as one of this rank and cause is open. A Zombie is silence, and
/// no reason for a refusal.
pub(crate) fn waits_for(incident: &Incident, (rank, cause): (Rank, Cause)) -> bool {
    rank < self::rank(incident) && !(cause == Cause::Zombie && of_refusal(incident.cause))
}

/// Whether a session's cause says that data are missing.
fn concerns_data(cause: Cause) -> bool {
    !matches!(cause, Cause::NotReporting | Cause::StorageFull)
}

struct Tracker<'a> {
    view: &'a View<'a>,
    policy: &'a Policy,
    now: Timestamp,
    evidence: &'a Evidence<'a>,
    result: Incidents,
}

impl Tracker<'_> {
    fn fault_around(&mut self, open: Option<Incident>, finding: Finding) {
        match open {
            Some(incident) if incident.cause == finding.cause => {
                self.result.open.push(Incident { recovered_time: None, ..incident });
            }
            other => {
                other.into_iter().for_each(|incident| self.close(incident));
                self.open(Scope::Session, finding, vec![]);
            }
        }
    }

    fn session_fault(&mut self, open: Option<Incident>, finding: Finding) {
        match open {
            Some(upstream) if upstream.cause == Cause::UpstreamDown && self.waits_for_upstream(finding) => {
                self.result.open.push(Incident { recovered_time: None, ..upstream });
            }
            Some(other) if other.cause != finding.cause && rule(other.cause).hold => {
                // What comes after a hold has a clock of its own: from the notice that ended it, if there is one.
                let restored = self.view.restored().filter(|_| other.cause == Cause::UpstreamDown);
                let since = restored.unwrap_or(self.now);
                self.close(other);
                self.open(Scope::Session, Finding { since, ..finding }, vec![]);
            }
            Some(incident) => {
                let cause = if self.starting(&incident, finding) { incident.cause } else { finding.cause };
                self.result.open.push(Incident { cause, recovered_time: None, ..incident });
            }
            None => self.open(Scope::Session, finding, vec![]),
        }
    }

    /// Whether the session comes up after the incident's own action: there is no evidence yet, and the cause of that
    /// action stands.
    fn starting(&self, incident: &Incident, finding: Finding) -> bool {
        finding.cause == Cause::Unknown && self.verifying(incident)
    }

    /// Whether the effect of the incident's own last action is not known yet.
    fn verifying(&self, incident: &Incident) -> bool {
        let verified = Ladder::new(self.view, self.policy, self.now).verification_end(incident);
        verified.is_some_and(|end| self.now < end)
    }

    /// A gateway that cannot log in while IBKR is away is not to blame.
    fn waits_for_upstream(&self, finding: Finding) -> bool {
        let down = matches!(finding.cause, Cause::GatewayDown | Cause::Unknown);
        down && self.view.logging_in(self.policy.verify_gateway.get())
    }

    /// Whether IBKR refuses a stream of the incident, or did when it was looked at last.
    fn is_refused(&self, incident: &Incident) -> bool {
        let concerned = self.view.streams().iter().filter(|stream| incident.streams.contains(&stream.key()));
        let mut found = concerned.filter_map(|stream| self.evidence.stream(stream));
        of_refusal(incident.cause) || found.any(|found| of_refusal(found.cause))
    }

    /// Follows incidents of streams, and opens new ones, for the causes that are `wanted`.
    fn stream_faults(&mut self, open: Vec<Incident>, wanted: impl Fn(Cause) -> bool) {
        let fault =
            |stream| self.evidence.stream(stream).filter(|found| rule(found.cause).is_fault() && wanted(found.cause));
        let mut faults: Vec<(&StreamStatus, Finding)> =
            self.view.streams().iter().filter_map(|stream| Some((stream, fault(stream)?))).collect();
        for mut incident in open {
            let finding =
                |key: &String| faults.iter().find(|(stream, _)| stream.key() == *key).map(|(_, found)| *found);
            let pending = |key: &String| {
                self.view.streams().iter().any(|stream| stream.key() == *key && stream.state == StreamState::Pending)
            };
            // The same streams under another cause are the same fault: it keeps its clock.
            let same =
                incident.streams.iter().any(|key| finding(key).is_some_and(|found| found.cause == incident.cause));
            let other = incident.streams.iter().find_map(finding).filter(|_| !same).map(|found| found.cause);
            incident.cause = other.unwrap_or(incident.cause);
            let concerns =
                |key: &&String| pending(key) || finding(key).is_some_and(|found| found.cause == incident.cause);
            let affected: Vec<String> = incident.streams.iter().filter(concerns).cloned().collect();
            faults.retain(|(stream, _)| !affected.contains(&stream.key()));
            if !affected.is_empty() {
                incident.streams.clone_from(&affected);
            }
            self.follow(incident, !affected.is_empty());
        }
        for (finding, streams) in self.grouped(&faults) {
            self.open(Scope::Stream, finding, streams);
        }
    }

    /// Streams that fell silent together, for the same cause, are one fault, if the ladder gives them the same time.
    fn grouped(&self, faults: &[(&StreamStatus, Finding)]) -> Vec<(Finding, Vec<String>)> {
        let mut groups: Vec<(Finding, &str, Vec<String>)> = Vec::new();
        for (stream, finding) in faults {
            let together = |group: &Finding, contract: &str| {
                group.cause == finding.cause
                    && self.view.stale_after(&stream.contract) == self.view.stale_after(contract)
                    && group.since.duration_since(finding.since).unsigned_abs() <= self.policy.group_within.get()
            };
            match groups.iter_mut().find(|(group, contract, _)| together(group, contract)) {
                Some((group, _, streams)) => {
                    group.since = group.since.min(finding.since);
                    streams.push(stream.key());
                }
                None => groups.push((*finding, stream.contract.as_str(), vec![stream.key()])),
            }
        }
        groups.into_iter().map(|(finding, _, streams)| (finding, streams)).collect()
    }

    /// Keeps an incident open while `faulty`, and until its streams have flowed for the settling time.
    fn follow(&mut self, incident: Incident, faulty: bool) {
        let recovered = if faulty { None } else { Some(incident.recovered_time.unwrap_or(self.now.into())) };
        let incident = Incident { recovered_time: recovered, ..incident };
        match recovered {
            Some(since) if self.now >= after(since.get(), self.policy.settle.get()) => self.close(incident),
            _ => self.result.open.push(incident),
        }
    }

    fn open(&mut self, scope: Scope, finding: Finding, streams: Vec<String>) {
        // The list in status is bounded: what comes on top joins an incident of its kind, or waits for room.
        if self.result.open.len() >= MAX_OPEN {
            let same = |incident: &&mut Incident| incident.scope == scope && incident.cause == finding.cause;
            if let Some(incident) = self.result.open.iter_mut().rev().find(same) {
                incident.streams.extend(streams);
            }
            return;
        }
        let possible = if concerns_data(finding.cause) { self.first_possible(scope) } else { None };
        let since = finding.since.max(possible.unwrap_or(finding.since));
        let name = match scope {
            Scope::Session if !concerns_data(finding.cause) => "pod",
            Scope::Session => "session",
            Scope::Stream => "stream",
        };
        let id = self.free_id(format!("{name}-{}", since.as_millisecond()));
        self.result.open.push(Incident {
            id,
            scope,
            since: since.into(),
            cause: finding.cause,
            streams,
            level: 0,
            attempts: 0,
            rungs: vec![],
            last_action: None,
            next_action: None,
            next_action_time: None,
            recovered_time: None,
            closed_time: None,
        });
    }

    /// The id, with a number if another incident has it: of those that are open, or that the status remembers.
    fn free_id(&self, id: String) -> String {
        let here = self.result.open.iter().chain(&self.result.closed);
        let known = here.chain(&self.view.status.incidents).chain(&self.view.status.history);
        let known: Vec<&str> = known.map(|incident| incident.id.as_str()).collect();
        let numbered = (2..=known.len() + 1).map(|number| format!("{id}-{number}"));
        let free = std::iter::once(id.clone()).chain(numbered).find(|free| !known.contains(&free.as_str()));
        free.unwrap_or(id)
    }

    /// Silence from before the session came up, or was of use again, is not the streams' own.
    fn first_possible(&self, scope: Scope) -> Option<Timestamp> {
        let up = self.view.progress().filter(|_| self.view.connected());
        let known = self.result.open.iter().chain(&self.view.status.history);
        // In the look that supersedes it, the session's next incident has a clock of its own.
        let known = known.chain(self.result.closed.iter().filter(|_| scope == Scope::Stream));
        let faults = known.filter(|incident| rank(incident) == Rank::Session && incident.cause != Cause::Zombie);
        let ends = faults.filter_map(|incident| incident.recovered_time.or(incident.closed_time));
        ends.map(marketstream_crds::Time::get).chain(up).max()
    }

    fn close(&mut self, incident: Incident) {
        let next =
            Incident { closed_time: Some(self.now.into()), next_action: None, next_action_time: None, ..incident };
        self.result.closed.push(next);
    }
}
