//! Judges by the true causes what a ladder does and what it leaves undone. It shares no rule with `recovery`.

use std::collections::BTreeMap;

use crate::{
    brain::{Alarm, Deed},
    clock::{DAY, HOUR, MINUTE, Ms, SECOND},
    fault::{Fault, Kind, Strength},
    flow::{Flow, OUT},
    market::{Mask, members},
    rules::{self, Need, Situation},
    streamer::Streamer,
    tally::{Tally, Verdict},
    trace::Trace,
    world::{Active, World},
};

/// Judges one brain over one year.
#[derive(Debug, Default)]
pub struct Oracle {
    /// What came of it.
    pub tally: Tally,
    cases: BTreeMap<usize, Case>,
    /// The faults as they were when last seen, and those that have changed or ended since, with the moment of that.
    current: Vec<Active>,
    recent: Vec<(Active, Ms)>,
    buried: usize,
    critical: Vec<u64>,
    alarms: Vec<Alarm>,
    flow: Flow,
    /// Since when all streams that should flow are stopped; or since when they are not.
    dark: Option<Ms>,
    light: Ms,
    excuse_ends: Ms,
    last_deed: Ms,
    /// When each was done last.
    deeds: BTreeMap<Strength, Ms>,
    /// When pods were replaced.
    rolls: Vec<Ms>,
}

/// A fault that is under way, as the oracle follows it.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// Since when it hurts without interruption and without excuse.
    hurts_since: Option<Ms>,
    /// When it first hurt.
    first: Option<Ms>,
    detected: bool,
    critical: bool,
    missed: bool,
    tried: Option<Strength>,
    useful: bool,
}

/// What ended so recently may still be acted upon, beyond the age of the report.
const AFTERMATH: Ms = 5 * SECOND;
/// By then somebody has been called for a silence.
const CALLED: Ms = 10 * MINUTE;
/// A login takes so long once nothing stands in its way.
const LOGIN: Ms = 30 * SECOND;
/// An action of our own may keep data away for so long before that is no excuse any more.
const OWN_OUTAGE: Ms = 4 * MINUTE;
/// A stream that ticked within this time is plainly healthy.
const HEALTHY: Ms = 60 * SECOND;

impl Oracle {
    /// The world, the streamer and the brain have done what was due at `now`.
    pub fn watch(&mut self, now: Ms, world: &World, streamer: Option<&Streamer>, trace: &mut Trace) {
        let expected = world.expected();
        self.note_light(now, world, expected);
        self.flow.note(now, world, streamer, expected);
        if self.current != world.active {
            for before in std::mem::replace(&mut self.current, world.active.clone()) {
                if !self.current.contains(&before) {
                    self.recent.push((before, now));
                }
            }
        }
        let unwatched = !world.operator_runs();
        // What comes while nothing can be stored is lost anyway, and while requests pause none can be made.
        let full = !world.writable() || world.pacing();
        // Which farm serves which contract is not told: what falls silent while one is broken may be its.
        let farm = world.farm_broken();
        let own = world.own_outage.is_some_and(|since| now - since < OWN_OUTAGE);
        for position in 0..world.active.len() {
            let active = world.active[position];
            let case = self.cases.entry(active.index).or_insert_with(|| {
                self.tally.faults += 1;
                self.tally.kind(active.fault.kind.name()).faults += 1;
                trace.note(now, || describe(&active.fault, world));
                Case {
                    hurts_since: None,
                    first: None,
                    detected: false,
                    critical: false,
                    missed: false,
                    tried: None,
                    useful: false,
                }
            });
            let silent_too = world.active.iter().filter(|other| other.index != active.index);
            let others = silent_too.fold(0, |mask, other| mask | other.blocking);
            let cut = !world.reports_arrive() && !rules::about_reports(&active.fault.kind);
            let alone = active.blocking & expected & !others != 0;
            let kind = active.fault.kind;
            // A full disk comes first: a person is called for that.
            let always = rules::hurts_always(&kind) && active.residual.is_none() && !(full && kind == Kind::Login);
            let unrecorded = kind == Kind::DiskFull && world.delivering() & expected != 0;
            let held = own || full || (farm && kind == Kind::Silent);
            let hurts = !unwatched && !cut && (always || unrecorded || (alone && !held));
            case.hurts_since = if hurts { case.hurts_since.or(Some(now)) } else { None };
            case.first = case.first.or(case.hurts_since);
            for alarm in &self.alarms {
                Self::heed(&mut self.tally, case, &active, alarm, now, trace);
            }
        }
        if unwatched || own {
            self.excuse_ends = now;
        }
        self.check_deadlines(now, world, expected, trace);
        self.close(now, world, trace);
    }

