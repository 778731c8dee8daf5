//! Fuzzing on stable Rust, for tests: inputs are mutations of a corpus, drawn from a seed, for a bounded time.
//!
//! `FUZZ_MILLIS` bounds the time of each target (default [`MILLIS`]), `FUZZ_SEED` gives the seed (default 1). Each input is
//! a function of the seed and its number alone: a failure prints both, and `FUZZ_CASE` replays that one.

mod mutate;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

pub use mutate::mutated;

/// Milliseconds that a target takes unless `FUZZ_MILLIS` says otherwise: all targets together stay within seconds.
pub const MILLIS: u64 = 1000;

/// Gives `target` the corpus, then mutations of it until the time is over. What it must hold, it asserts.
///
/// # Panics
/// When `target` does, after the input has been printed; when the corpus is empty; when a variable is no number.
pub fn fuzz(name: &str, corpus: &[Vec<u8>], target: impl Fn(&[u8])) {
    assert!(!corpus.is_empty(), "{name}: a corpus is needed");
    let seed = number("FUZZ_SEED").unwrap_or(1);
    let try_one = |case: u64, input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
            eprintln!(
                "{name}: FUZZ_SEED={seed} FUZZ_CASE={case} replays this input: {:?}",
                String::from_utf8_lossy(input)
            );
            resume_unwind(panic);
        }
    };
    if let Some(case) = number("FUZZ_CASE") {
        return try_one(case, &mutated(corpus, seed, case));
    }
    corpus.iter().zip(0..).for_each(|(input, case)| try_one(case, input));
    let (start, time) = (Instant::now(), Duration::from_millis(number("FUZZ_MILLIS").unwrap_or(MILLIS)));
    let mut case = 0;
    while start.elapsed() < time {
        try_one(case, &mutated(corpus, seed, case));
        case += 1;
    }
    println!("{name}: {case} inputs");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: {text:?} must be a whole number")))
}
