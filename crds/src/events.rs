//! Names in the events of a MarketStream. They are API: alerts match on them.

/// Reasons that are no cause (see `Cause`) and no reason of Stalled (see `conditions::reasons`).
pub mod reasons {
    /// Level 4: a person is needed.
    pub const CRITICAL: &str = "Critical";
    /// An incident ended since data flow again.
    pub const RECOVERED: &str = "Recovered";
    /// An incident ended since another fault explains it.
    pub const SUPERSEDED: &str = "Superseded";
    /// A person asked for a restart by an annotation.
    pub const RESTART_REQUESTED: &str = "RestartRequested";
}

/// What is done about it, where that is no action of recovery (see `ActionKind`).
pub mod actions {
    /// Level 1: nothing yet.
    pub const WARN: &str = "Warn";
    /// Level 4: a person is called.
    pub const CRITICAL: &str = "Critical";
    /// A roll that is due and not done.
    pub const ROLL_REFUSED: &str = "RollRefused";
    /// An incident is closed.
    pub const CLOSE: &str = "Close";
    /// Nothing is done until a person has acted.
    pub const WAIT: &str = "Wait";
    /// What was asked for cannot be done.
    pub const REFUSE: &str = "Refuse";
}
