//! Conditions of a MarketStream: a pure function of what is known, so that equal knowledge writes nothing.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use marketstream_crds::{
    Cause, Contract, GapCounts, Health, Incident, MarketStream, SocketState, StreamState, StreamStatus, StreamerStatus,
    conditions::{reasons, types},
};
use marketstream_recovery::{
    Decision, Pod,
    codes::{ErrorClass, classify},
    rule,
};

use crate::{expiring, validate::Problem};

/// Everything that conditions tell about.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The resource as it was read.
    pub ms: &'a MarketStream,
    /// What keeps it from running at all.
    pub problem: Option<&'a Problem>,
    /// The pod.
    pub pod: Option<&'a Pod>,
    /// The streamer's report, when it is of that pod and fresh.
    pub streamer: Option<&'a StreamerStatus>,
    /// What was decided; `None` when the pod must not run.
    pub decision: Option<&'a Decision>,
    /// The running pod differs from the template.
    pub update_pending: bool,
    /// What the start waits for: the pod of another MarketStream that ends.
    pub rival: Option<&'a str>,
}

/// The conditions, each with the time of its last transition carried over.
#[must_use]
pub fn conditions(facts: &Facts<'_>, now: Timestamp) -> Vec<Condition> {
    let mut list = vec![ready(facts), reconciling(facts), stalled(facts), connected(facts), data_flowing(facts)];
    list.extend([
        storage_ready(facts),
        market_open(facts),
        backfilled(facts.streamer.and_then(|streamer| streamer.gaps.as_ref())),
    ]);
    list.extend(people(facts));
    list.extend([critical(facts), suspended(facts), update_pending(facts), expiring(facts)].into_iter().flatten());
    list.into_iter().map(|draft| draft.finish(facts.ms, now)).collect()
}

/// What only the user can fix, and how.
pub fn stalled_by(facts: &Facts<'_>) -> Option<Problem> {
    let found = |reason, message| Some(Problem { reason, message });
    if let Some(problem) = facts.problem {
        return Some(problem.clone());
    }
    if let Some(waiting) =
        facts.pod.and_then(|pod| pod.waiting.as_deref()).filter(|text| text.contains("CreateContainerConfigError"))
    {
        let secret = facts.ms.spec.gateway.sidecar.as_ref().map(|sidecar| &sidecar.credentials_secret_ref);
        if let Some(secret) = secret.filter(|_| waiting.to_lowercase().contains("secret")) {
            return found(
                reasons::SECRET_NOT_FOUND,
                format!(
                    "spec.gateway.sidecar.credentialsSecretRef: the Secret {:?} with the keys {:?} and {:?} must exist in \
                     this namespace ({waiting})",
                    secret.name, secret.username_key, secret.password_key
                ),
            );
        }
    }
    let streamer = facts.streamer?;
    if streamer.socket.state == SocketState::NotAGateway {
        return found(reasons::NOT_A_GATEWAY, socket_message(streamer));
    }
    let unknown: Vec<String> =
        streamer.streams.iter().filter_map(|stream| unknown_contract(facts.ms, stream)).collect();
    let first = unknown.first()?;
    let others = unknown.iter().filter(|message| *message != first).count();
    let more = if others == 0 { String::new() } else { format!(" (and {others} more streams)") };
    found(reasons::CONTRACT_NOT_FOUND, format!("{first}{more}"))
}

fn unknown_contract(ms: &MarketStream, stream: &StreamStatus) -> Option<String> {
    let error = stream.error.as_ref().filter(|_| stream.state == StreamState::Rejected)?;
    if classify(error.code, &error.message) != ErrorClass::ContractInvalid {
        return None;
    }
    let contract = ms.spec.contracts.iter().find(|contract| contract.name == stream.contract)?;
    let (field, asked) = asked_for(contract);
    Some(format!(
        "spec.contracts[name={}].{field}: IBKR knows no contract with {asked} (error {}: {})",
        contract.name, error.code, error.message
    ))
}

