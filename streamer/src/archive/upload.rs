//! One file to the storage: whole or not at all, and again after a failure.

use std::{
    io,
    path::{Path as FilePath, PathBuf},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest piece that is sent, and held in memory: S3 wants parts of at least 5 MiB.
const PIECE: usize = 8 << 20;
/// Attempts after the first. A longer outage waits for the next look.
const ATTEMPTS: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Why a file is not there.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The storage does not take it.
    #[error("{key}: {source}")]
    Storage {
        /// Which object.
        key: Path,
        /// Why.
        source: object_store::Error,
    },
}

impl UploadError {
    /// The file is gone: there is nothing to upload any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    fn is_storage(&self) -> bool {
        matches!(self, Self::Storage { .. })
    }
}

/// Uploads a file over what may be there. Readers see the old object or the new one, never a part of it.
///
/// # Errors
/// When the file cannot be read, or the storage refuses it again and again.
pub async fn upload(store: &dyn ObjectStore, key: &Path, file: &FilePath) -> Result<(), UploadError> {
    let attempt = || async { once(store, key, file).await };
    attempt
        .retry(ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(ATTEMPTS).with_jitter())
        .when(UploadError::is_storage)
        .notify(|error, pause| tracing::info!(%error, ?pause, "an upload failed and is tried again"))
        .await
}

/// Deletes an object that an uploaded one replaces. One that is not there is deleted.
///
/// # Errors
/// When the storage refuses it.
pub async fn delete(store: &dyn ObjectStore, key: &Path) -> Result<(), UploadError> {
    match store.delete(key).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(source) => Err(UploadError::Storage { key: key.clone(), source }),
    }
}

async fn once(store: &dyn ObjectStore, key: &Path, file: &FilePath) -> Result<(), UploadError> {
    let unreadable = |source| UploadError::File { path: file.to_owned(), source };
    let refused = |source| UploadError::Storage { key: key.clone(), source };
    let mut input = tokio::fs::File::open(file).await.map_err(unreadable)?;
    let first = piece(&mut input).await.map_err(unreadable)?;
    if first.len() < PIECE {
        return store.put(key, PutPayload::from(first)).await.map(|_| ()).map_err(refused);
    }
    let mut parts = store.put_multipart(key).await.map_err(refused)?;
    let sent = async {
        let mut next = first;
        while !next.is_empty() {
            parts.put_part(PutPayload::from(next)).await.map_err(refused)?;
            next = piece(&mut input).await.map_err(unreadable)?;
        }
        parts.complete().await.map(|_| ()).map_err(refused)
    };
    let outcome = sent.await;
    if outcome.is_err()
        && let Err(error) = parts.abort().await
    {
        tracing::debug!(%key, %error, "the parts of a failed upload cannot be removed");
    }
    outcome
}

/// The next piece of a file: shorter only at its end.
async fn piece(input: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    input.take(PIECE as u64).read_to_end(&mut piece).await?;
    Ok(piece)
}
