//! One year: the world, the streamer and a brain take turns, from event to event.

use crate::{
    brain::{Brain, Scene},
    clock::{Ms, sooner, stamp},
    dice::Dice,
    draw::{self, Days},
    market::Manifest,
    naive::Naive,
    operator::{Broken, Operator},
    oracle::Oracle,
    streamer::Streamer,
    tally::Tally,
    trace::Trace,
    world::{Signal, Windows, World},
};

/// Who looks after the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ladder {
    /// `marketstream_recovery`.
    Ours,
    /// The seed's: by the clock alone.
    Naive,
    /// Ours, spoilt.
    Broken(Broken),
}

/// Each purpose draws its own numbers from the seed.
const MANIFEST: u64 = 1;
const FAULTS: u64 = 2;
const KEYS: u64 = 3;
const YEAR: u64 = 4;

/// Simulates a year and returns what the oracle says. With `trace` the time-line is written down.
#[must_use]
pub fn run(seed: u64, ladder: Ladder, trace: &mut Trace) -> Tally {
    let year = 2025 + Dice::new(seed, YEAR).between(0, 3) as i16;
    let days = Days::of(year);
    let manifest = Manifest::draw(&mut Dice::new(seed, MANIFEST), year);
    let faults = draw::faults(&mut Dice::new(seed, FAULTS), &manifest, &days);
    let (start, end) = days.year();
    let windows = Windows {
        resets: days.resets().collect(),
        weekends: days.weekends().collect(),
        restarts: days.restarts().collect(),
    };
    let key = Dice::new(seed, KEYS).number();
    trace.note(start, || {
        let streams: Vec<&str> = manifest.streams.iter().map(|stream| stream.key.as_str()).collect();
        format!("seed {seed}: {:?}, reset {:?}, {}", manifest.house, manifest.spec.recovery.reset, streams.join(" "))
    });
    let mut world = World::new(manifest, faults, windows, days.expiries().collect(), key, start);
    let mut brain: Box<dyn Brain> = match ladder {
        Ladder::Ours => Box::new(Operator::new(start, None)),
        Ladder::Broken(broken) => Box::new(Operator::new(start, Some(broken))),
        Ladder::Naive => Box::new(Naive::new(start)),
    };
    let (mut streamer, mut oracle): (Option<Streamer>, Oracle) = (None, Oracle::default());
    let mut now = start;
    while now < end {
        turn(&mut world, &mut streamer, &mut oracle, brain.as_mut(), trace, now);
        let streamers = streamer.as_ref().and_then(Streamer::next);
        let due = sooner(sooner(world.next(), streamers), brain.next()).unwrap_or(end);
        // Whatever is due already is done a moment later.
        let next = due.max(now + 1).min(end);
        if let Some(streamer) = &mut streamer {
            streamer.listen(&world, now, next);
        }
        now = next;
        brain.before(&Scene { world: &mut world, streamer: &mut streamer, oracle: &mut oracle, trace }, now);
    }
    oracle.tally
}

fn turn(
    world: &mut World,
    streamer: &mut Option<Streamer>,
    oracle: &mut Oracle,
    brain: &mut dyn Brain,
    trace: &mut Trace,
    now: Ms,
) {
    world.step(now);
    hear(world, streamer, brain, now);
    let before = streamer.as_ref().filter(|_| trace.lines.is_some()).map(describe);
    if let Some(streamer) = streamer.as_mut() {
        streamer.step(world, now);
    }
    // What it did may have changed the world at once.
    hear(world, streamer, brain, now);
    if trace.lines.is_some() {
        let after = streamer.as_ref().map(describe);
        if before != after {
            trace.note(now, || format!("    streamer: {}", after.unwrap_or_default()));
        }
    }
    brain.step(&mut Scene { world, streamer, oracle, trace }, now);
    hear(world, streamer, brain, now);
    oracle.watch(now, world, streamer.as_ref(), trace);
}

fn hear(world: &mut World, streamer: &mut Option<Streamer>, brain: &dyn Brain, now: Ms) {
    for signal in std::mem::take(&mut world.signals) {
        match signal {
            Signal::Died => *streamer = None,
            Signal::Born => {
                let base = world.manifest.spec.gateway.client_id.base;
                let found = brain.found(world.pod.uid);
                *streamer = Some(Streamer::start(world, brain.client_id().unwrap_or(base), found.as_ref(), now));
            }
            signal => {
                if let Some(streamer) = streamer.as_mut() {
                    streamer.hear(signal, world, now);
                }
            }
        }
    }
}

/// What can be seen of a streamer, in a line.
fn describe(streamer: &Streamer) -> String {
    let states: Vec<String> = streamer
        .entries
        .iter()
        .map(|entry| {
            let error = entry.error.map(|(code, ..)| format!("({code})")).unwrap_or_default();
            format!("{:?}{error}", entry.verdict.state)
        })
        .collect();
    let upstream = streamer.upstream.map(|(state, ..)| format!(" upstream {state:?}")).unwrap_or_default();
    let farms: Vec<String> = streamer.farms.iter().map(|(name, (state, _))| format!(" {name} {state:?}")).collect();
    format!("{:?}{upstream}{}: {}", streamer.socket.state, farms.concat(), states.join(" "))
}

/// The name of a moment, for people.
#[must_use]
pub fn name(at: Ms) -> String {
    stamp(at).to_string()
}
