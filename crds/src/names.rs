//! Names that more than one program must spell alike: field managers, labels, annotations, ports, child objects.

/// Field manager of everything in `status` but `status.streamer`, and of the child objects.
pub const OPERATOR_MANAGER: &str = "marketstream-operator";
/// Field manager of `status.streamer`.
pub const STREAMER_MANAGER: &str = "marketstream-streamer";

/// Label that says on every child object who manages it.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "marketstream-operator";
/// Label that carries the MarketStream's name on every child object.
pub const LABEL_NAME: &str = "marketstream.io/name";

/// Annotation: `"true"` stops recovery actions, not recording.
pub const ANNOTATION_PAUSED: &str = "marketstream.io/paused";
/// Annotation: each new value, a time, asks for a new pod once.
pub const ANNOTATION_RESTART: &str = "marketstream.io/restart";
/// Annotation: each new value, a stream (`contract/TickType`) and a time, asks once for that stream to be subscribed again.
pub const ANNOTATION_RESTART_STREAM: &str = "marketstream.io/restart-stream";
/// Annotation: each new value, a time, opens the login gate once.
pub const ANNOTATION_RETRY_LOGIN: &str = "marketstream.io/retry-login";

/// Port of the streamer's HTTP server (ib-stream's).
pub const STREAMER_PORT: u16 = 8851;
/// The gateway's API port for a paper account.
pub const GATEWAY_PORT_PAPER: u16 = 4002;
/// The gateway's API port for a live account.
pub const GATEWAY_PORT_LIVE: u16 = 4001;

/// The gateway's command port (IBC's command server), on loopback. By convention.
pub const COMMAND_PORT: u16 = 7462;

/// Directory that gate and streamer share: the gateway's log, its login, and requests for one.
pub const GATEWAY_SHARED_PATH: &str = "/run/marketstream";

/// Name of the streamer's container in the pod.
pub const STREAMER_CONTAINER: &str = "streamer";
/// Name of the gateway's container in the pod.
pub const GATEWAY_CONTAINER: &str = "gateway";

/// The one pod of a MarketStream's StatefulSet.
#[must_use]
pub fn pod(marketstream: &str) -> String {
    format!("{marketstream}-0")
}

/// The claim of the recorded data.
#[must_use]
pub fn data_claim(marketstream: &str) -> String {
    format!("{marketstream}-data")
}

/// The claim of the gateway's settings: one for each account mode, since a login token belongs to one mode.
#[must_use]
pub fn settings_claim(marketstream: &str, mode: crate::TradingMode) -> String {
    let mode = match mode {
        crate::TradingMode::Paper => "paper",
        crate::TradingMode::Live => "live",
    };
    format!("{marketstream}-settings-{mode}")
}
