//! Where ticks are stored, and for how long.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

/// Where and how ticks are stored.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.flushInterval) >= duration('10ms') && duration(self.syncInterval) >= duration('100ms')")
    .message("spec.storage: flushInterval must be at least 10ms, syncInterval at least 100ms"))]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
    .message("spec.storage.storageClassName cannot change: a claim keeps its class"))]
pub struct Storage {
    /// Size of the data volume; it can grow, not shrink. Default: 10Gi.
    #[serde(default = "Storage::default_size")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self)").message("spec.storage.size: write a quantity such as 10Gi"))]
    #[x_kube(validation = Rule::new("!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0")
        .message("spec.storage.size: a volume can only grow"))]
    pub size: String,
    /// Storage class. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// Whether the volumes go with the MarketStream. Default: Retain.
    #[serde(default)]
    pub when_deleted: WhenDeleted,
    /// How long a tick may stay in memory before it is written to its file. Default: 200ms.
    #[serde(default = "Storage::default_flush_interval")]
    pub flush_interval: Duration,
    /// How long a written tick may wait for the disk's own confirmation (fsync). Default: 1s.
    #[serde(default = "Storage::default_sync_interval")]
    pub sync_interval: Duration,
    /// After how many days ticks leave the volume: recordings once they are sealed, and with an archive once they are
    /// archived, which takes the sealed files from the volume too. The last copy is never deleted. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub retention_days: Option<i32>,
    /// S3-compatible archive of sealed files. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
}

impl Storage {
    fn default_size() -> String {
        "10Gi".to_owned()
    }

    fn default_flush_interval() -> Duration {
        Duration::from_millis(200)
    }

    fn default_sync_interval() -> Duration {
        Duration::from_secs(1)
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: Self::default_size(),
            storage_class_name: None,
            when_deleted: WhenDeleted::default(),
            flush_interval: Self::default_flush_interval(),
            sync_interval: Self::default_sync_interval(),
            retention_days: None,
            archive: None,
        }
    }
}

/// What becomes of the volumes when the MarketStream is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum WhenDeleted {
    /// They stay, and a MarketStream of the same name takes them up again.
    #[default]
    Retain,
    /// They are deleted with it.
    Delete,
}

/// An S3-compatible bucket.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Archive {
    /// Address of a bucket, such as s3://bucket or s3://bucket/prefix.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$"))]
    pub url: String,
    /// Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and if needed AWS_SESSION_TOKEN, AWS_REGION,
    /// AWS_ENDPOINT_URL and AWS_VIRTUAL_HOSTED_STYLE_REQUEST.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}
