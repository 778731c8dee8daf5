//! What a fault asks for, by its true cause: which action ends it, by when, and who must be told.
//!
//! The times are those that the ladder's description promises (thresholds, verification of what was tried before), with
//! room for the way of a report. They are written from the description, not from the code that decides.

use marketstream_crds::{LoginState, Reset};

use crate::{
    brain::Deed,
    clock::{MINUTE, Ms, SECOND},
    fault::{Cure, Kind, Refusal, Strength},
    gateway::Process,
    market::{House, Mask, Tape, members},
    tally::Verdict,
    world::{Active, World},
};

/// Level 2.
const RESTART_AFTER: Ms = 3 * MINUTE;
/// Level 3.
const RESET_AFTER: Ms = 5 * MINUTE;
/// Level 4.
const CRITICAL_AFTER: Ms = 10 * MINUTE;
/// Reports are late, other actions are verified first.
const ROOM: Ms = 3 * MINUTE;
/// Silence of a heartbeat that counts.
const OVERDUE: Ms = 45 * SECOND;
/// A link that is down for so long outside of the windows may be stuck.
const STUCK: Ms = 30 * MINUTE;

/// After a window's end the link is looked at again.
const MARGIN: Ms = 5 * MINUTE;
/// By then it has been.
const LOOKED: Ms = MARGIN + ROOM;
/// History is asked about the same silence each 320 s at least.
const HISTORY: Ms = 6 * MINUTE;
/// Pods that may be replaced in a day.
const ROLLS: usize = 6;

/// What a fault asks for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: it passes.
    None,
    /// This action, after it has hurt for so long.
    Deed(Strength, Ms),
    /// A person, after it has hurt for so long.
    Critical(Ms),
}

/// How things stand when a fault is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// Everything that should flow is stopped.
    pub(crate) session_wide: bool,
    pub(crate) since_dark: Ms,
    pub(crate) since_light: Ms,
    /// Streams that it stops and that should flow.
    pub(crate) hurting: Mask,
    pub(crate) residual_for: Option<Ms>,
    pub(crate) since_deed: Ms,
    /// Pods replaced within a day.
    pub(crate) rolls: usize,
    /// How much later the ladder of its streams is, in all.
    pub(crate) shift: Ms,
    /// How long no tick tells nothing, if all streams that should flow are thin: so long the effect of an action is
    /// awaited.
    pub(crate) slow: Option<Ms>,
    /// How much later than others the last stream shows that it is dead.
    pub(crate) laggard: Ms,
}

impl Situation {
    /// Thin contracts have a later ladder, and show that they are dead only when they should have ticked.
    pub(crate) fn sized(mut self, world: &World) -> Self {
        let shift = members(self.hurting).map(|index| {
            let stream = &world.manifest.streams[index];
            let thin = if matches!(stream.tape, Tape::Thin { .. }) { 10 * MINUTE } else { 0 };
            // Without a market-data line only history tells, and until it is asked again its last word stands.
            let asked = if world.manifest.lined & (1 << index) == 0 { HISTORY } else { 0 };
            stream.stale_after - MINUTE + thin + asked
        });
        self.shift = shift.max().unwrap_or(0) + world.lateness();
        let quickest = members(world.expected()).map(|index| world.manifest.streams[index].stale_after).min();
        self.slow = quickest.filter(|stale_after| *stale_after > MINUTE);
        let slowest = members(world.expected()).map(|index| world.manifest.streams[index].stale_after).max();
        self.laggard = slowest.map_or(0, |stale_after| stale_after - MINUTE);
        self
    }
}

/// For how long the incident has been the session's, or its streams'.
pub(crate) fn phase(situation: &Situation) -> Ms {
    if situation.session_wide { situation.since_dark } else { situation.since_light }
}

/// The clock that runs for a fault: from the last change of what it means.
pub(crate) fn clock(situation: &Situation) -> Ms {
    let origin = situation.residual_for.unwrap_or(Ms::MAX);
    phase(situation).min(origin).min(situation.since_deed.max(0) + ROOM)
}

/// The actions that the user's choice of a reset allows, the weakest first.
pub(crate) fn chain(world: &World) -> &'static [Strength] {
    let reset = world.manifest.spec.recovery.reset.unwrap_or(match world.manifest.house {
        House::Paper => Reset::RollPod,
        House::Live => Reset::Stepwise,
        House::External => Reset::Reconnect,
    });
    match reset {
        Reset::RollPod => &[Strength::Resubscribe, Strength::RollPod],
        Reset::Stepwise => &[Strength::Resubscribe, Strength::Reconnect, Strength::RestartGateway, Strength::RollPod],
        Reset::Reconnect => &[Strength::Resubscribe, Strength::Reconnect],
    }
}

