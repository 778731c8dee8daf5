//! Condition types and reasons. Both are API: scripts and alerts match on them.

/// Condition types. `Ready`, `Reconciling` and `Stalled` follow the kstatus convention.
pub mod types {
    /// The children are applied and the session is up (or the market closed). A data fault does not make it False.
    pub const READY: &str = "Ready";
    /// The operator is still bringing the children to their desired state.
    pub const RECONCILING: &str = "Reconciling";
    /// Something is wrong that only the user can fix.
    pub const STALLED: &str = "Stalled";
    /// The API session with the gateway: handshake done, last probe answered.
    pub const CONNECTED: &str = "Connected";
    /// Every stream that should flow does.
    pub const DATA_FLOWING: &str = "DataFlowing";
    /// The data volume accepts writes.
    pub const STORAGE_READY: &str = "StorageReady";
    /// At least one contract's session is open.
    pub const MARKET_OPEN: &str = "MarketOpen";
    /// No gap waits for IBKR's history.
    pub const BACKFILLED: &str = "Backfilled";
    /// Level 4 is reached: recovery did not help. Present only when True.
    pub const CRITICAL: &str = "Critical";
    /// The gateway waits for a person to log in. Present only when True.
    pub const AUTH_REQUIRED: &str = "AuthRequired";
    /// Streams lack a market-data subscription. Present only when True.
    pub const NOT_ENTITLED: &str = "NotEntitled";
    /// IBKR sends delayed data instead of live ones. Present only when True.
    pub const DELAYED_DATA: &str = "DelayedData";
    /// The account's lines are used up. Present only when True.
    pub const CAPACITY: &str = "Capacity";
    /// Another session of the same user holds the market data. Present only when True.
    pub const COMPETING_SESSION: &str = "CompetingSession";
    /// A contract ends within a week, or has ended, and when its successor takes over is not known. Present only when
    /// True.
    pub const CONTRACT_EXPIRING: &str = "ContractExpiring";
    /// The user asked for a pause (`spec.suspend`). Present only when True.
    pub const SUSPENDED: &str = "Suspended";
    /// The running pod differs from the template and waits for `spec.update`. Present only when True.
    pub const UPDATE_PENDING: &str = "UpdatePending";
}

/// Reasons that do not come from a cause (see `Cause` for those that do).
pub mod reasons {
    /// Ready: all is well.
    pub const AS_EXPECTED: &str = "AsExpected";
    /// Children are being applied or the pod is starting.
    pub const STARTING: &str = "Starting";
    /// Stalled: the manifest is valid YAML and still cannot work; the message names the field.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Stalled: the gateway's credentials Secret, or a key of it, does not exist.
    pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
    /// Stalled: an older MarketStream uses the same login or the same client IDs of one gateway.
    pub const LOGIN_IN_USE: &str = "LoginInUse";
    /// An object that is not of this MarketStream has a name that it needs.
    pub const NAME_IN_USE: &str = "NameInUse";
    /// Stalled: IBKR does not know a contract of the manifest.
    pub const CONTRACT_NOT_FOUND: &str = "ContractNotFound";
    /// Stalled: what answers on the API port is not an IB gateway.
    pub const NOT_A_GATEWAY: &str = "NotAGateway";
    /// Not ready: an image, a volume or a node is missing; the message is the pod's waiting reason.
    pub const POD_NOT_RUNNING: &str = "PodNotRunning";
    /// DataFlowing is True because nothing has to flow now.
    pub const MARKET_CLOSED: &str = "MarketClosed";
    /// Not connected: the first connection is still being made.
    pub const CONNECTING: &str = "Connecting";
    /// The operator has no fresh status of the streamer.
    pub const NOT_REPORTING: &str = "NotReporting";
    /// Some streams are silent or refused.
    pub const STREAMS_SILENT: &str = "StreamsSilent";
    /// The volume refuses writes.
    pub const WRITE_FAILED: &str = "WriteFailed";
    /// Not backfilled: history was not asked for all that was lost, or has not answered yet.
    pub const GAPS_WAIT: &str = "GapsWait";
    /// Backfilled as far as it goes: IBKR's history does not have all that was lost.
    pub const UNFILLABLE: &str = "Unfillable";
    /// ContractExpiring: a contract ends, and the manifest names nothing that follows.
    pub const NOTHING_FOLLOWS: &str = "NothingFollows";
    /// ContractExpiring: a contract ends and rolls by a rule that does not tell ahead when.
    pub const ROLL_PENDING: &str = "RollPending";
    /// The user suspended the MarketStream.
    pub const SUSPENDED: &str = "Suspended";
}
