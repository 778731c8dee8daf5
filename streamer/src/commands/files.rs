//! `files`: what is recorded, by file.

use std::{io, path::Path, time::Duration};

use jiff::Timestamp;
use marketstream_proto::layout::Part;
use serde::Serialize;

use super::{age, table};
use crate::{
    sums,
    ticks::{self, Selection},
};

/// A recorded file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Below the data directory.
    pub path: String,
    /// IBKR's contract identifier.
    pub con_id: i32,
    /// Kind of tick, as file names spell it.
    pub tick: &'static str,
    /// Whether it was fetched later, to fill gaps.
    pub backfill: bool,
    /// Size, bytes.
    pub bytes: u64,
    /// Time since the last write, seconds.
    pub age_seconds: f64,
    /// Blocks that are not as they were written; absent unless it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_blocks: Option<usize>,
}

/// The files below `data_dir` that were written within `newer`, or all, the newest first; with `verify` they are read.
///
/// # Errors
/// When a folder cannot be read.
pub fn list(data_dir: &Path, newer: Option<Duration>, verify: bool, now: Timestamp) -> io::Result<Vec<Recorded>> {
    let mut list = Vec::new();
    for (file, part, path) in ticks::files(data_dir, &Selection::default())? {
        let known = match std::fs::metadata(&path) {
            // Retention may take it between the two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            known => known?,
        };
        let written = Timestamp::try_from(known.modified()?).map_err(io::Error::other)?;
        let age_seconds = now.duration_since(written).as_secs_f64().max(0.0);
        if newer.is_none_or(|newer| age_seconds <= newer.as_secs_f64()) {
            let bad_blocks = verify.then(|| sums::bad_blocks(&path, known.len())).transpose()?.map(|bad| bad.len());
            list.push(Recorded {
                path: path.strip_prefix(data_dir).unwrap_or(&path).display().to_string(),
                con_id: file.con_id,
                tick: file.kind.as_str(),
                backfill: part == Part::Backfill,
                bytes: known.len(),
                age_seconds,
                bad_blocks,
            });
        }
    }
    list.sort_by(|a, b| a.age_seconds.total_cmp(&b.age_seconds).then_with(|| a.path.cmp(&b.path)));
    Ok(list)
}

/// The list as a table for people.
#[must_use]
pub fn page(files: &[Recorded]) -> String {
    let verified = files.iter().any(|file| file.bad_blocks.is_some());
    let row = |file: &Recorded| {
        let mut row = vec![file.path.clone(), size(file.bytes), age(file.age_seconds)];
        row.extend(file.bad_blocks.map(|bad| if bad == 0 { "good".to_owned() } else { format!("{bad} bad") }));
        row
    };
    let heads: &[&str] = &["FILE", "SIZE", "WRITTEN AGO", "BLOCKS"];
    table(&heads[..if verified { 4 } else { 3 }], &files.iter().map(row).collect::<Vec<_>>())
}

/// A size in its largest binary unit.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        time::SystemTime,
    };

    use super::*;

    #[test]
    fn only_files_of_the_layout_count_and_only_those_new_enough() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("2026/11/24/12");
        fs::create_dir_all(&folder).unwrap();
        let now = SystemTime::now();
        for (name, bytes, seconds) in [
            ("711280073_bid_ask_1795521600.pb", 3_000, 10),
            ("711280073_last_1795521600_backfill.pb", 5, 20),
            ("711280073_last_1795521600.pb", 7, 4_000),
            ("notes.txt", 1, 0),
        ] {
            let file = File::create(folder.join(name)).unwrap();
            file.set_len(bytes).unwrap();
            file.set_modified(now - Duration::from_secs(seconds)).unwrap();
        }
        let now = Timestamp::try_from(now).unwrap();
        let files = list(data.path(), Some(Duration::from_secs(300)), false, now).unwrap();
        let brief: Vec<_> = files.iter().map(|file| (file.tick, file.backfill, file.bytes)).collect();
        assert_eq!(brief, [("bid_ask", false, 3_000), ("last", true, 5)]);
        assert_eq!(list(data.path(), None, false, now).unwrap().len(), 3);
        let page = page(&files);
        let row = "2026/11/24/12/711280073_bid_ask_1795521600.pb         2.9 KiB   10s";
        assert!(page.lines().any(|line| line == row), "{page}");
    }

    #[test]
    fn a_changed_file_is_told_from_a_good_one() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("2026/11/24/12");
        fs::create_dir_all(&folder).unwrap();
        for kind in ["last", "bid_ask"] {
            let path = folder.join(format!("7_{kind}_1795521600.pb"));
            fs::write(&path, [7; 100]).unwrap();
            sums::Sums::resume(&path, 100).unwrap().close().unwrap();
        }
        fs::write(folder.join("7_last_1795521600.pb"), [8; 100]).unwrap();
        let files = list(data.path(), None, true, Timestamp::now()).unwrap();
        let mut brief: Vec<_> = files.iter().map(|file| (file.tick, file.bad_blocks)).collect();
        brief.sort_unstable();
        assert_eq!(brief, [("bid_ask", Some(0)), ("last", Some(1))]);
        assert!(page(&files).contains("1 bad") && page(&files).contains("good"));
    }
}
