//! Mutations.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Inputs grow no further: a parser that is slow for longer ones is a matter of its own bounds.
const MAX_LENGTH: usize = 1 << 17;
/// Most mutations of one input.
const MAX_MUTATIONS: u64 = 6;
/// Bytes and words at which parsers branch: signs, separators, limits of integers.
const WORDS: [&[u8]; 22] = [
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x80\0\0\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"-1",
    b"0",
    b"1e308",
    b"NaN",
    b"9223372036854775808",
    b";",
    b":",
    b",",
    b"-",
    b"=",
    b"&",
    b"{",
    b"\n",
    b" ",
    "\u{20ac}".as_bytes(),
];

/// The input of this seed and number.
///
/// # Panics
/// Without a corpus.
#[must_use]
pub fn mutated(corpus: &[Vec<u8>], seed: u64, case: u64) -> Vec<u8> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(case);
    let mut below = |bound: usize| (dice.next_u64() % bound.max(1) as u64) as usize;
    let mut input = corpus[below(corpus.len())].clone();
    for _ in 0..1 + below(MAX_MUTATIONS as usize) {
        let (at, length) = (below(input.len() + 1), 1 + below(16));
        let end = (at + length).min(input.len());
        match below(9) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => {
                let copy = input[at..end].to_vec();
                let to = below(input.len() + 1);
                input.splice(to..to, copy);
            }
            3 => {
                let word = WORDS[below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
            4 => {
                let word = WORDS[below(WORDS.len())];
                input.splice(at..end, word.iter().copied());
            }
            5 => {
                let other = &corpus[below(corpus.len())];
                let from = below(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
            6 if at < input.len() => input[at] = below(256) as u8,
            7 if at < input.len() => input[at] = input[at].wrapping_add(1),
            _ if at < input.len() => input[at] ^= 1 << below(8),
            _ => {}
        }
        input.truncate(MAX_LENGTH);
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_a_function_of_its_seed_and_number() {
        let corpus = [b"20261124:0930-20261124:1600".to_vec(), b"20261125:CLOSED".to_vec()];
        let inputs =
            |seed| (0..1000).map(|case| mutated(&corpus, seed, case)).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        assert!(inputs(1).len() > 900, "{}", inputs(1).len());
    }
}