fn asked_for(contract: &Contract) -> (&'static str, String) {
    match contract.con_id {
        Some(id) => ("conId", format!("conId {id}")),
        None => {
            let fields = [
                contract.symbol.as_deref(),
                contract.sec_type.map(marketstream_crds::SecType::as_str),
                contract.exchange.as_deref(),
                contract.currency.as_deref(),
                contract.last_trade_date.as_deref(),
            ];
            ("symbol", fields.into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
    }
}

fn ready(facts: &Facts<'_>) -> Draft {
    let not = |reason, message: String| Draft::new(types::READY, false, reason, message);
    if let Some(problem) = stalled_by(facts) {
        return not(problem.reason, problem.message);
    }
    if facts.ms.spec.suspend {
        return not(reasons::SUSPENDED, "spec.suspend is true".to_owned());
    }
    let Some(pod) = facts.pod else {
        return not(reasons::STARTING, facts.rival.unwrap_or("the pod does not exist yet").to_owned());
    };
    if let Some(waiting) = &pod.waiting {
        return not(reasons::POD_NOT_RUNNING, waiting.clone());
    }
    let Some(streamer) = facts.streamer else {
        let reason = if not_reporting(facts) { reasons::NOT_REPORTING } else { reasons::STARTING };
        return not(reason, "the streamer has not reported".to_owned());
    };
    let idle = facts.decision.is_some_and(|decision| decision.health == Health::Idle);
    if streamer.socket.state != SocketState::Connected && !idle {
        return not(socket_reason(facts, streamer), socket_message(streamer));
    }
    Draft::new(types::READY, true, reasons::AS_EXPECTED, "the session is up".to_owned())
}

fn reconciling(facts: &Facts<'_>) -> Draft {
    let wanted = facts.decision.is_some() || facts.rival.is_some();
    let starting = facts.pod.is_none_or(|pod| pod.running.is_none()) && wanted;
    let (reason, message) = if starting {
        (reasons::STARTING, facts.rival.unwrap_or("the pod is starting"))
    } else {
        (reasons::AS_EXPECTED, "the children are as the spec wants them")
    };
    Draft::new(types::RECONCILING, starting, reason, message.to_owned())
}

fn stalled(facts: &Facts<'_>) -> Draft {
    match stalled_by(facts) {
        Some(problem) => Draft::new(types::STALLED, true, problem.reason, problem.message),
        None => Draft::new(types::STALLED, false, reasons::AS_EXPECTED, "nothing waits for a person".to_owned()),
    }
}

fn connected(facts: &Facts<'_>) -> Draft {
    match facts.streamer {
        None => unknown(types::CONNECTED),
        Some(streamer) if streamer.socket.state == SocketState::Connected => {
            let endpoint = streamer.socket.endpoint.as_deref().unwrap_or("the gateway");
            let message = format!("connected to {endpoint} with client ID {}", streamer.client_id);
            Draft::new(types::CONNECTED, true, reasons::AS_EXPECTED, message)
        }
        Some(streamer) => Draft::new(types::CONNECTED, false, socket_reason(facts, streamer), socket_message(streamer)),
    }
}

fn data_flowing(facts: &Facts<'_>) -> Draft {
    let Some((streamer, decision)) = facts.streamer.zip(facts.decision) else { return unknown(types::DATA_FLOWING) };
    let draft = |status, reason, message| Draft::new(types::DATA_FLOWING, status, reason, message);
    match decision.health {
        Health::Unknown => unknown(types::DATA_FLOWING),
        Health::Idle => draft(true, reasons::MARKET_CLOSED, "every session is closed".to_owned()),
        Health::Healthy => draft(true, reasons::AS_EXPECTED, format!("{} streams flow", streamer.flowing)),
        Health::Degraded | Health::Disconnected => {
            use StreamState::{Pending, Rejected, Stale};
            let names = keys(streamer, |stream| matches!(stream.state, Pending | Stale | Rejected));
            let delayed = keys(streamer, |stream| stream.delayed);
            let reason = decision.cause.map_or(reasons::STREAMS_SILENT, Cause::as_str);
            match (names.is_empty(), delayed.is_empty()) {
                (false, _) => draft(false, reason, truncate(format!("no data: {names}"))),
                (true, false) => draft(false, types::DELAYED_DATA, truncate(format!("delayed data: {delayed}"))),
                // What is amiss has a condition of its own.
                (true, true) => draft(true, reasons::AS_EXPECTED, format!("{} streams flow", streamer.flowing)),
            }
        }
    }
}

fn storage_ready(facts: &Facts<'_>) -> Draft {
    match facts.streamer {
        None => unknown(types::STORAGE_READY),
        Some(streamer) if streamer.storage.writable => {
            Draft::new(types::STORAGE_READY, true, reasons::AS_EXPECTED, "the volume accepts writes".to_owned())
        }
        Some(streamer) => {
            let message = streamer.storage.message.clone().unwrap_or_else(|| "a write failed".to_owned());
            Draft::new(types::STORAGE_READY, false, reasons::WRITE_FAILED, message)
        }
    }
}

fn market_open(facts: &Facts<'_>) -> Draft {
    match facts.streamer {
        None => unknown(types::MARKET_OPEN),
        Some(streamer) => {
            let open = streamer.streams.iter().any(|stream| stream.session == marketstream_crds::Session::Open);
            let (reason, message) = if open {
                (reasons::AS_EXPECTED, "at least one contract is in its session")
            } else {
                (reasons::MARKET_CLOSED, "no contract is in its session")
            };
            Draft::new(types::MARKET_OPEN, open, reason, message.to_owned())
        }
    }
}

fn backfilled(gaps: Option<&GapCounts>) -> Draft {
    let Some(gaps) = gaps else { return unknown(types::BACKFILLED) };
    let draft = |status, reason, message| Draft::new(types::BACKFILLED, status, reason, message);
    match (gaps.open, gaps.unfillable) {
        (0, 0) => draft(true, reasons::AS_EXPECTED, "nothing that was lost waits for IBKR's history".to_owned()),
        (0, lost) => {
            draft(true, reasons::UNFILLABLE, format!("{lost} of the gaps cannot be had; the list of gaps says why"))
        }
        (open, _) => draft(false, reasons::GAPS_WAIT, format!("{open} gaps are to be filled from IBKR's history")),
    }
}

fn critical(facts: &Facts<'_>) -> Option<Draft> {
    let incident = facts.decision?.incidents.iter().find(|incident| incident.level >= 4)?;
    Some(Draft::new(types::CRITICAL, true, incident.cause.as_str(), critical_message(facts, incident)))
}

fn critical_message(facts: &Facts<'_>, incident: &Incident) -> String {
    let what = if incident.streams.is_empty() { "all streams".to_owned() } else { incident.streams.join(", ") };
    let said = said(facts, incident);
    truncate(format!("{what}: {} since {}{said}", incident.cause, incident.since))
}

/// What only a person can end, each present only while it is so.
fn people(facts: &Facts<'_>) -> impl Iterator<Item = Draft> {
    let of_cause = |cause: Cause, type_| {
        let incidents = facts.decision.map_or(&[][..], |decision| &decision.incidents);
        let open = |incident: &&Incident| incident.cause == cause && incident.recovered_time.is_none();
        incidents.iter().find(open).map(|incident| Draft::new(type_, true, cause.as_str(), advice(facts, incident)))
    };
    let overflow = || {
        let streams = facts.streamer.map(|streamer| keys(streamer, |stream| stream.state == StreamState::Overflow))?;
        let message = format!("recorded from ordinary market data, since no tick-by-tick line is left: {streams}");
        (!streams.is_empty()).then(|| Draft::new(types::CAPACITY, true, Cause::Capacity.as_str(), truncate(message)))
    };
    let delayed = facts.streamer.map(|streamer| keys(streamer, |stream| stream.delayed));
    let delayed = delayed.filter(|streams| !streams.is_empty()).map(|streams| {
        let message = format!("IBKR sends delayed data, which are not recorded as live ones: {streams}");
        Draft::new(types::DELAYED_DATA, true, types::DELAYED_DATA, truncate(message))
    });
    [
        of_cause(Cause::AuthRequired, types::AUTH_REQUIRED),
        of_cause(Cause::CompetingSession, types::COMPETING_SESSION),
        of_cause(Cause::NotEntitled, types::NOT_ENTITLED),
        of_cause(Cause::Capacity, types::CAPACITY).or_else(overflow),
        delayed,
    ]
    .into_iter()
    .flatten()
}

/// What a person can do about an incident.
fn advice(facts: &Facts<'_>, incident: &Incident) -> String {
    let what = if incident.streams.is_empty() { "all streams".to_owned() } else { incident.streams.join(", ") };
    truncate(format!("{what}: {}{}", rule(incident.cause).advice, said(facts, incident)))
}

fn keys(streamer: &StreamerStatus, which: impl Fn(&StreamStatus) -> bool) -> String {
    let keys: Vec<String> = streamer.streams.iter().filter(|stream| which(stream)).map(StreamStatus::key).collect();
    keys.join(", ")
}

/// IBKR's words about an incident's streams, where there are any.
fn said(facts: &Facts<'_>, incident: &Incident) -> String {
    let concerns = |stream: &&StreamStatus| incident.streams.is_empty() || incident.streams.contains(&stream.key());
    let mut streams = facts.streamer.map_or(&[][..], |streamer| &streamer.streams).iter().filter(concerns);
    let error = streams.find_map(|stream| stream.error.as_ref());
    error.map(|error| format!(" (error {}: {})", error.code, error.message)).unwrap_or_default()
}

fn suspended(facts: &Facts<'_>) -> Option<Draft> {
    facts
        .ms
        .spec
        .suspend
        .then(|| Draft::new(types::SUSPENDED, true, reasons::SUSPENDED, "spec.suspend is true".to_owned()))
}

fn update_pending(facts: &Facts<'_>) -> Option<Draft> {
    let message = "the pod's template changed; the pod is replaced when spec.update allows it";
    facts.update_pending.then(|| Draft::new(types::UPDATE_PENDING, true, types::UPDATE_PENDING, message.to_owned()))
}

/// Without a report it stays as it was: a contract's end does not depend on the streamer.
fn expiring(facts: &Facts<'_>) -> Option<Draft> {
    let Some(streamer) = facts.streamer else {
        let known = facts.ms.status.as_ref().and_then(|status| expiring::told(&status.conditions));
        return known.map(|(ending, message)| Draft::new(types::CONTRACT_EXPIRING, true, ending.reason(), message));
    };
    let (ending, message) = expiring::ending(&streamer.contracts)?;
    Some(Draft::new(types::CONTRACT_EXPIRING, true, ending.reason(), truncate(message)))
}

fn not_reporting(facts: &Facts<'_>) -> bool {
    facts
        .decision
        .is_some_and(|decision| decision.incidents.iter().any(|incident| incident.cause == Cause::NotReporting))
}

fn socket_reason(facts: &Facts<'_>, streamer: &StreamerStatus) -> &'static str {
    let cause = facts.decision.and_then(|decision| decision.cause).filter(|cause| *cause != Cause::Unknown);
    match streamer.socket.state {
        SocketState::NotAGateway => reasons::NOT_A_GATEWAY,
        _ => cause.map_or(reasons::CONNECTING, Cause::as_str),
    }
}

fn socket_message(streamer: &StreamerStatus) -> String {
    streamer.socket.message.clone().unwrap_or_else(|| "the connection to the gateway is being made".to_owned())
}

fn unknown(type_: &'static str) -> Draft {
    let message = "the streamer has not reported".to_owned();
    Draft { type_, status: "Unknown", reason: reasons::NOT_REPORTING, message }
}

/// Long enough for any sentence; a hundred stream names must not fill the object.
const MAX_MESSAGE: usize = 1024;

fn truncate(message: String) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

struct Draft {
    type_: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Draft {
    fn new(type_: &'static str, status: bool, reason: &'static str, message: String) -> Self {
        Self { type_, status: if status { "True" } else { "False" }, reason, message }
    }

    fn finish(self, ms: &MarketStream, now: Timestamp) -> Condition {
        let before = ms.status.as_ref().and_then(|status| status.conditions.iter().find(|old| old.type_ == self.type_));
        let since = before.filter(|old| old.status == self.status).map(|old| old.last_transition_time.clone());
        Condition {
            type_: self.type_.to_owned(),
            status: self.status.to_owned(),
            reason: self.reason.to_owned(),
            message: self.message,
            observed_generation: ms.metadata.generation,
            last_transition_time: since.unwrap_or(Time(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backfilled_is_false_while_a_gap_waits_and_says_what_cannot_be_had() {
        let told = |open, unfillable| {
            let draft = backfilled(Some(&GapCounts { open, unfillable, ..GapCounts::default() }));
            (draft.status, draft.reason)
        };
        assert_eq!(told(0, 0), ("True", "AsExpected"));
        assert_eq!(told(2, 1), ("False", "GapsWait"));
        assert_eq!(told(0, 1), ("True", "Unfillable"));
        assert_eq!(backfilled(None).status, "Unknown");
    }
}
