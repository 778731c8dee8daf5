//! What a tick says, as the journal and recordings spell it.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

/// What a tick says. An absent flag counts as false, an absent text as empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fields {
    /// Of a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// Of a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<f64>,
    /// Of a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// Sale conditions of a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
    /// Of a trade: beyond the price limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past_limit: Option<bool>,
    /// Of a trade: not reported to the tape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreported: Option<bool>,
    /// Best bid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid: Option<f64>,
    /// Best offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<f64>,
    /// Size at the bid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid_size: Option<f64>,
    /// Size at the offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_size: Option<f64>,
    /// The bid is below the day's low.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid_past_low: Option<bool>,
    /// The offer is above the day's high.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_past_high: Option<bool>,
    /// Middle of bid and offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<f64>,
}

/// All fields of a tick, as something that can be counted by the million: 128 bits of a hash of all of them. Numbers
/// count by their bits, zero being one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(u64, u64);

impl Key {
    pub(super) fn of(fields: &Fields) -> Self {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            hash(fields, &mut hasher);
            hasher.finish()
        };
        Self(half(0), half(1))
    }
}

fn hash(fields: &Fields, hasher: &mut impl Hasher) {
    let numbers = [fields.price, fields.size, fields.bid, fields.ask, fields.bid_size, fields.ask_size, fields.mid];
    numbers.map(|number| number.map(|number| (number + 0.0).to_bits())).hash(hasher);
    let flags = [fields.past_limit, fields.unreported, fields.bid_past_low, fields.ask_past_high];
    flags.map(|flag| flag.unwrap_or(false)).hash(hasher);
    [&fields.exchange, &fields.conditions].map(|text| text.as_deref().unwrap_or_default()).hash(hasher);
}
