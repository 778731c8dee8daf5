//! What several unit tests share.

use marketstream_crds::MarketStreamSpec;

/// A spec from its JSON, with all defaults.
pub fn spec(json: serde_json::Value) -> MarketStreamSpec {
    serde_json::from_value(json).unwrap()
}
