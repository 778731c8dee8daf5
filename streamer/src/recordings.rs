//! Which recordings there are: a walk through the folders of the layout.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use marketstream_proto::layout::{HourFile, Part};

/// The layout has four folders above a file: year, month, day, hour.
const DEPTH: usize = 4;

/// The wanted recordings of the hour of `since` (seconds since 1970) and later, in order. Folders of earlier hours are
/// passed over by their names; what is deleted meanwhile is left out.
///
/// # Errors
/// When the volume cannot be read.
pub fn find(
    data_dir: &Path,
    since: i64,
    wanted: impl Fn(&HourFile) -> bool,
) -> io::Result<Vec<(HourFile, Part, PathBuf)>> {
    let oldest = Timestamp::from_second(since)
        .map_or_else(|_| String::new(), |at| at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d/%H").to_string());
    let mut walk = Walk { oldest, wanted, found: Vec::new() };
    walk.folder(data_dir, "", DEPTH)?;
    walk.found.sort();
    Ok(walk.found)
}

struct Walk<W> {
    /// The first hour, as its folders are named.
    oldest: String,
    wanted: W,
    found: Vec<(HourFile, Part, PathBuf)>,
}

impl<W: Fn(&HourFile) -> bool> Walk<W> {
    /// Looks into a folder of this `name` below the data directory, with `depth` more above the files.
    fn folder(&mut self, folder: &Path, name: &str, depth: usize) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            // Retention takes empty folders; the data directory itself must be there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !name.is_empty() => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if depth == 0 {
                let is_file = entry.file_type()?.is_file();
                let file = HourFile::parse_part(&path).filter(|(file, _)| is_file && (self.wanted)(file));
                self.found.extend(file.map(|(file, part)| (file, part, path)));
                continue;
            }
            let Ok(below) = entry.file_name().into_string() else { continue };
            if !below.bytes().all(|byte| byte.is_ascii_digit()) || !entry.file_type()?.is_dir() {
                continue;
            }
            let below = if name.is_empty() { below } else { format!("{name}/{below}") };
            if self.oldest.get(..below.len()).is_none_or(|oldest| below.as_str() >= oldest) {
                self.folder(&path, &below, depth - 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use marketstream_proto::TickKind;

    use super::*;

    const HOUR: i64 = 1_795_521_600;

    #[test]
    fn recordings_of_an_hour_and_later_are_found_in_order_and_nothing_else() {
        let data = tempfile::tempdir().unwrap();
        let file = |hour: i64, kind| HourFile { hour: HOUR + hour * 3_600, con_id: 7, kind };
        let (last, quotes) = (TickKind::Last, TickKind::BidAsk);
        let all = [
            (file(-24, last), Part::Live),
            (file(0, last), Part::Live),
            (file(0, last), Part::Backfill),
            (file(1, quotes), Part::Live),
            (file(24 * 40, last), Part::Live),
        ];
        for (file, part) in all {
            let path = data.path().join(file.path_of(part).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::write(data.path().join("2026/11/24/12/notes.txt"), "").unwrap();
        fs::create_dir_all(data.path().join(".marketstream/2026/11/24")).unwrap();
        fs::create_dir_all(data.path().join("2026/11/24/12/deeper")).unwrap();
        fs::create_dir_all(data.path().join(file(0, quotes).path().unwrap())).unwrap();
        let found = |since, wanted: fn(&HourFile) -> bool| {
            let found = find(data.path(), since, wanted).unwrap();
            assert!(found.iter().all(|(file, part, path)| path.ends_with(file.path_of(*part).unwrap())));
            found.into_iter().map(|(file, part, _)| (file, part)).collect::<Vec<_>>()
        };
        assert_eq!(found(i64::MIN, |_| true), all);
        assert_eq!(found(HOUR, |_| true), all[1..]);
        assert_eq!(found(HOUR + 3_599, |file| file.kind == TickKind::Last), [all[1], all[2], all[4]]);
        assert_eq!(found(HOUR + 3_600, |_| true), all[3..]);
        assert!(find(&data.path().join("nowhere"), 0, |_| true).is_err());
    }
}
