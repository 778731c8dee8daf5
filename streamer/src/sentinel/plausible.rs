//! Which ticks cannot be true. Pure.
//!
//! After a data farm had flapped, a gateway was seen to send prices that were off until the session ended
//! (rust-ibapi's issue 891), and a field that a message lacks decodes as 0 without an error.

use std::time::Duration;

use marketstream_proto::{TickMessage, layout::MICROS_PER_SECOND};

use super::seen::Seen;

/// A price further from the line's is not believed: no market moves 5 % within the quarter of a second in which the line
/// follows, but for those that are far apart or cheap, which [`Level::slack`] covers.
const MAX_OFF: f64 = 0.05;
/// What the line said is compared with for so long.
const LEVEL_HOLDS: Duration = Duration::from_secs(10);
/// Price steps that a tick may be off, however cheap the contract is.
const SLACK_STEPS: f64 = 50.0;
/// Spreads that it may be off, however wide the market is.
const SLACK_SPREADS: f64 = 2.0;
/// IBKR's time and this machine's differ by seconds; a day is none of their doing.
const MAX_AWAY_S: i64 = 24 * 3600;

/// Where the market is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Its price.
    pub price: f64,
    /// What a price may be off at least.
    pub slack: f64,
}

/// What is wrong with a tick.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Implausible {
    /// The epoch, or before.
    #[error("a tick without a time")]
    NoTime,
    /// Days away.
    #[error("a tick of {0} seconds since 1970, a day or more from now")]
    FarTime(i64),
    /// 0, or no number.
    #[error("a tick without a price")]
    NoPrice,
    /// 0.
    #[error("a tick without a size")]
    NoSize,
    /// Too far from the market.
    #[error("a price of {price} while the market is at {level}")]
    Off {
        /// The tick's.
        price: f64,
        /// The line's.
        level: f64,
    },
}

/// The level that the line shows, if it is fresh.
#[must_use]
pub fn level(line: &Seen, now: Duration) -> Option<Level> {
    line.last_frame.filter(|frame| now.saturating_sub(*frame) <= LEVEL_HOLDS)?;
    let price = line.price_level()?;
    let spread = line.quote.bid.zip(line.quote.ask).map_or(0.0, |(bid, ask)| (ask - bid).abs());
    Some(Level { price, slack: (line.min_tick * SLACK_STEPS).max(spread * SLACK_SPREADS) })
}

