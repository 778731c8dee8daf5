//! Every constant of the ladder, in one place. Thresholds are not here: they are the user's (`spec.recovery`).

use std::time::Duration as StdDuration;

use marketstream_crds::{ActionKind, Duration};
use serde::{Deserialize, Serialize};

/// Constants of recovery decisions; `--policy FILE` of the operator overrides them, for tests.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    /// Heartbeats that may be missed before a streamer counts as not reporting.
    pub missed_heartbeats: u32,
    /// For how long all affected streams must flow before an incident closes.
    pub settle: Duration,
    /// How long the effect of RestartStreams is awaited.
    pub verify_restart: Duration,
    /// How long the effect of Reconnect is awaited.
    pub verify_reconnect: Duration,
    /// How long the effect of RestartGateway is awaited: its restart begins at the next full minute.
    pub verify_gateway: Duration,
    /// How long the effect of RollPod is awaited, from the start of the new pod.
    pub verify_roll: Duration,
    /// First pause before levels 2 and 3 are tried again after Critical; it doubles each time.
    pub retry_pause: Duration,
    /// Longest pause before levels 2 and 3 are tried again after Critical.
    pub retry_pause_max: Duration,
    /// Pod rolls in 24 hours, over all incidents.
    pub rolls_per_day: usize,
    /// Streams that fell silent within this time of each other share an incident.
    pub group_within: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            missed_heartbeats: 3,
            settle: Duration::from_secs(10),
            verify_restart: Duration::from_secs(60),
            verify_reconnect: Duration::from_secs(90),
            verify_gateway: Duration::from_secs(180),
            verify_roll: Duration::from_secs(180),
            retry_pause: Duration::from_secs(300),
            retry_pause_max: Duration::from_secs(3600),
            rolls_per_day: 6,
            group_within: Duration::from_secs(5),
        }
    }
}

impl Policy {
    /// How long the effect of an action is awaited before the next rung.
    #[must_use]
    pub fn verify(&self, kind: ActionKind) -> StdDuration {
        match kind {
            ActionKind::RestartStreams => self.verify_restart,
            ActionKind::Reconnect => self.verify_reconnect,
            ActionKind::RestartGateway => self.verify_gateway,
            ActionKind::RollPod => self.verify_roll,
        }
        .get()
    }

    /// Pause after the `attempts`-th action of an incident that is Critical.
    #[must_use]
    pub fn retry_after(&self, attempts: i32) -> StdDuration {
        // Twelve doublings of any sensible pause are beyond the maximum.
        let doublings = u32::try_from(attempts).unwrap_or(0).min(12);
        self.retry_pause.get().saturating_mul(1 << doublings).min(self.retry_pause_max.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_no_further() {
        let policy = Policy::default();
        assert_eq!(policy.retry_after(0), StdDuration::from_secs(300));
        assert_eq!(policy.retry_after(1), StdDuration::from_secs(600));
        assert_eq!(policy.retry_after(30), StdDuration::from_secs(3600));
    }
}
