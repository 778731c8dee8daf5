//! Settings of the history.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How true the history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Exactly what was or would have been sent live.
    #[default]
    Ideal,
    /// Late and altered, as the original's is. See the switches of [`HistoryConfig`].
    Realistic,
}

/// Settings of the history. All but `mode` and `lag_s` are switches of the realistic mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryConfig {
    /// How true it is.
    pub mode: Mode,
    /// In ideal mode: how many of the seconds that have ended are not there yet.
    pub lag_s: u32,
    /// It lags live by 5 to 300 s.
    pub late: bool,
    /// Trades away from the best quote, odd lots and some others are left out.
    pub filter: bool,
    /// Quotes that follow each other closely are merged into the last of them.
    pub conflate: bool,
    /// Some ticks carry the second before or after theirs.
    pub shift: bool,
    /// The answer for a second changes once, some minutes after it.
    pub settle: bool,
    /// Some answers begin before the start that was asked for.
    pub early_start: bool,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            lag_s: 0,
            late: true,
            filter: true,
            conflate: true,
            shift: true,
            settle: true,
            early_start: true,
        }
    }
}

/// Why settings are not taken over.
#[derive(Debug, thiserror::Error)]
#[error("history: {0}")]
pub struct SettingError(#[from] serde_json::Error);

impl HistoryConfig {
    /// The settings with those changes, an object of its fields.
    ///
    /// # Errors
    /// When a field is unknown or its value is of no use; the error names it.
    pub fn with(self, changes: &Value) -> Result<Self, SettingError> {
        let Value::Object(changes) = changes else {
            return Ok(serde_json::from_value(changes.clone())?);
        };
        let mut settings = serde_json::to_value(self)?;
        for (name, value) in changes {
            settings[name] = value.clone();
        }
        Ok(serde_json::from_value(settings)?)
    }

    /// Whether a switch of the realistic mode is in force.
    pub(super) fn on(&self, switch: bool) -> bool {
        self.mode == Mode::Realistic && switch
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_leave_the_rest_alone() {
        let first = HistoryConfig::default().with(&json!({"mode": "realistic", "shift": false})).unwrap();
        assert_eq!(first, HistoryConfig { mode: Mode::Realistic, shift: false, ..Default::default() });
        let second = first.with(&json!({"lag_s": 7})).unwrap();
        assert_eq!(second, HistoryConfig { lag_s: 7, ..first });
    }

    #[test]
    fn errors_name_the_field() {
        for (changes, named) in [
            (json!({"modus": "ideal"}), "modus"),
            (json!({"mode": "perfect"}), "perfect"),
            (json!({"lag_s": -1}), "-1"),
            (json!([1]), "expected"),
        ] {
            let error = HistoryConfig::default().with(&changes).unwrap_err().to_string();
            assert!(error.contains(named), "{changes}: {error}");
        }
    }
}
