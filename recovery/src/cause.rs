//! Why data do not flow. In each scope the first cause that the evidence supports wins, in the order of [`Cause`].
//!
//! Evidence expires: a fact counts for as long as its source renews it, or for the time that the policy gives it.

use std::{cell::RefCell, time::Duration};

use jiff::Timestamp;
use marketstream_crds::{
    Cause, CommandPort, FarmKind, FarmState, LoginState, Session, SocketState, StreamState, StreamStatus,
    StreamerStatus, TradingMode, Upstream,
};

use crate::{
    codes::{ErrorClass, classify},
    ladder::ends_corrupt,
    policy::Policy,
    view::{View, after, before},
};

/// A cause, and since when the data are missing on the operator's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) cause: Cause,
    pub(crate) since: Timestamp,
}

/// The facts of one moment, asked for causes.
pub(crate) struct Evidence<'a> {
    view: &'a View<'a>,
    policy: &'a Policy,
    now: Timestamp,
    /// When an answer changes by the mere passing of time.
    changes: RefCell<Vec<Timestamp>>,
}

/// Asks for one cause; it answers with the time since when data are missing for it.
type Question = for<'e, 'a> fn(&'e Evidence<'a>) -> Option<Timestamp>;

/// Session causes, the first that matches wins.
const SESSION: [(Cause, Question); 11] = [
    (Cause::NotReporting, |evidence| evidence.not_reporting()),
    (Cause::StorageFull, |evidence| evidence.storage_full()),
    (Cause::AuthRequired, |evidence| evidence.auth_required()),
    (Cause::CompetingSession, |evidence| evidence.competing_session()),
    (Cause::ClientIdInUse, |evidence| evidence.socket(&[SocketState::ClientIdInUse])),
    (Cause::GatewayDown, |evidence| evidence.gateway_down()),
    (Cause::GatewayHung, |evidence| evidence.socket(&[SocketState::NoHandshake, SocketState::ProbeTimeout])),
    (Cause::UpstreamDown, |evidence| evidence.upstream_down()),
    (Cause::Zombie, |evidence| evidence.silent_session(true)),
    (Cause::Pacing, |evidence| evidence.pacing()),
    (Cause::Unknown, |evidence| evidence.not_connected().or_else(|| evidence.silent_session(false))),
];

impl<'a> Evidence<'a> {
    pub(crate) fn new(view: &'a View<'a>, policy: &'a Policy, now: Timestamp) -> Self {
        Self { view, policy, now, changes: RefCell::default() }
    }

    /// The cause that covers the whole login session, if there is one.
    pub(crate) fn session(&self) -> Option<Finding> {
        SESSION.iter().find_map(|(cause, since)| since(self).map(|since| Finding { cause: *cause, since }))
    }

    /// When the passing of time alone changes an answer that was given.
    pub(crate) fn changes(self) -> Vec<Timestamp> {
        self.changes.into_inner()
    }

    /// When something happened that the streamer reports as so many seconds ago.
    fn ago(&self, seconds: f64) -> Timestamp {
        before(self.view.report.received, seconds)
    }

    /// Whether a moment is still to come; it changes the answer.
    fn until(&self, moment: Timestamp) -> bool {
        let ahead = self.now < moment;
        if ahead {
            self.changes.borrow_mut().push(moment);
        }
        ahead
    }

    /// Whether what is so many seconds old counts yet.
    fn fresh(&self, seconds: f64, expires: Duration) -> bool {
        self.until(after(self.ago(seconds), expires))
    }

