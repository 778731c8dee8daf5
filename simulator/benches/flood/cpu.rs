//! Time that something took: on the wall, and of the CPU.

use std::time::Instant;

/// What something took, seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
}

/// The one of several rounds that others on the machine disturbed least, wall and CPU each by itself.
pub(crate) fn best(rounds: &[Spent]) -> Spent {
    let least = |of: fn(&Spent) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
    Spent { wall_s: least(|round| round.wall_s), cpu_s: least(|round| round.cpu_s) }
}

/// CPU time of the calling thread so far, seconds: the first figure of Linux's schedstat, in nanoseconds.
pub(crate) fn of_this_thread() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: f64 = text.split_whitespace().next().unwrap_or_default().parse()?;
    Ok(nanos / 1e9)
}

/// Runs something on this thread and says what it took.
pub(crate) fn spent<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Spent)> {
    let (wall, cpu) = (Instant::now(), of_this_thread()?);
    let result = work()?;
    Ok((result, Spent { wall_s: wall.elapsed().as_secs_f64(), cpu_s: of_this_thread()? - cpu }))
}
