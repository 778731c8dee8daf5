//! What a client of the WebSocket may say, with ib-stream's names. Pure: text in, a message or one short error out.

use serde::Deserialize;
use serde_json::Value;

/// Longest text of an error: it may repeat what the client wrote.
const MAX_ERROR: usize = 300;

/// Reads a message.
///
/// # Errors
/// Says what is wrong, shortly.
pub fn read(text: &str) -> Result<Said, String> {
    serde_json::from_str(text).map_err(|error| error.to_string().chars().take(MAX_ERROR).collect())
}

/// What a client may say.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    /// Begin streams.
    Subscribe {
        /// The client's name of this message, which the answer has too.
        id: String,
        /// Of no effect.
        #[serde(rename = "timestamp")]
        _timestamp: Option<String>,
        /// Which.
        data: Subscribe,
    },
    /// End a stream.
    Unsubscribe {
        /// The client's name of this message, which the answer has too.
        id: Option<String>,
        /// Of no effect.
        #[serde(rename = "timestamp")]
        _timestamp: Option<String>,
        /// Which.
        data: Unsubscribe,
    },
    /// Is anybody there?
    Ping {
        /// The client's name of this message, which the answer has too.
        id: Option<String>,
        /// Comes back in the answer.
        timestamp: Option<String>,
        /// Of no effect.
        #[serde(rename = "data")]
        _data: Option<Value>,
    },
}

/// Streams that are to begin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// Of which contract.
    pub contract_id: ContractId,
    /// Kinds of ticks, a stream for each.
    pub tick_types: Vec<String>,
    /// What else is wanted.
    #[serde(default)]
    pub config: Config,
}

/// IBKR's identifier, or the contract's name in the manifest.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum ContractId {
    /// The identifier.
    Number(i32),
    /// The name, or the identifier as a text.
    Name(String),
}

/// What else is wanted of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Ends after so many ticks.
    pub limit: Option<u64>,
    /// Ends after so many seconds.
    pub timeout_seconds: Option<u64>,
    /// Of no effect: the queue of a reader has one size.
    #[serde(rename = "buffer_size")]
    _buffer_size: Option<u64>,
    /// Of no effect: everything is sent.
    #[serde(rename = "include_extended")]
    _include_extended: Option<bool>,
    /// Reads on from this id of a tick.
    pub after: Option<String>,
}

/// A stream that is to end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsubscribe {
    /// Its identifier.
    pub stream_id: String,
}

#[cfg(test)]
mod tests {
    use marketstream_fuzz::{Memory, fuzz};

    use super::*;

    #[test]
    fn fuzzed_messages_are_read_or_refused_with_a_short_error() {
        let corpus = [
            r#"{"type":"subscribe","id":"1","timestamp":"2026-11-24T12:00:00Z","data":{"contract_id":7,"tick_types":["last"]}}"#,
            r#"{"type":"subscribe","id":"1","data":{"contract_id":"mnq","tick_types":["last","bid_ask"],"config":{"limit":1,"timeout_seconds":5,"buffer_size":9,"include_extended":true,"after":"7/last:3600:1"}}}"#,
            r#"{"type":"unsubscribe","id":"2","data":{"stream_id":"7_last_1_0001"}}"#,
            r#"{"type":"ping","id":"3","timestamp":"now","data":{"a":[[1,2],{"b":null}]}}"#,
        ];
        let memory = Memory { base: 4 << 10, per_byte: 128 };
        fuzz("messages", memory, &corpus.map(|text| text.as_bytes().to_vec()), |bytes| {
            match read(&String::from_utf8_lossy(bytes)) {
                Ok(Said::Subscribe { data, .. }) => assert!(data.tick_types.len() <= bytes.len()),
                Ok(_) => {}
                Err(error) => assert!(!error.is_empty() && error.chars().count() <= MAX_ERROR, "{error}"),
            }
        });
    }

    #[test]
    fn a_long_message_gets_a_short_error() {
        let error = read(&format!(r#"{{"type":"{}"}}"#, "x".repeat(10_000))).unwrap_err();
        assert!(error.starts_with("unknown variant") && error.len() == MAX_ERROR, "{error}");
    }
}