/// Faults of the report's way are seen by the operator alone.
pub(crate) fn about_reports(kind: &Kind) -> bool {
    matches!(kind, Kind::ApiCut | Kind::NodeLost)
}

/// Faults that matter while the market is closed, too.
pub(crate) fn hurts_always(kind: &Kind) -> bool {
    matches!(kind, Kind::ApiCut | Kind::NodeLost | Kind::Login)
}

/// Whether a person may be called for it, if it lasts.
pub(crate) fn worth_a_call(kind: &Kind) -> bool {
    kind.stops_data() && *kind != Kind::StreamerCrash || about_reports(kind)
}

/// IBKR's nightly resets, 00:15 to 01:45 in New York, its weekend reset, Friday 23:00 to 03:00, and the gateway's restart
/// a minute before midnight. Five minutes later the link is looked at again.
fn in_window(now: Ms, world: &World, margin: Ms) -> bool {
    let after = |starts: &[Ms], length: Ms| {
        let index = starts.partition_point(|start| *start <= now);
        index > 0 && now - starts[index - 1] < length
    };
    after(&world.windows.resets, 90 * MINUTE + margin)
        || after(&world.windows.weekends, 4 * 60 * MINUTE + margin)
        || after(&world.windows.restarts, 6 * MINUTE + margin)
}

/// What a fault asks for.
pub(crate) fn need(active: &Active, world: &World, situation: &Situation, now: Ms) -> Need {
    let call = Need::Critical(CRITICAL_AFTER + 2 * ROOM + situation.shift);
    if active.residual.is_some() {
        let patience = world.patience(active);
        return match active.cure {
            Cure::Deed(Strength::Resubscribe) => {
                Need::Deed(Strength::Resubscribe, patience + RESTART_AFTER + ROOM + situation.shift)
            }
            _ if world.gateway.is_up() => Need::Deed(Strength::Reconnect, patience + RESET_AFTER + ROOM),
            _ => Need::None,
        };
    }
    match active.fault.kind {
        Kind::Login => Need::Critical(5 * MINUTE + ROOM),
        Kind::DiskFull | Kind::ApiCut | Kind::NodeLost => Need::Critical(CRITICAL_AFTER + OVERDUE + ROOM),
        Kind::Refused(Refusal::Pacing) => Need::None,
        Kind::Upstream(_) | Kind::Farm { .. } | Kind::Crash | Kind::Wedged | Kind::NetworkCut
            if in_window(now, world, LOOKED) =>
        {
            Need::None
        }
        Kind::Silent | Kind::Corrupt | Kind::Hang { .. } | Kind::Wedged => match active.cure {
            Cure::Deed(Strength::Resubscribe) => {
                Need::Deed(Strength::Resubscribe, RESTART_AFTER + ROOM + situation.shift)
            }
            // No gateway makes such ticks, so no stronger reset is for them.
            Cure::Deed(_) if situation.session_wide && active.fault.kind == Kind::Corrupt => {
                // None is made while a sibling may live.
                Need::Deed(Strength::Reconnect, RESET_AFTER + ROOM + situation.shift.max(situation.laggard))
            }
            Cure::Deed(strength) if situation.session_wide => wide(strength, active, world, situation).unwrap_or(call),
            _ => call,
        },
        Kind::Upstream(_) | Kind::Farm { .. } | Kind::Competing { .. } | Kind::Crash | Kind::IdHeld { .. } => call,
        Kind::Refused(_) | Kind::Delayed { .. } | Kind::NetworkCut => call,
        _ => Need::None,
    }
}

/// When a fault of the whole session is ended by a reset, if one of the chain does.
fn wide(strength: Strength, active: &Active, world: &World, situation: &Situation) -> Option<Need> {
    let chain = chain(world);
    let rung = chain.iter().copied().find(|rung| *rung >= strength)?;
    let deaf = matches!(active.fault.kind, Kind::Hang { command: false } | Kind::Wedged);
    if deaf && world.manifest.house == House::Live && rung >= Strength::RestartGateway {
        return None;
    }
    if rung == Strength::RollPod && situation.rolls >= ROLLS {
        return None;
    }
    let before: Ms = chain
        .iter()
        .filter(|weaker| **weaker < rung)
        .map(|weaker| match (weaker, situation.slow) {
            // After Critical they follow each other with growing pauses.
            (_, Some(slow)) => 2 * slow,
            (Strength::Resubscribe, None) => 0,
            (Strength::Reconnect, None) => 90 * SECOND,
            (Strength::RestartGateway | Strength::RollPod, None) => 180 * SECOND,
        })
        .sum();
    Some(Need::Deed(rung, RESET_AFTER + before + ROOM + situation.shift))
}

