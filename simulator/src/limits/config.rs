//! Which limits are in force.

use serde::Serialize;

/// Market data lines of a login that pays no extra.
const LINES: u32 = 100;

/// Seconds between two tick-by-tick requests of one instrument, as documented.
pub const TICK_BY_TICK_PAUSE_S: u32 = 15;

/// What is allowed. A limit of 0 is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LimitsConfig {
    /// Messages of one client in a second.
    pub messages_per_s: u32,
    /// What happens to a message above that rate.
    pub above_rate: AboveRate,
    /// Market data requests at a time, of all clients.
    pub lines: u32,
    /// Tick-by-tick subscriptions at a time, of all clients.
    pub tick_by_tick: u32,
    /// The error that a tick-by-tick request above the limit gets.
    pub tick_by_tick_error: TickByTickError,
    /// Seconds between two tick-by-tick requests of one instrument.
    pub tick_by_tick_pause_s: u32,
    /// Order books at a time, of all clients.
    pub depth: u32,
    /// Clients at a time.
    pub clients: u32,
    /// How long client id and lines stay taken after the client has gone, seconds.
    pub linger_s: u32,
    /// Whether history is paced: see [`super::pacing`].
    pub history_pacing: bool,
    /// Questions to the history at a time, of one client.
    pub concurrent_history: u32,
}

/// What happens to a message above the rate: the gateway's setting "reject messages above maximum allowed rate vs.
/// applying pacing".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AboveRate {
    /// Error 100; the third one ends the connection.
    Reject,
    /// It waits for its turn.
    Queue,
}

/// The error of a tick-by-tick request above the limit: both were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TickByTickError {
    /// A code of its own.
    #[serde(rename = "10190")]
    Code10190,
    /// The code of any request that could not be processed, and a text.
    #[serde(rename = "322")]
    Code322,
}

impl LimitsConfig {
    /// None at all.
    pub const OFF: Self = Self {
        messages_per_s: 0,
        above_rate: AboveRate::Reject,
        lines: 0,
        tick_by_tick: 0,
        tick_by_tick_error: TickByTickError::Code10190,
        tick_by_tick_pause_s: 0,
        depth: 0,
        clients: 0,
        linger_s: 0,
        history_pacing: false,
        concurrent_history: 0,
    };

    /// Those of IBKR for a login with 100 lines, but for the pause between tick-by-tick requests of one instrument,
    /// which is documented and, as users report, not always enforced.
    pub const IBKR: Self =
        Self { clients: 32, history_pacing: true, concurrent_history: 50, ..Self::OFF.with_lines(LINES) };

    /// What follows from the number of market data lines: half of them messages a second, 5 % of them (in steps of 100
    /// lines) tick-by-tick, and order books.
    #[must_use]
    pub const fn with_lines(self, lines: u32) -> Self {
        let hundreds = lines.div_ceil(100);
        let depth = if lines <= 400 { 3 } else { lines / 100 - 1 };
        Self { lines, messages_per_s: lines / 2, tick_by_tick: 5 * hundreds, depth, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_lines_allow_more_of_the_rest() {
        // (lines, messages a second, tick-by-tick, depth), as documented.
        for (lines, messages, tick_by_tick, depth) in
            [(100, 50, 5, 3), (200, 100, 10, 3), (400, 200, 20, 3), (500, 250, 25, 4), (1_001, 500, 55, 9)]
        {
            let limits = LimitsConfig::IBKR.with_lines(lines);
            let got = (limits.messages_per_s, limits.tick_by_tick, limits.depth);
            assert_eq!(got, (messages, tick_by_tick, depth), "{lines}");
        }
    }
}
