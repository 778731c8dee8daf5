//! What the history altered, second by second: what a test of a backfill compares its findings with.

use serde::Serialize;

use super::archive::Archive;
use super::question::What;
pub use super::realistic::Fate;
use super::realistic::fates;
use crate::market::tick::{Body, Tick};

/// What became of one live tick, when it is not there as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Second of the live tick, since the epoch.
    pub second: i64,
    /// Position in that second.
    pub index: u32,
    /// What happened to it.
    pub fate: Fate,
}

/// How the history of one second compares with what was live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecondTruth {
    /// Seconds since the epoch.
    pub second: i64,
    /// Whether the history reaches that far already; when not, it holds no tick of it.
    pub there: bool,
    /// Live ticks.
    pub live: usize,
    /// Ticks in an answer.
    pub answered: usize,
    /// Ticks in both, as multisets of all fields.
    pub equal: usize,
    /// All live ticks that are not there as they were, and those of the neighbours that are there by mistake.
    pub changes: Vec<Change>,
}

impl SecondTruth {
    /// Whether an answer holds exactly what was live.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.equal == self.live && self.equal == self.answered
    }
}

impl Archive<'_> {
    /// Compares a second of the history, as somebody who asks at `asked_us` gets it, with what was live.
    #[must_use]
    pub fn truth(&self, con_id: i32, what: What, second: i64, asked_us: i64) -> SecondTruth {
        let stream = what.stream(con_id);
        let live = self.market.ticks_of_second(stream, second);
        let there = second < self.horizon_s(con_id, asked_us);
        let answered = if there { self.ticks_of_second(stream, second, asked_us) } else { Vec::new() };
        let mut changes = Vec::new();
        if there {
            for from in second - 1..=second + 1 {
                let altered = fates(self, stream, from, asked_us).into_iter().filter(|(_, fate)| match fate {
                    Fate::Kept => false,
                    Fate::Shifted(by) => from == second || from + by == second,
                    _ => from == second,
                });
                changes.extend(altered.map(|(tick, fate)| Change { second: from, index: tick.index, fate }));
            }
        }
        SecondTruth {
            second,
            there,
            live: live.len(),
            answered: answered.len(),
            equal: equal(&live, &answered),
            changes,
        }
    }
}

/// Size of the intersection, as multisets of what the ticks say.
fn equal(live: &[Tick], answered: &[Tick]) -> usize {
    let mut left: Vec<&Body> = live.iter().map(|tick| &tick.body).collect();
    let take = |tick: &&Tick| left.iter().position(|body| **body == tick.body).map(|at| left.swap_remove(at)).is_some();
    answered.iter().filter(take).count()
}