/// After how long at the latest a fault is noticed, if it must be.
pub(crate) fn noticed_by(active: &Active, world: &World, situation: &Situation) -> Option<Ms> {
    let overdue = if about_reports(&active.fault.kind) { OVERDUE } else { 0 };
    let boots = active.residual.map_or(0, |_| world.patience(active));
    match active.fault.kind {
        // Those are held, or pass by themselves within what anybody would wait.
        Kind::Refused(Refusal::Pacing) | Kind::StreamerCrash => None,
        kind if kind.stops_data() || about_reports(&kind) => {
            Some(2 * MINUTE + ROOM + overdue + boots + situation.shift)
        }
        _ => None,
    }
}

/// What is known when an action is carried out.
pub(crate) struct Looks {
    /// Streams that plainly flow.
    pub(crate) healthy: Mask,
    /// Streams that a reset is for: those that trade, or all while none does.
    pub(crate) matter: Mask,
    /// For how long nothing that should flow has ticked.
    pub(crate) silent_for: Ms,
    /// For how long no stream has ticked well whose ticks cannot be true.
    pub(crate) corrupt_for: Ms,
    /// The strongest action that was tried against the fault before.
    pub(crate) tried: Option<Strength>,
    /// There is a session.
    pub(crate) connected: bool,
    /// The gateway answered nothing when the report was written that is acted upon.
    pub(crate) hung: bool,
}

/// Whether an action ends a fault.
pub(crate) fn cures(deed: &Deed, active: &Active) -> bool {
    let meant = deed.strength > Strength::Resubscribe || active.blocking & deed.streams != 0;
    active.blocking != 0 && active.cure.by(deed.strength) && meant && !waits_for_session(active)
}

/// What is over but for the session that comes by itself: a gateway that starts is on its way.
fn waits_for_session(active: &Active) -> bool {
    active.residual.is_some() && active.cure == Cure::Deed(Strength::Reconnect)
}

/// Whether all that a fault stops is stopped by others, too, which tell that they are there and which the action does
/// not end.
fn masked(active: &Active, deed: &Deed, relevant: &[Active], alike: impl Fn(&Active) -> bool) -> bool {
    let tells = |other: &&Active| !cures(deed, other) && !alike(other) && !waits_for_session(other);
    let others = relevant.iter().filter(|other| other.index != active.index).filter(tells);
    let stopped = others.fold(0, |mask, other| mask | other.blocking);
    active.blocking & !stopped == 0
}

/// The fault that an action is about, for reports.
pub(crate) fn blame(relevant: &[Active]) -> &'static str {
    let hurting = relevant.iter().find(|active| active.blocking != 0).or(relevant.first());
    hurting.map_or("nothing", |active| active.fault.kind.name())
}

/// Judges an action.
pub(crate) fn judge(
    deed: &Deed,
    relevant: &[Active],
    world: &World,
    looks: &Looks,
    now: Ms,
) -> (Verdict, &'static str) {
    if deed.strength == Strength::Resubscribe {
        return resubscription(deed, relevant, world, looks);
    }
    let login = relevant.iter().any(|active| active.fault.kind == Kind::Login && active.residual.is_none());
    let starts_gateway = deed.strength >= Strength::RestartGateway;
    if starts_gateway && login {
        return (Verdict::Harmful, "a login waits for a person already");
    }
    if deed.strength == Strength::RollPod && world.manifest.house == House::Live && !world.command_port() {
        return (Verdict::Harmful, "a live gateway that ends out of order costs a login");
    }
    if looks.healthy != 0 {
        return (Verdict::Harmful, "a reset cut healthy streams");
    }
    let alike = |active: &Active| reset_alike(active, world, looks, now);
    let stops = |active: &Active| active.blocking & looks.matter;
    let ends = |active: &&Active| stops(active) != 0 && cures(deed, active) && !masked(active, deed, relevant, alike);
    if let Some(active) = relevant.iter().find(ends) {
        let helps = |weaker: Strength| {
            let others = relevant.iter().filter(|other| other.index != active.index && !other.cure.by(weaker));
            active.cure.by(weaker) && stops(active) & !others.fold(0, |mask, other| mask | other.blocking) != 0
        };
        let cheaper = chain(world).iter().any(|weaker| {
            let possible = looks.connected || *weaker >= Strength::RestartGateway && world.command_port();
            *weaker < deed.strength && helps(*weaker) && looks.tried < Some(*weaker) && possible
        });
        return match cheaper {
            true => (Verdict::Harmful, "a weaker action would have been enough"),
            false => (Verdict::Needed, "it ends the fault"),
        };
    }
    match unexplained(relevant, Mask::MAX, alike) {
        Some(true) => (Verdict::Allowed, "no client could tell that it would not help"),
        Some(false) => (Verdict::Needless, "the cause was told, and no reset ends it"),
        None => (Verdict::Needless, "nothing was wrong"),
    }
}