    fn note_light(&mut self, now: Ms, world: &World, expected: Mask) {
        let dark = expected != 0 && expected & !world.blocked() == 0;
        if dark {
            self.dark.get_or_insert(now);
            self.light = now;
        } else {
            self.dark = None;
        }
    }

    /// An alarm concerns a case.
    fn heed(tally: &mut Tally, case: &mut Case, active: &Active, alarm: &Alarm, now: Ms, trace: &mut Trace) {
        let Some(first) = case.first else { return };
        let concerns = active.fault.streams == 0 || alarm.streams & active.fault.streams != 0;
        if !concerns {
            return;
        }
        if !case.detected {
            case.detected = true;
            tally.detected += 1;
            tally.kind(active.fault.kind.name()).detected += 1;
            tally.detection.push(now - first);
            trace.note(now, || format!("        oracle: {} is noticed", active.fault.kind.name()));
        }
        case.critical |= alarm.level >= 4;
    }

    fn situation(&self, now: Ms, world: &World, active: &Active, expected: Mask) -> Situation {
        Situation {
            session_wide: self.dark.is_some(),
            since_dark: self.dark.map_or(0, |dark| now - dark),
            since_light: now - self.light,
            hurting: active.blocking & expected,
            residual_for: active.residual.map(|since| now - since),
            since_deed: now - self.last_deed.max(self.excuse_ends),
            rolls: self.rolls.iter().rev().take_while(|roll| now - **roll < DAY + HOUR).count(),
            shift: 0,
            slow: None,
            laggard: 0,
        }
        .sized(world)
    }

    fn check_deadlines(&mut self, now: Ms, world: &World, expected: Mask, trace: &mut Trace) {
        for active in &world.active {
            let Some(case) = self.cases.get(&active.index).filter(|case| !case.missed) else { continue };
            let Some(since) = case.hurts_since else { continue };
            let (detected, critical) = (case.detected, case.critical);
            let mut situation = self.situation(now, world, active, expected);
            // What comes upon a silence that somebody was called for is tried with its long pauses.
            let late = |index: usize| self.flow.heard(index).is_some_and(|heard| since - heard >= CALLED);
            if situation.hurting != 0 && members(situation.hurting).all(late) {
                situation.shift += HOUR;
            }
            let hurt_for = now - since;
            let need = rules::need(active, world, &situation, now);
            let failed = match need {
                Need::None => None,
                Need::Critical(deadline) => {
                    (!critical && hurt_for.min(rules::phase(&situation)) > deadline).then_some("nobody was called")
                }
                Need::Deed(_, deadline) => {
                    (hurt_for.min(rules::clock(&situation)) > deadline).then_some("it was not cured")
                }
            };
            let unnoticed = !detected && rules::noticed_by(active, world, &situation).is_some_and(|by| hurt_for > by);
            let failed = failed.or(unnoticed.then_some("nobody noticed"));
            if let Some(what) = failed {
                if let Some(case) = self.cases.get_mut(&active.index) {
                    case.missed = true;
                }
                self.tally.found(now, Verdict::Missed, active.fault.kind.name(), what);
                trace.note(now, || {
                    format!(
                        "        oracle: MISSED: {}: {what} (hurts for {}s)",
                        active.fault.kind.name(),
                        hurt_for / SECOND
                    )
                });
            }
        }
    }

