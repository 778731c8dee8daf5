//! A comparison as a table that fits a terminal of 80 columns.

use std::fmt::Write as _;
use std::io::Write as _;

use jiff::Timestamp;
use tabwriter::{Alignment, TabWriter};

use super::Comparison;
use crate::judge::{Counts, Range, StreamVerdict};

/// Most ranges that are listed.
const MAX_RANGES: usize = 20;

/// The table: what was compared, a line for each stream, and where something is wrong.
#[must_use]
pub fn table(comparison: &Comparison) -> String {
    let Comparison { from, to, equal, verdict } = comparison;
    let mut text = format!("{} to {} UTC: {} s\n\n", time(*from), time(*to), to - from);
    let mut streams = "CONTRACT\tTICK\tMADE\tSENT\tSTORED\tMISSING\tLOST\tDOUBLE\tWRONG\tORDER\t\n".to_owned();
    for stream in &verdict.streams {
        row(&mut streams, &stream.con_id.to_string(), stream.tick.name(), stream.counts);
    }
    row(&mut streams, "all", "", verdict.total);
    text += &aligned(&streams, Alignment::Right, 1);
    if verdict.total.altered_by_fault > 0 {
        let _ = writeln!(text, "\n{} stored ticks are as a fault altered them.", verdict.total.altered_by_fault);
    }
    let ranges: Vec<String> = verdict.streams.iter().flat_map(ranges).collect();
    if !ranges.is_empty() {
        let mut table = "WHAT\tCONTRACT\tTICK\tFROM (UTC)\tSECONDS\tTICKS\n".to_owned();
        table.extend(ranges.iter().take(MAX_RANGES).map(String::as_str));
        let _ = write!(text, "\n{}", aligned(&table, Alignment::Left, 2));
        if let Some(more @ 1..) = ranges.len().checked_sub(MAX_RANGES) {
            let _ = writeln!(text, "... and {more} more: -o json has all");
        }
    }
    let _ = writeln!(text, "\n{}", if *equal { "equal" } else { "NOT EQUAL" });
    text
}

fn row(table: &mut String, con_id: &str, tick: &str, counts: Counts) {
    let Counts { generated, sent, stored, missing_of_generated, missing_of_sent, doubled, out_of_order, .. } = counts;
    let wrong = counts.altered + counts.unknown;
    let _ = writeln!(
        table,
        "{con_id}\t{tick}\t{generated}\t{sent}\t{stored}\t{missing_of_generated}\t{missing_of_sent}\t{doubled}\t{wrong}\t{out_of_order}\t"
    );
}

/// Rows of what is wrong with a stream. What was lost is among what is missing.
fn ranges(stream: &StreamVerdict) -> Vec<String> {
    let row = |what: &str, range: &Range| {
        let Range { from, to, ticks } = range;
        let (con_id, tick) = (stream.con_id, stream.tick.name());
        format!("{what}\t{con_id}\t{tick}\t{}\t{}\t{ticks}\n", time(*from), to - from)
    };
    [
        ("missing", &stream.missing_of_generated),
        ("lost", &stream.missing_of_sent),
        ("doubled", &stream.doubled),
        ("wrong", &stream.wrong),
        ("by fault", &stream.altered_by_fault),
        ("order", &stream.out_of_order),
    ]
    .into_iter()
    .flat_map(|(what, ranges)| ranges.iter().map(move |range| row(what, range)))
    .collect()
}

fn aligned(table: &str, alignment: Alignment, padding: usize) -> String {
    let mut writer = TabWriter::new(Vec::new()).padding(padding).alignment(alignment);
    let written = writer.write_all(table.as_bytes()).and_then(|()| writer.flush());
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn time(second: i64) -> String {
    Timestamp::from_second(second)
        .map_or_else(|_| second.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Verdict;
    use crate::market::tick::TickType;

    #[test]
    fn fits_a_terminal_and_names_what_is_wrong_and_where() {
        let counts = Counts {
            generated: 1_234_567,
            sent: 1_234_567,
            stored: 1_000_000,
            missing_of_generated: 234_567,
            missing_of_sent: 234_567,
            doubled: 12_345,
            altered: 1,
            out_of_order: 99,
            ..Counts::default()
        };
        let range = Range { from: 1_795_530_600, to: 1_795_530_605, ticks: 7 };
        let stream = StreamVerdict {
            con_id: 711_280_073,
            tick: TickType::MidPoint,
            counts,
            missing_of_generated: vec![range; 30],
            missing_of_sent: vec![],
            doubled: vec![range],
            wrong: vec![],
            altered_by_fault: vec![],
            out_of_order: vec![],
        };
        let verdict = Verdict { total: counts, streams: vec![stream] };
        let text = table(&Comparison { from: 1_795_530_600, to: 1_795_534_200, equal: false, verdict });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.starts_with("2026-11-24 14:30:00 to 2026-11-24 15:30:00 UTC: 3600 s\n"), "{text}");
        assert!(text.contains("missing  711280073  MidPoint  2026-11-24 14:30:00  5        7\n"), "{text}");
        assert!(text.ends_with("... and 11 more: -o json has all\n\nNOT EQUAL\n"), "{text}");
    }
}