/// Whether some fault that stops these streams looks like one that the action ends, and is not covered by one that
/// tells what it is. `None` if nothing stops them.
fn unexplained(relevant: &[Active], streams: Mask, alike: impl Fn(&Active) -> bool) -> Option<bool> {
    let stops = |active: &&Active| active.blocking & streams != 0 && (alike(active) || !waits_for_session(active));
    let (like, told): (Vec<&Active>, Vec<&Active>) = relevant.iter().filter(stops).partition(|active| alike(active));
    if like.is_empty() && told.is_empty() {
        return None;
    }
    let explained = told.iter().fold(0, |mask, active| mask | active.blocking);
    Some(like.iter().any(|active| active.blocking & streams & !explained != 0))
}

fn resubscription(deed: &Deed, relevant: &[Active], world: &World, looks: &Looks) -> (Verdict, &'static str) {
    if looks.healthy & deed.streams != 0 {
        return (Verdict::Harmful, "a healthy stream was cut");
    }
    let alike = |active: &Active| match active.fault.kind {
        Kind::Silent | Kind::Corrupt | Kind::Farm { .. } | Kind::Hang { .. } | Kind::Competing { told: false } => true,
        Kind::NetworkCut => true,
        Kind::Delayed { told: false } if untold(active, world) => true,
        _ => active.residual.is_some(),
    };
    if relevant.iter().any(|active| cures(deed, active) && !masked(active, deed, relevant, alike)) {
        return (Verdict::Needed, "it ends the fault");
    }
    match unexplained(relevant, deed.streams, alike) {
        Some(true) => (Verdict::Allowed, "no client could tell that it would not help"),
        Some(false) => (Verdict::Needless, "the cause was told, and a new request does not end it"),
        None => (Verdict::Undecidable, "the streams were silent and healthy"),
    }
}

/// Whether a stream that has delayed data only has no market-data line that would tell.
fn untold(active: &Active, world: &World) -> bool {
    active.blocking & !world.manifest.lined != 0
}

/// Whether a fault that a reset does not end looks like one that it does.
fn reset_alike(active: &Active, world: &World, looks: &Looks, now: Ms) -> bool {
    let dark = looks.silent_for >= RESET_AFTER - MINUTE;
    let displaced = world.gateway.login.0 == LoginState::ExistingSession;
    match active.fault.kind {
        Kind::Login if active.residual.is_none() => false,
        // A gateway that hangs, or hung when it was last heard of, tells nothing; nor does one whose process is gone.
        _ if world.hung() || looks.hung => true,
        Kind::Upstream(_) if matches!(world.gateway.process, Process::Down(_)) => true,
        Kind::Competing { .. } if displaced => false,
        // What was told before the link was lost may not be so any more.
        Kind::Competing { .. } | Kind::Farm { .. } | Kind::Refused(_) | Kind::Delayed { .. }
            if !world.talks() || world.away() =>
        {
            true
        }
        Kind::Delayed { told: false } if untold(active, world) => dark,
        Kind::Upstream(_) if !active.told => true,
        // The siblings are of no account, as long as none is cut.
        Kind::Corrupt => dark || looks.corrupt_for >= RESET_AFTER - MINUTE,
        Kind::Silent | Kind::Competing { told: false } => dark,
        Kind::Hang { .. } => true,
        Kind::Crash | Kind::Wedged | Kind::NodeLost | Kind::DailyRestart | Kind::Login | Kind::NetworkCut => {
            let long = now - active.residual.unwrap_or(active.fault.begin) >= RESET_AFTER - MINUTE;
            world.manifest.house != House::External && long
        }
        Kind::Upstream(_) if active.residual.is_none() => {
            !in_window(now, world, MARGIN - MINUTE) && now - active.fault.begin >= STUCK - MINUTE
        }
        Kind::Upstream(_) | Kind::Farm { .. } => active.residual.is_some() && dark,
        _ => false,
    }
}
