//! Sends each tick when it is due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::core::Core;
use crate::journal::sent::{Sent, SentTo};
use crate::market::Stream;
use crate::market::tick::Tick;
use crate::wire::tick;

/// How often ticks are looked for: the most that one is late on an idle machine.
const STEP: Duration = Duration::from_millis(5);

/// After a pause of the process (a suspended machine) ticks this far back are still sent, microseconds.
const CATCH_UP_US: i64 = 5_000_000;

/// Sends ticks until the simulator stops.
pub(super) async fn run(core: Arc<Core>) {
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pump = Pump { done_us: core.clock.now_us(), seconds: HashMap::new() };
    loop {
        steps.tick().await;
        pump.step(&core, core.clock.now_us());
    }
}

struct Pump {
    /// Everything due by then is dealt with, microseconds since the epoch.
    done_us: i64,
    /// The ticks of the current second, and of the one before across a full second.
    seconds: HashMap<(Stream, i64), Arc<[Tick]>>,
}

impl Pump {
    /// Sends what became due since the last step. A clock that goes back sends nothing twice.
    fn step(&mut self, core: &Core, now: i64) {
        if now <= self.done_us {
            return;
        }
        let from_us = self.done_us.max(now - CATCH_UP_US);
        let seconds = from_us.div_euclid(1_000_000)..=now.div_euclid(1_000_000);
        self.seconds.retain(|(_, second), _| seconds.contains(second));
        let state = core.state();
        for (number, session) in &state.sessions {
            let (Some(client_id), Some(dialect)) = (session.client_id, session.dialect) else { continue };
            for (req_id, subscription) in session.subscriptions.iter().filter(|(_, sub)| !sub.ended) {
                let stream = subscription.stream;
                if state.faults.withholds(stream, subscription.since_us, session.since_us) {
                    continue;
                }
                for second in seconds.clone() {
                    let ticks = self
                        .seconds
                        .entry((stream, second))
                        .or_insert_with(|| core.market.ticks_of_second(stream, second).into());
                    let after = from_us.max(subscription.since_us);
                    let first = ticks.partition_point(|tick| tick.at_us() <= after);
                    for due in ticks[first..].iter().take_while(|tick| tick.at_us() <= now) {
                        // The writer puts in the time when the socket took it.
                        let to = SentTo { connection: *number, client_id, at_us: now };
                        let sent = Sent { stream, second, index: due.index, to };
                        let mut frame = Vec::new();
                        tick::append(&mut frame, dialect, *req_id, stream.tick, due);
                        session.send(frame.split_off(4), Some(sent));
                    }
                }
            }
        }
        self.done_us = now;
    }
}
