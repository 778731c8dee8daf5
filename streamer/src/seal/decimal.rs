//! The exact decimal of a number.
//!
//! IBKR sends prices as doubles and sizes as decimal texts, and the record keeps doubles. Of all decimals that read as
//! one double, the shortest is the one that was meant: 0.1 is stored as 0.1000000000000000055..., and 0.1 comes back.

use std::fmt::Write;

/// Digits of the columns: what 128 bits hold, and what pandas, Polars and DuckDB read without loss.
pub const PRECISION: i32 = 38;
/// Digits behind the point. The smallest steps known are a satoshi (8) and half a 256th (9); prices and sizes can
/// still be multiplied within 38 digits.
pub const SCALE: usize = 12;

/// The decimal times 10^[`SCALE`]; `None` when it has more digits behind the point, or is not finite or too large.
pub fn exact(value: f64, buffer: &mut String) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    buffer.clear();
    // The shortest text that reads back as the same double, without an exponent. Writing to a text cannot fail.
    write!(buffer, "{value}").ok()?;
    let (whole, fraction) = buffer.split_once('.').unwrap_or((buffer, ""));
    if fraction.len() > SCALE {
        return None;
    }
    let (negative, whole) = whole.strip_prefix('-').map_or((false, whole), |whole| (true, whole));
    let zeros = std::iter::repeat_n(b'0', SCALE - fraction.len());
    let mut digits = whole.bytes().chain(fraction.bytes()).chain(zeros);
    let mut left = PRECISION;
    let magnitude = digits.try_fold(0_i128, |sum, digit| {
        left -= i32::from(sum != 0);
        (left > 0).then(|| sum * 10 + i128::from(digit - b'0'))
    })?;
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(value: f64) -> Option<i128> {
        exact(value, &mut String::new())
    }

    #[test]
    fn a_double_becomes_the_decimal_that_was_meant() {
        assert_eq!(of(0.1), Some(100_000_000_000));
        assert_eq!(of(23_202.25), Some(23_202_250_000_000_000));
        assert_eq!(of(-37.63), Some(-37_630_000_000_000));
        assert_eq!(of(0.000_000_000_001), Some(1));
        assert_eq!((of(0.0), of(-0.0)), (Some(0), Some(0)));
        assert_eq!(of(1e25), Some(10_i128.pow(37)));
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_never_rounded() {
        for value in [1e26, -1e26, 1e300, 0.000_000_000_000_1, 1.0 / 3.0, f64::NAN, f64::INFINITY] {
            assert_eq!(of(value), None, "{value}");
        }
    }

    proptest! {
        /// Any price with up to nine digits behind the point, as IBKR's wire has it.
        #[test]
        fn every_price_comes_back(units in -10_i64.pow(15)..10_i64.pow(15), scale in 0_u32..10) {
            let text = format!("{}e-{scale}", units);
            let value: f64 = text.parse().unwrap();
            prop_assert_eq!(of(value), Some(i128::from(units) * 10_i128.pow(SCALE as u32 - scale)));
        }
    }
}
