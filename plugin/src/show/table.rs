//! Columns as kubectl aligns them.

use std::io::Write;

use tabwriter::TabWriter;

/// Between two columns.
const PADDING: usize = 3;

/// A header and rows, aligned; nothing at all without rows.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut lines = vec![header.join("\t")];
    // A tab or a line break in a cell would break the table.
    let clean = |cell: &String| cell.replace(['\t', '\n'], " ");
    lines.extend(rows.iter().map(|row| row.iter().map(clean).collect::<Vec<_>>().join("\t")));
    let mut writer = TabWriter::new(Vec::new()).padding(PADDING);
    // Writing into memory does not fail.
    let _ = writer.write_all((lines.join("\n") + "\n").as_bytes());
    let bytes = writer.into_inner().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
