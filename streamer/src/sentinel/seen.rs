//! What a market-data line has shown, folded from its ticks. Pure.

use std::time::Duration;

use ibapi::{
    contracts::tick_types::TickType as Field,
    market_data::{MarketDataType, realtime::TickTypes},
};

use super::activity::Activity;

/// Bid and offer as the line shows them. A side without a price is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quote {
    /// Best bid.
    pub bid: Option<f64>,
    /// Its size.
    pub bid_size: Option<f64>,
    /// Best offer.
    pub ask: Option<f64>,
    /// Its size.
    pub ask_size: Option<f64>,
}

/// What one subscription of the line has shown. Times are on the monotonic clock.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When its first tick came; before that it knows nothing.
    pub since: Option<Duration>,
    /// When its last tick came.
    pub last_frame: Option<Duration>,
    /// Since when it has spoken without a long pause.
    pub steady_since: Option<Duration>,
    /// How long a pause may be for that; see [`expect`](Self::expect).
    pub long_pause: Duration,
    /// It has shown that its data are live: what comes first, such as the price step, says nothing of that.
    pub live: bool,
    /// Trading is halted (tick 49: 1 in general, 2 for volatility).
    pub halted: bool,
    /// IBKR's second of the last trade (tick 45).
    pub trade_second: Option<i64>,
    /// New trades.
    pub traded: Activity,
    /// Changes of the day's volume: also by trades that are not reported as the last one.
    pub volume_changed: Activity,
    /// Changes of bid or offer, or their sizes.
    pub quoted: Activity,
    /// Changes of the prices of bid or offer.
    pub moved: Activity,
    /// Bid and offer.
    pub quote: Quote,
    /// Price of the last trade.
    pub last: Option<f64>,
    /// The contract's price step; 0 before it is told.
    pub min_tick: f64,
    /// Size of the last trade.
    pub last_size: Option<f64>,
    /// Volume of the day.
    pub volume: Option<f64>,
}

/// What one tick of the line brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Nothing that anybody waits for.
    Nothing,
    /// Bid or offer changed.
    Quote,
    /// A trade, as the text of an RTVolume tick.
    Trade(String),
    /// The data are not live: nothing that this subscription shows can be used.
    Delayed,
}

impl Seen {
    /// Takes a tick in.
    pub fn apply(&mut self, tick: &TickTypes, now: Duration) -> Shown {
        self.speaks(now);
        match tick {
            TickTypes::MarketDataType(MarketDataType::Delayed | MarketDataType::DelayedFrozen) => Shown::Delayed,
            TickTypes::MarketDataType(MarketDataType::Realtime | MarketDataType::Frozen) => {
                self.live = true;
                Shown::Nothing
            }
            TickTypes::Price(tick) => self.price(tick.tick_type, tick.price, None, now),
            TickTypes::PriceSize(tick) => self.price(tick.price_tick_type, tick.price, Some(tick.size), now),
            TickTypes::Size(tick) => self.size(tick.tick_type, tick.size, now),
            TickTypes::String(tick) => self.text(tick.tick_type, &tick.value, now),
            TickTypes::Generic(tick) if tick.tick_type == Field::Halted => {
                // -1 and 0: not known, not halted.
                self.halted = tick.value >= 1.0;
                Shown::Nothing
            }
            TickTypes::RequestParameters(tick) => {
                self.min_tick = tick.min_tick;
                Shown::Nothing
            }
            TickTypes::Generic(_)
            | TickTypes::OptionComputation(_)
            | TickTypes::SnapshotEnd
            | TickTypes::MarketDataType(_) => Shown::Nothing,
        }
    }

    /// The `staleAfter` of its contract: a pause of half of that is a long one.
    pub fn expect(&mut self, patience: Duration) {
        self.long_pause = patience / 2;
    }

