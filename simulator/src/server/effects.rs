//! What faults do to connections: at the moment they begin or end, and to the bytes on their way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::{Core, State};
use super::sessions::Session;
use crate::faults::{Fault, Garbage, Refusal, Scope, half_frame};
use crate::journal::requests::Event;
use crate::lifecycle::no_data;
use crate::market::Stream;
use crate::market::burst::BurstError;
use crate::wire::answer::Answer;

/// How long a slow line is busy with one piece.
const PIECE: Duration = Duration::from_millis(20);

/// Why a fault did not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// It cannot be kept. It is in force all the same.
    #[error("cannot write the faults: {0}")]
    Io(#[from] std::io::Error),
    /// There can be no such burst.
    #[error(transparent)]
    Burst(#[from] BurstError),
}

impl Core {
    /// Begins a fault and returns its id.
    pub(crate) fn begin_fault(&self, fault: Fault) -> Result<u64, BeginError> {
        let mut state = self.state();
        let now_us = self.clock.now_us();
        if let Fault::Burst { con_id, tick, ticks } = fault {
            let burst = self.market.add_burst(Stream { con_id, tick }, now_us, ticks)?;
            // No tick of it may go out before it is in the log.
            self.log(None, None, Event::Burst(burst));
        }
        let begun = state.faults.begin(fault.clone(), now_us);
        self.set_gates(&state);
        if let Ok(id) = begun {
            self.log(None, None, Event::FaultBegin { id, fault: fault.clone() });
        }
        self.strike(&mut state, &fault, now_us);
        Ok(begun?)
    }

    fn strike(&self, state: &mut State, fault: &Fault, now_us: i64) {
        for (number, session) in &mut state.sessions {
            match fault {
                Fault::Competing => self.cut_off(*number, session, &no_data(), now_us),
                Fault::LoseSubscriptions { scope, every } => session.lose(*scope, *every),
                Fault::HalfFrame => session.tear(),
                Fault::Garbage { scope, what } => session.throw(*scope, *what, now_us.div_euclid(1_000_000)),
                Fault::Blackhole { .. } if state.faults.drops_old() => session.bury(),
                _ => {}
            }
        }
    }

    /// Ends the faults that a new login cures.
    pub(super) fn end_restart_faults(&self, state: &mut State) {
        match state.faults.login() {
            Ok(ended) => ended.into_iter().for_each(|id| self.log(None, None, Event::FaultEnd { id })),
            Err(error) => tracing::error!(%error, "cannot write the faults"),
        }
    }

    /// Ends one fault, or all, and says which were ended.
    pub(crate) fn end_fault(&self, id: Option<u64>) -> std::io::Result<Vec<u64>> {
        let mut state = self.state();
        let ended = state.faults.end(id);
        self.set_gates(&state);
        for id in ended.iter().flatten() {
            self.log(None, None, Event::FaultEnd { id: *id });
        }
        if !state.faults.drops_old() {
            // A host that no longer knows a connection answers its packets with a reset.
            for session in state.sessions.values().filter(|session| session.closing.dead.is_cancelled()) {
                session.closing.reset.store(true, Ordering::Relaxed);
                session.closing.now.cancel();
            }
        }
        ended
    }

    /// Ends every subscription of a session with an error.
    pub(super) fn cut_off(&self, number: u32, session: &mut Session, refusal: &Refusal, now_us: i64) {
        let ticks = session.subscriptions.iter_mut().map(|(req_id, subscription)| (*req_id, &mut subscription.ended));
        let feeds = session.feeds.iter_mut().map(|(req_id, subscribed)| (*req_id, &mut subscribed.ended));
        let end = |(req_id, ended): (i32, &mut bool)| (!std::mem::replace(ended, true)).then_some(req_id);
        let flowing: Vec<i32> = ticks.chain(feeds).filter_map(end).collect();
        for req_id in flowing {
            let Refusal { code, text } = refusal.clone();
            session.answer(&Answer::error(req_id, code, &text, now_us / 1_000));
            let event = Event::Error { req_id, code, text };
            self.log(Some(number), session.client_id, event);
        }
    }

    /// The part of `bytes` that may go out now. Waits for a slow line.
    pub(super) async fn paced<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(bytes_per_s) = self.gates().borrow().bytes_per_s else { return bytes };
        let bytes_per_s = f64::from(bytes_per_s);
        let piece = ((bytes_per_s * PIECE.as_secs_f64()) as usize).clamp(1, bytes.len());
        tokio::time::sleep(Duration::from_secs_f64(piece as f64 / bytes_per_s)).await;
        &bytes[..piece]
    }
}

impl Session {
    /// Forgets every N-th subscription of the streams in a scope without a word.
    fn lose(&mut self, scope: Scope, every: u32) {
        let ticks = self.subscriptions.values_mut().filter(|sub| scope.covers(sub.stream)).map(|sub| &mut sub.ended);
        let feeds = self.feeds.values_mut().filter(|sub| sub.within(scope)).map(|sub| &mut sub.ended);
        for ended in ticks.chain(feeds).filter(|ended| !**ended).step_by(every as usize) {
            *ended = true;
        }
    }

    /// Sends half a frame, and nothing more from then on.
    fn tear(&mut self) {
        if let Some(dialect) = self.dialect {
            self.raw(&half_frame(dialect));
        }
        self.torn = true;
    }

    /// Sends garbage to the subscriptions of the streams in a scope.
    fn throw(&self, scope: Scope, what: Garbage, second: i64) {
        let Some(dialect) = self.dialect else { return };
        for (req_id, _) in self.subscriptions.iter().filter(|(_, sub)| !sub.ended && scope.covers(sub.stream)) {
            self.raw(&what.bytes(dialect, *req_id, second));
        }
    }

    /// From now on its packets are dropped in both directions.
    fn bury(&mut self) {
        self.torn = true;
        self.closing.dead.cancel();
    }
}
