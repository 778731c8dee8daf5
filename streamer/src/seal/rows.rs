//! The columns of sealed ticks. One schema for all kinds of ticks, so that one query reads them all; what a kind does
//! not have is null and takes no space. The names are those that the simulator's recordings have.

use std::ops::RangeInclusive;

use marketstream_proto::{TickMessage, layout::Part};

use super::columns::{Column, Get};
use crate::backfill::{
    ledger::{Gap, GapState, Recorded},
    merge::second,
};

/// A tick as it is sealed.
pub struct Row {
    tick: TickMessage,
    part: Part,
    quality: Option<Quality>,
    revision: u32,
}

impl Row {
    /// A tick of a file, in the given revision of its hour.
    #[must_use]
    pub fn new(part: Part, tick: TickMessage, fills: &Fills, revision: u32) -> Self {
        let quality = (part == Part::Backfill).then(|| fills.quality(second(&tick)));
        Self { tick, part, quality, revision }
    }
}

/// How far a fetched tick can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// History agreed with all that was recorded beside the gap.
    pub exact: bool,
    /// To which share it agreed, 0 to 1; `None` when nothing could be compared.
    pub agreement: Option<f64>,
}

/// What is known of the gaps of a stream that history was fetched for.
#[derive(Clone, Debug, Default)]
pub struct Fills(Vec<(RangeInclusive<i64>, Quality)>);

impl Fills {
    /// Of those gaps that reach into the seconds.
    #[must_use]
    pub fn of(gaps: &[Gap], stream: Recorded, seconds: &RangeInclusive<i64>) -> Self {
        let fill = |gap: &Gap| {
            let range = gap.range()?;
            let reaches = range.start() <= seconds.end() && range.end() >= seconds.start();
            let quality = Quality { exact: gap.state == GapState::Filled, agreement: gap.agreement };
            (gap.stream == stream && gap.added > 0 && reaches).then_some((range, quality))
        };
        Self(gaps.iter().filter_map(fill).collect())
    }

    /// Of a tick that was fetched for this second. Where fills overlap, the worst counts; a gap that is not settled, or
    /// no longer known, says nothing for its ticks.
    fn quality(&self, second: i64) -> Quality {
        let unknown = Quality { exact: false, agreement: None };
        let fills = self.0.iter().filter(|(range, _)| range.contains(&second)).map(|(_, quality)| *quality);
        fills
            .reduce(|a, b| Quality {
                exact: a.exact && b.exact,
                agreement: a.agreement.zip(b.agreement).map(|(a, b)| a.min(b)),
            })
            .unwrap_or(unknown)
    }
}

/// The columns (docs/storage.md explains them).
pub const TICKS: &[Column<Row>] = &[
    ("ts_event", Get::Time(|row| Some(row.tick.ts))),
    ("ts_recv", Get::Time(|row| Some(row.tick.st).filter(|at| *at != 0))),
    ("seq", Get::Whole(|row| i64::try_from(row.tick.sequence).ok())),
    ("price", Get::Double(|row| row.tick.p)),
    ("price_exact", Get::Decimal(|row| row.tick.p)),
    ("size", Get::Double(|row| row.tick.s)),
    ("size_exact", Get::Decimal(|row| row.tick.s)),
    ("bid", Get::Double(|row| row.tick.bp)),
    ("bid_exact", Get::Decimal(|row| row.tick.bp)),
    ("bid_size", Get::Double(|row| row.tick.bs)),
    ("bid_size_exact", Get::Decimal(|row| row.tick.bs)),
    ("ask", Get::Double(|row| row.tick.ap)),
    ("ask_exact", Get::Decimal(|row| row.tick.ap)),
    ("ask_size", Get::Double(|row| row.tick.r#as)),
    ("ask_size_exact", Get::Decimal(|row| row.tick.r#as)),
    ("mid", Get::Double(|row| row.tick.mp)),
    ("mid_exact", Get::Decimal(|row| row.tick.mp)),
    ("volume", Get::Double(|row| row.tick.volume)),
    ("volume_exact", Get::Decimal(|row| row.tick.volume)),
    ("exchange", Get::Text(|row| row.tick.exchange.as_deref())),
    ("conditions", Get::Text(|row| row.tick.conditions.as_deref())),
    ("past_limit", Get::Flag(|row| row.tick.past_limit())),
    ("unreported", Get::Flag(|row| row.tick.upt())),
    ("bid_past_low", Get::Flag(|row| row.tick.bpl())),
    ("ask_past_high", Get::Flag(|row| row.tick.aph())),
    (
        "source",
        Get::Text(|row| {
            Some(match row.part {
                Part::Live => "live",
                Part::Backfill => "backfill",
            })
        }),
    ),
    ("fill_quality", Get::Text(|row| row.quality.map(|quality| if quality.exact { "exact" } else { "approximate" }))),
    ("fill_agreement", Get::Double(|row| row.quality.and_then(|quality| quality.agreement))),
    ("rev", Get::Whole(|row| Some(i64::from(row.revision)))),
];

#[cfg(test)]
mod tests {
    use marketstream_proto::TickKind;

    use super::*;
    use crate::backfill::ledger::{GapCause, Ledger, Outcome};

    const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };

    fn fills(settled: &[(i64, i64, Option<f64>)]) -> Fills {
        let mut ledger = Ledger::default();
        for (after, before, agreement) in settled {
            ledger.open("a", STREAM, Some(*after), GapCause::SessionLost);
            ledger.close(STREAM, *before, 0);
            let id = ledger.gaps().last().unwrap().id;
            ledger.settle(id, Outcome::Fetched { added: 1, agreement: *agreement, whole: true }, 0);
        }
        Fills::of(ledger.gaps(), STREAM, &(0..=1_000))
    }

    #[test]
    fn a_fetched_tick_has_the_quality_of_its_gap() {
        let fills = fills(&[(10, 20, Some(1.0)), (20, 30, Some(0.5)), (40, 50, None), (2_000, 2_001, Some(1.0))]);
        assert_eq!(fills.quality(10), Quality { exact: true, agreement: Some(1.0) });
        assert_eq!(fills.quality(20), Quality { exact: false, agreement: Some(0.5) });
        assert_eq!(fills.quality(45), Quality { exact: false, agreement: None });
        assert_eq!(fills.quality(35), Quality { exact: false, agreement: None });
        assert_eq!(fills.0.len(), 3, "what does not reach into the seconds is not searched");
    }
}
