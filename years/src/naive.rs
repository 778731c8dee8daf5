//! The ladder that this project replaces: it knows a clock per contract and nothing else. After one minute without a
//! tick it warns, after three it asks for the contract's streams again, after five it resets the whole connection, and
//! after ten it only logs that somebody should consider a restart, each minute, for ever. It looks once a minute.

use crate::{
    brain::{Alarm, Brain, Deed, Scene},
    clock::{MINUTE, Ms},
    dice::noise,
    fault::Strength,
    market::{Mask, members},
};

/// The naive ladder's monitor.
pub struct Naive {
    look_at: Ms,
    idle: bool,
    alarmed: Mask,
}

impl Naive {
    /// One that starts with the year.
    #[must_use]
    pub fn new(now: Ms) -> Self {
        Self { look_at: now + MINUTE, idle: false, alarmed: 0 }
    }

    fn look(&mut self, scene: &mut Scene<'_>, now: Ms) {
        let mut contracts: Vec<&'static str> =
            scene.world.manifest.streams.iter().map(|stream| stream.contract).collect();
        contracts.dedup();
        let mut alarms = Vec::new();
        let mut restart: Mask = 0;
        let mut resets = false;
        for contract in contracts {
            let streams = scene.world.manifest.of_contract(contract);
            let Some(streamer) = scene.streamer.as_ref() else { continue };
            let last = members(streams).filter_map(|index| streamer.entries[index].last_tick).max();
            let Some(silent) = last.map(|tick| now - tick) else {
                // Never a tick since the process started: asked for again each three minutes.
                restart |= if now.div_euclid(MINUTE) % 3 == 0 { streams } else { 0 };
                continue;
            };
            let level = match silent {
                silent if silent > 10 * MINUTE => 4,
                silent if silent > 5 * MINUTE => 3,
                silent if silent > 3 * MINUTE => 2,
                silent if silent > MINUTE => 1,
                _ => continue,
            };
            alarms.push(Alarm { id: noise(0, streams.into()), streams, level });
            restart |= if level == 2 { streams } else { 0 };
            resets |= level == 3;
        }
        scene.alarms(now, now, &alarms);
        self.alarmed = alarms.iter().fold(0, |mask, alarm| mask | alarm.streams);
        let up = scene.streamer.as_ref().is_some_and(crate::streamer::Streamer::up);
        if restart != 0 && up {
            scene.judge(now, now, Deed { strength: Strength::Resubscribe, streams: restart });
            if let Some(streamer) = scene.streamer.as_mut() {
                streamer.resubscribe(restart, now);
            }
        }
        if resets && up {
            scene.judge(now, now, Deed { strength: Strength::Reconnect, streams: scene.world.manifest.all() });
            if let Some(streamer) = scene.streamer.as_mut() {
                streamer.reconnect(scene.world, now);
            }
        }
    }
}

impl Brain for Naive {
    fn before(&mut self, _scene: &Scene<'_>, _now: Ms) {}

    fn step(&mut self, scene: &mut Scene<'_>, now: Ms) {
        if now >= self.look_at {
            self.look(scene, now);
            // It looks each minute; the looks that would change nothing are left out.
            self.look_at = now - now.rem_euclid(MINUTE) + MINUTE;
        }
        let busy = scene.world.delivering();
        let undecided = |entry: &crate::streamer::Entry| entry.last_tick.is_none_or(|tick| now - tick < 12 * MINUTE);
        self.idle = self.alarmed & busy == 0
            && scene.streamer.as_ref().is_none_or(|streamer| {
                let mut entries = streamer.entries.iter().enumerate();
                entries.all(|(index, entry)| busy & (1 << index) != 0 || !undecided(entry))
            });
    }

    fn next(&self) -> Option<Ms> {
        (!self.idle).then_some(self.look_at)
    }
}