    /// Faults that are over.
    fn close(&mut self, now: Ms, world: &World, trace: &mut Trace) {
        for (index, at) in &world.over[self.buried..] {
            let Some(case) = self.cases.remove(index) else { continue };
            let kind = world.faults[*index].kind;
            trace.note(now, || format!("    over: {}", kind.name()));
            if let Some(first) = case.first.filter(|_| case.useful) {
                self.tally.recovery.push(at - first);
            }
        }
        self.buried = world.over.len();
        self.recent.retain(|(_, seen)| now - seen < 30 * MINUTE);
    }

    /// What people are told, on a report that was written at `seen`.
    pub fn alarmed(&mut self, now: Ms, seen: Ms, alarms: &[Alarm], world: &World, trace: &mut Trace) {
        self.alarms = alarms.to_vec();
        self.critical.retain(|id| alarms.iter().any(|alarm| alarm.id == *id && alarm.level >= 4));
        for alarm in alarms.iter().filter(|alarm| alarm.level >= 4) {
            if self.critical.contains(&alarm.id) {
                continue;
            }
            self.critical.push(alarm.id);
            // By the report, not only by now.
            let heard = |index: usize| self.flow.heard_by(index, seen);
            // What has not ticked since its fault ended still looks like it.
            let unheard_since =
                |streams: Mask, until: Ms| members(streams).any(|index| heard(index).is_none_or(|heard| heard < until));
            let past = self.recent.iter().filter(|(active, until)| {
                now - until <= MINUTE + world.lateness() || unheard_since(active.fault.streams & alarm.streams, *until)
            });
            let known: Vec<Active> = world.active.iter().copied().chain(past.map(|(active, _)| *active)).collect();
            let justified = known.iter().any(|active| {
                let concerns = active.fault.streams == 0 || active.fault.streams & alarm.streams != 0;
                concerns && rules::worth_a_call(&active.fault.kind)
            });
            let old = |at: Option<Ms>| at.is_none_or(|at| now - at >= OUT);
            let out = |index: usize| old(heard(index)) || old(self.flow.steady(index));
            let unheard = |active: &Active| rules::hurts_always(&active.fault.kind) || active.fault.streams == 0;
            let long = members(alarm.streams).any(out) || known.iter().any(unheard);
            if !(justified && long) {
                self.tally.found(
                    now,
                    Verdict::FalseCritical,
                    "false Critical",
                    "nothing is wrong that a person should know",
                );
                trace.note(now, || "        oracle: FALSE CRITICAL".to_owned());
            }
        }
    }

