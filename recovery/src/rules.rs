//! The cause table: what each cause allows, what speaks for it, and what a person can do. `docs/recovery.md` has it in
//! print, generated from here.

use marketstream_crds::{
    ActionKind::{self, Reconnect, RestartGateway, RollPod},
    Cause, Scope,
};

/// What the ladder may do about a cause. Texts are sentences in Markdown, without a full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All streams of the login, or some; `None` for either.
    pub scope: Option<Scope>,
    /// The facts that speak for it.
    pub evidence: &'static str,
    /// What a person can do.
    pub advice: &'static str,
    /// Level 1: whether people are warned.
    pub warn: bool,
    /// Level 2: whether silent streams are subscribed again.
    pub restart: Restart,
    /// Level 3: the resets that may help, the weakest first.
    pub reset: &'static [ActionKind],
    /// Level 3 comes after Critical only, and late: what is lost is not on this side of IBKR.
    pub late_reset: bool,
    /// Level 4: when a person is called.
    pub critical: Critical,
    /// Levels 3 and 4 wait for the end of a maintenance window.
    pub maintenance: bool,
    /// Waiting is the remedy: what is wrong afterwards has a clock of its own.
    pub hold: bool,
}

impl Rule {
    /// Whether it is a fault at all.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        self.critical != Critical::Never
    }
}

/// Whether level 2 helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It does not, or the streamer does it by itself.
    Never,
    /// Once before Critical.
    Once,
    /// Again and again, each time after a doubled pause: nothing stronger is allowed.
    Again,
}

/// When level 4 comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critical {
    /// Never.
    Never,
    /// At once: only a person can help.
    AtOnce,
    /// At its threshold.
    Due,
    /// An hour later than that: most such faults end by themselves.
    Late,
}

const SESSION: Rule = Rule {
    scope: Some(Scope::Session),
    evidence: "",
    advice: "",
    warn: true,
    restart: Restart::Never,
    reset: &[],
    late_reset: false,
    critical: Critical::Due,
    maintenance: false,
    hold: false,
};
const STREAM: Rule = Rule { scope: Some(Scope::Stream), ..SESSION };

/// The rule of a cause.
#[must_use]
pub const fn rule(cause: Cause) -> Rule {
    match cause {
        Cause::NotReporting => Rule {
            evidence: "no report for 3 × `monitorInterval`, or only one of another pod",
            advice: "see the pod: `Ready` has its waiting reason. It is never rolled, since it may be recording on a node \
                     that cannot reach the API server",
            ..SESSION
        },
        Cause::StorageFull => Rule {
            evidence: "the data volume refuses writes: full, read-only, or a failed sync",
            advice: "raise `spec.storage.size`, or make room; what could not be kept is a gap",
            ..SESSION
        },
        Cause::AuthRequired => Rule {
            evidence: "the gateway's log: second factor not confirmed, login failed, too many attempts, full authentication \
                       required (Live), login gate closed; or, without a log, the command port answers and the API port \
                       refuses for 4 min",
            advice: "confirm the second factor, or correct the credentials; then `kubectl marketstream login NAME`",
            warn: false,
            critical: Critical::AtOnce,
            hold: true,
            ..SESSION
        },
        Cause::CompetingSession => Rule {
            evidence: "errors 10197; 10189 or 162 with \"different IP address\"; \"Existing session\" or \"Re-login\" in the \
                       gateway's log",
            advice: "close the other session, or give the collector a user name of its own; one stream is tried each 30 s, \
                     and all come back by themselves",
            hold: true,
            ..SESSION
        },
        Cause::ClientIdInUse => Rule {
            evidence: "error 326",
            advice: "nothing: the next ID of the pool is taken. If it lasts, give each client its own `clientId`",
            hold: true,
            ..SESSION
        },
        Cause::GatewayDown => Rule {
            evidence: "the API port refuses or closes, after a login had completed in this pod",
            advice: "external: start the gateway. Sidecar: see its container's log",
            reset: &[RestartGateway, RollPod],
            maintenance: true,
            ..SESSION
        },
        Cause::GatewayHung => Rule {
            evidence: "connections accepted without a handshake, or the time probe unanswered",
            advice: "external: restart the gateway. Sidecar: see its container's log",
            reset: &[Reconnect, RestartGateway, RollPod],
            ..SESSION
        },
        Cause::UpstreamDown => Rule {
            evidence: "errors 1100 or 2110 and no stream flows; or restored (1101, 1102) within 1 min and nothing came since",
            advice: "see IBKR's system status and the internet connection; everything is asked for again when the link is back",
            reset: &[RestartGateway, RollPod],
            late_reset: true,
            maintenance: true,
            hold: true,
            ..SESSION
        },
        Cause::Zombie => Rule {
            evidence: "connected, and every stream that should flow is silent",
            advice: "see IBKR's system status, and whether the user's market-data subscriptions still stand",
            restart: Restart::Once,
            reset: &[Reconnect, RestartGateway, RollPod],
            ..SESSION
        },
        Cause::Pacing => Rule {
            evidence: "errors 100; 162 and 420 with \"pacing\", while the streamer pauses or nothing flows",
            advice: "see what else uses this user name: IBKR counts the requests of all its sessions",
            critical: Critical::Late,
            hold: true,
            ..SESSION
        },
        Cause::NotEntitled => Rule {
            evidence: "errors 354, 10089, 10167 (delayed data only), 10168, 10186, 10187; 10189, 162 and 420 with \"permission\"",
            advice: "subscribe the user to this market data in IBKR's Client Portal; it is tried again at each open and hourly",
            ..STREAM
        },
        Cause::Capacity => Rule {
            evidence: "errors 101, 309, 10190; 322 with \"max number\"; or beyond `limits.tickByTick`",
            advice: "record fewer streams, raise `limits` if the account has more lines, or set `limits.overflow: MarketData`",
            ..STREAM
        },
        Cause::ContractInvalid => Rule {
            evidence: "errors 200, 203, 321, unless a definitions farm is down or a login completed within 15 min",
            advice: "correct the contract: `Stalled` names the field",
            ..STREAM
        },
        Cause::FarmDown => Rule {
            evidence: "silent since a market-data farm broke (2103), until it is back (2104)",
            advice: "see IBKR's system status; what is still silent when the farm is back is asked for again",
            restart: Restart::Once,
            maintenance: true,
            ..STREAM
        },
        Cause::CorruptData => Rule {
            evidence: "ticks that cannot be true within 60 s, or as the last of a stream: zero or epoch fields, a price far off \
                       the market",
            advice: "compare with another source; such ticks are put aside, not recorded. A new session is made only while \
                     no other stream lives: it would cut them",
            restart: Restart::Once,
            reset: &[Reconnect],
            ..STREAM
        },
        Cause::MarketClosed => Rule {
            evidence: "outside its trading hours",
            advice: "nothing",
            warn: false,
            critical: Critical::Never,
            ..STREAM
        },
        Cause::StreamSilent => Rule {
            evidence: "silent while siblings flow",
            advice: "is the contract thin? give it a longer `staleAfter`",
            restart: Restart::Again,
            ..STREAM
        },
        Cause::Unknown => Rule {
            scope: None,
            evidence: "no data and none of the above: the port never answered in this pod, a refusal of another kind, or \
                       hours that are not known (then levels 1 and 2 only)",
            advice: "see `Connected`, and `status.streamer.streams[].error` for IBKR's words",
            restart: Restart::Once,
            ..SESSION
        },
    }
}
