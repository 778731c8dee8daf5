//! Columns as kubectl aligns them.

use std::io::Write;

use tabwriter::TabWriter;
use textwrap::core::display_width;

use super::words::{self, WIDTH};

/// Between two columns.
const PADDING: usize = 3;

/// The last column is never narrower, in characters, however wide the others are.
const NARROWEST: usize = 24;

/// A header and rows, aligned; nothing at all without rows. The last column takes what room is left, on several lines
/// where it must.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    // A tab or a line break in a cell would break the table.
    let clean = |row: &Vec<String>| row.iter().map(|cell| cell.replace(['\t', '\n'], " ")).collect::<Vec<_>>();
    let rows: Vec<_> = rows.iter().map(clean).collect();
    let last = header.len() - 1;
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].as_str());
        cells.chain([header[column]]).map(display_width).max().unwrap_or(0)
    };
    let others: usize = (0..last).map(|column| width(column) + PADDING).sum();
    let room = WIDTH.saturating_sub(others).max(NARROWEST);
    let mut lines = vec![header.join("\t")];
    for row in &rows {
        for (number, part) in words::lines(&row[last], room).into_iter().enumerate() {
            let others = if number == 0 { row[..last].join("\t") } else { "\t".repeat(last - 1) };
            lines.push(format!("{others}\t{part}"));
        }
    }
    let mut writer = TabWriter::new(Vec::new()).padding(PADDING);
    // Writing into memory does not fail.
    let _ = writer.write_all((lines.join("\n") + "\n").as_bytes());
    let bytes = writer.into_inner().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_takes_what_room_is_left() {
        let why = "HMDS query returned no data, and that for a reason which takes many words to tell to whoever asks";
        let rows = [vec!["mnq/last".to_owned(), why.to_owned()], vec!["mnq/bid_ask".to_owned(), "-".to_owned()]];
        assert_eq!(
            table(&["STREAM", "WHY"], &rows),
            "\
STREAM        WHY
mnq/last      HMDS query returned no data, and that for a reason which takes many words to tell to
              whoever asks
mnq/bid_ask   -
"
        );
    }
}
