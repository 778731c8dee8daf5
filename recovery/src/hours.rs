//! Trading hours of a contract, from the texts of its contract details.

use jiff::Timestamp;

/// When a contract trades.
#[derive(Clone, Debug, PartialEq)]
pub struct TradingHours {}

/// Whether a contract trades at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// A session is open.
    Open {
        /// When it opened.
        since: Timestamp,
        /// When it closes: the first instant that is not in the session.
        until: Timestamp,
    },
    /// No session is open.
    Closed {
        /// When the next known session opens.
        until: Option<Timestamp>,
    },
    /// The text does not cover the instant.
    Unknown,
}

/// Why a text is not trading hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// The time zone is not known.
    #[error("unknown time zone {0:?}")]
    UnknownZone(String),
}

impl TradingHours {
    /// Reads hours such as `20261124:0930-20261124:1600;20261125:CLOSED`.
    pub fn parse(_text: &str, time_zone_id: &str) -> Result<Self, HoursError> {
        Err(HoursError::UnknownZone(time_zone_id.into()))
    }

    /// Hours of a contract that trades at all times.
    pub fn always() -> Self {
        Self {}
    }

    /// Whether the contract trades at `now`.
    pub fn at(&self, _now: Timestamp) -> SessionState {
        SessionState::Unknown
    }

    /// The end of the last day that the text covers.
    pub fn known_until(&self) -> Option<Timestamp> {
        None
    }
}
