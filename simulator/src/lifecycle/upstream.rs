//! The link between gateway and IBKR: 1100, then 1101 or 1102.

use serde::Deserialize;

use super::Life;
use super::outage::Outage;

const LOST: &str = "Connectivity between IBKR and Trader Workstation has been lost.";
const DATA_LOST: &str = "Connectivity between IBKR and Trader Workstation has been restored - data lost.";
const DATA_KEPT: &str = "Connectivity between IBKR and Trader Workstation has been restored - data maintained.";

/// How the link comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// 1101: only new subscriptions get data.
    Lost,
    /// 1102: subscriptions go on.
    Kept {
        /// They do; otherwise 1102 says so and only new ones get data.
        honest: bool,
    },
}

/// A break of the link, as the admin port takes it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSpec {
    /// Whether it is up.
    pub up: bool,
    /// Of a break: how long it lasts, seconds; until the next call when absent.
    pub for_s: Option<f64>,
    /// What becomes of the subscriptions.
    #[serde(default)]
    pub data: Data,
    /// Whether the text of 1101 and 1102 lists the farms.
    #[serde(default = "yes")]
    pub farms: bool,
}

/// What becomes of the subscriptions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// 1102, and they go on.
    #[default]
    Kept,
    /// 1101.
    Lost,
    /// 1102, and they do not go on.
    Lying,
}

fn yes() -> bool {
    true
}

impl From<Data> for Restored {
    fn from(data: Data) -> Self {
        match data {
            Data::Kept => Self::Kept { honest: true },
            Data::Lying => Self::Kept { honest: false },
            Data::Lost => Self::Lost,
        }
    }
}

/// The link.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    pub(super) outage: Outage,
    /// When and how it comes back by itself, and whether its text lists the farms.
    back: Option<(Option<i64>, Restored, bool)>,
}

impl Life {
    /// Breaks or mends the link. Mending one that is up only repeats the notice, as the original does now and then.
    pub fn set_upstream(&mut self, spec: UpstreamSpec, now_us: i64) {
        if spec.up {
            self.regain_upstream(spec.data.into(), spec.farms, now_us);
        } else {
            let until_us = spec.for_s.map(|seconds| now_us + (seconds * 1e6) as i64);
            self.lose_upstream(spec.data.into(), spec.farms, until_us);
        }
    }

    pub(super) fn lose_upstream(&mut self, back: Restored, farms: bool, until_us: Option<i64>) {
        self.upstream.outage.begin();
        self.upstream.back = Some((until_us, back, farms));
        self.notice(1100, LOST);
    }

    fn regain_upstream(&mut self, restored: Restored, farms: bool, now_us: i64) {
        self.upstream.back = None;
        self.upstream.outage.end(restored == Restored::Kept { honest: true }, now_us);
        let list = if farms { self.farms.text() } else { String::new() };
        match restored {
            Restored::Lost => self.notice(1101, format!("{DATA_LOST}{list}")),
            Restored::Kept { .. } => self.notice(1102, format!("{DATA_KEPT}{list}")),
        }
    }

    pub(super) fn step_upstream(&mut self, now_us: i64) {
        if let Some((Some(until_us), restored, farms)) = self.upstream.back
            && until_us <= now_us
        {
            self.regain_upstream(restored, farms, now_us);
        }
    }

    /// The link is made anew, and nobody needs to be told of it: after a login.
    pub(super) fn link_made(&mut self, now_us: i64) {
        self.upstream.back = None;
        self.upstream.outage.end(true, now_us);
    }

    /// The link is made anew while clients are there. What was silent speaks again: a guess.
    pub(super) fn relink(&mut self, now_us: i64) {
        self.upstream.outage.begin();
        self.notice(1100, LOST);
        self.upstream.outage.heal();
        self.regain_upstream(Restored::Kept { honest: true }, true, now_us);
    }

    /// Old subscriptions speak again.
    pub(super) fn heal_upstream(&mut self) {
        self.upstream.outage.heal();
    }
}
