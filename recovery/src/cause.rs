//! Why data do not flow: the first cause that the evidence supports wins, in each scope.

use jiff::Timestamp;
use marketstream_crds::{Cause, SocketState, StreamState, StreamStatus};

use crate::{
    codes::{ErrorClass, classify},
    policy::Policy,
    view::{View, before},
};

/// A cause, and since when the data are missing on the operator's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) cause: Cause,
    pub(crate) since: Timestamp,
}

/// The cause that covers the whole login session, if there is one.
pub(crate) fn session(view: &View<'_>, policy: &Policy, now: Timestamp) -> Option<Finding> {
    let received = view.report.received;
    if now >= view.overdue(policy.missed_heartbeats) {
        let since = view.pod.map_or(received, |pod| if view.streamer().is_none() { pod.seen } else { received });
        return Some(Finding { cause: Cause::NotReporting, since });
    }
    let streamer = view.streamer()?;
    let rejected_by_competitor = |stream: &&StreamStatus| stream_class(stream) == Some(ErrorClass::CompetingSession);
    if let Some(stream) = streamer.streams.iter().find(rejected_by_competitor) {
        let since = before(received, stream.silent_seconds);
        return Some(Finding { cause: Cause::CompetingSession, since });
    }
    let down = |cause| Some(Finding { cause, since: before(received, streamer.socket.down_seconds) });
    match streamer.socket.state {
        SocketState::Connected => silent_session(view),
        SocketState::ClientIdInUse => down(Cause::ClientIdInUse),
        SocketState::NoHandshake | SocketState::ProbeTimeout => down(Cause::GatewayHung),
        SocketState::Refused | SocketState::Closed if streamer.socket.ever_connected => down(Cause::GatewayDown),
        // A port that never answered in this pod is a login that is not done, or a wrong address: a reset would only
        // cost another login.
        SocketState::Refused | SocketState::Closed | SocketState::Connecting | SocketState::NotAGateway => {
            down(Cause::Unknown)
        }
    }
}

/// The socket is up: is every stream that should flow silent?
fn silent_session(view: &View<'_>) -> Option<Finding> {
    if view.any_flows() {
        return None;
    }
    let silent = || view.streams().iter().filter(|stream| stream.state == StreamState::Stale);
    let shortest = silent().map(|stream| stream.silent_seconds).reduce(f64::min)?;
    let hours_known = silent().any(|stream| stream.session == marketstream_crds::Session::Open);
    let cause = if hours_known { Cause::Zombie } else { Cause::Unknown };
    Some(Finding { cause, since: before(view.report.received, shortest) })
}

/// The cause that covers one stream, if there is one.
pub(crate) fn stream(view: &View<'_>, stream: &StreamStatus) -> Option<Finding> {
    let cause = match stream.state {
        StreamState::Pending
        | StreamState::Flowing
        | StreamState::Idle
        | StreamState::Quiet
        | StreamState::Halted
        | StreamState::Overflow
        | StreamState::Expired => return None,
        StreamState::Stale if stream.session == marketstream_crds::Session::Unknown => Cause::Unknown,
        StreamState::Stale => Cause::StreamSilent,
        StreamState::Rejected if stream_class(stream) == Some(ErrorClass::ContractInvalid) => Cause::ContractInvalid,
        StreamState::Rejected => match stream_class(stream) {
            Some(ErrorClass::NotEntitled) => Cause::NotEntitled,
            Some(ErrorClass::Capacity) => Cause::Capacity,
            _ => Cause::Unknown,
        },
    };
    Some(Finding { cause, since: before(view.report.received, stream.silent_seconds) })
}

/// The class of the refusal that keeps a stream down.
pub(crate) fn stream_class(stream: &StreamStatus) -> Option<ErrorClass> {
    let error = stream.error.as_ref().filter(|_| stream.state == StreamState::Rejected)?;
    Some(classify(error.code, &error.message))
}
