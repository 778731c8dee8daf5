//! What happens in a year, written down: for the time-line of a replayed seed.

use crate::clock::{Ms, stamp};

/// The time-line, if anybody wants it.
#[derive(Debug, Default)]
pub struct Trace {
    /// The lines.
    pub lines: Option<Vec<String>>,
}

impl Trace {
    /// Notes an event. The text is made only if somebody will read it.
    pub fn note(&mut self, at: Ms, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{}  {}", stamp(at).strftime("%m-%d %a %H:%M:%S.%3f"), text()));
        }
    }
}
