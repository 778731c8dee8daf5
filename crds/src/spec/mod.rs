//! What the user asks for.

mod contract;
mod gateway;
mod pod;
mod recovery;
mod storage;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use contract::*;
pub use gateway::*;
pub use pod::*;
pub use recovery::*;
pub use storage::*;

use crate::MarketStreamStatus;

/// One IBKR login session: its gateway, the contracts to record, and how to recover when data stop.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[kube(
    group = "marketstream.io",
    version = "v1alpha1",
    kind = "MarketStream",
    plural = "marketstreams",
    singular = "marketstream",
    shortname = "mstream",
    category = "marketstream",
    namespaced,
    status = "MarketStreamStatus",
    derive = "PartialEq",
    doc = "Keeps the collection of Interactive Brokers market data alive and complete: one login session with its gateway, its streamer and its data.",
    annotation("helm.sh/resource-policy", "keep"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.health"),
    printcolumn(name = "Level", type_ = "integer", json_path = ".status.level"),
    printcolumn(name = "Cause", type_ = "string", json_path = ".status.cause"),
    printcolumn(name = "Streams", type_ = "string", json_path = ".status.streamer.summary"),
    printcolumn(name = "Last Tick", type_ = "date", json_path = ".status.streamer.lastTickTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Socket", type_ = "string", priority = 1, json_path = ".status.streamer.socket.state"),
    printcolumn(name = "Data", type_ = "string", priority = 1, json_path = r#".status.conditions[?(@.type=="DataFlowing")].reason"#),
    printcolumn(name = "Client", type_ = "integer", priority = 1, json_path = ".status.clientId"),
    printcolumn(name = "Next Action", type_ = "string", priority = 1, json_path = ".status.incidents[0].nextAction"),
    validation = Rule::new("self.metadata.name.size() <= 52")
        .message("metadata.name: use at most 52 characters, since the pod's revision label adds 11"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name: begin with a letter and use a-z, 0-9 and - only, since a Service has the same name")
)]
#[serde(rename_all = "camelCase")]
pub struct MarketStreamSpec {
    /// What to record. Changes are applied live, without a restart of the pod.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.filter(c, has(c.conId)).all(a, self.exists_one(b, has(b.conId) && b.conId == a.conId))")
            .message("spec.contracts: two entries have the same conId; list all tick types in one entry"),
        validation = Rule::new("self.map(c, size(c.ticks)).sum() <= 100")
            .message("spec.contracts: at most 100 streams (a contract and a tick type) in one MarketStream; split it in two logins"),
    )]
    pub contracts: Vec<Contract>,
    /// The IB Gateway that the data come from.
    pub gateway: Gateway,
    /// The account's market-data limits. Default: those of an account without boosters.
    #[serde(default)]
    pub limits: Limits,
    /// When silence is a fault, and what to do about it.
    #[serde(default)]
    pub recovery: Recovery,
    /// Times in which outages are expected, such as an internet provider's: resets and Critical wait for their end.
    /// IBKR's own nightly resets and the gateway's `autoRestartTime` are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub maintenance_windows: Vec<MaintenanceWindow>,
    /// How lost ticks are fetched again.
    #[serde(default)]
    pub backfill: Backfill,
    /// Where ticks are stored.
    #[serde(default)]
    pub storage: Storage,
    /// When a change of the pod's template may replace the running pod.
    #[serde(default)]
    pub update: Update,
    /// Whether a node drain may take the pod while the market is open. Default: WhenMarketClosed.
    #[serde(default)]
    pub disruption: Disruption,
    /// Scheduling and resources of the pod.
    #[serde(default)]
    pub pod: PodSettings,
    /// Stops everything and keeps the volumes. Default: false.
    #[serde(default)]
    pub suspend: bool,
}
