//! Durations as users write them: `500ms`, `60s`, `1m30s`, `1.5h`.

use std::{borrow::Cow, fmt, str::FromStr, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What the API server accepts; a subset of Go's durations, so that CEL's `duration()` reads every accepted value.
/// (`format: duration` would also accept `90d` or `PT1M`, which Go refuses: measured on kube-apiserver 1.36.)
const PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";
const MAX_LENGTH: usize = 16;

/// A non-negative span of time with millisecond resolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(time::Duration);

impl Duration {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }

    /// A duration of whole milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(time::Duration::from_millis(milliseconds))
    }

    /// The standard library's form.
    #[must_use]
    pub const fn get(self) -> time::Duration {
        self.0
    }
}

impl From<Duration> for time::Duration {
    fn from(value: Duration) -> Self {
        value.0
    }
}

/// Why a text is not a duration; the message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a duration: write numbers with ms, s, m or h, such as 500ms, 60s or 1m30s", self.0)
    }
}

impl std::error::Error for ParseError {}

impl FromStr for Duration {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError(text.to_owned());
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(error());
        }
        let mut total = 0.0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
            let (number, tail) = rest.split_at(digits);
            if number.starts_with('.') || number.ends_with('.') {
                return Err(error());
            }
            let number: f64 = number.parse().map_err(|_| error())?;
            let (unit, tail) = [("ms", 1.0), ("s", 1e3), ("m", 6e4), ("h", 3.6e6)]
                .into_iter()
                .find_map(|(unit, ms)| tail.strip_prefix(unit).map(|tail| (ms, tail)))
                .ok_or_else(error)?;
            total += number * unit;
            rest = tail;
        }
        // Sixteen characters hold at most 10^15 hours: within f64 and u64 milliseconds only below 10^19.
        if total < u64::MAX as f64 { Ok(Self::from_millis(total.round() as u64)) } else { Err(error()) }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        if milliseconds == 0 {
            return f.write_str("0s");
        }
        let (hours, rest) = (milliseconds / 3_600_000, milliseconds % 3_600_000);
        let (minutes, rest) = (rest / 60_000, rest % 60_000);
        let (seconds, milliseconds) = (rest / 1_000, rest % 1_000);
        for (number, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s"), (milliseconds, "ms")] {
            if number > 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_pattern_accepts() {
        for (text, milliseconds) in
            [("0s", 0), ("500ms", 500), ("60s", 60_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("168h", 604_800_000)]
        {
            assert_eq!(text.parse(), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_what_to_write() {
        for text in ["", "60", "5d", "-1s", "1 s", "PT1M", "1.s", ".5s", "s", "1234567890123456s"] {
            let error = text.parse::<Duration>().unwrap_err();
            assert!(error.to_string().contains("such as 500ms"), "{error}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["0s", "500ms", "1m", "1m30s", "2h", "1h1m1s1ms"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
    }
}
