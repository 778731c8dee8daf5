//! Every constant of the ladder, in one place. Thresholds are not here: they are the user's (`spec.recovery`).

use std::time::Duration as StdDuration;

use marketstream_crds::{ActionKind, Day, Duration, MaintenanceWindow, MarketStreamSpec};
use serde::{Deserialize, Serialize};

/// After so many intervals without a report nothing is decided on the data any more: what was decided before the silence
/// is older than that.
pub const MISSED_HEARTBEATS: u32 = 3;

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
    /// For how long the budget of rolls counts as spent when the status of a pod that runs is gone, as after a restore
    /// from a backup: how many there were is not known.
    pub unknown_budget: Duration,
    /// Streams that fell silent within this time of each other share an incident.
    pub group_within: Duration,

    /// How long a gateway without a log may refuse its API port and answer on its command port before that is a login
    /// that waits for a person.
    pub login_patience: Duration,
    /// How long a refusal for a competing session counts. The canary renews it every minute at most.
    pub competing_expires: Duration,
    /// How long "Existing session" in the gateway's log counts.
    pub competing_login_expires: Duration,
    /// How long after a restored link (1101, 1102) silence is still the link's.
    pub restored_expires: Duration,
    /// How long after a restored link level 2 waits: the streamer looks after its streams by itself.
    pub verify_restored: Duration,
    /// How long a lost link to IBKR must last, outside of maintenance windows, before level 3.
    pub upstream_patience: Duration,
    /// How long a refusal for pacing counts. The longest pause is ten minutes.
    pub pacing_expires: Duration,
    /// How much later than its threshold level 4 comes for Pacing.
    pub pacing_patience: Duration,
    /// How long any other refusal counts. An unknown contract is asked for once a day.
    pub refusal_expires: Duration,
    /// How long after a login an answer about a contract may be wrong.
    pub contract_patience: Duration,
    /// How much later than a farm's break the last tick of its streams may come.
    pub farm_within: Duration,
    /// How long a tick that cannot be true counts.
    pub corrupt_expires: Duration,

    /// Margin after a maintenance window.
    pub window_margin: Duration,
    /// How long before its `autoRestartTime` the gateway counts as restarting.
    pub restart_lead: Duration,
    /// For how long it counts as restarting, lead included.
    pub restart_length: Duration,
    /// IBKR's own resets, by region.
    pub resets: Vec<Reset>,
}

/// A reset of IBKR's servers.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reset {
    /// Whose servers.
    pub region: Region,
    /// When.
    pub window: MaintenanceWindow,
}

/// Where the servers stand that a gateway logs in to.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Region {
    /// North America, and whatever is not known.
    America,
    /// Europe and Africa.
    Europe,
    /// Asia and Australia.
    Asia,
}

impl Region {
    /// The region of the gateway's time zone. An external gateway has none; its user may give maintenance windows.
    pub(crate) fn of(spec: &MarketStreamSpec) -> Self {
        let zone = spec.gateway.sidecar.as_ref().map_or("", |sidecar| sidecar.time_zone.as_str());
        match zone.split('/').next().unwrap_or_default() {
            "Europe" | "Africa" | "GB" | "GB-Eire" | "MET" | "CET" | "WET" | "EET" => Self::Europe,
            "Asia" | "Australia" | "Hongkong" | "Japan" | "Singapore" | "ROK" => Self::Asia,
            _ => Self::America,
        }
    }
}

/// IBKR's published reset times (ibkr.com, "System Status").
fn resets() -> Vec<Reset> {
    use Day::{Friday, Monday, Sunday, Thursday, Tuesday, Wednesday};
    let reset = |region, days: &[Day], start: &str, minutes: u64, zone: &str| Reset {
        region,
        window: MaintenanceWindow {
            days: days.to_vec(),
            start: start.to_owned(),
            duration: Duration::from_secs(minutes * 60),
            time_zone: zone.to_owned(),
        },
    };
    let weekend = |region| reset(region, &[Friday], "23:00", 240, "America/New_York");
    vec![
        reset(
            Region::America,
            &[Sunday, Monday, Tuesday, Wednesday, Thursday, Friday],
            "00:15",
            90,
            "America/New_York",
        ),
        weekend(Region::America),
        reset(Region::Europe, &[], "06:25", 80, "Europe/Zurich"),
        weekend(Region::Europe),
        reset(Region::Asia, &[], "04:45", 80, "Asia/Hong_Kong"),
        reset(Region::Asia, &[], "20:15", 60, "Asia/Hong_Kong"),
        weekend(Region::Asia),
    ]
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            missed_heartbeats: MISSED_HEARTBEATS,
            settle: Duration::from_secs(10),
            verify_restart: Duration::from_secs(60),
            verify_reconnect: Duration::from_secs(90),
            verify_gateway: Duration::from_secs(180),
            verify_roll: Duration::from_secs(180),
            retry_pause: Duration::from_secs(300),
            retry_pause_max: Duration::from_secs(3600),
            rolls_per_day: 6,
            unknown_budget: Duration::from_secs(3600),
            group_within: Duration::from_secs(5),
            login_patience: Duration::from_secs(240),
            competing_expires: Duration::from_secs(150),
            competing_login_expires: Duration::from_secs(15 * 60),
            restored_expires: Duration::from_secs(60),
            verify_restored: Duration::from_secs(90),
            upstream_patience: Duration::from_secs(30 * 60),
            pacing_expires: Duration::from_secs(15 * 60),
            pacing_patience: Duration::from_secs(3600),
            refusal_expires: Duration::from_secs(26 * 3600),
            contract_patience: Duration::from_secs(15 * 60),
            farm_within: Duration::from_secs(10),
            corrupt_expires: Duration::from_secs(60),
            window_margin: Duration::from_secs(300),
            restart_lead: Duration::from_secs(60),
            restart_length: Duration::from_secs(7 * 60),
            resets: resets(),
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
    pub(crate) fn retry_after(&self, attempts: i32) -> StdDuration {
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
