//! Why a reconcile failed.

/// A failed reconcile; it is tried again with growing pauses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("Kubernetes API: {0}")]
    Kube(#[from] kube::Error),
    /// The object changed since it was read: the decision must be made again.
    #[error("the object changed since it was read")]
    Conflict,
    /// An object could not be written as JSON.
    #[error("an object could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A child could not be applied.
    #[error("{kind} {name} could not be applied: {source}")]
    Apply {
        /// Kind of the child.
        kind: String,
        /// Name of the child.
        name: String,
        /// The server's answer.
        source: kube::Error,
    },
    /// The reconcile took longer than its limit.
    #[error("the reconcile did not end within {0:?}")]
    Timeout(std::time::Duration),
    /// The reconcile panicked; the message is in the log.
    #[error("the reconcile panicked")]
    Panic,
}

impl Error {
    /// A bounded set of labels for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Kube(kube::Error::Api(status)) | Self::Apply { source: kube::Error::Api(status), .. } => {
                if status.is_forbidden() { "forbidden" } else { "api" }
            }
            Self::Kube(_) | Self::Apply { .. } => "transport",
            Self::Json(_) => "json",
            Self::Timeout(_) => "timeout",
            Self::Panic => "panic",
        }
    }
}