    /// Something came.
    pub fn speaks(&mut self, now: Duration) {
        self.since.get_or_insert(now);
        let steady = self.last_frame.is_some_and(|last| now.saturating_sub(last) < self.long_pause);
        if !steady {
            self.steady_since = Some(now);
        }
        self.last_frame = Some(now);
    }

    /// A price that the market is at, to compare ticks with: between bid and offer, else that of the last trade.
    #[must_use]
    pub fn price_level(&self) -> Option<f64> {
        let middle = self.quote.bid.zip(self.quote.ask).map(|(bid, ask)| f64::midpoint(bid, ask));
        middle.or(self.last)
    }

    fn price(&mut self, field: Field, price: f64, size: Option<f64>, now: Duration) -> Shown {
        match field {
            Field::Bid | Field::Ask => {
                self.live = true;
                let before = self.quote;
                // -1 or 0 with no size is IBKR's way to say that there is none.
                let known = Some(price).filter(|price| *price > 0.0 || size.is_some_and(|size| size > 0.0));
                let known_size = size.filter(|_| known.is_some());
                if field == Field::Bid {
                    (self.quote.bid, self.quote.bid_size) = (known, known_size.or(self.quote.bid_size));
                } else {
                    (self.quote.ask, self.quote.ask_size) = (known, known_size.or(self.quote.ask_size));
                }
                self.quote_changed(before, now)
            }
            Field::Last => {
                self.live = true;
                let fresh = self.last.is_some_and(|last| last != price)
                    || size.zip(self.last_size).is_some_and(|(size, known)| size != known);
                (self.last, self.last_size) = (Some(price), size.or(self.last_size));
                if fresh {
                    self.traded.note(now);
                }
                Shown::Nothing
            }
            field if is_delayed(field) => Shown::Delayed,
            _ => Shown::Nothing,
        }
    }

    fn size(&mut self, field: Field, size: f64, now: Duration) -> Shown {
        let before = self.quote;
        match field {
            Field::BidSize => self.quote.bid_size = Some(size),
            Field::AskSize => self.quote.ask_size = Some(size),
            Field::LastSize => {
                let known = self.last_size.replace(size);
                if known.is_some_and(|known| known != size) {
                    self.traded.note(now);
                }
            }
            Field::Volume => {
                let known = self.volume.replace(size);
                if known.is_some_and(|known| known != size) {
                    self.volume_changed.note(now);
                }
            }
            field if is_delayed(field) => return Shown::Delayed,
            _ => {}
        }
        self.quote_changed(before, now)
    }

    fn text(&mut self, field: Field, value: &str, now: Duration) -> Shown {
        match field {
            Field::LastTimestamp => {
                let second = value.parse().ok();
                if self.trade_second.is_some() && self.trade_second != second {
                    self.traded.note(now);
                }
                self.trade_second = second.or(self.trade_second);
                Shown::Nothing
            }
            Field::RtVolume | Field::RtTrdVolume => Shown::Trade(value.to_owned()),
            field if is_delayed(field) => Shown::Delayed,
            _ => Shown::Nothing,
        }
    }

    /// What comes first is no change.
    fn quote_changed(&mut self, before: Quote, now: Duration) -> Shown {
        if self.quote == before {
            return Shown::Nothing;
        }
        let priced = |before: Option<f64>, after: Option<f64>| before.is_some() && before != after;
        let moved = priced(before.bid, self.quote.bid) || priced(before.ask, self.quote.ask);
        if moved || priced(before.bid_size, self.quote.bid_size) || priced(before.ask_size, self.quote.ask_size) {
            self.quoted.note(now);
        }
        if moved {
            self.moved.note(now);
        }
        Shown::Quote
    }
}

/// Fields that only delayed data have.
fn is_delayed(field: Field) -> bool {
    matches!(
        field,
        Field::DelayedBid
            | Field::DelayedAsk
            | Field::DelayedLast
            | Field::DelayedBidSize
            | Field::DelayedAskSize
            | Field::DelayedLastSize
            | Field::DelayedVolume
            | Field::DelayedLastTimestamp
    )
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
