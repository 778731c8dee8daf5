//! A recording against the journal of a simulator: what `ib-gateway-sim compare` does.

mod journal;
mod recording;
mod table;

use std::path::PathBuf;

use serde::Serialize;

pub use journal::{Journal, JournalError};
pub use recording::{Recording, RecordingError};
pub use table::table;

use crate::judge::{self, Verdict};

const HOUR_S: i64 = 3_600;

/// Why a recording cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Of the journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Of the recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// There is nothing to compare.
    #[error("{}: no ticks between its first and its last second; name the seconds with --from and --to", .0.display())]
    Nothing(PathBuf),
    /// The seconds are no span.
    #[error("--to must be after --from")]
    Span,
}

/// What was compared, and the outcome.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// First second, since the epoch.
    pub from: i64,
    /// The second after the last one.
    pub to: i64,
    /// Whether nothing is wrong; see [`Expectation`].
    pub equal: bool,
    /// What is wrong.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a recording must be to count as equal. Nothing may be doubled, altered or unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expectation {
    /// Ticks that were never sent may be missing.
    pub only_sent: bool,
    /// Ticks may come in any order.
    pub any_order: bool,
}

impl Expectation {
    fn holds(self, verdict: &Verdict) -> bool {
        let content = if self.only_sent { verdict.lossless() } else { verdict.complete() };
        content && (self.any_order || verdict.in_order())
    }
}

/// Compares the seconds in `from..to`, hour by hour. Without a bound the recording's own counts: from the second after
/// its first one, which it may have in part only, to its last one, which it may lack a part of.
///
/// # Errors
/// When one side cannot be read.
pub fn compare(
    journal: &Journal,
    recording: &Recording,
    (from, to): (Option<i64>, Option<i64>),
    expected: Expectation,
) -> Result<Comparison, CompareError> {
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) if from >= to => return Err(CompareError::Span),
        (Some(from), Some(to)) => (from, to),
        (from, to) => {
            let nothing = || CompareError::Nothing(recording.path().to_owned());
            let (first, last) = recording.span()?.ok_or_else(nothing)?;
            let span = (from.unwrap_or(first + 1), to.unwrap_or(last));
            if span.0 < span.1 { span } else { return Err(nothing()) }
        }
    };
    let mut verdict = Verdict { total: judge::Counts::default(), streams: Vec::new() };
    for hour in from.div_euclid(HOUR_S)..=(to - 1).div_euclid(HOUR_S) {
        let span = (from.max(hour * HOUR_S), to.min((hour + 1) * HOUR_S));
        verdict.append(judge::compare(&journal.ticks(span)?, &recording.hour(hour * HOUR_S)?, span));
    }
    Ok(Comparison { from, to, equal: expected.holds(&verdict), verdict })
}
