//! Faults: what truly happens, what it does to the data, what ends it. Nothing here is visible to a client.

use crate::{clock::Ms, market::Mask};

/// What can be done to the data path, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Streams are subscribed again.
    Resubscribe,
    /// A new API session.
    Reconnect,
    /// The gateway is restarted by its command port; its login token stays.
    RestartGateway,
    /// The pod is replaced.
    RollPod,
}

/// What ends a fault before its time: this, or anything stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// An action.
    Deed(Strength),
    /// Nothing that a program can do: it ends when it ends.
    Nothing,
}

impl Cure {
    /// Whether an action of this strength is enough.
    #[must_use]
    pub fn by(self, strength: Strength) -> bool {
        matches!(self, Self::Deed(least) if least <= strength)
    }
}

/// How a link that was down comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// 1101: all requests are lost, and it says so.
    Lost,
    /// 1102: all requests are kept.
    Kept,
    /// 1102, and some requests are lost all the same.
    Lies(Mask),
}

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The gateway's link to IBKR is down (1100).
    Upstream(Restored),
    /// A data farm is down (2103); after its return some of its streams may be dead.
    Farm {
        /// Streams that do not come back with it.
        lost: Mask,
        /// The farm.
        name: &'static str,
    },
    /// Another session of the same user takes the market data.
    Competing {
        /// Whether running subscriptions are told (10197). Otherwise they fall silent, and only a new request is refused.
        told: bool,
    },
    /// The gateway's process dies, and is started again.
    Crash,
    /// The gateway's process dies and stays down until its pod is replaced.
    Wedged,
    /// The gateway accepts connections and answers nothing.
    Hang {
        /// Whether it still answers on its command port.
        command: bool,
    },
    /// Subscriptions die in silence.
    Silent,
    /// The gateway restarts itself, as each day.
    DailyRestart,
    /// The gateway waits for a person: second factor, wrong password, locked account.
    Login,
    /// The gateway ends the session, and holds its client ID for a while.
    IdHeld {
        /// How many of the pool's IDs are taken.
        ids: i32,
    },
    /// IBKR refuses streams.
    Refused(Refusal),
    /// IBKR has only delayed data for some contracts, which their market-data lines tell. A new request is refused.
    Delayed {
        /// Whether running subscriptions are told (10167). Otherwise they fall silent.
        told: bool,
    },
    /// Ticks come with fields that cannot be true.
    Corrupt,
    /// Nothing passes between the streamer and somebody else's gateway.
    NetworkCut,
    /// The data volume is full.
    DiskFull,
    /// The streamer's process dies, and is started again.
    StreamerCrash,
    /// The pod cannot reach the API server; it goes on recording.
    ApiCut,
    /// Reports arrive late.
    LateReports {
        /// By so much.
        by: Ms,
    },
    /// The pod's node is gone, and nothing of it is heard.
    NodeLost,
    /// The operator does not run.
    OperatorDown,
    /// The streamer's clock is wrong.
    ClockOff {
        /// By so much.
        by: Ms,
    },
    /// The exchange halts trading.
    Halt,
}

/// Why streams are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No subscription for the data.
    Entitlement,
    /// No line is left.
    Capacity,
    /// The contract is unknown: expired, delisted.
    Contract,
    /// Too many requests in too short a time.
    Pacing,
}

impl Refusal {
    /// IBKR's code and text; several stand for the same refusal.
    #[must_use]
    pub fn answer(self, variant: usize) -> (i32, &'static str) {
        let answers: &[(i32, &str)] = match self {
            Self::Entitlement => &[
                (354, "Requested market data is not subscribed.Delayed market data is available."),
                (10168, "Requested market data is not subscribed. Delayed market data is not enabled."),
                (10189, "Failed to request tick-by-tick data.No market data permissions for NYSE STK"),
                (10186, "Requested market data is not subscribed. Delayed market data is not enabled."),
            ],
            Self::Capacity => &[
                (10190, "Max number of tick-by-tick requests has been reached."),
                (101, "Max number of tickers has been reached"),
                (322, "Error processing request.-'cc' : cause - Max number of tick-by-tick requests has been reached"),
            ],
            Self::Contract => &[
                (200, "No security definition has been found for the request"),
                (203, "The security is not available or allowed for this account."),
                (321, "Error validating request:-'bW' : cause - Invalid contract"),
            ],
            Self::Pacing => &[
                (100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"),
                (420, "Invalid Real-time Query:Historical data request pacing violation"),
            ],
        };
        answers[variant % answers.len()]
    }
}

/// A fault of the year.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// What kind.
    pub kind: Kind,
    /// When it begins.
    pub begin: Ms,
    /// When it ends by itself; never, if nobody ends it.
    pub until: Option<Ms>,
    /// The streams whose data it stops.
    pub streams: Mask,
    /// What ends it.
    pub cure: Cure,
}

impl Kind {
    /// The name in reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Upstream(_) => "upstream down",
            Self::Farm { .. } => "farm down",
            Self::Competing { told: true } => "competing session",
            Self::Competing { told: false } => "competing session, untold",
            Self::Crash => "gateway crash",
            Self::Wedged => "gateway stays down",
            Self::Hang { .. } => "gateway hangs",
            Self::Silent => "subscriptions die",
            Self::DailyRestart => "daily restart",
            Self::Login => "login needs a person",
            Self::IdHeld { .. } => "client ID held",
            Self::Refused(Refusal::Entitlement) => "not entitled",
            Self::Refused(Refusal::Capacity) => "no line left",
            Self::Refused(Refusal::Contract) => "contract invalid",
            Self::Refused(Refusal::Pacing) => "pacing",
            Self::Delayed { told: true } => "delayed data",
            Self::Delayed { told: false } => "delayed data, untold",
            Self::Corrupt => "corrupt data",
            Self::NetworkCut => "network cut",
            Self::DiskFull => "disk full",
            Self::StreamerCrash => "streamer crash",
            Self::ApiCut => "API server cut off",
            Self::LateReports { .. } => "late reports",
            Self::NodeLost => "node lost",
            Self::OperatorDown => "operator down",
            Self::ClockOff { .. } => "clock off",
            Self::Halt => "trading halt",
        }
    }

    /// Whether it concerns the data at all; others only disturb those who watch.
    #[must_use]
    pub fn stops_data(&self) -> bool {
        !matches!(
            self,
            Self::ApiCut | Self::LateReports { .. } | Self::OperatorDown | Self::ClockOff { .. } | Self::Halt
        )
    }
}
