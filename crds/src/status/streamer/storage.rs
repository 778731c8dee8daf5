//! The data volume, what is missing on it, and what becomes of recordings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The data volume.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageStatus {
    /// Whether the last write and sync succeeded.
    pub writable: bool,
    /// For how many seconds they have failed; 0 while they succeed.
    #[serde(default)]
    pub failing_seconds: f64,
    /// Ticks received that could not be kept, since the process started.
    pub dropped: i64,
    /// What the last write failed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// Sealing and archiving, which never hold up recording; absent while they succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing: Option<SealingStatus>,
    /// What `spec.storage.retentionDays` has deleted; absent without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionStatus>,
}

/// What retention has deleted from the volume. It looks after a start and once a day.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    /// Files that were deleted since the process started.
    pub deleted_files: i64,
    /// Their bytes.
    pub deleted_bytes: i64,
    /// Recordings that are old enough and stay, since they are not sealed, or not archived, yet.
    pub held_files: i64,
}

/// What sealing and archiving could not do at their last attempt. They try again every five minutes.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SealingStatus {
    /// Sealed files that the archive does not have yet.
    pub unarchived: i32,
    /// Why.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// Gaps in the recording.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapCounts {
    /// Not filled yet.
    pub open: i32,
    /// Filled from IBKR's history, which agrees with what was recorded beside them.
    pub filled: i32,
    /// Filled as far as IBKR's history goes, which filters and conflates.
    pub approximate: i32,
    /// Not to be had; the reason stands in the list.
    pub unfillable: i32,
    /// Seconds until all that waits for IBKR's history is fetched, as far as what is missing and the allowed requests
    /// tell. Absent when nothing waits, or history cannot be asked now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<i64>,
}
