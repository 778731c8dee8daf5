//! Sealing beside the recorder: this program again, as `seal`, in a process of its own that ends with its work. So what
//! it takes of memory and processor goes with it, and whatever happens to it, recording goes on.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::command::Report;
use crate::archive::sync::Outcome;

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
    }
}

/// Looks again and again until `stop`.
pub async fn watch(data_dir: PathBuf, sealing: watch::Sender<Sealing>, stop: CancellationToken) {
    let (mut pause, mut full_at) = (FIRST, Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let recent = Instant::now() < full_at;
        let report = tokio::select! {
            () = stop.cancelled() => return,
            report = look(&data_dir, recent) => report,
        };
        if let Err(error) = &report {
            tracing::warn!(error, "sealing failed");
        }
        if !recent && report.is_ok() {
            full_at = Instant::now() + FULL;
        }
        sealing.send_modify(|known| known.take(report));
        pause = PAUSE;
    }
}

async fn look(data_dir: &Path, recent: bool) -> Result<Report, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut args: Vec<OsString> = vec!["seal".into(), "--data-dir".into(), data_dir.into()];
    args.extend(recent.then(|| "--recent".into()));
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

fn read(output: io::Result<Output>) -> Result<Report, String> {
    let output = output.map_err(|error| error.to_string())?;
    // What it could not do stands in the report.
    serde_json::from_slice(&output.stdout).map_err(|_| format!("the process ended with {}", output.status))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::seal::Sealed;

    fn ended(code: i32, stdout: &[u8]) -> io::Result<Output> {
        let status = std::process::ExitStatus::from_raw(code);
        Ok(Output { status, stdout: stdout.to_vec(), stderr: Vec::new() })
    }

    #[test]
    fn looks_add_up_and_the_last_failure_shows() {
        let mut sealing = Sealing::default();
        let archive = Outcome { uploaded: 2, pending: 1, error: Some("refused".to_owned()) };
        let first =
            Report { sealed: Some(Sealed { files: 2, rows: 9, waiting: 3 }), error: None, archive: Some(archive) };
        let line = serde_json::to_vec(&first).unwrap();
        sealing.take(read(ended(256, &line)));
        sealing.take(Ok(Report { sealed: Some(Sealed { files: 1, rows: 1, waiting: 0 }), ..Report::default() }));
        assert_eq!((sealing.files, sealing.rows, sealing.waiting, sealing.uploaded), (3, 10, 0, 2));
        assert_eq!((sealing.failed.as_deref(), sealing.archive.clone()), (None, None));
        sealing.take(read(ended(9, b"")));
        assert!(sealing.failed.is_some_and(|failed| failed.contains("signal: 9")));
    }
}