    /// An action is carried out.
    pub fn acted(
        &mut self,
        now: Ms,
        seen: Ms,
        deed: Deed,
        world: &World,
        streamer: Option<&Streamer>,
        trace: &mut Trace,
    ) {
        self.tally.made += 1;
        self.last_deed = now;
        if deed.strength == Strength::RollPod {
            self.rolls.push(now);
        }
        // A gateway that was held up by a fault is a while behind its end.
        let aftermath = if world.gateway.is_up() { AFTERMATH } else { LOGIN };
        let past = self.recent.iter().filter(|(active, until)| {
            // A subscription that has not ticked since its death ended still looks dead.
            let dead = matches!(active.fault.kind, Kind::Silent | Kind::Corrupt);
            let stopped = if dead { active.blocking & world.expected() } else { 0 };
            let unheard = |index: usize| self.flow.heard(index).is_none_or(|heard| heard < *until);
            *until + aftermath >= seen || stopped != 0 && members(stopped).all(unheard)
        });
        // Of a fault that goes on in another way, what it was before counts only until a report can tell of that.
        let goes_on = |active: &Active| self.current.iter().any(|other| other.index == active.index);
        let past = past.filter(|(active, until)| *until >= seen || !goes_on(active)).map(|(active, _)| *active);
        let new = world.active.iter().copied().filter(|active| !self.cases.contains_key(&active.index));
        let relevant: Vec<Active> = self.current.iter().copied().chain(past).chain(new).collect();
        // What has begun since the report explains nothing that was decided by it.
        let told = |active: &&Active| active.fault.begin < seen;
        let before: Vec<Active> = relevant.iter().filter(told).copied().collect();
        let relevant = if before.iter().any(|active| active.blocking != 0) { before } else { relevant };
        let healthy = streamer.map_or(0, |streamer| {
            // By the report that is acted upon, not only by now.
            let ticked = |index: &usize| {
                let seen = world.manifest.streams[*index].tape.last(seen - HEALTHY, seen).is_some();
                seen && streamer.entries[*index].last_tick.is_some_and(|tick| now - tick < HEALTHY)
            };
            let ended = self.recent.iter().filter(|(_, until)| *until >= seen).map(|(active, _)| active);
            // Those of before this moment, too: the streamer may have ended one in it.
            let doubtful = ended.chain(&self.current).fold(0, |mask, active| mask | active.blocking);
            members(world.delivering() & world.expected() & !doubtful).filter(ticked).fold(0, |mask, i| mask | 1 << i)
        });
        let hurting = relevant.iter().fold(0, |mask, active| mask | active.blocking);
        let in_silence = |at: Ms| self.flow.last(hurting & world.expected()).is_none_or(|heard| at > heard);
        let again = self.deeds.iter().filter(|(_, at)| in_silence(**at)).map(|(strength, _)| *strength).max();
        let trading = world.trading();
        let corrupt = relevant.iter().filter(|active| active.fault.kind == Kind::Corrupt);
        let corrupt = corrupt.fold(0, |mask, active| mask | active.blocking);
        let looks = rules::Looks {
            healthy,
            matter: if trading == 0 { Mask::MAX } else { trading },
            silent_for: self.flow.silence_by(seen, now, world.expected()),
            corrupt_for: self.flow.last(corrupt & world.expected()).map_or(Ms::MAX, |heard| now - heard),
            tried: self.tried(&relevant).max(again),
            connected: streamer.is_some_and(Streamer::up),
            hung: relevant.iter().any(|active| matches!(active.fault.kind, Kind::Hang { .. }) && active.blocking != 0),
        };
        let (verdict, why) = rules::judge(&deed, &relevant, world, &looks, now);
        let verdict = match verdict {
            Verdict::Undecidable => self.undecidable(deed, now),
            verdict => verdict,
        };
        if verdict == Verdict::Needed {
            for active in &relevant {
                if let Some(case) = self.cases.get_mut(&active.index).filter(|_| rules::cures(&deed, active)) {
                    if !case.useful && !case.missed {
                        self.tally.needed += 1;
                    }
                    case.useful = true;
                }
            }
        }
        for active in &relevant {
            if let Some(case) = self.cases.get_mut(&active.index) {
                case.tried = case.tried.max(Some(deed.strength));
            }
        }
        self.deeds.insert(deed.strength, now);
        self.tally.found(now, verdict, rules::blame(&relevant), why);
        trace.note(now, || {
            format!("  ACTION {:?} on {} streams: {verdict:?}: {why}", deed.strength, deed.streams.count_ones())
        });
    }

    /// The weakest action that every fault at hand has seen.
    fn tried(&self, relevant: &[Active]) -> Option<Strength> {
        let hurting = relevant.iter().filter(|active| active.blocking != 0);
        hurting.filter_map(|active| self.cases.get(&active.index).map(|case| case.tried)).min().flatten()
    }

    /// One resubscription of a stream that is silent and healthy is allowed for each silence.
    fn undecidable(&mut self, deed: Deed, now: Ms) -> Verdict {
        if self.flow.ask(deed.streams, now) { Verdict::Needless } else { Verdict::Undecidable }
    }
}

fn describe(fault: &Fault, world: &World) -> String {
    let streams: Vec<&str> = members(fault.streams).map(|index| world.manifest.streams[index].key.as_str()).collect();
    let lasts = fault
        .until
        .map_or("until somebody acts".to_owned(), |until| format!("for {}s", (until - fault.begin) / SECOND));
    format!("FAULT {} ({lasts}; cure {:?}): {}", fault.kind.name(), fault.cure, streams.join(" "))
}
