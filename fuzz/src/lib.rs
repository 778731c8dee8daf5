//! Fuzzing on stable Rust, for tests: inputs are mutations of a corpus, drawn from a seed, for a bounded time.
//!
//! `FUZZ_MILLIS` bounds the time of each target (default [`MILLIS`]), `FUZZ_SEED` gives the seed (default 1). Each input is
//! a function of the seed and its number alone: a failure prints both, and `FUZZ_CASE` replays that one.
//!
//! Memory is counted: a small input that makes a parser take much is a failure, too. That replaces the allocator of the
//! programs that use this crate: tests only.

mod mutate;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use allocation_counter::measure;

pub use mutate::mutated;

/// Milliseconds that a target takes unless `FUZZ_MILLIS` says otherwise: all targets together stay within seconds.
pub const MILLIS: u64 = 1000;

/// The most memory that a target may hold at once.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes whatever the input is: buffers, tables, and what the target itself makes.
    pub base: u64,
    /// More for each byte of the input.
    pub per_byte: u64,
}

impl Memory {
    fn of(self, input: &[u8]) -> u64 {
        self.base + self.per_byte * input.len() as u64
    }
}

/// Gives `target` the corpus, then mutations of it until the time is over. What it must hold, it asserts; that it stays
/// within `memory` is asserted here.
///
/// # Panics
/// When `target` does, or takes too much, after the input has been printed; when the corpus is empty; when a variable is
/// no number.
pub fn fuzz(name: &str, memory: Memory, corpus: &[Vec<u8>], target: impl Fn(&[u8])) {
    assert!(!corpus.is_empty(), "{name}: a corpus is needed");
    let seed = number("FUZZ_SEED").unwrap_or(1);
    let most = Cell::new(0);
    let within = |input: &[u8]| {
        let taken = measure(|| target(input)).bytes_max;
        most.set(taken.max(most.get()));
        let bound = memory.of(input);
        assert!(taken <= bound, "{} bytes took {taken} bytes of memory; {bound} may be taken", input.len());
    };
    let try_one = |case: u64, input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| within(input))) {
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
    println!("{name}: {case} inputs, at most {} KiB of memory", most.get().div_ceil(1024));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: {text:?} must be a whole number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A parser that believes a length that stands in its input.
    fn believes(input: &[u8]) {
        let length = input.first_chunk().map_or(0, |length| u32::from_be_bytes(*length));
        drop(std::hint::black_box(Vec::<u8>::with_capacity(length as usize)));
    }

    #[test]
    fn a_small_input_that_takes_much_memory_is_a_failure() {
        let memory = Memory { base: 4096, per_byte: 4 };
        fuzz("modest", memory, &[vec![0; 8]], |input| drop(std::hint::black_box(input.to_vec())));
        let greedy = catch_unwind(|| fuzz("greedy", memory, &[vec![0, 0, 255, 0]], believes));
        let said = *greedy.unwrap_err().downcast::<String>().unwrap();
        assert!(said.starts_with("4 bytes took 65280 bytes of memory"), "{said}");
    }
}
