//! What a failed or lost session was: its state in the status, and a message that says which field to look at.

use std::io;

use ibapi::Error;
use marketstream_crds::SocketState;

use super::endpoints::Endpoint;

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the status calls it.
    pub state: SocketState,
    /// What happened, and what to do about it.
    pub message: String,
}

impl Failure {
    /// The port accepted a connection and nothing answered within the bound.
    #[must_use]
    pub fn no_handshake(endpoint: &Endpoint, fields: &str) -> Self {
        let message = format!(
            "{endpoint} accepts connections and does not answer the API handshake: the gateway may still be logging in; \
             if this lasts, check its login and {fields}"
        );
        Self { state: SocketState::NoHandshake, message }
    }

    /// Nothing took the connection within the bound.
    #[must_use]
    pub fn unreachable(endpoint: &Endpoint, fields: &str) -> Self {
        Self::refused(endpoint, "no answer to the connection request", fields)
    }

    fn refused(endpoint: &Endpoint, reason: &str, fields: &str) -> Self {
        let message = format!(
            "cannot connect to {endpoint}: {reason}; check that the gateway runs with its API port open, and {fields}"
        );
        Self { state: SocketState::Refused, message }
    }

    /// An attempt to connect ended with this error.
    #[must_use]
    pub fn of_connect(error: &Error, endpoint: &Endpoint, fields: &str) -> Self {
        match error {
            Error::ClientIdInUse { client_id } => Self {
                state: SocketState::ClientIdInUse,
                message: format!(
                    "the gateway at {endpoint} says that client ID {client_id} is in use (error 326); if another program \
                     uses it, change spec.gateway.clientId"
                ),
            },
            Error::Io(error) if broken_off(error) => Self::rejected(endpoint, "the connection was cut", fields),
            Error::Io(error) => Self::refused(endpoint, &error.to_string(), fields),
            Error::ConnectionRejected(text) => Self::rejected(endpoint, text, fields),
            Error::ConnectionReset | Error::ConnectionFailed | Error::Shutdown => {
                Self::rejected(endpoint, "the connection was cut", fields)
            }
            Error::Notice(notice) => Self::rejected(endpoint, &format!("{} {}", notice.code, notice.message), fields),
            // A gateway's first bytes are a length and a version; nothing else gets this far and fails differently.
            error => Self {
                state: SocketState::NotAGateway,
                message: format!(
                    "what answers at {endpoint} does not speak the TWS API ({}); check {fields}",
                    excerpt(&error.to_string())
                ),
            },
        }
    }

    fn rejected(endpoint: &Endpoint, reason: &str, fields: &str) -> Self {
        let message = format!(
            "{endpoint} closed the connection during the handshake ({}): allow API clients from this address in the \
             gateway's settings (trusted IPs), and check {fields}",
            excerpt(reason)
        );
        Self { state: SocketState::Closed, message }
    }

    /// The session that was up has ended.
    #[must_use]
    pub fn closed(endpoint: &Endpoint) -> Self {
        Self { state: SocketState::Closed, message: format!("the gateway at {endpoint} closed the session") }
    }

    /// The session is up and two probes stayed unanswered.
    #[must_use]
    pub fn probe_timeout(endpoint: &Endpoint) -> Self {
        let message = format!("the gateway at {endpoint} left two requests for the current time unanswered");
        Self { state: SocketState::ProbeTimeout, message }
    }

    /// How much it says: of a round over several ports the most telling failure is reported.
    #[must_use]
    pub fn weight(&self) -> u8 {
        match self.state {
            SocketState::ClientIdInUse => 5,
            SocketState::NoHandshake => 4,
            SocketState::Closed | SocketState::ProbeTimeout => 3,
            SocketState::NotAGateway => 2,
            SocketState::Refused => 1,
            SocketState::Connecting | SocketState::Connected => 0,
        }
    }
}

fn broken_off(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Foreign bytes may stand in an error; a status message holds 512 characters.
fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 120;
    if text.chars().count() <= MAX_CHARS {
        text.to_owned()
    } else {
        text.chars().take(MAX_CHARS).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(error: &Error) -> SocketState {
        let endpoint = Endpoint { host: "gw".to_owned(), port: 4002 };
        let failure =
            Failure::of_connect(error, &endpoint, "spec.gateway.external.host and spec.gateway.external.ports");
        assert!(failure.message.contains("gw:4002") && failure.message.contains("spec.gateway"), "{}", failure.message);
        assert!(failure.message.len() <= 512, "{}", failure.message);
        failure.state
    }

    #[test]
    fn each_error_has_its_state() {
        let io = |kind: io::ErrorKind| Error::Io(io::Error::from(kind));
        assert_eq!(state(&io(io::ErrorKind::ConnectionRefused)), SocketState::Refused);
        assert_eq!(state(&io(io::ErrorKind::HostUnreachable)), SocketState::Refused);
        assert_eq!(state(&io(io::ErrorKind::UnexpectedEof)), SocketState::Closed);
        assert_eq!(state(&Error::ConnectionRejected("allow-list".to_owned())), SocketState::Closed);
        assert_eq!(state(&Error::ClientIdInUse { client_id: 851 }), SocketState::ClientIdInUse);
        assert_eq!(state(&Error::InvalidFrame("x".repeat(9_999))), SocketState::NotAGateway);
        assert_eq!(state(&Error::UnexpectedWireFormat("text".to_owned())), SocketState::NotAGateway);
    }
}
