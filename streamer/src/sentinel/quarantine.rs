//! Where ticks go that cannot be true: `quarantine/YYYY-MM-DD.ndjson` below the data directory, one JSON object a line.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::{Timestamp, tz::TimeZone};
use marketstream_proto::TickMessage;
use serde_json::json;

use crate::{plan::StreamKey, ticks};

/// Lines of a day, bytes: a person reads the first ones.
const MAX_BYTES: u64 = 16 << 20;
/// Lines that may wait for the disk.
const MAX_WAITING: usize = 256;

/// The folder of such ticks.
#[derive(Clone, Debug)]
pub struct Quarantine {
    folder: PathBuf,
    waiting: Arc<AtomicUsize>,
}

impl Quarantine {
    /// Below this data directory. Nothing is made before there is something to put there.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("quarantine"), waiting: Arc::default() }
    }

    /// Puts a tick there, beside the caller, which must be in a runtime. What the disk is too slow for is left out.
    pub fn put(&self, key: &StreamKey, tick: &TickMessage, reason: &str, now: Timestamp) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let line = json!({
            "received": now.to_string(), "stream": key.to_string(), "reason": reason, "tick": ticks::json(tick),
        });
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = this.append(&format!("{line}\n"), now) {
                tracing::warn!(%error, "a tick that cannot be true cannot be put aside");
            }
            this.waiting.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn append(&self, line: &str, now: Timestamp) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let day = now.to_zoned(TimeZone::UTC).date();
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.join(format!("{day}.ndjson")))?;
        if file.metadata()?.len() < MAX_BYTES { file.write_all(line.as_bytes()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use marketstream_crds::TickType;

    use super::*;

    #[tokio::test]
    async fn a_day_is_a_file_of_lines() {
        let data = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(data.path());
        let key = StreamKey { contract: "mnq".to_owned(), tick: TickType::Last, roll: 0 };
        let tick = TickMessage { cid: 7, tt: "last".to_owned(), p: Some(1.5), ..TickMessage::default() };
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        quarantine.put(&key, &tick, "a tick without a time", now);
        quarantine.put(&key, &tick, "again", now);
        while quarantine.waiting.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        let text = fs::read_to_string(data.path().join("quarantine/2026-11-24.ndjson")).unwrap();
        let mut reasons: Vec<String> = text
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!((&line["stream"], &line["tick"]["price"]), (&json!("mnq/Last"), &json!(1.5)));
                line["reason"].as_str().unwrap().to_owned()
            })
            .collect();
        reasons.sort();
        assert_eq!(reasons, ["a tick without a time", "again"]);
    }
}
