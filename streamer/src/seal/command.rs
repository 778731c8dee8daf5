//! `streamer seal`: one look at everything that is due.

use std::{fs, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::runtime;

use super::{
    Sealed,
    damage::{self, Damage},
    horizon, lock, now_s, patience,
    retention::{self, Deleted},
    seal,
};
use crate::{
    archive::{
        sync::{Outcome, sync},
        target::Target,
    },
    store::Store,
};

/// The lowest priority: recording comes first.
const NICENESS: i32 = 19;

/// What a look has done, printed as one line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What was sealed; absent when it failed.
    pub sealed: Option<Sealed>,
    /// Why sealing failed.
    pub error: Option<String>,
    /// What was archived; absent without an archive.
    pub archive: Option<Outcome>,
    /// What was old and is deleted; absent without `retentionDays`, and in a look at what is recent only.
    #[serde(default)]
    pub deleted: Option<Deleted>,
    /// Damage that was found and is not in the ledger of gaps yet: the running streamer puts it there.
    #[serde(default)]
    pub damaged: Vec<Damage>,
    /// The most memory that the process had, bytes; absent where the system does not tell.
    #[serde(default)]
    pub peak_bytes: Option<u64>,
}

/// As [`run`], and prints the report.
///
/// # Errors
/// When anything failed, or another process is at it.
pub fn print(data_dir: &Path, recent: bool) -> anyhow::Result<()> {
    let name = data_dir.display();
    // Whoever mistypes it must not get a folder, and hear that all is well.
    fs::read_dir(data_dir).with_context(|| format!("cannot read --data-dir {name}"))?;
    let mut report = run(data_dir, recent)
        .with_context(|| format!("cannot seal the ticks of {name}"))?
        .with_context(|| format!("another process seals the ticks of {name}; try again when it has ended"))?;
    report.peak_bytes = peak_bytes();
    println!("{}", serde_json::to_string(&report)?);
    if let Some(error) = report.error {
        anyhow::bail!("cannot seal the ticks of {name}: {error}");
    }
    if let Some(error) = report.archive.and_then(|archive| archive.error) {
        anyhow::bail!("cannot archive the ticks of {name}: {error}");
    }
    Ok(())
}

fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Seals and archives what is due, and deletes what is old. A failure of one does not keep the other back. `None` when another process is at it.
///
/// # Errors
/// When the lock's file or a runtime cannot be had.
pub fn run(data_dir: &Path, recent: bool) -> std::io::Result<Option<Report>> {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the priority stays as it is");
    }
    let Some(_lock) = lock(data_dir)? else { return Ok(None) };
    let spec = Store::new(data_dir).spec();
    let (now, patience) = (now_s(), patience(spec.as_ref()));
    let since = horizon(now, patience, !recent);
    let mut report = Report::default();
    match seal(data_dir, now, since, patience) {
        Ok(sealed) => report.sealed = Some(sealed),
        Err(error) => report.error = Some(error.to_string()),
    }
    report.damaged = damage::found(data_dir)?;
    let Some(storage) = spec.map(|spec| spec.storage) else { return Ok(Some(report)) };
    let archive = storage.archive.as_ref().map(|archive| archive.url.as_str());
    if let Some(url) = archive {
        report.archive = Some(archived(data_dir, url, since)?);
    }
    if let Some(days) = storage.retention_days.filter(|_| !recent) {
        match retention::apply(data_dir, now, days, patience, archive) {
            Ok(deleted) => {
                if deleted.files > 0 {
                    tracing::info!(
                        deleted.files,
                        deleted.bytes,
                        days,
                        "deleted what is older than spec.storage.retentionDays"
                    );
                }
                report.deleted = Some(deleted);
            }
            Err(error) => _ = report.error.get_or_insert(format!("retention: {error}")),
        }
    }
    Ok(Some(report))
}

fn archived(data_dir: &Path, url: &str, since: i64) -> std::io::Result<Outcome> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let target = Target::new(url).map_err(|error| error.to_string())?;
        sync(data_dir, &target, since).await.map_err(|error| error.to_string())
    });
    Ok(outcome.unwrap_or_else(|error| Outcome { error: Some(error), ..Outcome::default() }))
}
