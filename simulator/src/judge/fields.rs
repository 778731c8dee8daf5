//! What a tick says, as the journal and recordings spell it.

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

/// All fields of a tick, as something that can be counted: numbers by their bits, zero being one number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    numbers: [Option<u64>; 7],
    flags: [bool; 4],
    texts: [String; 2],
}

impl Key {
    pub(super) fn of(fields: &Fields) -> Self {
        let number = |value: Option<f64>| value.map(|value| (value + 0.0).to_bits());
        let flag = |value: Option<bool>| value.unwrap_or(false);
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            numbers: [
                number(fields.price),
                number(fields.size),
                number(fields.bid),
                number(fields.ask),
                number(fields.bid_size),
                number(fields.ask_size),
                number(fields.mid),
            ],
            flags: [
                flag(fields.past_limit),
                flag(fields.unreported),
                flag(fields.bid_past_low),
                flag(fields.ask_past_high),
            ],
            texts: [text(&fields.exchange), text(&fields.conditions)],
        }
    }
}
