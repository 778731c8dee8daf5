//! Chance, from a seed: the same seed gives the same year on every machine.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::clock::Ms;

/// A sequence of numbers drawn from a seed.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The sequence of a seed and a purpose: purposes do not disturb each other.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(purpose);
        Self(rng)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// At least 0, less than 1.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// At least `low`, less than `high`.
    pub fn between(&mut self, low: Ms, high: Ms) -> Ms {
        low + (self.unit() * (high - low) as f64) as Ms
    }

    /// At least `low`, less than `high`, each order of magnitude alike: faults of seconds and of days are as likely.
    pub fn spread(&mut self, low: Ms, high: Ms) -> Ms {
        let (from, to) = ((low as f64).ln(), (high as f64).ln());
        (from + self.unit() * (to - from)).exp() as Ms
    }

    /// Time to the next of events that come at random, `mean` apart.
    pub fn wait(&mut self, mean: Ms) -> Ms {
        (-(1.0 - self.unit()).ln() * mean as f64) as Ms
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.unit() * choices.len() as f64) as usize]
    }
}

/// A number that looks random and is a function of its keys, for questions that are asked out of order.
#[must_use]
pub fn noise(key: u64, index: u64) -> u64 {
    // SplitMix64, by Steele, Lea and Flood.
    let mut z = key.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
