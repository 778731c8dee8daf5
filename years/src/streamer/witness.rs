//! What the contract's market-data line tells of a stream's silence, or IBKR's history where there is no line.

use marketstream_crds::{Session, StreamState};

use crate::{
    clock::{HOUR, MINUTE, Ms, SECOND, sooner},
    judge::Verdict,
    market::{Stream, Tape},
};

/// History is asked so long before a silence counts.
const LEAD: Ms = 15 * SECOND;
/// Pauses between two questions about the same silence.
const PAUSES: [Ms; 5] = [20 * SECOND, 40 * SECOND, 80 * SECOND, 160 * SECOND, 320 * SECOND];
/// What is newer by less may be the very tick that came.
const NEWER_BY: Ms = 30 * SECOND;
/// For so long history's word that nothing traded is good.
const ANSWER_HOLDS: Ms = 10 * MINUTE;
/// Between two requests for a line that was refused.
const LINE_PAUSES: [Ms; 2] = [30 * SECOND, HOUR];

/// What is known beside the stream itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    /// The last trade that the line told of, whether or not the stream had it.
    traded: Option<Ms>,
    /// The last trade that there was since the process started.
    printed: Option<Ms>,
    /// Trades were made that did not come, and no tick has come since: no request of ours ends that.
    missed: bool,
    /// Until when it was known that nothing had to come, and whether it is.
    excused: Option<Ms>,
    well: bool,
    refused: Option<Line>,
    probe: Option<Probe>,
}

/// A line that has delayed data only.
#[derive(Clone, Copy, Debug)]
struct Line {
    told: Ms,
    again: Ms,
}

/// A question to history, and its last answer about this silence.
#[derive(Clone, Copy, Debug)]
struct Probe {
    asked: Ms,
    times: usize,
    answer: Option<Answer>,
}

/// What history said, and when it was asked for that.
#[derive(Clone, Copy, Debug)]
struct Answer {
    asked: Ms,
    newest: Ms,
}

/// What the world shows at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// The contract has a market-data line, as far as the account's lines go.
    pub(crate) lined: bool,
    /// Nothing but the subscription itself is broken: the line speaks, history answers.
    pub(crate) speaks: bool,
    /// IBKR has delayed data only.
    pub(crate) delayed: bool,
    /// Trading is halted.
    pub(crate) halted: bool,
    /// The streamer may ask history.
    pub(crate) may_ask: bool,
}

/// A stream's own facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) running: Option<Ms>,
    pub(crate) first_asked: Option<Ms>,
    pub(crate) last_tick: Option<Ms>,
    /// When the link to IBKR or a farm came back last.
    pub(crate) restored: Option<Ms>,
}

/// How long before a silence counts history is asked.
pub(crate) fn lead(stream: &Stream, lined: bool) -> Ms {
    if lined { 0 } else { LEAD.min(stream.stale_after / 4) }
}

impl Witness {
    /// A trade was made, and the line told of it if it could.
    pub(crate) fn print(&mut self, tick: Ms, told: bool) {
        self.printed = Some(tick);
        if told {
            self.traded = Some(tick);
        }
    }

    /// Nothing could come until now.
    pub(crate) fn excuse(&mut self, now: Ms) {
        self.excused = Some(now);
    }

    /// A tick came.
    pub(crate) fn heard(&mut self) {
        // Live data come, whatever the line was told before.
        (self.missed, self.refused) = (false, None);
    }

    /// What was said in a session says nothing of the next.
    pub(crate) fn session_lost(&mut self) {
        (self.refused, self.probe) = (None, None);
    }

    /// Since when the line says that there are delayed data only.
    pub(crate) fn delayed(&self) -> Option<Ms> {
        self.refused.map(|line| line.told)
    }

    /// The line is asked for, when it is time.
    fn ask_for_line(&mut self, shown: &Shown, now: Ms) {
        let due = self.refused.is_none_or(|line| line.again <= now);
        if !due || !shown.lined {
            return;
        }
        let pause = LINE_PAUSES[usize::from(self.refused.is_some())];
        self.refused = shown.delayed.then_some(Line { told: now, again: now + pause });
    }