    fn streamer(&self) -> Option<&'a StreamerStatus> {
        self.view.streamer()
    }

    fn not_reporting(&self) -> Option<Timestamp> {
        let received = self.view.report.received;
        let since = self.view.pod.map_or(received, |pod| if self.streamer().is_none() { pod.seen } else { received });
        (self.now >= self.view.overdue(self.policy.missed_heartbeats)).then_some(since)
    }

    fn storage_full(&self) -> Option<Timestamp> {
        let storage = &self.streamer()?.storage;
        (!storage.writable).then(|| self.ago(storage.failing_seconds))
    }

    fn auth_required(&self) -> Option<Timestamp> {
        let streamer = self.streamer().filter(|_| !self.view.connected())?;
        let down = streamer.socket.down_seconds;
        let Some(login) = &streamer.login else {
            // Without a log, a gateway that is alive and offers no API session waits at its login.
            let waits = streamer.command_port == Some(CommandPort::Up) && streamer.socket.state == SocketState::Refused;
            return (waits && !self.fresh(down, self.policy.login_patience.get())).then(|| self.ago(down));
        };
        let waits = match login.state {
            LoginState::SecondFactor | LoginState::Failed | LoginState::TooManyAttempts | LoginState::Held => true,
            // A paper account has no second factor.
            LoginState::FullAuthentication => self.view.trading_mode() == Some(TradingMode::Live),
            LoginState::Started | LoginState::Completed | LoginState::ExistingSession => false,
        };
        waits.then(|| self.ago(login.for_seconds))
    }

    fn competing_session(&self) -> Option<Timestamp> {
        let streamer = self.streamer()?;
        // The canary renews this every minute at most, as long as there is a session to send it on.
        let refused = streamer.streams.iter().filter(|stream| {
            self.refusal(stream) == Some(ErrorClass::CompetingSession)
                && stream
                    .error
                    .as_ref()
                    .is_some_and(|error| self.fresh(error.age_seconds, self.policy.competing_expires.get()))
        });
        // One of them is enough; the others were refused when the hold began and have not been asked for since.
        if refused.count() > 0 {
            let held = streamer.streams.iter().filter(|s| self.refusal(s) == Some(ErrorClass::CompetingSession));
            return held.map(|stream| stream.silent_seconds).reduce(f64::min).map(|seconds| self.ago(seconds));
        }
        let login = streamer.login.as_ref().filter(|login| login.state == LoginState::ExistingSession)?;
        // Without a session nothing contradicts the log, however old its last word is.
        let stands = !self.view.connected() || self.fresh(login.for_seconds, self.policy.competing_login_expires.get());
        (stands && !self.view.any_flows()).then(|| self.ago(login.for_seconds))
    }

    fn socket(&self, states: &[SocketState]) -> Option<Timestamp> {
        let socket = &self.streamer()?.socket;
        states.contains(&socket.state).then(|| self.ago(socket.down_seconds))
    }

    /// A port that never answered in this pod is a login that is not done, or a wrong address: a reset would only cost
    /// another login.
    fn gateway_down(&self) -> Option<Timestamp> {
        let streamer = self.streamer()?;
        let login = streamer.login.as_ref().is_some_and(|login| login.state == LoginState::Completed);
        let was_up = streamer.socket.ever_connected || login;
        let down = self.socket(&[SocketState::Refused, SocketState::Closed]).filter(|_| was_up);
        down.filter(|_| self.login_waits_for_link().is_none())
    }

    /// A gateway that went down while IBKR was out of reach, and that cannot log in, is not to blame: until its login is
    /// done, or it is plain that its process does not start.
    fn login_waits_for_link(&self) -> Option<Timestamp> {
        self.view.link_lost().filter(|_| self.view.logging_in(self.policy.verify_gateway.get()))
    }

    fn upstream_down(&self) -> Option<Timestamp> {
        if let Some(since) = self.login_waits_for_link() {
            return Some(since);
        }
        let upstream =
            self.streamer()?.upstream.as_ref().filter(|_| self.view.connected() && !self.view.any_flows())?;
        let age = upstream.for_seconds;
        match upstream.state {
            Upstream::Down => Some(self.ago(age)),
            // The link is back, the data are not.
            Upstream::Up => {
                let stale = || self.view.streams().iter().filter(|stream| stream.state == StreamState::Stale);
                let unheard = stale().all(|stream| stream.silent_seconds >= age);
                let expires = self.policy.restored_expires.get();
                let waiting = upstream.restored.is_some() && unheard && self.fresh(age, expires);
                let shortest = stale().map(|stream| stream.silent_seconds).reduce(f64::min).filter(|_| waiting)?;
                Some(self.ago(shortest))
            }
        }
    }

    /// The socket is up, and every stream that should flow is silent, for no reason of its own.
    fn silent_session(&self, hours_known: bool) -> Option<Timestamp> {
        if !self.view.connected() || self.view.any_flows() {
            return None;
        }
        let silent = || self.view.streams().iter().filter(|stream| stream.state == StreamState::Stale);
        // The one that ticked last shows how long the session lived.
        let last = silent().min_by(|a, b| a.silent_seconds.total_cmp(&b.silent_seconds))?;
        let known = silent().any(|stream| stream.session == Session::Open);
        // Any tick of a sibling since, though that is closed or refused by now, shows that the session lived then.
        let ticks = self.view.streams().iter().filter_map(|stream| stream.last_tick_seconds);
        let silence = ticks.fold(last.silent_seconds, f64::min);
        (self.silent(last) && known == hours_known).then(|| self.ago(silence))
    }

    fn pacing(&self) -> Option<Timestamp> {
        let streamer = self.streamer()?;
        let paused = self.view.pacing_end().is_some_and(|end| self.until(end));
        let fresh = |stream: &&StreamStatus| {
            self.refusal(stream) == Some(ErrorClass::Pacing)
                && stream
                    .error
                    .as_ref()
                    .is_some_and(|error| self.fresh(error.age_seconds, self.policy.pacing_expires.get()))
        };
        let refused = || streamer.streams.iter().filter(fresh).map(|stream| stream.silent_seconds).reduce(f64::min);
        match (paused, self.view.any_flows()) {
            (true, _) => Some(self.ago(refused().unwrap_or(0.0))),
            (false, false) => refused().map(|seconds| self.ago(seconds)),
            (false, true) => None,
        }
    }

    fn not_connected(&self) -> Option<Timestamp> {
        let socket = &self.streamer()?.socket;
        (socket.state != SocketState::Connected).then(|| self.ago(socket.down_seconds))
    }

    /// The cause that covers one stream, if there is one; `MarketClosed` is no fault.
    pub(crate) fn stream(&self, stream: &StreamStatus) -> Option<Finding> {
        let cause = self.stream_cause(stream)?;
        // A tick that could not be true is of no account for what came later.
        let corrupt = stream.corrupt.as_ref().filter(|_| cause == Cause::CorruptData);
        let since = match corrupt.filter(|_| stream.state != StreamState::Stale) {
            Some(corrupt) => self.ago(corrupt.age_seconds),
            None => self.ago(stream.silent_seconds),
        };
        Some(Finding { cause, since })
    }

    /// Whether a stream is silent for no reason of its own that is known.
    pub(crate) fn silent(&self, stream: &StreamStatus) -> bool {
        stream.state == StreamState::Stale
            && self.stream_cause(stream).is_none_or(|cause| matches!(cause, Cause::StreamSilent | Cause::Unknown))
    }

    fn stream_cause(&self, stream: &StreamStatus) -> Option<Cause> {
        let refusal = self.refusal(stream).filter(|_| {
            let age = stream.error.as_ref().map_or(0.0, |error| error.age_seconds);
            self.fresh(age, self.policy.refusal_expires.get())
        });
        let silent = matches!(stream.state, StreamState::Stale | StreamState::Rejected);
        match refusal {
            Some(ErrorClass::NotEntitled) => Some(Cause::NotEntitled),
            Some(ErrorClass::Capacity) => Some(Cause::Capacity),
            Some(ErrorClass::ContractInvalid) if !self.definitions_unsure() => Some(Cause::ContractInvalid),
            _ if stream.state == StreamState::Stale && self.farm_down(stream) => Some(Cause::FarmDown),
            _ if self.corrupt(stream) => Some(Cause::CorruptData),
            _ if stream.session == Session::Closed => Some(Cause::MarketClosed),
            _ if matches!(stream.state, StreamState::Idle | StreamState::Expired) => Some(Cause::MarketClosed),
            _ if stream.state == StreamState::Stale && stream.session == Session::Open => Some(Cause::StreamSilent),
            _ => silent.then_some(Cause::Unknown),
        }
    }

    /// The class of the refusal that keeps a stream down.
    fn refusal(&self, stream: &StreamStatus) -> Option<ErrorClass> {
        let error = stream.error.as_ref().filter(|_| stream.state == StreamState::Rejected)?;
        Some(classify(error.code, &error.message))
    }

    /// Whether an answer about a contract may be wrong: its farm is down, or a login is young.
    fn definitions_unsure(&self) -> bool {
        let Some(streamer) = self.streamer() else { return false };
        let down = streamer.farms.values().any(|farm| {
            farm.kind == FarmKind::Definitions && matches!(farm.state, FarmState::Broken | FarmState::Connecting)
        });
        let login = streamer.login.as_ref().filter(|login| login.state == LoginState::Completed);
        down || login.is_some_and(|login| self.fresh(login.for_seconds, self.policy.contract_patience.get()))
    }

    /// Whether a market-data farm is down that the stream may have come from: it was not stale before the farm broke, and
    /// has not ticked since. IBKR does not say which farm serves which contract.
    fn farm_down(&self, stream: &StreamStatus) -> bool {
        let Some(streamer) = self.streamer() else { return false };
        let slack = self.policy.farm_within.get().as_secs_f64();
        let stale_after = self.view.stale_after(&stream.contract).as_secs_f64();
        // Before that no tick could come, so silence from then tells nothing of the farm.
        let age = |since: Option<Timestamp>| {
            since.map_or(f64::MAX, |since| self.view.report.received.duration_since(since).as_secs_f64())
        };
        let possible = age(self.view.restored()).min(age(self.view.progress()));
        let silence = stream.silent_seconds.min(possible);
        streamer.farms.values().any(|farm| {
            let down = matches!(farm.state, FarmState::Broken | FarmState::Connecting);
            let broke = farm.for_seconds;
            let before = |age: f64| age >= broke - slack;
            // Ticks that cannot be true come from a farm that is up, too.
            let unheard = stream.last_tick_seconds.is_none_or(before)
                && stream.corrupt.as_ref().is_none_or(|corrupt| before(corrupt.age_seconds));
            farm.kind == FarmKind::MarketData && down && unheard && silence <= broke + stale_after
        })
    }

    /// Whether a tick came lately that cannot be true, or was the stream's last: a thin contract may have no other for
    /// long.
    fn corrupt(&self, stream: &StreamStatus) -> bool {
        let Some(corrupt) = &stream.corrupt else { return false };
        // Of these no better tick can come now.
        use StreamState::{Expired, Halted, Idle, Rejected};
        let idle = matches!(stream.state, Idle | Expired | Halted | Rejected);
        let last = !idle && stream.session != Session::Closed && ends_corrupt(stream);
        last || self.fresh(corrupt.age_seconds, self.policy.corrupt_expires.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_causes_are_asked_for_in_the_order_of_the_table() {
        let order: Vec<Cause> = SESSION.iter().map(|(cause, _)| *cause).collect();
        let table = Cause::ALL.into_iter().filter(|cause| order.contains(cause));
        assert_eq!(order, table.collect::<Vec<_>>());
    }
}
