//! Ticks that a fault changes on their way to a client. Pure.

use super::ZeroField;
use crate::market::tick::{Body, Tick};

/// What all faults in force change in the ticks of one subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Alteration {
    /// Is added to each price, in the contract's currency.
    pub offset: f64,
    /// The time is the epoch.
    pub no_time: bool,
    /// Prices are 0.
    pub no_price: bool,
    /// Sizes are 0.
    pub no_size: bool,
}

impl Alteration {
    pub(super) fn zero(&mut self, fields: &[ZeroField]) {
        for field in fields {
            match field {
                ZeroField::Time => self.no_time = true,
                ZeroField::Price => self.no_price = true,
                ZeroField::Size => self.no_size = true,
            }
        }
    }

    /// The tick as it goes on the wire. Its offset and index stay: they say which tick it was.
    #[must_use]
    pub fn apply(&self, tick: &Tick) -> Tick {
        let price = |value: f64| if self.no_price { 0.0 } else { value + self.offset };
        let size = |value: f64| if self.no_size { 0.0 } else { value };
        let mut altered = tick.clone();
        if self.no_time {
            altered.second = 0;
        }
        match &mut altered.body {
            Body::Trade(trade) => {
                trade.price = price(trade.price);
                trade.size = size(trade.size);
            }
            Body::Quote(quote) => {
                (quote.bid, quote.ask) = (price(quote.bid), price(quote.ask));
                (quote.bid_size, quote.ask_size) = (size(quote.bid_size), size(quote.ask_size));
            }
            Body::Mid(middle) => *middle = price(*middle),
        }
        altered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::tick::Quote;

    fn quote(bid: f64, ask: f64, size: f64) -> Body {
        Body::Quote(Quote { bid, ask, bid_size: size, ask_size: size, bid_past_low: false, ask_past_high: true })
    }

    #[test]
    fn offsets_and_zeros_are_combined() {
        let tick = Tick { second: 9, offset_us: 5, index: 3, body: quote(10.0, 11.0, 2.0) };
        let mut alteration = Alteration { offset: -0.5, ..Alteration::default() };
        assert_eq!(alteration.apply(&tick), Tick { body: quote(9.5, 10.5, 2.0), ..tick.clone() });
        alteration.zero(&[ZeroField::Time, ZeroField::Size]);
        assert_eq!(alteration.apply(&tick), Tick { second: 0, body: quote(9.5, 10.5, 0.0), ..tick.clone() });
        alteration.zero(&[ZeroField::Price]);
        let middle = Tick { body: Body::Mid(4.0), ..tick };
        assert_eq!(alteration.apply(&middle).body, Body::Mid(0.0));
    }
}