    /// The verdict with what the witnesses say.
    pub(crate) fn refine(&mut self, stream: &Stream, verdict: Verdict, own: Own, shown: Shown, now: Ms) -> Verdict {
        self.ask_for_line(&shown, now);
        self.missed &= verdict.session != Session::Closed && verdict.state != StreamState::Idle;
        // Until this moment it was known that nothing had to come.
        if std::mem::take(&mut self.well) {
            self.excused = Some(now);
        }
        let silent = matches!(verdict.state, StreamState::Pending | StreamState::Stale);
        let again = self.refused.map(|line| line.again);
        let verdict = Verdict { due: sooner(verdict.due, again), ..verdict };
        if silent && self.refused.is_some() && verdict.session != Session::Closed {
            // Live data are missed only since they could be had again.
            self.well = true;
            return Verdict { state: StreamState::Rejected, ..verdict };
        }
        let verdict = if shown.lined {
            self.by_line(stream, verdict, own, shown, now)
        } else {
            self.by_history(verdict, own, shown, now)
        };
        self.well = matches!(verdict.state, StreamState::Quiet | StreamState::Halted);
        // What should have come is missing only since it was due.
        let from = verdict.silent_from.filter(|_| verdict.state == StreamState::Stale);
        let silent_from = from.map(|from| self.excused.map_or(from, |until| from.max(until)));
        Verdict { silent_from: silent_from.or(verdict.silent_from), ..verdict }
    }

    fn by_line(&mut self, stream: &Stream, verdict: Verdict, own: Own, shown: Shown, now: Ms) -> Verdict {
        if verdict.state != StreamState::Stale || !shown.speaks || self.refused.is_some() {
            return verdict;
        }
        let from = own.running.max(own.last_tick).or(own.first_asked).max(own.restored);
        self.missed |= self.traded.is_some_and(|traded| traded > from.unwrap_or(Ms::MIN));
        match stream.tape {
            _ if shown.halted => Verdict { state: StreamState::Halted, ..verdict },
            // When the next trade comes, or should have come, is known from the tape alone.
            Tape::Thin { .. } if !self.missed => {
                let trade = stream.tape.next(now + 1, verdict.closes);
                Verdict { state: StreamState::Quiet, due: sooner(trade, verdict.due), ..verdict }
            }
            Tape::Thin { .. } | Tape::Busy => verdict,
        }
    }

    fn by_history(&mut self, verdict: Verdict, own: Own, shown: Shown, now: Ms) -> Verdict {
        let Some((stale_at, running)) = verdict.stale_at.zip(own.running) else { return verdict };
        let from = running.max(own.last_tick.unwrap_or(running)).max(own.restored.unwrap_or(running));
        let known = self.probe.filter(|probe| probe.asked >= from);
        let missed = |probe: &Probe| probe.answer.is_some_and(|answer| answer.newest - from > NEWER_BY);
        self.missed |= known.as_ref().is_some_and(missed);
        if self.missed {
            return verdict;
        }
        let again = |probe: Probe| match PAUSES[(probe.times - 1).min(PAUSES.len() - 1)] {
            // Asked too soon, history could not tell.
            _ if probe.asked < from + NEWER_BY => (probe.asked + PAUSES[0]).max(from + NEWER_BY),
            pause => probe.asked + pause,
        };
        let due = match known {
            Some(probe) => again(probe),
            None if verdict.state == StreamState::Stale => now,
            None => stale_at - LEAD,
        };
        let asks = due <= now && shown.may_ask;
        if asks {
            let times = known.map_or(0, |probe| probe.times) + 1;
            let before = known.and_then(|probe| probe.answer);
            // What is older than the process is older than the silence.
            let newest = self.printed.unwrap_or(Ms::MIN / 2);
            let answer = if shown.speaks { Some(Answer { asked: now, newest }) } else { before };
            self.probe = Some(Probe { asked: now, times, answer });
        }
        let probe = self.probe.filter(|probe| probe.asked >= from);
        self.missed |= probe.as_ref().is_some_and(missed);
        let holds = |answer: Answer| {
            answer.asked >= from + NEWER_BY && answer.newest <= from && now < answer.asked + ANSWER_HOLDS
        };
        let answer = probe.and_then(|probe| probe.answer);
        let quiet = verdict.state == StreamState::Stale && answer.is_some_and(holds);
        let state = if quiet { StreamState::Quiet } else { verdict.state };
        let next = probe.map(again).filter(|next| *next > now && shown.may_ask);
        Verdict { state, due: sooner(verdict.due, next), ..verdict }
    }
}