/// Looks at a tick-by-tick tick that came at `now_s` (seconds since 1970).
///
/// # Errors
/// What is wrong with it.
pub fn check(tick: &TickMessage, level: Option<Level>, now_s: i64) -> Result<(), Implausible> {
    let second = tick.ts.div_euclid(MICROS_PER_SECOND);
    if tick.ts <= 0 {
        return Err(Implausible::NoTime);
    }
    if (second - now_s).abs() > MAX_AWAY_S {
        return Err(Implausible::FarTime(second));
    }
    if let Some(price) = tick.p {
        price_is_one(price)?;
        near(price, level)?;
        if tick.s.is_some_and(|size| size <= 0.0) {
            return Err(Implausible::NoSize);
        }
    }
    if let Some(price) = tick.mp {
        price_is_one(price)?;
        near(price, level)?;
    }
    // A side without price and size is a book with one side.
    let sides = [(tick.bp, tick.bs), (tick.ap, tick.r#as)];
    let sides = sides.map(|(price, size)| price.zip(size));
    for (price, size) in sides.into_iter().flatten().filter(|(_, size)| *size > 0.0) {
        price_is_one(price)?;
        near(price, level).map_err(|off| if size > 0.0 { off } else { Implausible::NoSize })?;
    }
    let priced = |side: Option<(f64, f64)>| side.is_some_and(|(price, size)| price > 0.0 && size <= 0.0);
    if sides.into_iter().all(priced) { Err(Implausible::NoSize) } else { Ok(()) }
}

fn price_is_one(price: f64) -> Result<(), Implausible> {
    if price == 0.0 || !price.is_finite() { Err(Implausible::NoPrice) } else { Ok(()) }
}

fn near(price: f64, level: Option<Level>) -> Result<(), Implausible> {
    match level {
        Some(level) if (price - level.price).abs() > level.slack.max(level.price.abs() * MAX_OFF) => {
            Err(Implausible::Off { price, level: level.price })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentinel::seen::Quote;

    const NOW: i64 = 1_800_000_000;
    const LEVEL: Option<Level> = Some(Level { price: 100.0, slack: 0.5 });

    fn trade(price: f64, size: f64) -> TickMessage {
        TickMessage { ts: NOW * 1_000_000, p: Some(price), s: Some(size), ..TickMessage::default() }
    }

    fn quote([bid, bid_size, ask, ask_size]: [f64; 4]) -> TickMessage {
        let (p, s) = (None, None);
        let sides =
            TickMessage { bp: Some(bid), bs: Some(bid_size), ap: Some(ask), r#as: Some(ask_size), ..trade(1.0, 1.0) };
        TickMessage { p, s, ..sides }
    }

    #[test]
    fn times_that_cannot_be() {
        let at = |second: i64| check(&TickMessage { ts: second * 1_000_000, ..trade(100.0, 1.0) }, None, NOW);
        assert_eq!(at(NOW), Ok(()));
        assert_eq!((at(0), at(-1)), (Err(Implausible::NoTime), Err(Implausible::NoTime)));
        assert_eq!((at(NOW - 86_400), at(NOW + 86_400)), (Ok(()), Ok(())));
        assert_eq!(at(NOW + 86_401), Err(Implausible::FarTime(NOW + 86_401)));
    }

    #[test]
    fn trades_that_cannot_be() {
        let checked = |price, size| check(&trade(price, size), LEVEL, NOW);
        assert_eq!((checked(105.0, 1.0), checked(95.0, 1.0)), (Ok(()), Ok(())));
        assert_eq!(checked(105.1, 1.0), Err(Implausible::Off { price: 105.1, level: 100.0 }));
        assert_eq!(checked(0.0, 1.0), Err(Implausible::NoPrice));
        assert_eq!(checked(f64::NAN, 1.0), Err(Implausible::NoPrice));
        assert_eq!(checked(100.0, 0.0), Err(Implausible::NoSize));
        assert_eq!(check(&trade(1.0, 1.0), None, NOW), Ok(()), "nothing to compare with");
        // A future below zero, a cheap contract, a wide market.
        let near = |price, slack| Some(Level { price, slack });
        assert_eq!(check(&trade(-37.0, 1.0), near(-37.5, 0.5), NOW), Ok(()));
        assert_eq!(check(&trade(0.06, 1.0), near(0.01, 0.5), NOW), Ok(()));
        assert_eq!(check(&trade(0.6, 1.0), near(0.01, 0.5), NOW), Err(Implausible::Off { price: 0.6, level: 0.01 }));
    }

    #[test]
    fn quotes_that_cannot_be() {
        for (sides, expected) in [
            ([99.0, 1.0, 101.0, 1.0], Ok(())),
            ([0.0, 0.0, 101.0, 1.0], Ok(())),
            ([99.0, 1.0, -1.0, 0.0], Ok(())),
            ([99.0, 0.0, 101.0, 1.0], Ok(())),
            ([99.0, 0.0, 101.0, 0.0], Err(Implausible::NoSize)),
            ([0.0, 1.0, 0.0, 1.0], Err(Implausible::NoPrice)),
            ([99.0, 1.0, 120.0, 1.0], Err(Implausible::Off { price: 120.0, level: 100.0 })),
        ] {
            assert_eq!(check(&quote(sides), LEVEL, NOW), expected, "{sides:?}");
        }
        let middle = |price| check(&TickMessage { p: None, s: None, mp: Some(price), ..trade(1.0, 1.0) }, LEVEL, NOW);
        assert_eq!((middle(100.5), middle(0.0)), (Ok(()), Err(Implausible::NoPrice)));
    }

    #[test]
    fn the_level_is_the_fresh_lines() {
        let quote = Quote { bid: Some(99.0), ask: Some(101.0), ..Quote::default() };
        let line = Seen { quote, last_frame: Some(LEVEL_HOLDS), min_tick: 0.25, ..Seen::default() };
        assert_eq!(level(&line, LEVEL_HOLDS * 2), Some(Level { price: 100.0, slack: 12.5 }));
        assert_eq!(level(&line, LEVEL_HOLDS * 2 + Duration::from_millis(1)), None);
        assert_eq!(level(&Seen::default(), LEVEL_HOLDS), None);
    }
}
