//! Commands that look at a streamer from outside: its HTTP port, or its files.

pub mod backfill;
pub mod client;
pub mod files;
pub mod status;

use clap::ValueEnum;

/// Form of what a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

/// Widest line of a table: it must fit a terminal.
const WIDTH: usize = 100;
/// Between two columns.
const PADDING: &str = "   ";

/// A header and rows in aligned columns, each line cut to [`WIDTH`].
fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|&title| title.to_owned()).collect();
    let rows: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let line: String = cells.join(PADDING).chars().take(WIDTH).collect();
        format!("{}\n", line.trim_end())
    };
    rows.into_iter().map(line).collect()
}

/// A span as people say it, in its largest unit: 59s, 59m, 47h, 2d.
fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_fit_a_terminal() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "x".repeat(200)]];
        let text = table(&["NAME", "VALUE"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["NAME   VALUE", "a      1"]);
        assert_eq!(lines[2].chars().count(), WIDTH);
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [(-1.0, "0s"), (119.4, "119s"), (120.0, "2m"), (7_300.0, "2h"), (180_000.0, "2d")] {
            assert_eq!(age(seconds), text);
        }
    }
}
