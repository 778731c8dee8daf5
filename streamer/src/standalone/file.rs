//! The manifest's file: read at the start, at SIGHUP, and when it changes.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::manifest::{Manifest, Reader};
use crate::facts::Recovery;

/// How often the file is looked at. It is taken when two looks in a row see the same: an editor may be half-way.
const LOOK: Duration = Duration::from_secs(1);

/// The file and what it said last.
#[derive(Debug)]
pub struct File {
    /// Without one, everything comes from ib-stream's variables.
    path: Option<PathBuf>,
    reader: Reader,
    /// The text that was judged last.
    judged: String,
}

impl File {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// When it cannot be read, or is no valid manifest.
    pub fn open(path: Option<PathBuf>, reader: Reader) -> anyhow::Result<(Self, Manifest)> {
        let mut file = Self { path, reader, judged: String::new() };
        file.judged = file.text()?;
        let manifest = file.reader.read(&file.judged, None).map_err(|problem| anyhow!("{}{problem}", file.named()))?;
        Ok((file, manifest))
    }

    fn text(&self) -> anyhow::Result<String> {
        let Some(path) = &self.path else { return Ok(String::new()) };
        fs::read_to_string(path).with_context(|| format!("the manifest {} cannot be read", path.display()))
    }

    fn named(&self) -> String {
        self.path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default()
    }

    /// Hands each valid change on to `wanted`; what is not valid is told in the log and in `recovery`.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub async fn follow(
        mut self,
        wanted: watch::Sender<Arc<Manifest>>,
        recovery: watch::Sender<Recovery>,
    ) -> anyhow::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut seen = self.judged.clone();
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let text = match self.text() {
                Ok(text) => text,
                Err(error) if asked => {
                    refuse(&recovery, format!("{error:#}"));
                    continue;
                }
                // An editor replaces a file by removing it first.
                Err(_) => continue,
            };
            let settled = seen == text;
            seen.clone_from(&text);
            if asked || (settled && text != self.judged) {
                self.judge(text, &wanted, &recovery);
            }
        }
    }

    fn judge(&mut self, text: String, wanted: &watch::Sender<Arc<Manifest>>, recovery: &watch::Sender<Recovery>) {
        let old = wanted.borrow().clone();
        let read = self.reader.read(&text, Some(&old));
        self.judged = text;
        match read {
            Ok(manifest) => {
                let changed = *old != manifest;
                tracing::info!(changed, "the manifest was read");
                recovery.send_modify(|recovery| recovery.refused = None);
                if changed {
                    wanted.send_replace(Arc::new(manifest));
                }
            }
            Err(problem) => refuse(recovery, format!("{}{problem}", self.named())),
        }
    }
}

fn refuse(recovery: &watch::Sender<Recovery>, problem: String) {
    tracing::error!("the manifest is refused, and the one before stays in use: {problem}");
    recovery.send_modify(|recovery| recovery.refused = Some(problem));
}
