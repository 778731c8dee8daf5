//! Sealing beside the recorder: this program again, as `seal`, in a process of its own that ends with its work. So what
//! it takes of memory and processor goes with it, and whatever happens to it, recording goes on.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{
    process::Command,
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{command::Report, retention::Deleted};
use crate::{archive::sync::Outcome, cli::LogFormat, engine::Event};

/// Between two looks: an hour is sealed a few minutes after its end.
const PAUSE: Duration = Duration::from_secs(300);
/// Between two looks at everything, as after a start.
const FULL: Duration = Duration::from_secs(86_400);
/// Longest look: an archive of years that is uploaded for the first time.
const LONGEST: Duration = Duration::from_secs(6 * 3600);
/// At a start the streams come first.
const FIRST: Duration = Duration::from_secs(60);

/// What sealing has done since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealing {
    /// Files that were written.
    pub files: u64,
    /// Ticks in them.
    pub rows: u64,
    /// Hours that are over and wait for their gaps, at the last look.
    pub waiting: u64,
    /// Why the last look failed.
    pub failed: Option<String>,
    /// Files that were uploaded.
    pub uploaded: u64,
    /// What the last look at the archive came to; absent without one.
    pub archive: Option<Outcome>,
    /// What retention deleted, and what it holds at the last look; absent without retention.
    pub deleted: Option<Deleted>,
}

impl Sealing {
    fn take(&mut self, report: Result<Report, String>) {
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                self.failed = Some(error);
                return;
            }
        };
        self.failed = report.error;
        if let Some(sealed) = report.sealed {
            self.files += sealed.files;
            self.rows += sealed.rows;
            self.waiting = sealed.waiting;
        }
        self.uploaded += report.archive.as_ref().map_or(0, |archive| archive.uploaded);
        self.archive = report.archive;
        if let Some(more) = report.deleted {
            let known = self.deleted.get_or_insert_default();
            known.files += more.files;
            known.bytes += more.bytes;
            known.held = more.held;
        }
    }
}

/// Looks again and again until `stop`, and tells the engine of damage. The other process writes the same form of log to
/// the same place.
pub async fn watch(
    data_dir: PathBuf,
    log_format: LogFormat,
    sealing: watch::Sender<Sealing>,
    engine: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    let (mut pause, mut full_at) = (FIRST, Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let recent = Instant::now() < full_at;
        let report = tokio::select! {
            () = stop.cancelled() => return,
            report = look(&data_dir, log_format, recent) => report,
        };
        if let Err(error) = &report {
            tracing::warn!(error, "sealing failed");
        }
        for damage in report.iter().flat_map(|report| &report.damaged) {
            // The engine is gone only when the process ends; what it has not kept is told again.
            let _ = engine.send(Event::Damaged(*damage)).await;
        }
        if !recent && report.is_ok() {
            full_at = Instant::now() + FULL;
        }
        sealing.send_modify(|known| known.take(report));
        pause = PAUSE;
    }
}

async fn look(data_dir: &Path, log_format: LogFormat, recent: bool) -> Result<Report, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let args = args(data_dir, log_format, recent);
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(LONGEST, output).await {
        Ok(output) => read(output),
        Err(_) => Err(format!("it did not end within {LONGEST:?}")),
    }
}

fn args(data_dir: &Path, log_format: LogFormat, recent: bool) -> Vec<OsString> {
    let mut args: Vec<OsString> =
        ["seal", "--log-format", log_format.as_str(), "--data-dir"].map(OsString::from).into();
    args.push(data_dir.into());
    args.extend(recent.then(|| "--recent".into()));
    args
}

fn read(output: io::Result<Output>) -> Result<Report, String> {
    let output = output.map_err(|error| error.to_string())?;
    // What it could not do stands in the report.
    serde_json::from_slice(&output.stdout).map_err(|_| format!("the process ended with {}", output.status))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use clap::Parser;

    use super::*;
    use crate::{cli::Cli, seal::Sealed};

    fn ended(code: i32, stdout: &[u8]) -> io::Result<Output> {
        let status = std::process::ExitStatus::from_raw(code);
        Ok(Output { status, stdout: stdout.to_vec(), stderr: Vec::new() })
    }

    #[test]
    fn the_other_process_is_told_all_that_it_needs() {
        for (format, recent) in [(LogFormat::Text, false), (LogFormat::Json, true)] {
            let args = args(Path::new("/data x"), format, recent);
            let cli = Cli::try_parse_from([OsString::from("streamer")].into_iter().chain(args)).unwrap();
            let Some(crate::cli::Command::Seal(read)) = cli.command else { panic!("{cli:?}") };
            assert_eq!((read.data_dir.as_path(), read.log_format, read.recent), (Path::new("/data x"), format, recent));
        }
    }

    #[test]
    fn looks_add_up_and_the_last_failure_shows() {
        let mut sealing = Sealing::default();
        let archive = Outcome { uploaded: 2, pending: 1, error: Some("refused".to_owned()) };
        let deleted = Deleted { files: 3, bytes: 9, held: 2 };
        let first = Report {
            sealed: Some(Sealed { files: 2, rows: 9, waiting: 3 }),
            error: None,
            archive: Some(archive),
            deleted: Some(deleted),
            ..Report::default()
        };
        let line = serde_json::to_vec(&first).unwrap();
        sealing.take(read(ended(256, &line)));
        sealing.take(Ok(Report { sealed: Some(Sealed { files: 1, rows: 1, waiting: 0 }), ..Report::default() }));
        assert_eq!(sealing.deleted, Some(deleted), "a look at what is recent deletes nothing");
        let more = Deleted { files: 1, bytes: 1, held: 0 };
        sealing.take(Ok(Report { sealed: Some(Sealed::default()), deleted: Some(more), ..Report::default() }));
        assert_eq!(sealing.deleted, Some(Deleted { files: 4, bytes: 10, held: 0 }));
        assert_eq!((sealing.files, sealing.rows, sealing.waiting, sealing.uploaded), (3, 10, 0, 2));
        assert_eq!((sealing.failed.as_deref(), sealing.archive.clone()), (None, None));
        sealing.take(read(ended(9, b"")));
        assert!(sealing.failed.is_some_and(|failed| failed.contains("signal: 9")));
    }
}
