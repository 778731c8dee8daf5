//! A flood, and what it took.

use std::{collections::BTreeMap, time::Instant};

use crate::process::Process;

/// Ticks of one stream in one round: some seconds, so that the pauses at its begin and end do not count.
pub const TICKS: u32 = 100_000;

/// The best round counts: the one that others on the machine disturbed least.
pub const ROUNDS: usize = 3;

const MICROS_PER_SECOND: f64 = 1e6;

/// What some ticks took.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    pub ticks: u64,
    pub wall_s: f64,
    pub cpu_s: f64,
}

impl Spent {
    pub fn ticks_per_s(&self) -> f64 {
        self.ticks as f64 / self.wall_s
    }

    pub fn ticks_per_cpu_s(&self) -> f64 {
        self.ticks as f64 / self.cpu_s
    }

    pub fn cpu_us_per_tick(&self) -> f64 {
        self.cpu_s * MICROS_PER_SECOND / self.ticks as f64
    }

    /// The best of several rounds, wall and CPU each by itself.
    pub fn best(rounds: &[Self]) -> Self {
        let least = |of: fn(&Self) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
        let ticks = rounds.first().map_or(0, |round| round.ticks);
        Self { ticks, wall_s: least(|round| round.wall_s), cpu_s: least(|round| round.cpu_s) }
    }
}

/// What a process takes from now on.
pub struct Meter {
    begun: Instant,
    cpu_s: BTreeMap<String, f64>,
}

impl Meter {
    pub fn start(process: &Process) -> anyhow::Result<Self> {
        Ok(Self { begun: Instant::now(), cpu_s: process.cpu_s()? })
    }

    /// What so many ticks took, and what each thread took of it, CPU seconds.
    pub fn stop(self, process: &Process, ticks: u64) -> anyhow::Result<(Spent, BTreeMap<String, f64>)> {
        let wall_s = self.begun.elapsed().as_secs_f64();
        let mut threads = process.cpu_s()?;
        for (name, cpu_s) in &mut threads {
            *cpu_s -= self.cpu_s.get(name).copied().unwrap_or(0.0);
        }
        Ok((Spent { ticks, wall_s, cpu_s: threads.values().sum() }, threads))
    }
}
