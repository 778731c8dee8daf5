//! What the gateway's log says of the login: lines of IBC and of the common image that are known to stand for it.

use serde::{Deserialize, Serialize};

/// Where a login stands; the names are those of the resource's `status.streamer.login.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoginState {
    /// Under way, and nothing waits for a person.
    Started,
    /// Login has completed.
    Completed,
    /// No login token was found: full authentication will be required.
    FullAuthentication,
    /// Second Factor Authentication initiated, and not confirmed yet.
    SecondFactor,
    /// Login failed.
    Failed,
    /// Too many failed login attempts.
    TooManyAttempts,
    /// Another login of the same user has the session.
    ExistingSession,
    /// The gate keeps the gateway down.
    Held,
}

/// The markers, in the order in which they are looked for. Each is a part of a line.
const MARKERS: [(&str, LoginState); 8] = [
    ("Too many failed login attempts", LoginState::TooManyAttempts),
    ("Login has completed", LoginState::Completed),
    ("Second Factor Authentication initiated", LoginState::SecondFactor),
    ("full authentication will be required", LoginState::FullAuthentication),
    ("Existing session detected", LoginState::ExistingSession),
    ("Re-login to session", LoginState::ExistingSession),
    ("Re-login is required", LoginState::ExistingSession),
    ("Login failed", LoginState::Failed),
];

/// What a line of the log says of the login, if anything.
#[must_use]
pub fn read(line: &str) -> Option<LoginState> {
    MARKERS.into_iter().find(|(marker, _)| line.contains(marker)).map(|(_, state)| state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_marker_of_a_line_counts() {
        for (line, state) in [
            ("2026-11-24 12:00:00 IBC: Login has completed", Some(LoginState::Completed)),
            ("IBC: Second Factor Authentication initiated", Some(LoginState::SecondFactor)),
            ("autorestart file not found: full authentication will be required", Some(LoginState::FullAuthentication)),
            ("Login failed: Too many failed login attempts. Please wait", Some(LoginState::TooManyAttempts)),
            ("IBC: detected dialog entitled: Existing session detected", Some(LoginState::ExistingSession)),
            ("IBC: Login attempt: 1", None),
            ("", None),
        ] {
            assert_eq!(read(line), state, "{line}");
        }
    }
}
