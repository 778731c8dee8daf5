//! The order book below the top: a pure function of time, like the top.

use super::noise::{below, hash};
use super::{Market, TopOfBook};

/// In one second of so many the last row of a side is missing.
const SHORT_ONE_IN: u64 = 8;

/// A row's size at most, in lots.
const LOTS_MAX: u64 = 20;

/// One row of a side.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthRow {
    /// In the contract's currency.
    pub price: f64,
    /// In shares or contracts.
    pub size: f64,
    /// The exchange where the orders are.
    pub exchange: &'static str,
}

/// The first rows of an order book, the best first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DepthBook {
    /// Bids, falling.
    pub bids: Vec<DepthRow>,
    /// Offers, rising.
    pub asks: Vec<DepthRow>,
}

impl Market {
    /// The order book below `top`, at most `rows` a side. The first rows are those of `top`; the prices of the others
    /// follow one step apart, and their sizes change with the second. Empty while the contract is closed.
    #[must_use]
    pub fn depth(&self, con_id: i32, top: &TopOfBook, rows: usize, at_us: i64) -> DepthBook {
        let Some(contract) = self.catalog.by_id(con_id).filter(|_| top.trading) else { return DepthBook::default() };
        let steps_per_unit = f64::from(contract.steps_per_unit);
        let exchanges: Vec<_> = contract.valid_exchanges.iter().copied().filter(|name| *name != "SMART").collect();
        let side = |number: u64, price: f64, size: f64, direction: f64| {
            let second = at_us.div_euclid(1_000_000).cast_unsigned();
            let key = hash(&[self.config.seed, con_id.unsigned_abs().into(), second, number]);
            let short = rows > 1 && below(&[key], SHORT_ONE_IN) == 0;
            let row = |level: u32| {
                let noise = hash(&[key, level.into()]);
                let exchange = exchanges.get(noise as usize % exchanges.len().max(1)).copied().unwrap_or_default();
                if level == 0 {
                    return DepthRow { price, size, exchange };
                }
                let steps = (price * steps_per_unit).round() + direction * f64::from(level);
                let lots = below(&[noise], LOTS_MAX) + 1;
                DepthRow { price: steps / steps_per_unit, size: contract.lot * lots as f64, exchange }
            };
            let levels = (0..).map(row).take(rows - usize::from(short));
            levels.take_while(|row| row.price > 0.0).collect()
        };
        let quote = &top.quote;
        DepthBook { bids: side(1, quote.bid, quote.bid_size, -1.0), asks: side(0, quote.ask, quote.ask_size, 1.0) }
    }
}
