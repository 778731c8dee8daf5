//! Sends each tick when it is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::{Core, State};
use super::schedule::{Position, Schedule, Served};
use super::sessions::Session;
use crate::faults::FaultBook;
use crate::journal::sent::{Sent, SentTo};
use crate::lifecycle::Life;
use crate::market::tick::Tick;

/// How long the pump rests at least: ticks that are due within this time go out together.
const REST_MIN: Duration = Duration::from_millis(1);

/// How long it rests at most: so late are a new subscription and a clock that was set noticed.
const REST_MAX: Duration = Duration::from_millis(5);

/// After a pause of the process (a suspended machine) ticks this far back are still sent, microseconds of real time.
const CATCH_UP_US: f64 = 5e6;

/// A client that has not taken what was due for so long is too slow, and is cut off.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends ticks until the simulator stops.
pub(super) async fn run(core: Arc<Core>) {
    let mut pump = Pump { last_us: core.clock.now_us(), schedule: Schedule::default() };
    loop {
        let now_us = core.clock.now_us();
        let next_us = pump.step(&core, now_us);
        pump.schedule.prepare(&core.market, now_us);
        let rest = core.clock.until(next_us).unwrap_or(REST_MAX).clamp(REST_MIN, REST_MAX);
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = core.room.notified() => {}
        }
    }
}

struct Pump {
    /// When the step before this one was, microseconds since the epoch.
    last_us: i64,
    schedule: Schedule,
}

impl Pump {
    /// Hands what is due to the connections, and says when the next tick is due. A clock that goes back sends nothing
    /// twice.
    fn step(&mut self, core: &Core, now_us: i64) -> i64 {
        let catch_up_us = (CATCH_UP_US * core.clock.speed().max(1.0)) as i64;
        let paused = now_us - self.last_us > catch_up_us;
        self.last_us = now_us;
        self.schedule.tidy(now_us);
        let mut state = core.state();
        let State { faults, life, sessions, .. } = &mut *state;
        let mut next_us = i64::MAX;
        for (number, session) in sessions {
            if paused {
                for subscription in session.subscriptions.values_mut() {
                    let lost = Position::after(now_us - catch_up_us - subscription.delay_us);
                    subscription.sent = lost.max(subscription.sent);
                }
            }
            next_us = next_us.min(self.serve(core, (&*faults, &*life), *number, session, now_us));
        }
        next_us
    }

    /// Hands what is due to one connection, as far as there is room.
    fn serve(
        &mut self,
        core: &Core,
        (faults, life): (&FaultBook, &Life),
        number: u32,
        session: &mut Session,
        now_us: i64,
    ) -> i64 {
        let (Some(client_id), Some(dialect)) = (session.client_id, session.dialect) else { return i64::MAX };
        if session.torn {
            return i64::MAX;
        }
        let to = SentTo { connection: number, client_id, at_us: now_us };
        let mut next_us = i64::MAX;
        // The first subscription that did not get all, and whether a burst is why any did not.
        let mut stuck = None;
        let mut in_burst = false;
        let turn = session.turn;
        session.out.fill(|frames| {
            // Who was stuck the last time comes last, so that none keeps the others from their ticks.
            for later in [true, false] {
                let turns = session.subscriptions.iter_mut().filter(|(id, sub)| (**id > turn) == later && !sub.ended);
                for (req_id, subscription) in turns {
                    let stream = subscription.stream;
                    let (since_us, delay_us) = (subscription.since_us, subscription.delay_us);
                    let now_us = now_us - delay_us;
                    if faults.withholds(stream, since_us, session.since_us) || life.withholds(stream.con_id, since_us) {
                        subscription.sent = Position::after(now_us).max(subscription.sent);
                        continue;
                    }
                    let alteration = faults.alteration(stream, since_us, session.since_us);
                    let put = |tick: &Tick| {
                        let room = frames.has_room();
                        if room {
                            let sent = Sent { stream, second: tick.second, index: tick.index, to };
                            if let Some(altered) = alteration.map(|alteration| alteration.apply(tick)) {
                                core.altered.add(stream, number, tick, &altered);
                                frames.push_tick(dialect, *req_id, sent, &altered);
                            } else {
                                frames.push_tick(dialect, *req_id, sent, tick);
                            }
                        }
                        room
                    };
                    match self.schedule.serve(&core.market, stream, &mut subscription.sent, now_us, put) {
                        Served::All { next_us: next } => next_us = next_us.min(next + delay_us),
                        Served::Part { burst } => {
                            stuck.get_or_insert(*req_id);
                            in_burst |= burst;
                        }
                    }
                }
            }
            stuck.is_some()
        });
        session.turn = stuck.unwrap_or(session.turn);
        // In a burst the gateway waits for the client, however long that takes.
        let too_slow = stuck.is_some() && !in_burst;
        session.behind = too_slow.then(|| session.behind.unwrap_or_else(Instant::now));
        if session.behind.is_some_and(|since| since.elapsed() > PATIENCE) {
            tracing::warn!(connection = number, client_id, "API client does not take its ticks: cut off");
            session.closing.now.cancel();
        }
        next_us
    }
}
